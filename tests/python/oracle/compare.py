"""When is a result right? Copies and exact data: bit for bit. Rounded data: within what rounding allows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from oracle import dtypes


def difference(actual: torch.Tensor, expected: torch.Tensor, inputs: Sequence[torch.Tensor] = ()) -> str:
    """Empty when `actual` is right, else what is wrong.

    With `inputs` (all ranks' inputs of a sum of numbers that need rounding), a result may differ from
    the oracle by what another order of adding can change: one unit in the last place of a narrow
    type, (N-1) rounding errors of a wide one. Without, values must be equal, NaN to NaN.
    """
    if actual.dtype != expected.dtype or actual.numel() != expected.numel():
        return f"got {actual.dtype}[{actual.numel()}], want {expected.dtype}[{expected.numel()}]"
    actual, expected = actual.reshape(-1), expected.reshape(-1)
    if inputs:
        return _rounded_difference(actual, expected, [each.reshape(-1) for each in inputs])
    if torch.equal(_octets(actual), _octets(expected)):
        return ""
    wrong = _octets(actual).view(actual.numel(), -1).ne(_octets(expected).view(actual.numel(), -1)).any(1)
    if actual.dtype in dtypes.FLOATS:
        wide = torch.float64 if actual.dtype is torch.float64 else torch.float32
        wrong &= ~(actual.to(wide).isnan() & expected.to(wide).isnan())
    return _first(wrong, actual, expected)


def _octets(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.contiguous().view(torch.uint8)


def _first(wrong: torch.Tensor, actual: torch.Tensor, expected: torch.Tensor) -> str:
    where = wrong.nonzero().reshape(-1)
    if not where.numel():
        return ""
    at = int(where[0])
    return f"{where.numel()} of {actual.numel()} wrong, first [{at}]: got {actual[at]}, want {expected[at]}"


def _rounded_difference(actual: torch.Tensor, expected: torch.Tensor, inputs: Sequence[torch.Tensor]) -> str:
    if actual.dtype in dtypes.COMPLEX:
        parts = [torch.view_as_real(each).reshape(-1) for each in (actual, expected, *inputs)]
        return _rounded_difference(parts[0], parts[1], parts[2:])
    if actual.dtype in dtypes.NARROW:
        off = np.abs(dtypes.ordered_bits(actual) - dtypes.ordered_bits(expected)) > 1
    else:
        room = np.finfo(actual.numpy().dtype).eps * len(inputs) * sum(np.abs(each.numpy()) for each in inputs)
        off = ~(np.abs(actual.numpy() - expected.numpy()) <= room)
    return _first(torch.from_numpy(off), actual, expected)
