"""Ctrl-C in a blocking call raises KeyboardInterrupt at once, wherever the call waits."""

from __future__ import annotations

import os
import signal
import time
import weakref

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


def block_with_a_finalizer_due(rank: int, world: int) -> None:
    """The other rank ends an operation whose tensor nobody else has, interrupts us at once, and never comes again."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    pid = torch.tensor([os.getpid()])
    dist.broadcast(pid, 0)
    if rank == 1:
        time.sleep(0.3)
        dist.all_reduce(torch.ones(10))
        os.kill(int(pid), signal.SIGINT)
        return
    tensor = torch.ones(10)
    keep = weakref.ref(tensor, lambda _: None)
    dist.all_reduce(tensor, async_op=True)
    del tensor
    dist.all_reduce(torch.ones(10))
    assert keep


def test_no_finalizer_takes_the_interrupt() -> None:
    """Python delivers it in the first code that runs on the main thread, and drops what a finalizer raises."""
    with ranks(2) as pool:
        outcome = pool.submit(block_with_a_finalizer_due).wait(10.0)[0]
        assert outcome.raised("KeyboardInterrupt"), outcome.describe()
        pool.broken = True
