"""distributed_test.py, the tests that it lets gloo run."""

from __future__ import annotations

from harness import server

from torch_suite import gate
from torch_suite.allow_list import ALLOWED
from torch_suite.forked import ForkedRanks, refusal

server.preload(__name__)
_torch = gate.load("gloo")


class TestAsGloo(ForkedRanks, _torch.TestDistBackend, _torch.DistributedTest._DistTestBase):  # type: ignore[misc,name-defined]
    gate_module = _torch.__name__


def test_allow_list_names_only_tests_that_run() -> None:
    for backend, entries in ALLOWED.items():
        for name in entries:
            gates = [gate.load(each).DistributedTest._DistTestBase for each in ("gloo", "mpi")]
            assert hasattr(TestAsGloo, name), f"stale entry for {backend}: torch has no test {name!r}"
            assert any(not refusal(getattr(each, name)) for each in gates), (
                f"stale entry: {name!r} never runs"
            )
