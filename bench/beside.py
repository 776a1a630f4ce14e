"""A small operation of one thread while another thread of the same process moves a lot.

The other thread reduces 64 MiB again and again in a group of its own, or only copies as much from here to there: what
the small one then takes is the scheduler's doing, who has more threads than cores.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist

from bench.operations import Place
from bench.timing import Key, Pace, Row

BESIDE, BESIDE_COPIES = "all_reduce_beside_64_mib", "all_reduce_beside_copies"
COUNT = 64 << 20 >> 2
TIMES, ROUNDS = 150, 4
PAUSE = 0.001


def _reducing(place: Place) -> Callable[[bool], bool]:
    """One 64 MiB all_reduce; ends on all ranks in the same turn, after one has asked for it."""
    group = dist.new_group(backend=dist.get_backend(place.group))
    tensor = torch.zeros(COUNT)

    def turn(enough: bool) -> bool:
        tensor[0] = float(enough)
        dist.all_reduce(tensor, group=group)
        return bool(tensor[0] > 0)

    turn(False)
    return turn


def _copying(_: Place) -> Callable[[bool], bool]:
    here, there = torch.zeros(COUNT), torch.zeros(COUNT)

    def turn(enough: bool) -> bool:
        there.copy_(here)
        return enough

    return turn


@contextmanager
def _under_way(turn: Callable[[bool], bool]) -> Iterator[None]:
    enough = threading.Event()

    def work() -> None:
        while not turn(enough.is_set()):
            pass

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()


def _last(moments: list[float]) -> torch.Tensor:
    """Of each operation, the moment when the last rank was there."""
    latest = torch.tensor(moments, dtype=torch.float64)
    dist.all_reduce(latest, dist.ReduceOp.MAX)
    return latest


def _seconds(place: Place, turn: Callable[[bool], bool]) -> list[float]:
    """From the moment when the last rank has called until all have returned."""
    tensor = torch.zeros(2)
    began, ended = [], []
    dist.all_reduce(tensor, group=place.group)
    dist.barrier()
    with _under_way(turn):
        for _ in range(TIMES):
            began.append(time.monotonic())  # one clock for all processes of the host
            dist.all_reduce(tensor, group=place.group)
            ended.append(time.monotonic())
            time.sleep(PAUSE)
    seconds: list[float] = (_last(ended) - _last(began)).tolist()
    return seconds


def _measure(places: Mapping[str, Place], keys: Sequence[Key], pace: Pace) -> list[Row]:
    found: list[list[float]] = [[] for _ in keys]
    make = _reducing if keys[0].op == BESIDE else _copying
    turns = [make(places[key.backend]) for key in keys]
    for _ in range(ROUNDS):
        for index, key in enumerate(keys):
            found[index] += _seconds(places[key.backend], turns[index])
    return [Row.of(key, seconds) for key, seconds in zip(keys, found, strict=True)]


PROGRAMS = {BESIDE: _measure, BESIDE_COPIES: _measure}
