"""Ctrl-C in a blocking call raises KeyboardInterrupt at once, wherever the call waits."""

from __future__ import annotations

import signal
import time

import pytest
import torch
import torch.distributed as dist
from harness import ENGINES, ON_GLOO, ranks
from harness.backend import engine_env

pytestmark = pytest.mark.skipif(ON_GLOO, reason="gloo's blocking calls don't look at signals")

BOUND = 0.2  # seconds from the signal to the exception


def warm_up(rank: int, world: int) -> None:
    dist.all_reduce(torch.ones(1))


def block_in(rank: int, world: int, call: str) -> None:
    """Wait for a peer that never comes."""
    # A shell that starts the tests in the background has SIGINT ignored in everything below it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    tensor = torch.ones(1 << 18)
    if call == "all_reduce":
        dist.all_reduce(tensor)
    elif call == "barrier":
        dist.barrier()
    elif call == "recv":
        dist.recv(tensor, 1)
    elif call == "wait":
        work = dist.all_reduce(tensor, async_op=True)
        assert work is not None
        work.wait()
    elif call == "all_to_all":
        dist.all_to_all_single(torch.empty_like(tensor), tensor)


@pytest.mark.parametrize("call", ["all_reduce", "barrier", "recv", "wait", "all_to_all"])
@pytest.mark.parametrize("engine", ENGINES)
def test_interrupt(engine: str, call: str) -> None:
    with ranks(2, env=engine_env(engine)) as pool:
        pool.run(warm_up)
        blocked = pool.submit(block_in, call, members=[0])
        time.sleep(0.3)  # long enough to be asleep in it
        sent = pool.kill(0, signal.SIGINT)
        outcome = blocked.wait(10.0)[0]
        assert outcome.raised("KeyboardInterrupt"), outcome.describe()
        assert outcome.ended - sent < BOUND
        pool.broken = True
