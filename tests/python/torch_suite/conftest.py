"""Chooses the tests and marks the allow-listed ones as strict expected failures.

Strict: a listed test that passes fails the run, so that an entry can't outlive its reason.
"""

from __future__ import annotations

import pytest
from harness import BACKEND

from torch_suite.allow_list import ALLOWED
from torch_suite.forked import refusal


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    ours = [item for item in items if isinstance(item, pytest.Function) and hasattr(item.cls, "gate_module")]
    runs = {id(item) for item in ours if not refusal(getattr(item.cls, item.name))}
    as_gloo = {item.name for item in ours if id(item) in runs and item.cls.gate_module.endswith("gloo")}
    twice = {id(item) for item in ours if item.name in as_gloo and item.cls.gate_module.endswith("mpi")}
    dropped = [item for item in ours if id(item) not in runs or id(item) in twice]
    config.hook.pytest_deselected(items=dropped)
    gone = {id(item) for item in dropped}
    items[:] = [item for item in items if id(item) not in gone]
    allowed = ALLOWED.get(BACKEND, {})
    for item in ours:
        if item.name in allowed:
            item.add_marker(pytest.mark.xfail(reason=allowed[item.name], strict=True))
