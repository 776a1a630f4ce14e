"""Collectives that only move bytes: how each is called, and what each rank must then hold.

They carry every bit pattern of every type unchanged, NaN payloads included.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch.distributed.distributed_c10d import _coalescing_manager

from oracle.case import Case, Issued, exactly
from oracle.data import laid_out


def broadcast(rank: int, world: int, case: Case) -> Issued:
    root = case.count % world
    tensor = case.tensor(rank)
    work = dist.broadcast(tensor, root, async_op=case.async_op)
    return Issued(case, work, [tensor], lambda: exactly(case.input_of(root)), alike=True)


def all_gather(rank: int, world: int, case: Case) -> Issued:
    outputs = [case.blank() for _ in range(world)]
    mine = case.tensor(rank)
    work = dist.all_gather(outputs, mine, async_op=case.async_op)
    return Issued(case, work, outputs, lambda: exactly(*map(case.input_of, range(world))), True, [mine])


def all_gather_uneven(rank: int, world: int, case: Case) -> Issued:
    counts = [case.count + 5 * each for each in range(world)]
    outputs = [case.blank(count) for count in counts]
    mine = case.tensor(rank, 0, counts[rank])
    work = dist.all_gather(outputs, mine, async_op=case.async_op)
    return Issued(
        case,
        work,
        outputs,
        lambda: exactly(*[case.input_of(r, 0, counts[r]) for r in range(world)]),
        True,
        [mine],
    )


def all_gather_into_tensor(rank: int, world: int, case: Case) -> Issued:
    output, mine = case.blank(case.count * world).view(-1), case.tensor(rank).view(-1)
    work = dist.all_gather_into_tensor(output, mine, async_op=case.async_op)
    whole = lambda: exactly(torch.cat([case.input_of(r) for r in range(world)]))  # noqa: E731
    return Issued(case, work, [output], whole, True, [mine])


def all_gather_coalesced(rank: int, world: int, case: Case) -> Issued:
    counts = [case.count, 3]
    outputs = [case.blank(count * world).view(-1) for count in counts]
    mine = [case.tensor(rank, block, count).view(-1) for block, count in enumerate(counts)]
    with _coalescing_manager(async_ops=case.async_op) as manager:
        for output, each in zip(outputs, mine, strict=True):
            dist.all_gather_into_tensor(output, each)
    wholes = lambda: exactly(  # noqa: E731
        *[torch.cat([case.input_of(r, b, n) for r in range(world)]) for b, n in enumerate(counts)]
    )
    return Issued(case, manager if case.async_op else None, outputs, wholes, True, mine)


def gather(rank: int, world: int, case: Case) -> Issued:
    root = case.count % world
    outputs = [case.blank() for _ in range(world)] if rank == root else []
    mine = case.tensor(rank)
    work = dist.gather(mine, outputs or None, root, async_op=case.async_op)
    return Issued(
        case,
        work,
        outputs,
        lambda: exactly(*(map(case.input_of, range(world)) if rank == root else ())),
        keep=[mine],
    )


def scatter(rank: int, world: int, case: Case) -> Issued:
    root = case.count % world
    pieces = [case.tensor(root, block) for block in range(world)] if rank == root else []
    output = case.blank()
    work = dist.scatter(output, pieces or None, root, async_op=case.async_op)
    return Issued(case, work, [output], lambda: exactly(case.input_of(root, rank)), keep=pieces)


def _split(source: int, target: int, count: int) -> int:
    """How many elements go from one rank to another when splits are uneven; often none."""
    return (count + source + 2 * target) % 4 * (source != target or count % 2 == 0)


def all_to_all(rank: int, world: int, case: Case) -> Issued:
    sizes = [
        (_split(rank, to, case.count), _split(of, rank, case.count))
        for to, of in zip(*[range(world)] * 2, strict=True)
    ]
    pieces = [case.tensor(rank, to, sizes[to][0]) for to in range(world)]
    outputs = [case.blank(sizes[of][1]) for of in range(world)]
    work = dist.all_to_all(outputs, pieces, async_op=case.async_op)
    want = lambda: exactly(*[case.input_of(of, rank, sizes[of][1]) for of in range(world)])  # noqa: E731
    return Issued(case, work, outputs, want, keep=pieces)


def all_to_all_single(rank: int, world: int, case: Case) -> Issued:
    whole = laid_out(torch.cat([case.input_of(rank, to) for to in range(world)]), case.layout).view(-1)
    output = case.blank(case.count * world).view(-1)
    work = dist.all_to_all_single(output, whole, async_op=case.async_op)
    want = lambda: exactly(torch.cat([case.input_of(of, rank) for of in range(world)]))  # noqa: E731
    return Issued(case, work, [output], want, keep=[whole])


def all_to_all_single_uneven(rank: int, world: int, case: Case) -> Issued:
    out_of = [_split(of, rank, case.count) for of in range(world)]
    into = [_split(rank, to, case.count) for to in range(world)]
    whole = torch.cat([case.input_of(rank, to, into[to]) for to in range(world)])
    output = case.blank(sum(out_of)).view(-1)
    work = dist.all_to_all_single(output, whole, out_of, into, async_op=case.async_op)
    want = lambda: exactly(torch.cat([case.input_of(of, rank, out_of[of]) for of in range(world)]))  # noqa: E731
    return Issued(case, work, [output], want, keep=[whole])


STARTS = {
    each.__name__: each
    for each in (
        broadcast,
        all_gather,
        all_gather_uneven,
        all_gather_into_tensor,
        all_gather_coalesced,
        gather,
        scatter,
        all_to_all,
        all_to_all_single,
        all_to_all_single_uneven,
    )
}
