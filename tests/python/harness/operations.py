"""Every kind of operation under one signature, for tests that don't care which one they run.

`start(rank, world, count, async_op)` issues one operation of about `count` float32 elements a rank and
returns its works (none for a synchronous one). Rank 0 is the root wherever there is one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.distributed_c10d import _coalescing_manager

from harness.backend import ON_GLOO

HUB = 1  # the rank that point-to-point operations turn around

Start = Callable[[int, int, int, bool], list[Any]]


def _all_reduce(rank: int, world: int, count: int, async_op: bool) -> list[Any]:
    return [dist.all_reduce(torch.ones(count), async_op=async_op)]


def _all_reduce_coalesced(rank: int, world: int, count: int, async_op: bool) -> list[Any]:
    with _coalescing_manager(async_ops=async_op) as manager:
        for _ in range(3):
            dist.all_reduce(torch.ones(count))
    return [manager] if async_op else []


def _broadcast(rank: int, world: int, count: int, async_op: bool) -> list[Any]:
    return [dist.broadcast(torch.ones(count), 0, async_op=async_op)]


def _reduce(rank: int, world: int, count: int, async_op: bool) -> list[Any]:
    return [dist.reduce(torch.ones(count), 0, async_op=async_op)]


def _all_gather(rank: int, world: int, count: int, async_op: bool) -> list[Any]:
    outputs = [torch.empty(count) for _ in range(world)]
    return [dist.all_gather(outputs, torch.ones(count), async_op=async_op)]


def _all_gather_into_tensor(rank: int, world: int, count: int, async_op: bool) -> list[Any]:
    return [dist.all_gather_into_tensor(torch.empty(world * count), torch.ones(count), async_op=async_op)]


def _gather(rank: int, world: int, count: int, async_op: bool) -> list[Any]:
    outputs = [torch.empty(count) for _ in range(world)] if rank == 0 else None
    return [dist.gather(torch.ones(count), outputs, 0, async_op=async_op)]


def _scatter(rank: int, world: int, count: int, async_op: bool) -> list[Any]:
    pieces = [torch.ones(count) for _ in range(world)] if rank == 0 else None
    return [dist.scatter(torch.empty(count), pieces, 0, async_op=async_op)]


def _reduce_scatter(rank: int, world: int, count: int, async_op: bool) -> list[Any]:
    pieces = [torch.ones(count) for _ in range(world)]
    return [dist.reduce_scatter(torch.empty(count), pieces, async_op=async_op)]


def _reduce_scatter_tensor(rank: int, world: int, count: int, async_op: bool) -> list[Any]:
    return [dist.reduce_scatter_tensor(torch.empty(count), torch.ones(world * count), async_op=async_op)]


def _all_to_all(rank: int, world: int, count: int, async_op: bool) -> list[Any]:
    pieces, outputs = [torch.ones(count) for _ in range(world)], [torch.empty(count) for _ in range(world)]
    return [dist.all_to_all(outputs, pieces, async_op=async_op)]


def _all_to_all_single(rank: int, world: int, count: int, async_op: bool) -> list[Any]:
    return [dist.all_to_all_single(torch.empty(world * count), torch.ones(world * count), async_op=async_op)]


def _barrier(rank: int, world: int, count: int, async_op: bool) -> list[Any]:
    return [dist.barrier(async_op=async_op)]


def _star(rank: int, world: int, count: int, async_op: bool) -> list[Any]:
    """Everybody exchanges a message with rank HUB, and with nobody else."""
    peers = [peer for peer in range(world) if peer != rank] if rank == HUB else [HUB]
    if async_op:
        sends = [dist.isend(torch.ones(count), peer) for peer in peers]
        return [*sends, *[dist.irecv(torch.empty(count), peer) for peer in peers]]
    for peer in peers:
        for sending in (rank == HUB, rank != HUB):
            if sending:
                dist.send(torch.ones(count), peer)
            else:
                dist.recv(torch.empty(count), peer)
    return []


def _any_source(rank: int, world: int, count: int, async_op: bool) -> list[Any]:
    """Everybody sends to rank HUB, which takes the messages as they come, and answers."""
    if rank != HUB:
        dist.send(torch.ones(count), HUB)
        into = torch.empty(1)
        if async_op:
            return [dist.irecv(into, HUB)]
        dist.recv(into, HUB)
        return []
    for _ in range(world - 1):
        dist.recv(torch.empty(count))
    works = [dist.isend(torch.ones(1), peer) for peer in range(world) if peer != HUB]
    return _kept(works, async_op)


def _batch(rank: int, world: int, count: int, async_op: bool) -> list[Any]:
    peers = [peer for peer in range(world) if peer != rank]
    ops = [dist.P2POp(dist.isend, torch.ones(count), peer) for peer in peers]
    ops += [dist.P2POp(dist.irecv, torch.empty(count), peer) for peer in peers]
    works = dist.batch_isend_irecv(ops)
    return _kept(works, async_op)


def _kept(works: list[Any], async_op: bool) -> list[Any]:
    """Works for the caller to wait for, or, for a synchronous operation, none after waiting here."""
    if async_op:
        return works
    wait_all(works)
    return []


def wait_all(works: list[Any]) -> None:
    for work in works:
        if work is not None:
            work.wait()


OPERATIONS: dict[str, Start] = {
    "all_reduce": _all_reduce,
    "all_reduce_coalesced": _all_reduce_coalesced,
    "broadcast": _broadcast,
    "reduce": _reduce,
    "all_gather": _all_gather,
    "all_gather_into_tensor": _all_gather_into_tensor,
    "gather": _gather,
    "scatter": _scatter,
    "reduce_scatter": _reduce_scatter,
    "reduce_scatter_tensor": _reduce_scatter_tensor,
    "all_to_all": _all_to_all,
    "all_to_all_single": _all_to_all_single,
    "barrier": _barrier,
    "star": _star,
    "any_source": _any_source,
    "batch": _batch,
}
if ON_GLOO:
    del OPERATIONS["all_to_all"]

# How error messages may name each; compared without underscores and in lower case.
SPELLINGS: dict[str, tuple[str, ...]] = {
    "all_reduce_coalesced": ("allreduce",),
    "all_gather_into_tensor": ("allgather",),
    "reduce_scatter_tensor": ("reducescatter",),
    "all_to_all_single": ("alltoall",),
    "star": ("send", "recv"),
    "any_source": ("send", "recv"),
    "batch": ("send", "recv", "batch", "coalesc"),
}


def names(operation: str, text: str) -> bool:
    """Whether an error message names the operation."""
    plain = text.lower().replace("_", "")
    return any(word in plain for word in SPELLINGS.get(operation, (operation.replace("_", ""),)))
