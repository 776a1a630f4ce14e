"""The harness itself: what it promises the other tests."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
import torch
import torch.distributed as dist
from harness import PoolRegistry, RankFailure, ranks, timebomb


def _sum(rank: int, world: int, start: int) -> int:
    tensor = torch.tensor([start + rank])
    dist.all_reduce(tensor)
    return int(tensor)


def _fail_on(rank: int, world: int, bad: int) -> None:
    if rank in (bad, bad + 1):
        print(f"words from rank {rank}")
        raise ValueError(f"rank {rank} says no")


def _sleep(rank: int, world: int, seconds: float) -> None:
    time.sleep(seconds)


def _server_threads(rank: int, world: int) -> tuple[int, int]:
    return len(os.listdir(f"/proc/{os.getppid()}/task")), threading.active_count()


def _explode(rank: int, world: int, seconds: float) -> None:
    if rank == 1:
        timebomb.arm(seconds)
        while True:
            pass


@pytest.mark.parametrize("world", [1, 2, 3])
def test_runs_on_every_rank_and_is_reused(pools: PoolRegistry, world: int) -> None:
    pool = pools.get(world)
    for start in range(5):
        assert pool.run(_sum, start) == [start * world + sum(range(world))] * world
    assert pools.get(world) is pool


def test_failure_shows_every_failing_rank(pools: PoolRegistry) -> None:
    pool = pools.get(3)
    with pytest.raises(RankFailure) as caught:
        pool.run(_fail_on, 1)
    text = str(caught.value)
    assert "rank 1 says no" in text
    assert "rank 2 says no" in text
    assert "rank 0" not in text
    assert "words from rank 2" in text
    assert pools.get(3) is not pool, "a pool that saw a failure must be replaced"


def test_deadline_dumps_stacks_and_kills() -> None:
    with ranks(2, backend=None) as pool:
        with pytest.raises(RankFailure) as caught:
            pool.run(_sleep, 60.0, deadline=0.5)
        assert "_sleep" in str(caught.value)
        assert "File" in str(caught.value)
        for process in pool.processes:
            process.join(2.0)
            assert not process.is_alive()


def test_ranks_come_from_one_single_threaded_server() -> None:
    with ranks(2, backend=None) as pool:
        assert pool.run(_server_threads) == [(1, 1), (1, 1)]


def test_death_is_an_outcome() -> None:
    with ranks(2, backend=None) as pool:
        call = pool.submit(_sleep, 0.3)
        pool.kill(1)
        alive, dead = call.wait()
        assert alive.ok
        assert dead.exitcode == -signal.SIGKILL


def test_timebomb_kills_a_busy_rank() -> None:
    with ranks(2, backend=None) as pool:
        alive, dead = pool.outcomes(_explode, 0.05)
        assert alive.ok
        assert dead.exitcode == -signal.SIGKILL


def test_polite_stop_exits_by_itself() -> None:
    with ranks(2) as pool:
        assert pool.stop() == [0, 0]
