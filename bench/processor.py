"""CPU time, not elapsed time: of a group that nobody uses, and of a rank that waits for a late peer."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import torch.distributed as dist

from bench.operations import Place
from bench.timing import Key, Pace, Row
from bench.turns import slowest

TASKS = Path("/proc/self/task")
IDLE, LATE = "idle_cpu", "late_peer_cpu"
IDLE_SECONDS, SETTLE_SECONDS = 1.0, 0.2
LATE_BY = 0.010
LATE_TIMES = 40


def threads() -> frozenset[int]:
    return frozenset(int(entry.name) for entry in TASKS.iterdir())


def _cpu_of(some: frozenset[int]) -> float:
    """Seconds of CPU that these threads have had."""
    files = [TASKS / str(thread) / "schedstat" for thread in some]
    return sum(int(file.read_text().split()[0]) for file in files if file.exists()) / 1e9


def _idle(places: Mapping[str, Place], keys: Sequence[Key], pace: Pace) -> list[Row]:
    """CPU time per second of the threads that a backend has started, after its use and while nobody calls."""
    found: list[list[float]] = [[] for _ in keys]
    for key in keys:
        _use(places[key.backend])
    for _ in range(3):
        dist.barrier()
        time.sleep(SETTLE_SECONDS)
        began = [_cpu_of(places[key.backend].threads) for key in keys]
        time.sleep(IDLE_SECONDS)
        for index, key in enumerate(keys):
            spent = _cpu_of(places[key.backend].threads) - began[index]
            found[index].append(spent / IDLE_SECONDS)
    return [Row.of(key, slowest(each)) for key, each in zip(keys, found, strict=True)]


def _late(places: Mapping[str, Place], keys: Sequence[Key], pace: Pace) -> list[Row]:
    """CPU time of rank 0's process in a call to which rank 1 comes 10 ms later."""
    return [Row.of(key, _waits(places[key.backend], key.size)) for key in keys]


def _waits(place: Place, size: int) -> list[float]:
    tensor = torch.zeros(max(1, size // 4))
    _use(place)
    found = []
    for _ in range(LATE_TIMES):
        dist.barrier()
        time.sleep(0.001)  # what the barrier's own threads still do is not counted
        if place.rank == 1:
            time.sleep(LATE_BY)
        began = time.process_time()
        dist.all_reduce(tensor, group=place.group)
        found.append(time.process_time() - began if place.rank == 0 else 0.0)
    return slowest(found)


def _use(place: Place) -> None:
    for _ in range(20):
        dist.all_reduce(torch.zeros(2), group=place.group)


PROGRAMS = {IDLE: _idle, LATE: _late}
