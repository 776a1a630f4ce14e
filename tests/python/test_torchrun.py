"""torchrun, as a user starts it: a job, and a job whose worker is killed and started again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from harness.backend import BACKEND, BASE_ENV

JOB = """
import os, signal, sys, pathlib
import torch
import torch.distributed as dist
torch.set_num_threads(1)
dist.init_process_group(os.environ["TEST_BACKEND"])
rank, world = dist.get_rank(), dist.get_world_size()
attempt = int(os.environ["TORCHELASTIC_RESTART_COUNT"])
for step in range(20):
    tensor = torch.ones(10_000)
    dist.all_reduce(tensor)
    assert float(tensor[0]) == world
    if sys.argv[2] == "die" and attempt < 2 and step == 10 and rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
pathlib.Path(sys.argv[1], f"{rank}-{attempt}").touch()
dist.destroy_process_group()
"""


def _torchrun(folder: Path, behaviour: str, *options: str) -> subprocess.CompletedProcess[str]:
    job = folder / "job.py"
    job.write_text(JOB)
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--nproc-per-node=2",
            "--monitor-interval=0.2",
            "--rdzv-backend=c10d",
            "--rdzv-endpoint=localhost:0",
            *options,
            str(job),
            str(folder),
            behaviour,
        ],
        env={**os.environ, **BASE_ENV, "OMP_NUM_THREADS": "1", "TEST_BACKEND": BACKEND},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.smoke
def test_job(tmp_path: Path) -> None:
    finished = _torchrun(tmp_path, "live")
    assert finished.returncode == 0, finished.stderr[-4000:]
    assert sorted(each.name for each in tmp_path.glob("*-*")) == ["0-0", "1-0"]


def test_killed_worker_is_restarted(tmp_path: Path) -> None:
    """Two attempts die, the third finishes; nothing of the former attempts is in its way."""
    finished = _torchrun(tmp_path, "die", "--max-restarts=3")
    assert finished.returncode == 0, finished.stderr[-4000:]
    assert sorted(each.name for each in tmp_path.glob("*-*")) == ["0-2", "1-2"]
