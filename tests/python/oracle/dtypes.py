"""Every element type torch has, sorted by what can be done with it."""

from __future__ import annotations

import numpy as np
import torch

UNSIGNED = (torch.uint8, torch.uint16, torch.uint32, torch.uint64)
SIGNED = (torch.int8, torch.int16, torch.int32, torch.int64)
INTEGERS = UNSIGNED + SIGNED
FLOAT8 = (torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz)
NARROW = (torch.float16, torch.bfloat16, *FLOAT8)  # accumulated in float32, rounded once
WIDE = (torch.float32, torch.float64)
FLOATS = NARROW + WIDE
COMPLEX = (torch.complex64, torch.complex128)
ALL = (torch.bool, *INTEGERS, *FLOATS, *COMPLEX)

REDUCTIONS = ("SUM", "AVG", "PRODUCT", "MIN", "MAX", "BAND", "BOR", "BXOR", "PREMUL_SUM")
BITWISE = ("BAND", "BOR", "BXOR")

GLOO_DTYPES = (
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
    torch.int8,
    torch.uint8,
    torch.int32,
    torch.int64,
)


def name_of(dtype: torch.dtype) -> str:
    """ "float8_e5m2" for torch.float8_e5m2: also how error messages write it."""
    return str(dtype).removeprefix("torch.")


def meaningful(redop: str, dtype: torch.dtype) -> bool:
    """Whether the reduction means something on the type; where not, it must be refused."""
    if dtype in COMPLEX:
        return redop in ("SUM", "AVG", "PREMUL_SUM")
    if dtype is torch.bool:
        return redop not in ("AVG", "PREMUL_SUM")
    return dtype in INTEGERS or redop not in BITWISE


def ordered_bits(tensor: torch.Tensor) -> np.ndarray:
    """A narrow float's bits as integers that count in units in the last place, through zero."""
    if tensor.dtype.itemsize == 1:
        bits = tensor.view(torch.int8).numpy().astype(np.int64)
        low = -(2**7)
    else:
        bits = tensor.view(torch.int16).numpy().astype(np.int64)
        low = -(2**15)
    return np.where(bits < 0, low - bits, bits)
