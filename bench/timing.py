"""Samples and their summary, what names one, and how long it takes to collect them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np


class Key(NamedTuple):
    """What is measured: an operation of so many bytes among so many ranks on a backend."""

    world: int
    op: str
    size: int  # bytes of the largest buffer of a rank
    backend: str
    engines: str = ""  # what DLSLIME_ENGINES was set to; empty: the backend's own choice


@dataclass(frozen=True)
class Row:
    """One measured cell. Times are microseconds; an iteration takes as long as its slowest rank."""

    world: int
    op: str
    size: int
    backend: str
    engines: str
    p50: float
    p99: float
    best: float
    samples: int

    @staticmethod
    def of(key: Key, seconds: Sequence[float]) -> Row:
        micros = np.asarray(seconds) * 1e6
        p50, p99 = np.percentile(micros, [50, 99])
        return Row(*key, float(p50), float(p99), float(micros.min()), len(micros))

    @property
    def key(self) -> Key:
        return Key(self.world, self.op, self.size, self.backend, self.engines)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Pace:
    """How long a cell is measured: a number of rounds, in each of which every backend has its turn."""

    rounds: int
    round_seconds: float  # one backend's share of a round
    cell_seconds: float  # where the iterations are slow, there are fewer rounds, so that this is about enough

    FEWEST, MOST = 3, 1500  # iterations in a turn
    FEWEST_ROUNDS = 3

    def iterations(self, seconds_each: float) -> int:
        """As many as fit into a turn, within limits."""
        return int(min(self.MOST, max(self.FEWEST, self.round_seconds / max(seconds_each, 1e-7))))

    def rounds_of(self, round_seconds: float) -> int:
        """As many as fit, if a round of all backends takes so long."""
        return int(min(self.rounds, max(self.FEWEST_ROUNDS, self.cell_seconds / max(round_seconds, 1e-7))))


THOROUGH = Pace(rounds=10, round_seconds=0.12, cell_seconds=5.0)
BRIEF = Pace(rounds=5, round_seconds=0.1, cell_seconds=1.5)  # shorter turns catch Gloo before it has settled
QUICK = Pace(rounds=4, round_seconds=0.03, cell_seconds=1.0)


def human(size: int) -> str:
    """4096 -> "4 KiB"."""
    for unit, scale in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= scale and size % scale == 0:
            return f"{size // scale} {unit}"
    return f"{size} B"
