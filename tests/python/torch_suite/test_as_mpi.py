"""distributed_test.py, the tests that it lets MPI run and gloo not (all_to_all, small worlds)."""

from __future__ import annotations

from harness import server

from torch_suite import gate
from torch_suite.forked import ForkedRanks

server.preload(__name__)
_torch = gate.load("mpi")


class TestAsMpi(ForkedRanks, _torch.TestDistBackend, _torch.DistributedTest._DistTestBase):  # type: ignore[misc,name-defined]
    gate_module = _torch.__name__
