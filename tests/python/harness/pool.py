"""A pool: N ranks with an initialised default process group, reused from call to call.

A call that misses its deadline gets every rank's stack dumped into its log and then SIGKILL: nothing
hangs. A pool that saw a failure is `broken` (its ranks may be in different states) and is not to be
reused; `registry.py` replaces such pools.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from harness.backend import BACKEND
from harness.outcome import Failure, Outcome, RankFailure
from harness.server import fork_context
from harness.store import fresh_prefix, store_port
from harness.worker import RankSpec, rank_main

DEADLINE = 60.0
LOG_TAIL = 6000
DUMP_PATIENCE = 0.5  # seconds for the stack dumps to reach the logs


class Call:
    """One function running on some ranks of a pool."""

    def __init__(self, pool: Pool, name: str, members: Sequence[int]) -> None:
        self._pool = pool
        self._name = name
        self._waiting = set(members)
        self._outcomes: dict[int, Outcome] = {}

    def wait(self, deadline: float = DEADLINE) -> list[Outcome]:
        """Every rank's outcome, in rank order; past the deadline, all ranks are dumped and killed."""
        until = time.monotonic() + deadline
        while self._waiting:
            self._collect(max(0.0, until - time.monotonic()))
            if self._waiting and time.monotonic() >= until:
                self._give_up(deadline)
        return [self._outcomes[rank] for rank in sorted(self._outcomes)]

    def values(self, deadline: float = DEADLINE) -> list[Any]:
        """Every rank's return value; raises RankFailure when any rank failed."""
        outcomes = self.wait(deadline)
        if not all(outcome.ok for outcome in outcomes):
            raise RankFailure(f"{self._name} failed", outcomes)
        return [outcome.value for outcome in outcomes]

    def _collect(self, patience: float) -> None:
        pool = self._pool
        sources: dict[Any, int] = {}
        for rank in self._waiting:
            sources[pool.connections[rank]] = rank
            sources[pool.processes[rank].sentinel] = rank
        for rank in {sources[ready] for ready in wait(list(sources), patience)}:
            outcome = pool.take_reply(rank)
            if outcome is not None:
                self._record(outcome)

    def _record(self, outcome: Outcome) -> None:
        self._waiting.discard(outcome.rank)
        self._outcomes[outcome.rank] = outcome

    def _give_up(self, deadline: float) -> None:
        stuck = sorted(self._waiting)
        self._pool.dump_stacks()
        self._pool.kill_all()
        text = f"{self._name} was still running after {deadline:g} s; stacks are in the output below"
        failure = Failure(("DeadlineExceeded",), text, text + "\n")
        for rank in stuck:
            self._record(Outcome(rank, failure=failure, log=self._pool.log(rank)))


class Pool:
    """See the head of this file. Use `ranks(...)` or a `PoolRegistry` to make one."""

    def __init__(
        self,
        world: int,
        backend: str | None = BACKEND,
        env: Mapping[str, str] | None = None,
        options: Mapping[str, Any] | None = None,
        timeout: float = 30.0,
    ) -> None:
        self.world = world
        self.broken = False
        self.processes: list[ForkServerProcess] = []
        self.connections: list[Connection] = []
        self._logs = Path(tempfile.mkdtemp(prefix="ranks-"))
        context = fork_context()
        port, prefix = store_port(), fresh_prefix()
        for rank in range(world):
            mine, theirs = context.Pipe()
            log = str(self._logs / f"rank{rank}.log")
            spec = RankSpec(rank, world, backend, port, prefix, timeout, log, dict(env or {}), options)
            process = context.Process(target=rank_main, args=(spec, theirs), daemon=False)
            process.start()
            theirs.close()
            self.processes.append(process)
            self.connections.append(mine)
        try:
            Call(self, "joining the group", range(world)).values()
        except RankFailure:
            self.close()
            raise

    def submit(
        self, fn: Callable[..., Any], *args: Any, members: Sequence[int] | None = None, **kwargs: Any
    ) -> Call:
        """Start `fn(rank, world, *args, **kwargs)` on `members` (default: all) and return at once."""
        chosen = range(self.world) if members is None else members
        for rank in chosen:
            self.connections[rank].send((fn, args, kwargs))
        return Call(self, getattr(fn, "__name__", str(fn)), chosen)

    def run(self, fn: Callable[..., Any], *args: Any, deadline: float = DEADLINE, **kwargs: Any) -> list[Any]:
        """Run on all ranks and return their values; raises with every failing rank's traceback."""
        return self.submit(fn, *args, **kwargs).values(deadline)

    def outcomes(
        self, fn: Callable[..., Any], *args: Any, deadline: float = DEADLINE, **kwargs: Any
    ) -> list[Outcome]:
        """Run on all ranks and return what became of each: for tests that expect failures."""
        return self.submit(fn, *args, **kwargs).wait(deadline)

    def pid(self, rank: int) -> int:
        pid = self.processes[rank].pid
        assert pid is not None
        return pid

    def kill(self, rank: int, signum: int = signal.SIGKILL) -> float:
        """Send a signal to a rank; returns the moment (CLOCK_MONOTONIC seconds) just before."""
        if signum in (signal.SIGKILL, signal.SIGSTOP):
            self.broken = True
        before = time.monotonic()
        os.kill(self.pid(rank), signum)
        return before

    def freeze(self, rank: int) -> float:
        """Stop a rank as a swapped-out or debugged process would be."""
        return self.kill(rank, signal.SIGSTOP)

    def thaw(self, rank: int) -> float:
        return self.kill(rank, signal.SIGCONT)

    def take_reply(self, rank: int) -> Outcome | None:
        """The reply waiting in a rank's pipe, or news of its death; None when neither is there."""
        try:
            if self.connections[rank].poll():
                outcome: Outcome = self.connections[rank].recv()
                if outcome.ok:
                    return outcome
                self.broken = True
                return Outcome(**{**vars(outcome), "log": self.log(rank)})
        except (EOFError, ConnectionResetError):
            pass
        self.processes[rank].join(1.0)
        exitcode = self.processes[rank].exitcode
        if exitcode is None:
            return None
        self.broken = True
        return Outcome(rank, exitcode=exitcode, ended=time.monotonic(), log=self.log(rank))

    def log(self, rank: int) -> str:
        """The end of what a rank wrote to stdout and stderr."""
        path = self._logs / f"rank{rank}.log"
        return path.read_text(errors="replace")[-LOG_TAIL:] if path.exists() else ""

    def dump_stacks(self) -> None:
        """Ask every rank's faulthandler for all threads' stacks; they land in the logs."""
        for process in self.processes:
            if process.is_alive() and process.pid is not None:
                os.kill(process.pid, signal.SIGUSR1)
        time.sleep(DUMP_PATIENCE)

    def kill_all(self) -> None:
        self.broken = True
        for process in self.processes:
            if process.is_alive():
                process.kill()

    def stop(self, patience: float = 20.0) -> list[int | None]:
        """Tell ranks to destroy their group and exit; returns exit codes (None: had to be killed)."""
        for connection in self.connections:
            try:
                connection.send(None)
            except OSError:
                continue
        until = time.monotonic() + patience
        for process in self.processes:
            process.join(max(0.0, until - time.monotonic()))
        codes = [process.exitcode for process in self.processes]
        if None in codes:
            self.dump_stacks()
            self.kill_all()
        return codes

    def close(self) -> None:
        """Stop an intact pool politely, a broken one by SIGKILL, and remove the logs."""
        if self.broken:
            self.kill_all()
        else:
            self.stop()
        for process, connection in zip(self.processes, self.connections, strict=True):
            process.join(5.0)
            connection.close()
        shutil.rmtree(self._logs, ignore_errors=True)


@contextmanager
def ranks(world: int, **spec: Any) -> Iterator[Pool]:
    """A pool for one `with` block; takes what `Pool` takes."""
    pool = Pool(world, **spec)
    try:
        yield pool
    finally:
        pool.close()
