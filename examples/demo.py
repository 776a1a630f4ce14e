"""Runs digits_ddp.py on dlslime and on gloo with the same seed, and compares them in a table."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

TIMED = (
    "Medians on rank 0. Communication: from the call of all_reduce to the completion of its future, "
    "in the same DDP hook for both; it overlaps with the backward pass. The two ran one after the other: "
    "this shows that it works; docs/performance.md compares."
)


def run(backend: str, ranks: int, out: Path) -> bool:
    out.mkdir()
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    job = [str(Path(__file__).with_name("digits_ddp.py")), f"--backend={backend}", f"--out={out}"]
    threads = max(1, len(os.sched_getaffinity(0)) // ranks)  # more would fight over the cores
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    return subprocess.run([*torchrun, *job], env=environment).returncode == 0


def weight_difference(a: Path, b: Path) -> float:
    left, right = (torch.load(folder / "weights.pt") for folder in (a, b))
    return max(float((left[name] - right[name]).abs().max()) for name in left)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backends", nargs="+", default=["dlslime", "gloo"])
    parser.add_argument("--ranks", type=int, default=2)
    arguments = parser.parse_args()

    table = Table(title=f"Handwritten digits, {arguments.ranks} ranks", caption=TIMED)
    for heading in ("backend", "engine", "accuracy", "step", "communication", "ranks' weights"):
        table.add_column(heading)
    with tempfile.TemporaryDirectory() as scratch:
        folders = [Path(scratch) / f"{i}-{name}" for i, name in enumerate(arguments.backends)]
        # Every job runs though an earlier one failed: the table then says more.
        passed = [
            run(backend, arguments.ranks, folder)
            for backend, folder in zip(arguments.backends, folders, strict=True)
        ]
        finished = [folder for folder in folders if (folder / "result.json").exists()]
        for folder in finished:
            result = json.loads((folder / "result.json").read_text())
            table.add_row(
                result["backend"],
                result["engine"],
                f"{result['accuracy']:.2%}",
                f"{result['step_ms']:.2f} ms",
                f"{result['communication_ms']:.2f} ms",
                "identical" if result["same_on_all_ranks"] else "DIFFERENT",
            )
        console = Console(width=max(100, Console().width))
        console.print(table)
        if len(finished) == 2:
            difference = weight_difference(*finished)
            console.print(f"Largest weight difference between the two backends: {difference:.3g}")
    for backend, good in zip(arguments.backends, passed, strict=True):
        if not good:
            console.print(f"{backend}: failed", style="bold red")
    return not all(passed)


if __name__ == "__main__":
    sys.exit(main())
