"""Collectives that reduce: how each is called, and what each rank must then hold."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.distributed as dist
from torch.distributed.distributed_c10d import _coalescing_manager

from oracle.case import Case, Issued
from oracle.data import laid_out
from oracle.reference import reduced

Expected = Iterator[tuple[torch.Tensor, list[torch.Tensor]]]


def _of(
    case: Case, world: int, block: int = 0, count: int | None = None
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    inputs = [case.input_of(rank, block, count) for rank in range(world)]
    return reduced(inputs, case.redop), case.inexact(inputs)


def all_reduce(rank: int, world: int, case: Case) -> Issued:
    tensor = case.tensor(rank)
    work = dist.all_reduce(tensor, case.reduce_op(rank), async_op=case.async_op)
    return Issued(case, work, [tensor], lambda: iter([_of(case, world)]), alike=True)


def reduce(rank: int, world: int, case: Case) -> Issued:
    root = case.count % world
    tensor = case.tensor(rank)
    work = dist.reduce(tensor, root, case.reduce_op(rank), async_op=case.async_op)
    return Issued(case, work, [tensor], lambda: iter([_of(case, world)] if rank == root else []))


def all_reduce_coalesced(rank: int, world: int, case: Case) -> Issued:
    counts = [case.count, 1, case.count // 2]
    tensors = [case.tensor(rank, block, count) for block, count in enumerate(counts)]
    with _coalescing_manager(async_ops=case.async_op) as manager:
        for tensor in tensors:
            dist.all_reduce(tensor, case.reduce_op(rank))

    def expected() -> Expected:
        return iter([_of(case, world, block, count) for block, count in enumerate(counts)])

    return Issued(case, manager if case.async_op else None, tensors, expected, alike=True)


def reduce_scatter(rank: int, world: int, case: Case) -> Issued:
    pieces = [case.tensor(rank, block) for block in range(world)]
    output = case.blank()
    work = dist.reduce_scatter(output, pieces, case.reduce_op(rank), async_op=case.async_op)
    return Issued(case, work, [output], lambda: iter([_of(case, world, rank)]), keep=pieces)


def reduce_scatter_uneven(rank: int, world: int, case: Case) -> Issued:
    counts = [case.count + 3 * block for block in range(world)]
    pieces = [case.tensor(rank, block, counts[block]) for block in range(world)]
    output = case.blank(counts[rank])
    work = dist.reduce_scatter(output, pieces, case.reduce_op(rank), async_op=case.async_op)
    return Issued(case, work, [output], lambda: iter([_of(case, world, rank, counts[rank])]), keep=pieces)


def reduce_scatter_tensor(rank: int, world: int, case: Case) -> Issued:
    whole = laid_out(torch.cat([case.input_of(rank, block) for block in range(world)]), case.layout)
    output = case.blank()
    work = dist.reduce_scatter_tensor(
        output.view(-1), whole.view(-1), case.reduce_op(rank), async_op=case.async_op
    )
    return Issued(case, work, [output], lambda: iter([_of(case, world, rank)]), keep=[whole])


def reduce_scatter_tensor_coalesced(rank: int, world: int, case: Case) -> Issued:
    counts = [case.count, 2]
    wholes = [
        torch.cat([case.input_of(rank, 100 * index + block, count) for block in range(world)])
        for index, count in enumerate(counts)
    ]
    outputs = [case.blank(count).view(-1) for count in counts]
    with _coalescing_manager(async_ops=case.async_op) as manager:
        for output, whole in zip(outputs, wholes, strict=True):
            dist.reduce_scatter_tensor(output, whole, case.reduce_op(rank))

    def expected() -> Expected:
        return iter([_of(case, world, 100 * index + rank, count) for index, count in enumerate(counts)])

    return Issued(case, manager if case.async_op else None, outputs, expected, keep=wholes)


STARTS = {
    each.__name__: each
    for each in (
        all_reduce,
        reduce,
        all_reduce_coalesced,
        reduce_scatter,
        reduce_scatter_uneven,
        reduce_scatter_tensor,
        reduce_scatter_tensor_coalesced,
    )
}
