"""The reductions themselves, in numpy, in rank order, rounding where and as often as we promise to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np
import torch

from oracle import dtypes

Array = Any  # numpy arrays of any type: the arithmetic is the same text for all


def factor_of(rank: int, dtype: torch.dtype) -> float:
    """The PREMUL_SUM factor of a rank: differs between ranks, exact in every type."""
    return float(rank + 1) if dtype in dtypes.INTEGERS else (rank + 1) * 0.5


def reduced(inputs: Sequence[torch.Tensor], redop: str) -> torch.Tensor:
    """What a reduction of these ranks' inputs (rank 0 first) must be."""
    dtype = inputs[0].dtype
    if dtype in dtypes.COMPLEX:
        parts = [torch.view_as_real(each.contiguous()) for each in inputs]
        return torch.view_as_complex(reduced(parts, redop))
    arrays = [_accumulator(each) for each in inputs]
    with np.errstate(all="ignore"):
        if redop == "PREMUL_SUM":
            arrays = [each * _as(arrays[0], factor_of(rank, dtype)) for rank, each in enumerate(arrays)]
        total = reduce(_fold(redop, dtype), arrays)
        if redop == "AVG":
            total = _average(total, len(inputs))
    # numpy gives arrays of one element any stride it likes; a fresh tensor has the usual one.
    return torch.empty(total.shape, dtype=dtype).copy_(torch.from_numpy(total))


def _accumulator(tensor: torch.Tensor) -> Array:
    return tensor.float().numpy() if tensor.dtype in dtypes.NARROW else tensor.numpy()


def _as(array: Array, value: float) -> Array:
    return np.asarray(value).astype(array.dtype)


def _fold(redop: str, dtype: torch.dtype) -> Callable[[Array, Array], Array]:
    if dtype is torch.bool:
        either = {"SUM": np.logical_or, "MAX": np.logical_or, "BOR": np.logical_or, "BXOR": np.logical_xor}
        return either.get(redop, np.logical_and)
    folds: dict[str, Callable[[Any, Any], Any]] = {
        "SUM": np.add,
        "AVG": np.add,
        "PREMUL_SUM": np.add,
        "PRODUCT": np.multiply,
        "MIN": _minimum,
        "MAX": lambda a, b: -_minimum(-a, -b) if a.dtype.kind == "f" else np.maximum(a, b),
        "BAND": np.bitwise_and,
        "BOR": np.bitwise_or,
        "BXOR": np.bitwise_xor,
    }
    return folds[redop]


def _minimum(a: Array, b: Array) -> Array:
    """NaN wins, and -0 is below +0: so that the order of the ranks does not matter."""
    if a.dtype.kind != "f":
        return np.minimum(a, b)
    return np.where(a == b, np.where(np.signbit(a), a, b), np.minimum(a, b))


def _average(total: Array, world: int) -> Array:
    """Floats divide; integers truncate toward zero, exactly (numpy's own division floors)."""
    if total.dtype.kind == "f":
        return total / _as(total, world)
    quotient = np.floor_divide(total, _as(total, world))
    inexact = (total < 0) & (quotient * _as(total, world) != total)
    return quotient + inexact.astype(total.dtype)
