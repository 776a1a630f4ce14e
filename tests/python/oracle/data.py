"""Inputs that every rank can recompute for every other rank: a seed decides all."""

from __future__ import annotations

import zlib

import torch

from oracle import dtypes


def generator(*key: object) -> torch.Generator:
    """A generator seeded by the key's text, the same in every process."""
    return torch.Generator().manual_seed(zlib.crc32(repr(key).encode()))


def raw(dtype: torch.dtype, count: int, *key: object) -> torch.Tensor:
    """Any bit pattern at all, NaNs included (bool: 0 and 1): what copies must carry."""
    top = 2 if dtype is torch.bool else 256
    octets = torch.randint(0, top, (count * dtype.itemsize,), dtype=torch.uint8, generator=generator(*key))
    return octets.view(dtype)


def exact(dtype: torch.dtype, count: int, redop: str, *key: object) -> torch.Tensor:
    """Numbers whose reduction is exact in float32 in any order; integers: any, for they wrap."""
    if dtype is torch.bool or dtype in dtypes.INTEGERS:
        return raw(dtype, count, *key)
    if dtype in dtypes.COMPLEX:
        return torch.view_as_complex(exact(dtype.to_real(), 2 * count, redop, *key).view(-1, 2))
    if redop == "PRODUCT":
        powers = torch.randint(-1, 2, (count,), generator=generator(*key))
        return torch.pow(2.0, powers.float()).to(dtype)
    return torch.randint(-4, 5, (count,), generator=generator(*key)).float().to(dtype)


def rough(dtype: torch.dtype, count: int, *key: object) -> torch.Tensor:
    """Numbers that need rounding; only for floating and complex types."""
    if dtype in dtypes.COMPLEX:
        return torch.view_as_complex(rough(dtype.to_real(), 2 * count, *key).view(-1, 2))
    wide = torch.randn(count, dtype=torch.float64, generator=generator(*key))
    return wide.float().to(dtype) if dtype in dtypes.NARROW else wide.to(dtype)


def special(dtype: torch.dtype, count: int, *key: object) -> torch.Tensor:
    """Rough numbers salted with NaN, infinities, both zeros, the largest and the smallest."""
    limits = torch.finfo(dtype)
    salt = [float("nan"), float("inf"), -float("inf"), 0.0, -0.0, limits.max, limits.min, limits.tiny]
    values = rough(dtype, count, *key).to(torch.float64)
    choice = torch.randint(0, 4 * len(salt), (count,), generator=generator(*key, "salt"))
    for index, grain in enumerate(salt):
        values[choice == index] = grain
    return values.float().to(dtype) if dtype in dtypes.NARROW else values.to(dtype)


def make(flavour: str, dtype: torch.dtype, count: int, redop: str, *key: object) -> torch.Tensor:
    if flavour == "exact":
        return exact(dtype, count, redop, *key)
    return {"raw": raw, "rough": rough, "special": special}[flavour](dtype, count, *key)


def laid_out(tensor: torch.Tensor, layout: str) -> torch.Tensor:
    """The same elements, contiguous, in other places: inside a larger buffer, or as a matrix."""
    if layout == "offset":
        padded = torch.empty(tensor.numel() + 2, dtype=tensor.dtype)
        inner = padded[1:-1]
        inner.copy_(tensor)
        return inner
    if layout == "matrix":
        return tensor.clone().view(1, -1, 1)
    return tensor.clone()
