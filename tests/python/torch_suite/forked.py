"""`MultiProcessTestCase`, with its processes forked from our server instead of spawned.

Spawning costs four imports of torch for each of some 130 tests: twenty minutes on two cores. Forked, the
file takes about one.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import unittest
from collections.abc import Callable
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import torch
from harness.backend import BASE_ENV
from harness.server import fork_context

DEADLINE = 60.0
# What a test's body asks of the environment when it runs.
INHERITED = ("WORLD_SIZE", "TEMP_DIR", "INIT_METHOD", "MASTER_ADDR")
# Tests of subgroups ask for eight ranks, save from MPI, though four do: run time calls itself MPI.
WORLD_GUARD_PASS = {"BACKEND": "mpi"}
ASKS_FOR_GLOO_BY_NAME = ("test_accumulate_gradients_no_sync",)
GPU_GUARDS = ("skip_if_no_gpu", "skip_if_lt_x_gpu")


def run_rank(target: Callable[..., None], env: dict[str, str], log: str, args: tuple[Any, ...]) -> None:
    """The first thing a forked rank does: output to its log, environment, one thread; then the test."""
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.environ.update(env)
    torch.set_num_threads(1)
    gate_module = sys.modules[target.__self__.gate_module]  # type: ignore[attr-defined]
    gate_module.INIT_METHOD = env["INIT_METHOD"]  # type: ignore[attr-defined]
    target(*args)


def refusal(test: Callable[..., Any] | None) -> str:
    """Why torch's decorators won't let this test run here; empty when they will.

    Known before processes start, it saves starting them. Where the interpreter does not tell which
    decorator a wrapper belongs to (before 3.11), the processes find out themselves.
    """
    while test is not None:
        if getattr(test, "__unittest_skip__", False):
            return str(getattr(test, "__unittest_skip_why__", "skipped"))
        qualname = getattr(getattr(test, "__code__", None), "co_qualname", "")
        if qualname.startswith(GPU_GUARDS) and not torch.cuda.is_available():
            return "needs a GPU"
        test = getattr(test, "__wrapped__", None)
    return ""


class ForkedRanks(unittest.TestCase):
    """Mix in before torch's `TestDistBackend`; `gate_module` names the copy the tests come from."""

    gate_module: str

    def setUp(self) -> None:
        if reason := refusal(getattr(type(self), self._testMethodName)):
            self.skipTest(reason)
        self._log = tempfile.NamedTemporaryFile(prefix="torch-suite-", suffix=".log", delete=False).name  # noqa: SIM115
        self.addCleanup(Path(self._log).unlink)
        super().setUp()
        self._start_processes(self._fork)  # type: ignore[attr-defined]

    def run_test(self, test_name: str, parent_pipe: Any) -> None:
        """In the rank, its group made: some bodies make their CPU model only for a backend named gloo."""
        if test_name.startswith(ASKS_FOR_GLOO_BY_NAME):
            sys.modules[self.gate_module].BACKEND = "gloo"  # type: ignore[attr-defined]
        super().run_test(test_name, parent_pipe)  # type: ignore[misc]

    def _fork(self, target: Callable[..., None], name: str, args: tuple[Any, ...], kwargs: object) -> Any:
        env = {
            **BASE_ENV,
            **WORLD_GUARD_PASS,
            **{key: os.environ[key] for key in INHERITED if key in os.environ},
        }
        return fork_context().Process(target=run_rank, name=name, args=(target, env, self._log, args))

    def _join_processes(self, fn: Callable[..., None]) -> None:
        """Wait for all ranks or the first failing one, then let torch judge the exit codes."""
        self._wait_for_ranks(time.monotonic() + DEADLINE)
        try:
            self._check_return_codes(fn, DEADLINE)  # type: ignore[attr-defined]
        except unittest.SkipTest:
            raise
        except Exception:
            sys.stdout.write(Path(self._log).read_text(errors="replace")[-20000:])
            raise
        finally:
            for pipe in self.pid_to_pipe.values():  # type: ignore[attr-defined]
                pipe.close()

    def _wait_for_ranks(self, until: float) -> None:
        running = {process.sentinel: process for process in self.processes}  # type: ignore[attr-defined]
        while running and time.monotonic() < until:
            for sentinel in wait(list(running), until - time.monotonic()):
                process = running.pop(sentinel)
                process.join()
                if process.exitcode == self.TEST_ERROR_EXIT_CODE:  # type: ignore[attr-defined]
                    until = min(until, time.monotonic() + 2.0)  # the others may wait for it for ever
        if running:
            self._get_timedout_process_traceback()  # type: ignore[attr-defined]
        for process in running.values():
            process.kill()
            process.join()
            process.kill()
