"""What people build on torch.distributed, each against gloo from the same seed.

At two ranks every sum has one order, so the results must be the same bits; above, rounding may differ.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import models
import numpy as np
import pytest
import torch
import torch.distributed as dist
from harness import BACKEND, ON_GLOO, PoolRegistry, ranks

ROUNDING = 1e-5


def _compare(ours: Any, theirs: Any, exact: bool, path: str) -> None:
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys(), path
        for name in ours:
            _compare(ours[name], theirs[name], exact, f"{path}.{name}")
        return
    left, right = np.asarray(ours), np.asarray(theirs)
    if exact:
        assert np.array_equal(left, right), f"{path} differs by up to {np.abs(left - right).max()}"
    else:
        assert np.allclose(left, right, rtol=ROUNDING, atol=ROUNDING), path


def _against_gloo(
    pools: PoolRegistry, world: int, program: Any, *args: Any, exact: bool | None = None
) -> list[Any]:
    ours = pools.get(world, backend=BACKEND).run(program, *args, deadline=120)
    theirs = pools.get(world, backend="gloo").run(program, *args, deadline=120)
    for rank in range(world):
        _compare(ours[rank], theirs[rank], world == 2 if exact is None else exact, f"rank {rank}")
    return ours


def _alike(results: list[Any]) -> None:
    """DDP's promise: every rank holds the same bits."""
    for result in results[1:]:
        _compare(result, results[0], True, "weights on two ranks")


@pytest.mark.smoke
@pytest.mark.parametrize("world", [2, 3])
def test_ddp(pools: PoolRegistry, world: int) -> None:
    _alike(_against_gloo(pools, world, models.ddp, ""))


@pytest.mark.skipif(ON_GLOO, reason="gloo has no such setting")
def test_ddp_without_a_progress_thread() -> None:
    """DDP waits for futures, which does not help the operation on: the thread is started after all."""
    with ranks(2, env={"DLSLIME_THREADS": "0"}) as pool:
        _alike(pool.run(models.ddp, "", deadline=60))


def polled(rank: int, world: int) -> None:
    tensor = torch.ones(1 << 20)
    work = dist.all_reduce(tensor, async_op=True)
    assert work is not None
    while not work.is_completed():
        time.sleep(0.001)
    assert float(tensor[-1]) == world


@pytest.mark.skipif(ON_GLOO, reason="gloo has no such setting")
def test_polling_without_a_progress_thread() -> None:
    with ranks(2, env={"DLSLIME_THREADS": "0"}) as pool:
        pool.run(polled)


@pytest.mark.parametrize("hook", ["allreduce", "fp16_compress", "powerSGD", "own"])
def test_ddp_comm_hooks(pools: PoolRegistry, hook: str) -> None:
    _alike(_against_gloo(pools, 2, models.ddp, hook))


def test_ddp_static_graph(pools: PoolRegistry) -> None:
    _alike(_against_gloo(pools, 2, models.ddp, "", True))


@pytest.mark.parametrize("program", [models.ddp_unused, models.ddp_join, models.zero_redundancy])
def test_ddp_variants(pools: PoolRegistry, program: Any) -> None:
    _alike(_against_gloo(pools, 2, program))


def test_ddp_buffers(pools: PoolRegistry) -> None:
    _against_gloo(pools, 2, models.ddp_buffers)


@pytest.mark.parametrize("mixed", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("world", [2, 3])
def test_fsdp2(pools: PoolRegistry, world: int, mixed: bool) -> None:
    _alike(_against_gloo(pools, world, models.fsdp2, mixed))


@pytest.mark.parametrize("program", [models.hybrid_sharded, models.mesh_2d])
def test_two_dimensions(pools: PoolRegistry, program: Any) -> None:
    _against_gloo(pools, 4, program)


@pytest.mark.parametrize("program", [models.dtensor, models.tensor_parallel])
@pytest.mark.parametrize("world", [2, 3])
def test_dtensor(pools: PoolRegistry, world: int, program: Any) -> None:
    if world == 3 and program is models.tensor_parallel:
        world = 4  # its layers divide by four, not by three
    _against_gloo(pools, world, program)


@pytest.mark.parametrize("schedule", ["ScheduleGPipe", "Schedule1F1B", "ScheduleInterleaved1F1B"])
@pytest.mark.parametrize("world", [2, 3])
def test_pipeline(pools: PoolRegistry, world: int, schedule: str) -> None:
    _against_gloo(pools, world, models.pipeline, schedule, exact=True)


@pytest.mark.parametrize("world", [2, 3])
def test_checkpoint(pools: PoolRegistry, world: int, tmp_path: Path) -> None:
    assert pools.get(world).run(models.save_and_load, str(tmp_path), deadline=120) == [True] * world


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_functional(pools: PoolRegistry, compiled: bool) -> None:
    _against_gloo(pools, 2, models.functional, compiled)


def test_debug_detail_checks_and_passes() -> None:
    """TORCH_DISTRIBUTED_DEBUG=DETAIL wraps the backend and fingerprints every call.

    No DDP here: with DETAIL, torch 2.13's CPU build crashes in DDP's constructor, on gloo as well.
    """
    from harness.script import run_script

    body = """
        for _ in range(3):
            tensor = torch.ones(10)
            dist.all_reduce(tensor)
            assert float(tensor[0]) == world
            outputs = [torch.empty(4) for _ in range(world)]
            dist.all_gather(outputs, torch.full((4,), float(rank)))
            dist.barrier()
        try:
            dist.all_reduce(torch.ones(3 + rank))
        except RuntimeError as error:
            print("caught", error)
        dist.destroy_process_group()
        """
    for finished in run_script(2, body, env={"TORCH_DISTRIBUTED_DEBUG": "DETAIL"}):
        assert finished.returncode == 0, finished.output
        assert "caught" in finished.output, finished.output
