"""Point-to-point: tags, order, any source, batches; and that posting a send never blocks."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.distributed as dist
from harness import ON_GLOO, PoolRegistry
from oracle import data, dtypes
from oracle.compare import difference

SIZES = (0, 1, 7, 997, 70_001, 1_000_003)


def _message(dtype: torch.dtype, count: int, source: int, target: int) -> torch.Tensor:
    return data.raw(dtype, count, "p2p", dtypes.name_of(dtype), count, source, target)


def _check(actual: torch.Tensor, expected: torch.Tensor, what: object) -> None:
    assert not (text := difference(actual, expected)), f"{what}: {text}"


def ring_of_blocking_calls(rank: int, world: int, names: list[str]) -> None:
    """send/recv around the ring, even ranks sending first: every type, every size."""
    after, before = (rank + 1) % world, (rank - 1) % world
    for dtype, count in itertools.product([getattr(torch, name) for name in names], SIZES):
        out, into = _message(dtype, count, rank, after), torch.empty(count, dtype=dtype)
        if rank % 2 == 0:
            dist.send(out, after)
            source = dist.recv(into, before)
        else:
            source = dist.recv(into, before)
            dist.send(out, after)
        assert source == before
        _check(into, _message(dtype, count, before, rank), (dtype, count))


def everybody_sends_first(rank: int, world: int) -> None:
    """isend to all before any irecv is posted, large messages too: a send may not wait for its receiver."""
    peers = [peer for peer in range(world) if peer != rank]
    for count in SIZES:
        sends = [dist.isend(_message(torch.float32, count, rank, peer), peer) for peer in peers]
        buffers = [torch.empty(count) for _ in peers]
        receives = [dist.irecv(buffer, peer) for buffer, peer in zip(buffers, peers, strict=True)]
        for work in [*receives, *sends]:
            assert work is not None
            work.wait()
        for buffer, peer in zip(buffers, peers, strict=True):
            _check(buffer, _message(torch.float32, count, peer, rank), (count, peer))


def tags_choose(rank: int, world: int) -> None:
    """Messages of one pair are taken by tag, in any order; within a tag, in the order sent."""
    tags = [0, 5, 3, 2**31 - 1]
    if rank == 0:
        works = [dist.isend(torch.tensor([tag * 10 + turn]), 1, tag=tag) for turn in range(3) for tag in tags]
        for work in works:
            assert work is not None
            work.wait()
    elif rank == 1:
        for tag in reversed(tags):
            for turn in range(3):
                got = torch.zeros(1, dtype=torch.int64)
                dist.recv(got, 0, tag=tag)
                assert int(got) == tag * 10 + turn
    dist.barrier()


def any_source(rank: int, world: int) -> None:
    """recv without a source takes each rank's message once and says whose it was."""
    if rank == 0:
        seen = []
        for _ in range(world - 1):
            got = torch.zeros(5, dtype=torch.int32)
            source = dist.recv(got, tag=4)
            assert got.tolist() == [source] * 5
            seen.append(source)
        assert sorted(seen) == list(range(1, world))
    else:
        dist.send(torch.full((5,), rank, dtype=torch.int32), 0, tag=4)
    dist.barrier()


def any_source_keeps_order_and_tag(rank: int, world: int) -> None:
    """Another tag's message is not taken by mistake, and one sender's messages come in order."""
    if rank == 0:
        turns: dict[int, int] = {}
        for _ in range(4 * (world - 1)):
            got = torch.zeros(1, dtype=torch.int64)
            source = dist.recv(got, tag=1)
            assert source is not None
            assert int(got) == turns.get(source, 0)
            turns[source] = int(got) + 1
        for source in range(1, world):
            other = torch.zeros(1, dtype=torch.int64)
            dist.recv(other, source, tag=2)
            assert int(other) == -source
    else:
        aside = dist.isend(torch.tensor([-rank]), 0, tag=2)
        for turn in range(4):
            dist.send(torch.tensor([turn]), 0, tag=1)
        assert aside is not None
        aside.wait()
    dist.barrier()


def work_of_a_send_may_be_dropped(rank: int, world: int) -> None:
    """Nobody has to keep the Work, or the tensor, of a message under way."""
    if rank == 0:
        for turn in range(50):
            dist.isend(torch.full((10_000,), float(turn)), 1)
    elif rank == 1:
        for turn in range(50):
            got = torch.empty(10_000)
            dist.recv(got, 0)
            assert got.min() == got.max() == turn
    dist.barrier()


def receive_posted_first(rank: int, world: int) -> None:
    """irecv before the sender has come; isCompleted turns true by itself; sourceRank is known."""
    if rank == 1:
        into = torch.empty(997)
        work = dist.irecv(into, 0)
        assert work is not None
        assert not work.is_completed()
        dist.send(torch.zeros(1), 0)  # now the other side may send
        work.wait()
        _check(into, _message(torch.float32, 997, 0, 1), "posted first")
    elif rank == 0:
        dist.recv(torch.empty(1), 1)
        dist.send(_message(torch.float32, 997, 0, 1), 1)
    dist.barrier()


def batch_in_any_order(rank: int, world: int, count: int) -> None:
    """batch_isend_irecv, with each rank listing its operations in another order."""
    peers = [peer for peer in range(world) if peer != rank]
    buffers = {peer: torch.empty(count, dtype=torch.int16) for peer in peers}
    ops = [dist.P2POp(dist.isend, _message(torch.int16, count, rank, peer), peer) for peer in peers]
    ops += [dist.P2POp(dist.irecv, buffers[peer], peer) for peer in reversed(peers)]
    turn = rank % len(ops) if ops else 0
    for work in dist.batch_isend_irecv(ops[turn:] + ops[:turn]) if ops else []:
        work.wait()
    for peer, buffer in buffers.items():
        _check(buffer, _message(torch.int16, count, peer, rank), peer)


def batch_with_tags(rank: int, world: int) -> None:
    """Two messages of one pair in one batch are told apart by their tags."""
    peer = 1 - rank
    if rank > 1:
        return
    into = [torch.zeros(1), torch.zeros(1)]
    ops = [dist.P2POp(dist.isend, torch.tensor([10.0 * rank + tag]), peer, tag=tag) for tag in (0, 1)]
    ops += [dist.P2POp(dist.irecv, into[tag], peer, tag=tag) for tag in (1, 0)]
    for work in dist.batch_isend_irecv(ops):
        work.wait()
    assert [float(each) for each in into] == [10.0 * peer, 10.0 * peer + 1]


def ranks_of_a_subgroup(rank: int, world: int) -> None:
    """In a group of some ranks, src and dst are global, group_src and group_dst the group's own."""
    members = [world - 1, 1]
    group = dist.new_group(members)
    if rank == world - 1:
        dist.send(torch.tensor([1.0]), 1, group=group)
        dist.send(torch.tensor([2.0]), group=group, group_dst=dist.get_group_rank(group, 1))
    elif rank == 1:
        first, second = torch.zeros(1), torch.zeros(1)
        assert dist.recv(first, world - 1, group=group) == world - 1
        dist.recv(second, group=group, group_src=dist.get_group_rank(group, world - 1))
        assert (float(first), float(second)) == (1.0, 2.0)
    dist.barrier()
    if rank in members:
        dist.destroy_process_group(group)


@pytest.mark.smoke
@pytest.mark.parametrize("world", [2, 3, 4, 5])
def test_blocking_ring(pools: PoolRegistry, world: int) -> None:
    chosen = dtypes.GLOO_DTYPES if ON_GLOO else dtypes.ALL
    pools.get(world).run(ring_of_blocking_calls, [dtypes.name_of(dtype) for dtype in chosen])


@pytest.mark.parametrize("world", [2, 3, 4, 5])
@pytest.mark.parametrize(
    "program",
    [
        everybody_sends_first,
        tags_choose,
        any_source,
        any_source_keeps_order_and_tag,
        receive_posted_first,
        batch_with_tags,
    ],
)
def test_p2p(pools: PoolRegistry, program: Callable[..., Any], world: int) -> None:
    pools.get(world).run(program)


@pytest.mark.skipif(ON_GLOO, reason="gloo cancels a send whose Work is dropped")
def test_work_of_a_send_may_be_dropped(pools: PoolRegistry) -> None:
    pools.get(2).run(work_of_a_send_may_be_dropped)


@pytest.mark.parametrize("world", [1, 2, 3, 5])
@pytest.mark.parametrize("count", [0, 1, 997, 70_001])
def test_batch_in_any_order(pools: PoolRegistry, count: int, world: int) -> None:
    pools.get(world).run(batch_in_any_order, count)


@pytest.mark.parametrize("world", [3, 4])
def test_ranks_of_a_subgroup(pools: PoolRegistry, world: int) -> None:
    pools.get(world).run(ranks_of_a_subgroup)
