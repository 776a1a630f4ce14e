"""The rank processes: every backend under test is a group of its own in the same processes."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from bench import beside, ddp, floor, processor
from bench.operations import Place
from bench.timing import Key, Pace, Row
from bench.turns import in_turn

c10d: Any = dist  # its stubs leave the stores out
MEMORY = "memory"  # no backend: copies within a rank

Measure = Callable[[Mapping[str, Place], Sequence[Key], Pace], list[Row]]
# What is not measured by in_turn.
PROGRAMS: dict[str, Measure] = {**processor.PROGRAMS, **beside.PROGRAMS, **ddp.PROGRAMS}


@dataclass(frozen=True)
class Setup:
    """What a rank needs to know at its start."""

    rank: int
    world: int
    backends: tuple[str, ...]
    store: str
    env: Mapping[str, str]
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
    floor.register()
    dist.init_process_group("gloo", store=store, rank=setup.rank, world_size=setup.world)
    default = dist.distributed_c10d._get_default_group()
    places = {MEMORY: Place(setup.rank, setup.world, default)}
    for index, name in enumerate(setup.backends):
        before = processor.threads()
        group = _group(name)
        places[label(setup.backends, index)] = Place(
            setup.rank, setup.world, group, processor.threads() - before
        )
    conn.send({name: _engine(place.group) for name, place in places.items() if name != MEMORY})
    while (job := conn.recv()) is not None:
        keys, pace = job
        try:
            rows = PROGRAMS.get(keys[0].op, in_turn)(places, keys, pace)
        except Exception:
            conn.send(traceback.format_exc())
            raise
        conn.send(rows)
    dist.destroy_process_group()


def _group(backend: str) -> dist.ProcessGroup:
    group = dist.new_group(backend=backend)
    assert isinstance(group, dist.ProcessGroup)
    return group


def _engine(group: Any) -> str:
    """What the backend says it really uses; those that don't say are their own engine."""
    backend = group._get_backend(torch.device("cpu"))
    return str(backend.report()["engine"]) if hasattr(backend, "report") else "its own"


class Ranks:
    """The rank processes of one world size."""

    def __init__(self, world: int, backends: tuple[str, ...], env: Mapping[str, str], pin: bool) -> None:
        if floor.NAME in backends:
            floor.build()
        context = multiprocessing.get_context("spawn")
        self._folder = tempfile.TemporaryDirectory(prefix="bench-")
        self._connections: list[Connection] = []
        self._processes: list[SpawnProcess] = []
        for rank in range(world):
            mine, theirs = context.Pipe()
            store = str(Path(self._folder.name, "store"))
            setup = Setup(rank, world, backends, store, dict(env), pin)
            process = context.Process(target=_main, args=(setup, theirs), daemon=True)
            process.start()
            theirs.close()
            self._connections.append(mine)
            self._processes.append(process)
        try:
            said: list[dict[str, str]] = [connection.recv() for connection in self._connections]
        except EOFError:
            raise SystemExit("a rank ended while it joined its groups: what it said is above") from None
        self.engines = said[0]

    def measure(self, keys: Sequence[Key], pace: Pace) -> list[Row]:
        for connection in self._connections:
            connection.send((list(keys), pace))
        answers: list[list[Row] | str] = [connection.recv() for connection in self._connections]
        for answer in answers:
            if isinstance(answer, str):
                raise RuntimeError(f"a rank failed:\n{answer}")
        assert isinstance(answers[0], list)
        return answers[0]

    def close(self) -> None:
        for connection in self._connections:
            connection.send(None)
        for process in self._processes:
            process.join(20)
            process.kill()
        self._folder.cleanup()
