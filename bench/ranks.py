"""The rank processes: every backend under test as a group of its own in the same processes, taken in turn."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from bench.operations import OPERATIONS, Buffers, Place, buffer_sets, fill
from bench.timing import Row, iterations

c10d: Any = dist  # its stubs leave the stores out


@dataclass(frozen=True)
class Setup:
    """What a rank needs to know at its start."""

    rank: int
    world: int
    backends: tuple[str, ...]
    store: str
    env: Mapping[str, str]
    rounds: int
    quick: bool
    pin: bool


def label(backends: Sequence[str], index: int) -> str:
    """A name for the table; a backend may be listed twice, to see how far two equals differ."""
    name = backends[index]
    return name if backends.index(name) == index else f"{name}#{index + 1}"


def _main(setup: Setup, conn: Connection) -> None:
    os.environ.update(setup.env)
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", category=FutureWarning)  # newer names that older torch has not
    if setup.pin:
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {allowed[setup.rank % len(allowed)]})
    # The default group only keeps the ranks in step; what is measured has groups of its own.
    store = c10d.FileStore(setup.store, setup.world)
    dist.init_process_group("gloo", store=store, rank=setup.rank, world_size=setup.world)
    places = {
        label(setup.backends, index): Place(setup.rank, setup.world, _group(name))
        for index, name in enumerate(setup.backends)
    }
    conn.send({name: _engine(place.group) for name, place in places.items()})
    while (job := conn.recv()) is not None:
        op, size = job
        conn.send(_measure(setup, places, op, size))
    dist.destroy_process_group()


def _group(backend: str) -> dist.ProcessGroup:
    group = dist.new_group(backend=backend)
    assert isinstance(group, dist.ProcessGroup)
    return group


def _engine(group: Any) -> str:
    """What the backend says it really uses; those that don't say are their own engine."""
    backend = group._get_backend(torch.device("cpu"))
    return str(backend.report()["engine"]) if hasattr(backend, "report") else "its own"


def _measure(setup: Setup, places: Mapping[str, Place], op: str, size: int) -> list[Row]:
    """Rounds of every backend in turn, each round starting with another; rows on rank 0 only."""
    sets = buffer_sets(size, setup.world)
    counts = {name: _calibrate(setup, place, op, sets) for name, place in places.items()}
    seconds: dict[str, list[float]] = {name: [] for name in places}
    names = list(places)
    for turn in range(setup.rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            _verify(places[name], op, sets[turn % len(sets)], name)
            for buffers in sets:  # sums of zeros stay zero, however often they are taken
                buffers.whole.fill_(0.0)
            seconds[name] += _slowest(_timed(places[name], op, sets, counts[name]))
    if setup.rank:
        return []
    return [Row.of(setup.world, op, size, name, seconds[name]) for name in names]


def _calibrate(setup: Setup, place: Place, op: str, sets: list[Buffers]) -> int:
    """How many iterations make a round, agreed by all ranks; also the warm-up."""
    _timed(place, op, sets, 2)
    took = torch.tensor([min(_timed(place, op, sets, 3))])
    dist.all_reduce(took, dist.ReduceOp.MAX)
    return iterations(float(took), setup.quick)


def _timed(place: Place, op: str, sets: list[Buffers], count: int) -> list[float]:
    run, _ = OPERATIONS[op]
    seconds = []
    dist.barrier()
    for turn in range(count):
        buffers = sets[turn % len(sets)]
        began = time.perf_counter()
        run(place, buffers)
        seconds.append(time.perf_counter() - began)
    return seconds


def _slowest(mine: list[float]) -> list[float]:
    """Of each iteration, the time of the rank that took longest."""
    slowest = torch.tensor(mine, dtype=torch.float64)
    dist.all_reduce(slowest, dist.ReduceOp.MAX)
    return slowest.tolist()


def _verify(place: Place, op: str, buffers: Buffers, name: str) -> None:
    run, check = OPERATIONS[op]
    fill(place, buffers)
    dist.barrier()
    run(place, buffers)
    if not check(place, buffers):
        raise RuntimeError(f"{name}: {op} gave a wrong result on rank {place.rank}")


class Ranks:
    """The rank processes of one world size."""

    def __init__(
        self,
        world: int,
        backends: tuple[str, ...],
        env: Mapping[str, str],
        rounds: int,
        quick: bool,
        pin: bool,
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self._folder = tempfile.TemporaryDirectory(prefix="bench-")
        self._connections: list[Connection] = []
        self._processes: list[SpawnProcess] = []
        for rank in range(world):
            mine, theirs = context.Pipe()
            store = str(Path(self._folder.name, "store"))
            setup = Setup(rank, world, backends, store, dict(env), rounds, quick, pin)
            process = context.Process(target=_main, args=(setup, theirs), daemon=True)
            process.start()
            theirs.close()
            self._connections.append(mine)
            self._processes.append(process)
        said: list[dict[str, str]] = [connection.recv() for connection in self._connections]
        self.engines = said[0]

    def measure(self, op: str, size: int) -> list[Row]:
        for connection in self._connections:
            connection.send((op, size))
        rows: list[list[Row]] = [connection.recv() for connection in self._connections]
        return rows[0]

    def close(self) -> None:
        for connection in self._connections:
            connection.send(None)
        for process in self._processes:
            process.join(20)
            process.kill()
        self._folder.cleanup()
