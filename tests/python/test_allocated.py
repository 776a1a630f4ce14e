"""Tensors of allocateTensor: the host's other ranks may read them where they lie; else they are as any other."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.distributed as dist
from harness import ON_GLOO, PoolRegistry, ranks
from harness.c10d import cpu_backend
from harness.script import run_script
from torch import Tensor

pytestmark = pytest.mark.skipif(ON_GLOO, reason="gloo has no allocator")
CPU = torch.device("cpu")
# Beside where the algorithm changes, and enough for many chunks.
COUNTS = (1, 1000, 16_384, 65_537, 1_000_003)


def _allocated(values: Tensor) -> Tensor:
    tensor: Tensor = cpu_backend().allocate_tensor(values.numel(), dtype=values.dtype, device=CPU)
    return tensor.copy_(values)


def _contribution(rank: int, count: int, turn: int) -> Tensor:
    return torch.randn(count, generator=torch.Generator().manual_seed(1000 * turn + rank))


def _reduced(rank: int, count: int, turn: int) -> Tensor:
    """What ordinary tensors give."""
    tensor = _contribution(rank, count, turn)
    dist.all_reduce(tensor)
    return tensor


def the_same_bits(rank: int, world: int) -> None:
    """Again and again, so that all have mapped all; others come and go, and one that was kept is used again."""
    kept = _allocated(torch.zeros(100_000))
    for turn, count in enumerate(COUNTS * 3):
        tensor = _allocated(_contribution(rank, count, turn))
        dist.all_reduce(tensor)
        assert torch.equal(tensor, _reduced(rank, count, turn)), f"{count} elements, turn {turn}"
        dist.all_reduce(kept.fill_(rank + turn))
        assert bool((kept == sum(range(world)) + world * turn).all())


def only_some_ranks(rank: int, world: int) -> None:
    """Which tensors are mapped changes from call to call, and from rank to rank."""
    for turn in range(4 * world):
        tensor = _contribution(rank, 300_001, turn)
        if turn % (world + 1) != rank:
            tensor = _allocated(tensor)
        dist.all_reduce(tensor)
        assert torch.equal(tensor, _reduced(rank, 300_001, turn)), f"turn {turn}"


def parts_and_views(rank: int, world: int) -> None:
    """A mapped tensor's middle, in two groups in turn."""
    groups = [dist.new_group(), dist.new_group()]
    whole = _allocated(torch.zeros(500_000))
    for turn in range(8):
        whole.fill_(-1.0)
        middle = whole[1000 + turn : 400_000]
        middle.copy_(_contribution(rank, middle.numel(), turn))
        dist.all_reduce(middle, group=groups[turn % 2])
        assert torch.equal(middle, _reduced(rank, middle.numel(), turn)), f"turn {turn}"
        assert bool((whole[: 1000 + turn] == -1).all() and (whole[400_000:] == -1).all())


def other_operations(rank: int, world: int) -> None:
    count = 200_000
    mine, all_of_them = _allocated(torch.zeros(count)), _allocated(torch.zeros(world * count))
    for turn in range(4):
        dist.all_reduce(all_of_them.zero_())  # from the second on, all have mapped it
        dist.all_gather_into_tensor(all_of_them, mine.fill_(rank + turn))
        assert all(bool((part == p + turn).all()) for p, part in enumerate(all_of_them.chunk(world)))
        received = _allocated(torch.zeros(world * count))
        dist.all_to_all_single(received, all_of_them)
        assert bool((received == rank + turn).all())
        dist.broadcast(mine.fill_(rank), src=turn % world)
        assert bool((mine == turn % world).all())


def supported(rank: int, world: int) -> None:
    backend = cpu_backend()
    assert backend.supports_tensor_alloc(CPU)
    empty = backend.allocate_tensor(0, dtype=torch.float32, device=CPU)
    dist.all_reduce(empty)
    assert empty.numel() == 0
    halves = backend.allocate_tensor(7, dtype=torch.float16, device=CPU)
    assert halves.dtype == torch.float16
    assert bool((halves == 0).all())


@pytest.mark.parametrize("world", [2, 3, 4])
@pytest.mark.parametrize("program", [the_same_bits, only_some_ranks, parts_and_views, other_operations])
def test_allocated(pools: PoolRegistry, program: Any, world: int) -> None:
    pools.get(world).run(program)


def test_supported(pools: PoolRegistry) -> None:
    pools.get(2).run(supported)


def test_where_nobody_can_map_them() -> None:
    with ranks(2, env={"DLSLIME_ENGINES": "tcp"}) as pool:
        pool.run(the_same_bits)


def impossible_size(rank: int, world: int) -> None:
    with pytest.raises(torch.OutOfMemoryError, match=r"can't allocate \d+ bytes of shared memory"):
        cpu_backend().allocate_tensor(1 << 60, dtype=torch.uint8, device=CPU)


def test_an_impossible_size_is_refused(pools: PoolRegistry) -> None:
    pools.get(2).run(impossible_size)


def test_a_forked_child_leaves_its_parents_memory_alone() -> None:
    """It sees the same memory; what it lets go of, the parent still has."""
    finished = run_script(
        2,
        """
        import gc, os
        backend = dist.group.WORLD._get_backend(torch.device("cpu"))
        tensor = backend.allocate_tensor(1_000_000, dtype=torch.float32, device=torch.device("cpu"))
        tensor.fill_(rank + 1)
        for _ in range(3):
            child = os.fork()
            if child == 0:
                del tensor
                gc.collect()
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
            dist.all_reduce(tensor)
            assert bool((tensor == 3).all()), "it lost what it held"
            tensor.fill_(rank + 1)
        dist.destroy_process_group()
        assert float(tensor.sum()) == 1_000_000 * (rank + 1), "it may be used after the group is gone"
        """,
        60.0,
    )
    assert [each.returncode for each in finished] == [0, 0], finished


def test_a_rank_that_can_not_map_the_others() -> None:
    """All move their tensors as others then; that rank says why, once for each of them."""
    finished = run_script(
        3,
        """
        import resource
        backend = dist.group.WORLD._get_backend(torch.device("cpu"))
        tensor = backend.allocate_tensor(500_000, dtype=torch.float32, device=torch.device("cpu"))
        dist.all_reduce(torch.zeros(500_000))  # takes the memory that it takes
        if rank == 1:
            pages = int(open("/proc/self/statm").read().split()[0])
            most = pages * resource.getpagesize() + (48 << 20)  # less than the least that can be mapped
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
        for turn in range(4):
            tensor.fill_(rank + turn)
            dist.all_reduce(tensor)
            assert bool((tensor == 3 + 3 * turn).all()), turn
        dist.destroy_process_group()
        """,
        60.0,
    )
    assert [each.returncode for each in finished] == [0, 0, 0], finished
    assert [each.output.count("can't be mapped here") for each in finished] == [0, 2, 0], finished
