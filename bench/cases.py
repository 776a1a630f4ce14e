"""What the bars need beyond the plain collectives: other dtypes, many at once, futures, shared tensors."""

from __future__ import annotations

import os
from typing import Any

import torch
import torch.distributed as dist

from bench.operations import COPY, OPERATIONS, Buffers, Make, Operation, Place, sums

coalescing: Any = dist.distributed_c10d._coalescing_manager  # not public, and what FSDP and DTensor use

COALESCED, IN_FLIGHT = 200, 8


def _whole(place: Place, size: int, dtype: torch.dtype, item: int) -> Buffers:
    """Only what an operation in place needs: as many elements as items of so many bytes fit into size."""
    whole = torch.empty(max(1, size // item // place.world) * place.world, dtype=dtype).fill_(0)
    return Buffers(whole, torch.empty(0), torch.empty(0))


def _bf16(place: Place, size: int) -> Buffers:
    return _whole(place, size, torch.bfloat16, 2)


def _f16(place: Place, size: int) -> Buffers:
    return _whole(place, size, torch.float16, 2)


def _f32_of_same_count(place: Place, size: int) -> Buffers:
    return _whole(place, size, torch.float32, 2)


def _pieces(howmany: int) -> Make:
    def make(place: Place, size: int) -> Buffers:
        buffers = _whole(place, howmany * size, torch.float32, 4)
        buffers.pieces = list(buffers.whole.chunk(howmany))
        return buffers

    return make


def _shared(place: Place, size: int) -> Buffers:
    """In memory that the backend's allocator gave, which the other ranks can map."""
    backend: Any = place.group._get_backend(torch.device("cpu"))
    block = max(1, size // 4 // place.world)
    whole = backend.allocate_tensor(place.world * block, dtype=torch.float32, device=torch.device("cpu"))
    return Buffers(whole.fill_(0.0), torch.empty(0), torch.empty(0))


def _in_place(place: Place, buffers: Buffers) -> None:
    dist.all_reduce(buffers.whole, group=place.group)


def _yielding(place: Place, buffers: Buffers) -> None:
    """For the floor: a call, then a switch to another rank on the same CPU, as ranks that wait for each other make."""
    dist.all_reduce(buffers.whole, group=place.group)
    os.sched_yield()


def _future(place: Place, buffers: Buffers) -> None:
    """As DDP does it: the waiter sleeps in the future and does nothing for its completion."""
    work: Any = dist.all_reduce(buffers.whole, group=place.group, async_op=True)
    work.get_future().wait()


def _coalesced(place: Place, buffers: Buffers) -> None:
    with coalescing(place.group):
        for piece in buffers.pieces:
            dist.all_reduce(piece, group=place.group)


def _in_flight(place: Place, buffers: Buffers) -> None:
    works: list[Any] = [dist.all_reduce(piece, group=place.group, async_op=True) for piece in buffers.pieces]
    for work in works:
        work.wait()


def _one_by_one(place: Place, buffers: Buffers) -> None:
    for piece in buffers.pieces:
        dist.all_reduce(piece, group=place.group)


def _summed(place: Place, buffers: Buffers) -> bool:
    return sums(place, buffers.whole)


_flight = _pieces(IN_FLIGHT)
_many = _pieces(COALESCED)
CASES: dict[str, Operation] = {
    "all_reduce_bf16": Operation(_in_place, _summed, _bf16, "halves"),
    "all_reduce_f16": Operation(_in_place, _summed, _f16, "halves"),
    "all_reduce_f32_of_same_count": Operation(_in_place, _summed, _f32_of_same_count, "halves"),
    "all_reduce_future": Operation(_future, _summed),
    "all_reduce_coalesced": Operation(_coalesced, _summed, _many, "many"),
    "all_reduce_one_by_one": Operation(_one_by_one, _summed, _many, "many"),
    "all_reduce_in_flight": Operation(_in_flight, _summed, _flight, "flight"),
    "all_reduce_in_sequence": Operation(_one_by_one, _summed, _flight, "flight"),
    "all_reduce_yielding": Operation(_yielding, _summed),
    "all_reduce_shared": Operation(_in_place, _summed, _shared, "all_reduce"),
}
ALL = OPERATIONS | CASES | COPY


def family(op: str) -> str:
    """Operations with the same answer are measured in turn."""
    return (ALL[op].family if op in ALL else "") or op
