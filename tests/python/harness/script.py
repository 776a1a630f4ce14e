"""Whole programs: ranks started as a user would start them, by exec, for tests of start and exit.

Forked ranks of a pool leave by os._exit; what happens at a real interpreter's end shows only here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.backend import BACKEND, BASE_ENV
from harness.store import fresh_prefix, store_port

PRELUDE = """
import os, sys, time
from datetime import timedelta
import torch
import torch.distributed as dist
torch.set_num_threads(1)
rank, world, backend = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), os.environ["TEST_BACKEND"]
store = dist.TCPStore("127.0.0.1", int(os.environ["TEST_STORE_PORT"]), is_master=False)
store = dist.PrefixStore(os.environ["TEST_STORE_PREFIX"], store)
dist.init_process_group(backend, store=store, rank=rank, world_size=world, timeout=timedelta(seconds=30))
"""


@dataclass(frozen=True)
class Finished:
    """How a program ended; `returncode` None means that it had to be killed."""

    returncode: int | None
    output: str


def run_script(
    world: int, body: str, deadline: float = 60.0, env: Mapping[str, str] | None = None
) -> list[Finished]:
    """Run `body` after init_process_group in `world` fresh interpreters; nothing is cleaned up for it."""
    common = {
        **os.environ,
        **BASE_ENV,
        **(env or {}),
        "OMP_NUM_THREADS": "1",
        "WORLD_SIZE": str(world),
        "TEST_BACKEND": BACKEND,
        "TEST_STORE_PORT": str(store_port()),
        "TEST_STORE_PREFIX": fresh_prefix(),
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", "")]),
    }
    code = PRELUDE + textwrap.dedent(body)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env={**common, "RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(world)
    ]
    return [_finish(process, deadline) for process in running]


def _finish(process: subprocess.Popen[str], deadline: float) -> Finished:
    try:
        output, _ = process.communicate(timeout=deadline)
        return Finished(process.returncode, output)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        return Finished(None, output)
