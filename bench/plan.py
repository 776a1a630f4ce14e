"""From what is wanted to what is run: which keys share processes, and which are measured in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench import mpi
from bench.cases import family
from bench.ranks import Ranks
from bench.timing import Key, Pace, Row


@dataclass(frozen=True)
class Job:
    """Keys that are measured in turn."""

    keys: tuple[Key, ...]

    @property
    def session(self) -> tuple[int, str]:
        """The processes that it needs: a world size, and engines."""
        return self.keys[0].world, self.keys[0].engines

    def __str__(self) -> str:
        first = self.keys[0]
        return f"{first.op} {first.size} B, {first.world} ranks {first.engines}".strip()


@dataclass(frozen=True)
class Terms:
    """How all of it is measured."""

    pace: Pace
    backends: tuple[str, ...]
    env: Mapping[str, str]
    pin: bool
    until: float  # of time.monotonic(): begins nothing after that


def jobs(keys: Sequence[Key]) -> list[Job]:
    """Those of one session together, else in the order given; Open MPI's right after what they are compared with."""
    groups: dict[tuple[object, ...], list[Key]] = {}
    for key in dict.fromkeys(keys):
        alone = key.backend == mpi.NAME
        groups.setdefault((key.world, key.engines, family(key.op), alone or key.size, alone), []).append(key)
    sessions: dict[tuple[int, str], list[Job]] = {}
    for group in groups.values():
        job = Job(tuple(group))
        sessions.setdefault(job.session, []).append(job)
    return [job for session in sessions.values() for job in session]


def run(
    wanted: Sequence[Job],
    terms: Terms,
    began: Callable[[Job], None],
    engines: dict[str, dict[str, str]],
) -> Iterator[list[Row]]:
    """The rows of one job after the other; `engines` takes what each backend really used, by session."""
    ranks: Ranks | None = None
    current: tuple[int, str] | None = None
    try:
        for job in wanted:
            if time.monotonic() > terms.until:
                return
            began(job)
            if job.keys[0].backend == mpi.NAME:
                sizes = [key.size for key in job.keys]
                yield mpi.measure(job.keys[0].world, job.keys[0].op, sizes, terms.pace)
                continue
            if ranks is None or job.session != current:
                if ranks is not None:
                    ranks.close()
                current = job.session
                ranks = _start(current, terms)
                engines[f"{current[0]} {current[1]}".strip()] = ranks.engines
            yield ranks.measure(job.keys, terms.pace)
    finally:
        if ranks is not None:
            ranks.close()


def _start(session: tuple[int, str], terms: Terms) -> Ranks:
    world, engines = session
    env = dict(terms.env) | ({"DLSLIME_ENGINES": engines} if engines else {})
    return Ranks(world, terms.backends, env, terms.pin)
