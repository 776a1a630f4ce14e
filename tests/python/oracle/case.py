"""One cell of the matrix: an operation, a type, a reduction, a size, a layout, sync or async."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed as dist
from harness.c10d import premul_sum

from oracle import data, dtypes, reference

SIZES = (0, 1, 7, 997)  # none, one, odd, prime
MILLION = 1_000_003  # large enough for every algorithm's large-message path, and prime


@dataclass(frozen=True)
class Case:
    op: str
    dtype: torch.dtype
    count: int  # elements per rank and block
    redop: str = "SUM"
    layout: str = "plain"
    flavour: str = "raw"
    async_op: bool = False

    def __str__(self) -> str:
        mode = "async" if self.async_op else "sync"
        name = dtypes.name_of(self.dtype)
        return f"{self.op}-{name}-{self.redop}-{self.count}-{self.layout}-{self.flavour}-{mode}"

    def input_of(self, rank: int, block: int = 0, count: int | None = None) -> torch.Tensor:
        """What `rank` contributes (as its `block`-th piece), the same wherever it's computed."""
        count = self.count if count is None else count
        return data.make(self.flavour, self.dtype, count, self.redop, str(self), rank, block)

    def tensor(self, rank: int, block: int = 0, count: int | None = None) -> torch.Tensor:
        """That input in the case's layout, to hand to the operation."""
        return data.laid_out(self.input_of(rank, block, count), self.layout)

    def blank(self, count: int | None = None) -> torch.Tensor:
        """An output to fill, full of something no right answer has by chance."""
        count = self.count if count is None else count
        return data.laid_out(data.raw(self.dtype, count, "blank", str(self), count), self.layout)

    def reduce_op(self, rank: int) -> Any:
        if self.redop == "PREMUL_SUM":
            return premul_sum(reference.factor_of(rank, self.dtype))
        return getattr(dist.ReduceOp, self.redop)

    def inexact(self, inputs: list[torch.Tensor]) -> list[torch.Tensor]:
        """The inputs, where the comparison has to allow for the order of rounding; else nothing."""
        return inputs if self.flavour == "rough" and self.redop not in ("MIN", "MAX") else []


@dataclass
class Issued:
    """An operation under way: how to wait for it, what came out, and what should have."""

    case: Case
    work: Any
    outputs: list[torch.Tensor]
    expected: Callable[[], Iterable[tuple[torch.Tensor, list[torch.Tensor]]]]
    alike: bool = False  # every rank must hold the same bits
    keep: list[Any] = field(default_factory=list)  # inputs that must outlive the operation

    def finish(self) -> None:
        for work in self.work if isinstance(self.work, list) else [self.work]:
            if work is not None:
                work.wait()


def exactly(*tensors: torch.Tensor) -> Iterator[tuple[torch.Tensor, list[torch.Tensor]]]:
    """Expectations that allow no rounding."""
    return iter([(tensor, []) for tensor in tensors])
