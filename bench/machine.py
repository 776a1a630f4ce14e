"""What a run was made on."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import torch

from bench.limit import bandwidth, copy_key, cpus
from bench.timing import Key, Row, human

CPU = Path("/sys/devices/system/cpu/cpu0/cache")


def describe(rows: Mapping[Key, Row]) -> dict[str, str]:
    """In words, to be read beside the figures; the memory's bandwidth is out of the rows."""
    said = {
        "CPU": _cpu(),
        "cores": str(cpus()),
        "caches": _caches(),
        "memory": _memory(rows),
        "kernel": platform.release(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "Open MPI": _first_line("mpirun", "--version").rpartition(" ")[2],
        "load": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "source": _first_line("git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"),
    }
    return {name: text for name, text in said.items() if text}


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _caches() -> str:
    found = []
    for folder in sorted(CPU.glob("index*")):
        level, kind, size = ((folder / name).read_text().strip() for name in ("level", "type", "size"))
        if kind != "Instruction":
            found.append(f"L{level} {size}")
    return ", ".join(found)


def _memory(rows: Mapping[Key, Row]) -> str:
    sizes = (1 << 20, 64 << 20)
    found = [row for size in sizes if (row := rows.get(copy_key(cpus(), size))) is not None]
    return ", ".join(f"{bandwidth(row) / 1e3:.1f} GB/s in copies of {human(row.size)}" for row in found)


def _first_line(*command: str) -> str:
    if shutil.which(command[0]) is None:
        return ""
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    return said.stdout.partition("\n")[0].strip()
