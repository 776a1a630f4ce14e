"""What a rank does to measure: backends (and variants of an operation) in turn, on data that is checked."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist

from bench import floor
from bench.cases import ALL
from bench.operations import Buffers, Operation, Place, fill
from bench.timing import Key, Pace, Row

NO_RESULT = {floor.NAME}  # does nothing: there is nothing to check


@dataclass
class Contestant:
    """One of those that are measured in turn."""

    key: Key
    place: Place
    operation: Operation
    sets: list[Buffers]

    def timed(self, count: int) -> list[float]:
        """The seconds of each iteration, without the first, which also waits for the ranks to set out."""
        seconds = []
        run, place = self.operation.run, self.place
        dist.barrier()
        for turn in range(count + 1):
            buffers = self.sets[turn % len(self.sets)]
            began = time.perf_counter()
            run(place, buffers)
            seconds.append(time.perf_counter() - began)
        return seconds[1:]

    def verify(self, turn: int) -> None:
        if self.key.backend in NO_RESULT:
            return
        buffers = self.sets[turn % len(self.sets)]
        fill(self.place, buffers)
        dist.barrier()
        self.operation.run(self.place, buffers)
        if not self.operation.check(self.place, buffers):
            raise RuntimeError(f"{self.key} gave a wrong result on rank {self.place.rank}")
        for each in self.sets:  # sums of zeros stay zero, however often they are taken
            each.whole.fill_(0.0)


def in_turn(places: Mapping[str, Place], keys: Sequence[Key], pace: Pace) -> list[Row]:
    """Rounds of all in turn, each round beginning with another."""
    made: dict[tuple[object, int], list[Buffers]] = {}
    contestants = []
    for key in keys:
        operation, place = ALL[key.op], places[key.backend]
        kind = (operation.make, key.size)
        if kind not in made:
            made[kind] = operation.buffer_sets(place, key.size)
        contestants.append(Contestant(key, place, operation, made[kind]))
    each = [_agreed(min(contestant.timed(4)[1:])) for contestant in contestants]  # also warms up
    counts = [pace.iterations(seconds) for seconds in each]
    rounds = pace.rounds_of(sum(count * seconds for count, seconds in zip(counts, each, strict=True)))
    seconds: list[list[float]] = [[] for _ in keys]
    for turn in range(rounds):
        for index in [(turn + shift) % len(keys) for shift in range(len(keys))]:
            contestants[index].verify(turn)
            seconds[index] += slowest(contestants[index].timed(counts[index]))
    return [Row.of(key, found) for key, found in zip(keys, seconds, strict=True)]


def _agreed(seconds: float) -> float:
    """The longest of all ranks, so that all do as many iterations."""
    return slowest([seconds])[0]


def slowest(mine: list[float]) -> list[float]:
    """Of each iteration, the time of the rank that took longest."""
    longest = torch.tensor(mine, dtype=torch.float64)
    dist.all_reduce(longest, dist.ReduceOp.MAX)
    return longest.tolist()
