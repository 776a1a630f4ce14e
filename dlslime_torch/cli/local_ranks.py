"""Rank processes on this machine: each runs one function of a module of ours; rank 0 answers line by line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

Answer = dict[str, Any]
LOG_TAIL = 2000


class RanksFailed(RuntimeError):
    """A rank failed or took too long; the text says which, and ends with what it wrote."""


class Say(Protocol):
    def __call__(self, **answer: Any) -> None: ...


def run_ranks(
    module: str, world: int, job: Mapping[str, Any], deadline: float, env: Mapping[str, str] | None = None
) -> Iterator[Answer]:
    """Starts `module.rank(say, rank, world, store_file, job)` on every rank and yields what rank 0 says."""
    with tempfile.TemporaryDirectory(prefix="dlslime-") as folder:
        logs = [Path(folder) / f"log{rank}" for rank in range(world)]
        ranks: list[subprocess.Popen[str]] = []
        expired = threading.Event()

        def stop() -> None:
            expired.set()
            for process in ranks:
                process.kill()

        timer = threading.Timer(deadline, stop)
        watcher = threading.Thread(target=_end_together, args=(ranks,), daemon=True)
        try:
            for rank in range(world):
                ranks.append(_start(module, rank, world, folder, job, env or {}))
            timer.start()
            watcher.start()
            assert ranks[0].stdout is not None
            for line in ranks[0].stdout:
                yield json.loads(line)
            codes = [process.wait() for process in ranks]
        finally:
            timer.cancel()
            for process in ranks:
                process.kill()
                process.wait()
            if watcher.is_alive():
                watcher.join()
        if expired.is_set():
            raise RanksFailed(f"the ranks were still running after {deadline:g} s")
        failed = [rank for rank, code in enumerate(codes) if code]
        if failed:
            first = next((rank for rank in failed if codes[rank] > 0), failed[0])
            raise RanksFailed(f"rank {first} of {world} failed:\n{logs[first].read_text()[-LOG_TAIL:]}")


def _start(
    module: str, rank: int, world: int, folder: str, job: Mapping[str, Any], env: Mapping[str, str]
) -> subprocess.Popen[str]:
    task = {"module": module, "rank": rank, "world": world, "store": f"{folder}/store", "job": job}
    with open(f"{folder}/log{rank}", "w") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "dlslime_torch.cli.rank", json.dumps(task)],
            env={**os.environ, "OMP_NUM_THREADS": "1", **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if rank == 0 else subprocess.DEVNULL,
            stderr=log,
            text=True,
        )


def _end_together(ranks: list[subprocess.Popen[str]]) -> None:
    """The first that fails takes the others with it, after a moment to say what they think of it."""
    while any(process.poll() is None for process in ranks):
        if any(process.poll() for process in ranks):
            time.sleep(1.0)
            for process in ranks:
                process.kill()
        time.sleep(0.02)
