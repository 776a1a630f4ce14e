"""Loads `distributed_test.py` gated as one backend and set to run on another.

Two gates need two copies of the module in one process, so each is loaded under its own name.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from types import ModuleType

from harness.backend import BACKEND
from torch.testing._internal.common_distributed import DistTestCases

WORLD_SIZE = 4  # the size most of its tests ask for


def load(gate: str) -> ModuleType:
    """The module as `gate` would see it, with every group it makes on the backend under test."""
    name = f"distributed_test_as_{gate}"
    if name in sys.modules:
        return sys.modules[name]
    for features in DistTestCases.backend_feature.values():
        if gate in features:
            features.add(BACKEND)
    os.environ["BACKEND"] = gate
    os.environ["WORLD_SIZE"] = str(WORLD_SIZE)
    # Read at import; each test sets its own. Some tests insist on rendezvous by file.
    os.environ.setdefault("TEMP_DIR", tempfile.gettempdir())
    os.environ.setdefault("INIT_METHOD", "file://")
    spec = importlib.util.find_spec("torch.testing._internal.distributed.distributed_test")
    assert spec is not None
    assert spec.origin is not None
    copy = importlib.util.spec_from_file_location(name, spec.origin)
    assert copy is not None
    assert copy.loader is not None
    module = importlib.util.module_from_spec(copy)
    sys.modules[name] = module
    copy.loader.exec_module(module)
    module.BACKEND = BACKEND  # type: ignore[attr-defined]
    if BACKEND not in module.PROFILING_SUPPORTED_BACKENDS:
        module.PROFILING_SUPPORTED_BACKENDS.append(BACKEND)
        module.SEND_RECV_PROFILING_SUPPORTED_BACKENDS.append(BACKEND)
    return module
