"""The test run's one TCPStore, hosted by pytest's own process so that no rank's death can take it away."""

from __future__ import annotations

import functools
import itertools
from typing import Any

from harness.c10d import c10d

_serial = itertools.count()


@functools.cache
def _server() -> Any:
    return c10d.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)


def store_port() -> int:
    """The port that ranks connect to; starts the store at the first call."""
    return int(_server().port)


def fresh_prefix() -> str:
    """A key prefix that no other pool of this run uses."""
    return f"pool{next(_serial)}"
