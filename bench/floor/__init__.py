"""The floor: a c10d backend that does nothing, built for the torch at hand when it is first asked for.

What a call costs with it is what `torch.distributed` costs by itself: no backend can be faster.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import subprocess
import sys
import sysconfig
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import torch
import torch.distributed as dist

NAME = "floor"
SOURCE = Path(__file__).with_name("floor.cpp")
FOLDER = SOURCE.parents[2] / "build" / "bench"


def library() -> Path:
    """Where it is or will be: named by all that it depends on."""
    known = f"{torch.__version__} {torch.__file__} {sys.version} {SOURCE.read_text()}"
    return FOLDER / f"floor-{hashlib.sha256(known.encode()).hexdigest()[:16]}.so"


def build() -> Path:
    """Compiles it, half a minute, unless that has been done; not to be called by two processes at once."""
    output = library()
    if output.exists():
        return output
    torch_root = Path(torch.__file__).parent
    include = [torch_root / "include", torch_root / "include/torch/csrc/api/include"]
    command = [os.environ.get("CXX", "g++"), "-std=c++20", "-O2", "-fPIC", "-shared", "-w"]
    command += [f"-DTORCH_EXTENSION_NAME={NAME}", "-DTORCH_API_INCLUDE_EXTENSION_H"]
    command += [f"-isystem{path}" for path in (*include, sysconfig.get_paths()["include"])]
    command += [str(SOURCE), f"-L{torch_root / 'lib'}", "-lc10", "-ltorch_cpu", "-ltorch_python"]
    FOLDER.mkdir(parents=True, exist_ok=True)
    unfinished = output.with_suffix(f".{os.getpid()}")
    subprocess.run([*command, "-o", str(unfinished)], check=True)
    unfinished.rename(output)
    return output


@functools.cache
def _module() -> ModuleType:
    spec = importlib.util.spec_from_file_location(NAME, build())
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def register() -> None:
    """From now on `new_group(backend="floor")` works in this process."""
    if NAME.upper() not in dist.Backend._plugins:
        dist.Backend.register_backend(NAME, _create, devices=["cpu"])


def _create(store: object, rank: int, size: int, timeout: timedelta) -> object:
    return _module().Floor(rank, size)
