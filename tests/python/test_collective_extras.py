"""Collectives outside the matrix of test_oracle.py: barriers, sparse, objects, odd shapes, subgroups."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import torch
import torch.distributed as dist
from harness import ON_GLOO, PoolRegistry
from harness.c10d import world_group

WORLDS = (1, 2, 3, 4)


def barrier_holds_everybody(rank: int, world: int, late: int) -> tuple[float, float]:
    """When this rank came to the barrier and when it left."""
    dist.barrier()
    if rank == late:
        time.sleep(0.05)
    came = time.monotonic()
    dist.barrier()
    return came, time.monotonic()


def async_barrier(rank: int, world: int) -> None:
    work = dist.barrier(async_op=True)
    assert work is not None
    work.wait()
    assert work.is_completed()


def monitored_barrier(rank: int, world: int, missing: list[int]) -> str:
    """On the group's own object: torch's Python accepts it for gloo only."""
    group = world_group()
    if rank in missing:
        time.sleep(1.0)
        return ""
    try:
        group.monitored_barrier(timedelta(seconds=0.3), wait_all_ranks=True)
    except RuntimeError as error:
        return str(error)
    return "passed"


def sparse_all_reduce(rank: int, world: int, dims: int, rows: int) -> None:
    """Ranks touch different rows, some the same, some none; sizes of indices differ."""
    shape = [rows, 3][:dims]
    mine = list(range(rank + 1)) if rank % 3 != 2 else []
    indices = torch.tensor([mine], dtype=torch.int64).view(1, -1)
    values = torch.full((len(mine), *shape[1:]), float(rank + 1))
    tensor = torch.sparse_coo_tensor(indices, values, shape)
    dense = torch.zeros(shape)
    for other in range(world):
        touched = list(range(other + 1)) if other % 3 != 2 else []
        dense[touched] += other + 1
    for async_op in (False, True):
        reduced = tensor.clone()
        work = dist.all_reduce(reduced, async_op=async_op)
        if work is not None:
            work.wait()
        assert torch.equal(reduced.to_dense(), dense)


def objects(rank: int, world: int) -> None:
    """Every object collective, with objects of different sizes."""
    mine: Any = {"rank": rank, "payload": "x" * (1000 * rank), "tensor": torch.arange(rank)}
    everybody: list[Any] = [None] * world
    dist.all_gather_object(everybody, mine)
    assert [(each["rank"], len(each["payload"])) for each in everybody] == [
        (r, 1000 * r) for r in range(world)
    ]

    gathered: list[Any] | None = [None] * world if rank == world - 1 else None
    dist.gather_object(mine, gathered, dst=world - 1)
    assert gathered is None or [each["rank"] for each in gathered] == list(range(world))

    shared: list[Any] = ["a", {"b": 2}, None] if rank == 0 else [None] * 3
    dist.broadcast_object_list(shared, src=0)
    assert shared == ["a", {"b": 2}, None]

    received: list[Any] = [None]
    dist.scatter_object_list(received, [f"for {r}" for r in range(world)] if rank == 0 else None, src=0)
    assert received == [f"for {rank}"]

    if world > 1 and rank < 2:
        letter: list[Any] = [("hello", 1), [2, 3]] if rank == 0 else [None, None]
        if rank == 0:
            dist.send_object_list(letter, dst=1)
        else:
            dist.recv_object_list(letter, src=0)
        assert letter == [("hello", 1), [2, 3]]


def same_tensor_in_many_places(rank: int, world: int) -> None:
    """all_gather outputs may be slices of one buffer; an input may be one of them."""
    whole = torch.full((world, 4), -1.0)
    whole[rank] = float(rank)
    dist.all_gather([*whole.unbind(0)], whole[rank])
    assert whole.tolist() == [[float(r)] * 4 for r in range(world)]
    flat = torch.full((world * 3,), -1, dtype=torch.int32)
    flat[rank * 3 : rank * 3 + 3] = rank
    dist.all_gather_into_tensor(flat, flat[rank * 3 : rank * 3 + 3])
    assert flat.tolist() == [r for r in range(world) for _ in range(3)]
    pieces = torch.arange(world * 3, dtype=torch.int64)
    dist.reduce_scatter_tensor(pieces[rank * 3 : rank * 3 + 3], pieces.clone())
    assert pieces[rank * 3 : rank * 3 + 3].tolist() == [world * (rank * 3 + i) for i in range(3)]


def subgroups_side_by_side(rank: int, world: int) -> None:
    """Overlapping groups, each with its own ranks' order, used in turn."""
    pairs = [dist.new_group([low, low + 1]) for low in range(world - 1)]
    evens = dist.new_group(list(range(0, world, 2)))
    for _ in range(3):
        for low, group in enumerate(pairs):
            if rank in (low, low + 1):
                tensor = torch.tensor([rank])
                dist.all_reduce(tensor, group=group)
                assert int(tensor) == 2 * low + 1
        if rank % 2 == 0:
            tensor = torch.tensor([1])
            dist.all_reduce(tensor, group=evens)
            assert int(tensor) == (world + 1) // 2
    dist.barrier()


def older_coalesced_calls(rank: int, world: int) -> None:
    """The deprecated functions that still reach the backend."""
    tensors = [torch.full((3,), float(rank)), torch.full((2, 2), 2.0 * rank)]
    dist.all_reduce_coalesced(tensors)
    assert float(tensors[0][0]) == sum(range(world))
    assert float(tensors[1][0, 0]) == 2 * sum(range(world))
    out = [[torch.empty(3), torch.empty(1)] for _ in range(world)]
    dist.all_gather_coalesced(out, [torch.full((3,), float(rank)), torch.tensor([rank + 0.5])])
    assert [float(pair[1]) for pair in out] == [r + 0.5 for r in range(world)]


def channels_last(rank: int, world: int) -> None:
    """Calls of one tensor take it as it lies, whatever the order of its elements in memory."""

    def image(who: int) -> torch.Tensor:
        values = torch.arange(2 * 3 * 5 * 7, dtype=torch.float32) + 1000 * who
        return values.reshape(2, 3, 5, 7).to(memory_format=torch.channels_last)

    total = torch.stack([image(who) for who in range(world)]).sum(0)
    summed, at_root, sent = image(rank), image(rank), image(rank)
    dist.all_reduce(summed)
    assert torch.equal(summed, total)
    assert summed.is_contiguous(memory_format=torch.channels_last)
    dist.reduce(at_root, 0)
    assert rank or torch.equal(at_root, total)
    dist.broadcast(sent, world - 1)
    assert torch.equal(sent, image(world - 1))
    if rank == 0 and world > 1:
        dist.send(image(0), 1)
    if rank == 1:
        dist.recv(sent, 0)
        assert torch.equal(sent, image(0))


def two_gibibytes_and_more(rank: int, world: int) -> None:
    """More than 2^31 bytes in one broadcast: no length may be kept in 32 bits."""
    count = 2**31 + 4096 + 3
    tensor = torch.empty(count, dtype=torch.uint8)
    if rank == 0:
        tensor.copy_(torch.arange(251, dtype=torch.uint8).repeat(count // 251 + 1)[:count])
    dist.broadcast(tensor, 0)
    for at in (0, 2**31 - 1, 2**31, count - 1):
        assert int(tensor[at]) == at % 251


@pytest.mark.smoke
@pytest.mark.parametrize("world", [2, 3, 4])
def test_barrier_holds_everybody(pools: PoolRegistry, world: int) -> None:
    for late in range(world):
        times = pools.get(world).run(barrier_holds_everybody, late)
        assert min(left for _, left in times) >= max(came for came, _ in times)


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize(
    "program",
    [
        async_barrier,
        objects,
        same_tensor_in_many_places,
        subgroups_side_by_side,
        older_coalesced_calls,
        channels_last,
    ],
)
def test_extra(pools: PoolRegistry, program: Callable[..., Any], world: int) -> None:
    pools.get(world).run(program)


@pytest.mark.parametrize("world", WORLDS)
def test_monitored_barrier_passes(pools: PoolRegistry, world: int) -> None:
    assert pools.get(world).run(monitored_barrier, []) == ["passed"] * world


@pytest.mark.parametrize("missing", [[1], [1, 3]])
def test_monitored_barrier_names_the_missing(pools: PoolRegistry, missing: list[int]) -> None:
    pool = pools.get(4)
    texts = pool.run(monitored_barrier, missing)
    pool.broken = True  # the group is out of step now
    named = re.search(r"Ranks? ([\d, ]+) failed to pass monitoredBarrier", texts[0])
    assert named, texts[0]
    assert [int(rank) for rank in named[1].split(", ")] == missing
    assert all(texts[rank] not in ("", "passed") for rank in range(4) if rank not in missing)


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize(("dims", "rows"), [(1, 8), (2, 8), (2, 1000)])
def test_sparse_all_reduce(pools: PoolRegistry, world: int, dims: int, rows: int) -> None:
    pools.get(world).run(sparse_all_reduce, dims, rows)


@pytest.mark.skipif(ON_GLOO, reason="gloo counts elements in 32 bits here")
def test_more_than_two_gibibytes(pools: PoolRegistry) -> None:
    pools.get(2).run(two_gibibytes_and_more, deadline=120)
