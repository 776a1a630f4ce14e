"""The collectives on torch tensors: buffers that rotate, a call to time, a check of its result.

`size` is the largest buffer that a rank holds: what is reduced, what is gathered, what is scattered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.distributed as dist

ROTATE_BYTES = 64 << 20  # enough to leave the caches, for sizes that allow it
FEWEST_SETS, MOST_SETS = 2, 8


@dataclass
class Buffers:
    """One set: what goes in and what comes out. In-place operations use `whole` only."""

    whole: torch.Tensor  # world * block elements
    part: torch.Tensor  # block elements
    other: torch.Tensor  # world * block elements
    pieces: list[torch.Tensor] = field(default_factory=list)  # `whole` in parts, for operations of many


@dataclass(frozen=True)
class Place:
    """Where a rank stands."""

    rank: int
    world: int
    group: dist.ProcessGroup
    threads: frozenset[int] = frozenset()  # of this process, which the group's backend has started


Run = Callable[[Place, Buffers], object]
Check = Callable[[Place, Buffers], bool]
Make = Callable[[Place, int], Buffers]

ROOT = 0


def plain(place: Place, size: int) -> Buffers:
    """Ordinary tensors. Written once, so that no page is the kernel's shared page of zeros."""
    block = max(1, size // 4 // place.world)
    counts = (place.world * block, block, place.world * block)
    whole, part, other = (torch.empty(count).fill_(0.0) for count in counts)
    return Buffers(whole, part, other)


@dataclass(frozen=True)
class Operation:
    run: Run
    check: Check
    make: Make = plain
    family: str = ""  # operations of one family are measured in turn with each other

    def buffer_sets(self, place: Place, size: int) -> list[Buffers]:
        """Sets to take in turn."""
        first = self.make(place, size)
        howmany = ROTATE_BYTES // max(1, 2 * first.whole.nbytes)
        return [first] + [
            self.make(place, size) for _ in range(min(MOST_SETS, max(FEWEST_SETS, howmany)) - 1)
        ]


def fill(place: Place, buffers: Buffers) -> None:
    """Numbers that tell ranks and blocks apart: rank r's block b is full of 10r + b + 1."""
    shares = buffers.whole.view(place.world, -1)
    for block in range(place.world):
        shares[block].fill_(10 * place.rank + block + 1)
    buffers.part.fill_(100 + place.rank)
    buffers.other.fill_(-1)


def _number(rank: int, block: int) -> float:
    return 10.0 * rank + block + 1


def sums(place: Place, tensor: torch.Tensor) -> bool:
    wanted = [sum(_number(rank, block) for rank in range(place.world)) for block in range(place.world)]
    return all(
        bool((share == want).all()) for share, want in zip(tensor.view(place.world, -1), wanted, strict=True)
    )


def _blocks(tensor: torch.Tensor, wanted: list[float]) -> bool:
    return all(
        bool((share == want).all()) for share, want in zip(tensor.view(len(wanted), -1), wanted, strict=True)
    )


def _shares(place: Place, buffers: Buffers, tensor: torch.Tensor) -> list[torch.Tensor]:
    return list(tensor.view(place.world, -1).unbind(0))


def _all_reduce(place: Place, buffers: Buffers) -> None:
    dist.all_reduce(buffers.whole, group=place.group)


def _broadcast(place: Place, buffers: Buffers) -> None:
    dist.broadcast(buffers.whole, ROOT, group=place.group)


def _reduce(place: Place, buffers: Buffers) -> None:
    dist.reduce(buffers.whole, ROOT, group=place.group)


def _all_gather(place: Place, buffers: Buffers) -> None:
    dist.all_gather(_shares(place, buffers, buffers.other), buffers.part, group=place.group)


def _all_gather_into_tensor(place: Place, buffers: Buffers) -> None:
    dist.all_gather_into_tensor(buffers.other, buffers.part, group=place.group)


def _reduce_scatter(place: Place, buffers: Buffers) -> None:
    dist.reduce_scatter(buffers.part, _shares(place, buffers, buffers.whole), group=place.group)


def _reduce_scatter_tensor(place: Place, buffers: Buffers) -> None:
    dist.reduce_scatter_tensor(buffers.part, buffers.whole, group=place.group)


def _all_to_all_single(place: Place, buffers: Buffers) -> None:
    dist.all_to_all_single(buffers.other, buffers.whole, group=place.group)


def _gather(place: Place, buffers: Buffers) -> None:
    outputs = _shares(place, buffers, buffers.other) if place.rank == ROOT else None
    dist.gather(buffers.part, outputs, ROOT, group=place.group)


def _scatter(place: Place, buffers: Buffers) -> None:
    pieces = _shares(place, buffers, buffers.whole) if place.rank == ROOT else None
    dist.scatter(buffers.part, pieces, ROOT, group=place.group)


def _ping_pong(place: Place, buffers: Buffers) -> None:
    """Rank 0 to rank 1 and back, one after the other: the time is a round trip's."""
    if place.rank == 0:
        dist.send(buffers.whole, 1, group=place.group)
        dist.recv(buffers.other, 1, group=place.group)
    elif place.rank == 1:
        dist.recv(buffers.other, 0, group=place.group)
        dist.send(buffers.whole, 0, group=place.group)


def _barrier(place: Place, buffers: Buffers) -> None:
    dist.barrier(group=place.group)


def _gathered(place: Place, buffers: Buffers) -> bool:
    return _blocks(buffers.other, [100.0 + rank for rank in range(place.world)])


def _scattered_sum(place: Place, buffers: Buffers) -> bool:
    return bool((buffers.part == sum(_number(rank, place.rank) for rank in range(place.world))).all())


def _copy(place: Place, buffers: Buffers) -> None:
    """No communication: what the memory of this machine does when all ranks copy at once."""
    buffers.other.copy_(buffers.whole)


OPERATIONS: dict[str, Operation] = {
    "all_reduce": Operation(_all_reduce, lambda place, b: sums(place, b.whole)),
    "broadcast": Operation(
        _broadcast,
        lambda place, b: _blocks(b.whole, [_number(ROOT, n) for n in range(place.world)]),
    ),
    "reduce": Operation(_reduce, lambda place, b: place.rank != ROOT or sums(place, b.whole)),
    "all_gather": Operation(_all_gather, _gathered),
    "all_gather_into_tensor": Operation(_all_gather_into_tensor, _gathered),
    "reduce_scatter": Operation(_reduce_scatter, _scattered_sum),
    "reduce_scatter_tensor": Operation(_reduce_scatter_tensor, _scattered_sum),
    "all_to_all_single": Operation(
        _all_to_all_single,
        lambda place, b: _blocks(b.other, [_number(rank, place.rank) for rank in range(place.world)]),
    ),
    "gather": Operation(_gather, lambda place, b: place.rank != ROOT or _gathered(place, b)),
    "scatter": Operation(_scatter, lambda place, b: bool((b.part == _number(ROOT, place.rank)).all())),
    "ping_pong": Operation(
        _ping_pong,
        lambda place, b: (
            place.rank > 1
            or _blocks(b.other, [_number(1 - place.rank, block) for block in range(place.world)])
        ),
    ),
    "barrier": Operation(_barrier, lambda place, b: True),
}
COPY = {"copy": Operation(_copy, lambda place, b: bool((b.other == b.whole).all()), family="all_reduce")}
