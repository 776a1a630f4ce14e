"""Fixtures every Python test shares, and the paths that ranks need to import test modules."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import PoolRegistry


@pytest.fixture(scope="session")
def pools() -> Iterator[PoolRegistry]:
    """Process pools by world size, shared by the session; a pool that saw a failure is replaced."""
    registry = PoolRegistry()
    yield registry
    registry.close()
