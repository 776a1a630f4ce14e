"""Which cases are run: the product of everything, thinned where it would only repeat itself."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import torch
from harness.backend import ON_GLOO

from oracle import dtypes
from oracle.case import MILLION, SIZES, Case

LAYOUTS = ("plain", "offset", "matrix")


def supported(op: str, dtype: torch.dtype, redop: str = "SUM") -> bool:
    """What the backend under test takes: for ours, all that means something."""
    if not ON_GLOO:
        return True
    if op in ("all_gather_uneven", "reduce_scatter_uneven", "all_to_all"):
        return False  # torch 2.13's gloo has none of them
    reduces = op.startswith(("all_reduce", "reduce"))
    if dtype not in dtypes.GLOO_DTYPES + (dtypes.COMPLEX if op != "gather" else ()):
        return False
    if not reduces:
        return True
    if redop == "AVG":
        return dtype in dtypes.FLOATS
    return redop != "PREMUL_SUM" and not (redop in dtypes.BITWISE and dtype in dtypes.FLOATS)


def flavours(dtype: torch.dtype, redop: str) -> tuple[str, ...]:
    """Gloo rounds at every step and drops NaNs from MIN and MAX: it gets numbers that need neither."""
    if ON_GLOO or dtype in dtypes.INTEGERS or dtype is torch.bool:
        return ("exact",)
    if dtype in dtypes.COMPLEX or redop in ("PRODUCT", "PREMUL_SUM"):
        return ("exact", "rough")
    return ("exact", "rough", "special")


def reducing(ops: tuple[str, ...]) -> Iterator[Case]:
    """op x dtype x reduction x size x sync/async; layouts and flavours take turns."""
    turn = 0
    for op, dtype, redop in product(ops, dtypes.ALL, dtypes.REDUCTIONS):
        if not dtypes.meaningful(redop, dtype) or not supported(op, dtype, redop):
            continue
        for count, async_op in product(SIZES, (False, True)):
            turn += 1
            layout = LAYOUTS[turn % len(LAYOUTS)]
            for flavour in flavours(dtype, redop):
                yield Case(op, dtype, count, redop, layout, flavour, async_op)


def copying(ops: tuple[str, ...]) -> Iterator[Case]:
    """op x dtype x size x layout x sync/async, with arbitrary bits."""
    for op, dtype in product(ops, dtypes.ALL):
        if supported(op, dtype):
            for count, layout, async_op in product(SIZES, LAYOUTS, (False, True)):
                yield Case(op, dtype, count, layout=layout, async_op=async_op)


def large(ops: tuple[str, ...], reduces: bool) -> Iterator[Case]:
    """A million elements, in a few types and reductions."""
    for op, dtype in product(ops, (torch.float32, torch.bfloat16, torch.int8)):
        if supported(op, dtype):
            flavour = "exact" if reduces else "raw"
            yield Case(op, dtype, MILLION, "SUM", "offset", flavour, async_op=dtype is torch.int8)
