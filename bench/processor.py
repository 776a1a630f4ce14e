"""CPU time, not elapsed time: of a group that nobody uses, and of a rank that waits for a late peer."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import torch
import torch.distributed as dist

from bench.operations import Place
from bench.timing import Key, Pace, Row
from bench.turns import slowest

IDLE, LATE = "idle_cpu", "late_peer_cpu"
IDLE_SECONDS, SETTLE_SECONDS = 1.0, 0.2
LATE_BY = 0.010
LATE_TIMES = 40


def _idle(places: Mapping[str, Place], keys: Sequence[Key], pace: Pace) -> list[Row]:
    """CPU time of the whole process per second, after its groups were used and while nobody calls."""
    key = keys[0]
    _use(places[key.backend])
    found = []
    for _ in range(3):
        dist.barrier()
        time.sleep(SETTLE_SECONDS)
        began, at = time.process_time(), time.perf_counter()
        time.sleep(IDLE_SECONDS)
        found.append((time.process_time() - began) / (time.perf_counter() - at))
    return [Row.of(key, slowest(found))]


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
