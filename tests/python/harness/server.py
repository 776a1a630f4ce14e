"""The fork server: a single-threaded process that has imported torch once.

Importing torch costs seconds; forking a process that has done it costs milliseconds. The server is the
standard library's own (`multiprocessing`'s "forkserver"), started by exec so that it inherits neither
pytest's threads nor its descriptors; this file only says what it imports and keeps it single-threaded,
because a process with threads can't be forked safely.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerContext
from multiprocessing.forkserver import ensure_running
from pathlib import Path

# What ranks import anyway. A module that is not installed is skipped by the server.
PRELOAD = [
    "numpy",
    "torch",
    "torch.distributed",
    "torch.distributed.fsdp",
    "torch.distributed.tensor",
    "torch.nn.parallel",
    "torch.testing",
    "dlslime_torch",
    "pytest",
    "harness",
]

# OpenBLAS starts its threads when it's loaded, OpenMP at the first parallel region.
SINGLE_THREADED = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@contextmanager
def _environment(changes: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def preload(module: str) -> None:
    """Have the server import one more module; test modules call this when pytest collects them."""
    if module not in PRELOAD:
        PRELOAD.append(module)


def fork_context() -> ForkServerContext:
    """The context whose `Process` is forked from the server; starts the server at the first call."""
    tests_root = str(Path(__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, [tests_root, os.environ.get("PYTHONPATH")]))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOAD))
    with _environment({**SINGLE_THREADED, "PYTHONPATH": path}):
        ensure_running()
    return context
