"""Which backend is under test, and the environment its ranks start with.

`DLSLIME_TEST_BACKEND=gloo` runs the same tests on torch's own backend: a test that passes there checks
what torch promises, not what we happen to do.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from typing import Any

BACKEND = os.environ.get("DLSLIME_TEST_BACKEND", "dlslime")
ON_GLOO = BACKEND == "gloo"

# Engines that fault and mismatch tests run over. Gloo has one way to move bytes and no name for it.
ENGINES: tuple[str, ...] = ("any",) if ON_GLOO else ("shm", "tcp")

# Loopback only: no test may depend on what the machine's host name resolves to.
BASE_ENV: Mapping[str, str] = {"GLOO_SOCKET_IFNAME": "lo"}


def engine_env(engine: str) -> dict[str, str]:
    """The environment that confines a rank to one engine."""
    return {} if engine == "any" else {"DLSLIME_ENGINES": engine}


def make_options(backend: str, fields: Mapping[str, Any] | None) -> Any:
    """`pg_options` for `init_process_group`, built in the rank because options don't pickle."""
    if not fields:
        return None
    if backend == "gloo":
        raise ValueError(f"gloo takes no pg_options here, got {dict(fields)}")
    options = importlib.import_module("dlslime_torch").Options()
    for name, value in fields.items():
        setattr(options, name, value)
    return options
