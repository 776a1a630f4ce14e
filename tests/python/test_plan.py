"""The plan through torch: files, agreement, and every algorithm forced: the same bits as with the built-in plan."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from harness import ENGINES, ON_GLOO, PoolRegistry
from harness.backend import engine_env
from harness.script import run_script

import dlslime_torch
from dlslime_torch import _C

pytestmark = pytest.mark.skipif(ON_GLOO, reason="gloo has no plan")

GENERAL = {"all_reduce": "two_shot", "broadcast": "staged", "reduce": "two_shot"}
# Bytes at and beside every size where an algorithm can change: lines, slots, pieces of them, chunks.
SIZES = [0, 4, 60, 64, 68, 4096, 32768, 32772, 65536, 65540, 131068, 131072, 131076, 300004, 1048580]


def forcing(operation: str, way: str, algorithm: str, most: int | None) -> str:
    """Beyond what the algorithm can do, whatever can do more."""
    row = f"{operation} {way} up to"
    if most is None:
        return f"{row} *: {algorithm}\n"
    return f"{row} {most} B: {algorithm}\n{row} *: {GENERAL[operation]}\n"


def _tensor(rank: int, size: int, seed: int, dtype: torch.dtype) -> torch.Tensor:
    """Numbers of many magnitudes: another order of adding them up gives other bits."""
    random = torch.Generator().manual_seed(seed * 1000 + rank)
    count = size // dtype.itemsize
    return (torch.randn(count, generator=random) * 10 ** (4 * torch.randn(count, generator=random))).to(dtype)


def _parts(rank: int, world: int, size: int, dtype: torch.dtype) -> list[torch.Tensor]:
    return [_tensor(rank, size, 10 + part, dtype) for part in range(world)]


def _call(
    operation: str, rank: int, world: int, size: int, dtype: torch.dtype, group: Any
) -> list[torch.Tensor]:
    root = world - 1
    data, out = (
        _tensor(rank, size, 1, dtype),
        [torch.zeros(size // dtype.itemsize, dtype=dtype) for _ in range(world)],
    )
    if operation == "all_reduce":
        dist.all_reduce(data, group=group)
    elif operation == "reduce":
        dist.reduce(data, root, group=group)
    elif operation == "broadcast":
        dist.broadcast(data, root, group=group)
    elif operation == "all_gather":
        dist.all_gather(out, data, group=group)
    elif operation == "gather":
        dist.gather(data, out if rank == root else None, root, group=group)
    elif operation == "scatter":
        dist.scatter(data, _parts(rank, world, size, dtype) if rank == root else None, root, group=group)
    elif operation == "reduce_scatter":
        dist.reduce_scatter(data, _parts(rank, world, size, dtype), group=group)
    else:
        dist.all_to_all(out, _parts(rank, world, size, dtype), group=group)
    return [data, *out]


def _group(path: str) -> Any:
    options = dlslime_torch.Options()
    options.plan = path
    return dist.new_group(pg_options=options)


def forced_like_built_in(rank: int, world: int, way: str, folder: str) -> list[str]:
    """What differs; empty: nothing."""
    built_in = _group("")
    wrong = []
    for operation, its_way, algorithm, _ in _C.plan_choices():
        if its_way != way:
            continue
        forced = _group(f"{folder}/{operation}-{way}-{algorithm}")
        for size in SIZES:
            dtype = torch.bfloat16 if size % 8 else torch.float32
            here = _call(operation, rank, world, size, dtype, forced)
            there = _call(operation, rank, world, size, dtype, built_in)
            same = [
                bool((a.view(torch.uint8) == b.view(torch.uint8)).all())
                for a, b in zip(here, there, strict=True)
            ]
            if not all(same):
                wrong.append(f"{operation} {algorithm} {size}: {same}")
        dist.destroy_process_group(forced)
    dist.destroy_process_group(built_in)
    return wrong


@pytest.mark.parametrize("world", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("engine", ENGINES)
def test_every_algorithm_gives_the_same_bits(
    pools: PoolRegistry, engine: str, world: int, tmp_path: Path
) -> None:
    for choice in _C.plan_choices():
        (tmp_path / "-".join((choice[0], choice[1], choice[2]))).write_text(forcing(*choice))
    way = "local" if engine == "shm" else "wire"
    pool = pools.get(world, env=engine_env(engine))
    assert pool.run(forced_like_built_in, way, str(tmp_path), deadline=120.0) == [[]] * world


def what_is_in_use(rank: int, world: int, path: str) -> tuple[str, str]:
    group = _group(path if rank == 0 else "")
    backend = group._get_backend(torch.device("cpu"))
    used = backend.report()["plan"], backend.plan()
    dist.destroy_process_group(group)
    return used


def test_rank_zeros_plan_is_everybodys(pools: PoolRegistry, tmp_path: Path) -> None:
    path = tmp_path / "plan"
    path.write_text("all_reduce local up to *: two_shot  # always\n")
    zero, one = pools.get(2).run(what_is_in_use, str(path))
    assert zero[0] == str(path)
    assert one[0] == f"rank 0's, {path}"
    assert zero[1] == one[1] == _C.plan_text(str(path))
    assert re.findall("^all_reduce local .*", zero[1], re.M) == ["all_reduce local up to *: two_shot"]


def test_ranks_with_different_plans_say_so_once(tmp_path: Path) -> None:
    path = tmp_path / "plan"
    path.write_text("all_reduce local up to *: two_shot\n")
    said = run_script(
        2,
        f"""
        import dlslime_torch
        for _ in range(3):
            options = dlslime_torch.Options()
            options.plan = "{path}" if rank else ""
            dist.all_reduce(torch.ones(3), group=dist.new_group(pg_options=options))
        """,
    )
    assert [each.returncode for each in said] == [0, 0], said
    assert [each.output.count("the ranks have different plans") for each in said] == [0, 1], said
    assert f"in use is rank 0's, built in, not this rank's, {path}" in said[1].output


def test_a_file_is_read_when_it_is_named(tmp_path: Path) -> None:
    path = tmp_path / "plan"
    path.write_text("reduce local up to *: two_shot\n")
    options = dlslime_torch.Options()
    assert options.plan == ""
    options.plan = str(path)
    path.write_text("nonsense")
    assert options.plan == str(path)
    options.threads = 1  # checks the settings anew, not the file
    with pytest.raises(ValueError, match=f"plan={path}: must be a file with a plan: line 1: "):
        options.plan = str(path)
    assert options.plan == str(path)


def test_the_built_in_plan_is_a_plan(tmp_path: Path) -> None:
    path = tmp_path / "plan"
    path.write_text(_C.plan_text())
    assert _C.plan_text(str(path)) == _C.plan_text()


def test_every_choice_can_be_written_down(tmp_path: Path) -> None:
    for index, choice in enumerate(_C.plan_choices()):
        path = tmp_path / str(index)
        path.write_text(forcing(*choice))
        assert f": {choice[2]}" in _C.plan_text(str(path))
