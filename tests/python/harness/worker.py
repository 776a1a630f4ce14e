"""A rank: what runs in each forked process from its first instruction to its exit."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection
from typing import Any

import torch
import torch.distributed as dist

from harness.backend import BASE_ENV, make_options
from harness.c10d import c10d
from harness.outcome import Failure, Outcome


@dataclass(frozen=True)
class RankSpec:
    """Everything a rank needs to know to join its group."""

    rank: int
    world: int
    backend: str | None  # None: no default process group
    store_port: int
    store_prefix: str
    timeout: float
    log_path: str
    env: Mapping[str, str]
    options: Mapping[str, Any] | None


def rank_main(spec: RankSpec, conn: Connection) -> None:
    """Join the group, then run jobs from `conn` until it closes or says stop."""
    _redirect_output(spec.log_path)
    os.environ.update({**BASE_ENV, **spec.env})
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    torch.set_num_threads(1)
    conn.send(_attempt(spec.rank, join_group, (spec,)))
    while (job := _next_job(conn)) is not None:
        fn, args, kwargs = job
        _send(conn, _attempt(spec.rank, fn, (spec.rank, spec.world, *args), kwargs))
    if dist.is_initialized():
        dist.destroy_process_group()


def join_group(spec: RankSpec) -> None:
    """`init_process_group` over the test run's TCPStore, under this pool's own prefix."""
    if spec.backend is None:
        return
    store = c10d.TCPStore("127.0.0.1", spec.store_port, is_master=False)
    prefixed = c10d.PrefixStore(spec.store_prefix, store)
    # Connecting takes torch seconds where a name server does not answer: that is not the group's time.
    if prefixed.add("connected", 1) == spec.world:
        prefixed.set("all connected", "")
    prefixed.wait(["all connected"], timedelta(seconds=60))
    dist.init_process_group(
        spec.backend,
        store=prefixed,
        rank=spec.rank,
        world_size=spec.world,
        timeout=timedelta(seconds=spec.timeout),
        pg_options=make_options(spec.backend, spec.options),
    )


def _redirect_output(path: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)
    # pytest's capture may have replaced these objects in the parent; here they mean the file again.
    sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115


def _next_job(conn: Connection) -> tuple[Any, tuple[Any, ...], dict[str, Any]] | None:
    try:
        return conn.recv()  # type: ignore[no-any-return]
    except EOFError:
        return None
    except Exception as error:  # the job's module can't be imported here: say so, don't die
        failure = error

        def explain(*_: Any, **__: Any) -> None:
            raise failure

        return explain, (), {}


def _attempt(rank: int, fn: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None = None) -> Outcome:
    began = time.monotonic()
    try:
        value = fn(*args, **(kwargs or {}))
    except (Exception, KeyboardInterrupt) as error:
        ended = time.monotonic()
        return Outcome(rank, failure=Failure.of(error), began=began, ended=ended)
    return Outcome(rank, value=value, began=began, ended=time.monotonic())


def _send(conn: Connection, outcome: Outcome) -> None:
    try:
        conn.send(outcome)
    except (TypeError, AttributeError, RuntimeError) as error:  # the value does not pickle
        conn.send(Outcome(outcome.rank, failure=Failure.of(error), began=outcome.began, ended=outcome.ended))
