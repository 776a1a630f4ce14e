"""Samples and their summary; how many iterations a measurement takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

ROUND_SECONDS = 0.12  # one backend's share of a round
FEWEST, MOST = 3, 1500  # iterations a round


@dataclass(frozen=True)
class Row:
    """One measured cell. Times are microseconds; an iteration takes as long as its slowest rank."""

    world: int
    op: str
    size: int  # bytes of the largest buffer of a rank
    backend: str
    p50: float
    p99: float
    best: float
    samples: int

    @staticmethod
    def of(world: int, op: str, size: int, backend: str, seconds: Sequence[float]) -> Row:
        micros = np.asarray(seconds) * 1e6
        p50, p99 = np.percentile(micros, [50, 99])
        return Row(world, op, size, backend, float(p50), float(p99), float(micros.min()), len(micros))

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def iterations(seconds_each: float, quick: bool) -> int:
    """As many as fit into a round, within limits."""
    share = ROUND_SECONDS / 4 if quick else ROUND_SECONDS
    return int(min(MOST, max(FEWEST, share / max(seconds_each, 1e-7))))


def human(size: int) -> str:
    """4096 -> "4 KiB"."""
    for unit, scale in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= scale and size % scale == 0:
            return f"{size // scale} {unit}"
    return f"{size} B"
