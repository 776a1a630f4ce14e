"""Ranks that call different things get an error that says what each side called, never wrong memory."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.distributed as dist
from harness import ENGINES, ON_GLOO, ranks
from harness.backend import engine_env

pytestmark = pytest.mark.skipif(ON_GLOO, reason="gloo corrupts, hangs or aborts where ranks disagree")

WORLD = 3
GUARD = 64  # elements around each buffer that nobody may write
MARK = 77.0


class Guarded:
    """A tensor inside a larger buffer whose edges must stay as they are."""

    def __init__(self, count: int, dtype: torch.dtype = torch.float32) -> None:
        self.whole = torch.full((count + 2 * GUARD,), MARK).to(dtype)
        self.tensor = self.whole[GUARD : GUARD + count]

    def intact(self) -> bool:
        return bool((self.whole[:GUARD] == MARK).all() and (self.whole[-GUARD:] == MARK).all())


Call = Callable[[Guarded], object]
# What the odd rank calls, what the others call, and the words for both that the error must hold.
DISAGREEMENTS: dict[str, tuple[tuple[int, torch.dtype, Call], tuple[int, torch.dtype, Call], list[str]]] = {
    "operation": (
        (1000, torch.float32, lambda b: dist.broadcast(b.tensor, 0)),
        (1000, torch.float32, lambda b: dist.all_reduce(b.tensor)),
        ["broadcast", "allreduce"],
    ),
    "barrier": (
        (1000, torch.float32, lambda b: dist.barrier()),
        (1000, torch.float32, lambda b: dist.all_reduce(b.tensor)),
        ["barrier", "allreduce"],
    ),
    "dtype": (
        (1000, torch.int32, lambda b: dist.all_reduce(b.tensor)),
        (1000, torch.float32, lambda b: dist.all_reduce(b.tensor)),
        ["int32", "float32"],
    ),
    "size": (
        (1001, torch.float32, lambda b: dist.all_reduce(b.tensor)),
        (1000, torch.float32, lambda b: dist.all_reduce(b.tensor)),
        ["1001", "1000"],
    ),
    "size of large tensors": (
        (300_001, torch.float32, lambda b: dist.all_reduce(b.tensor)),
        (1_000_000, torch.float32, lambda b: dist.all_reduce(b.tensor)),
        ["300001", "1000000"],
    ),
    "small against large": (
        (2, torch.float32, lambda b: dist.all_reduce(b.tensor)),
        (1_000_000, torch.float32, lambda b: dist.all_reduce(b.tensor)),
        ["1000000"],
    ),
    "reduction": (
        (1000, torch.float32, lambda b: dist.all_reduce(b.tensor, dist.ReduceOp.MAX)),
        (1000, torch.float32, lambda b: dist.all_reduce(b.tensor)),
        ["max", "sum"],
    ),
    "root": (
        (1000, torch.float32, lambda b: dist.broadcast(b.tensor, 2)),
        (1000, torch.float32, lambda b: dist.broadcast(b.tensor, 0)),
        ["broadcast", "root"],
    ),
    "gathered size": (
        (90, torch.float32, lambda b: dist.all_gather_into_tensor(b.tensor, torch.ones(30))),
        (120, torch.float32, lambda b: dist.all_gather_into_tensor(b.tensor, torch.ones(40))),
        ["allgather"],
    ),
}


def disagree(rank: int, world: int, name: str, odd: int, async_op: bool) -> str:
    """Make the disagreeing call; returns the error's text after checking that no edge was touched."""
    warm = torch.ones(1)
    dist.all_reduce(warm)
    mine, others, _ = DISAGREEMENTS[name]
    count, dtype, call = mine if rank == odd else others
    buffer = Guarded(count, dtype)
    text = ""
    try:
        call(buffer)
    except RuntimeError as error:
        text = str(error)
    assert buffer.intact(), "memory outside the tensor was written"
    return text


@pytest.mark.parametrize("odd", [0, 1, 2])
@pytest.mark.parametrize("name", DISAGREEMENTS)
@pytest.mark.parametrize("engine", ENGINES)
def test_disagreement(engine: str, name: str, odd: int) -> None:
    with ranks(WORLD, env=engine_env(engine), timeout=10.0) as pool:
        texts = pool.run(disagree, name, odd, False, deadline=30.0)
        pool.broken = True
    for rank, text in enumerate(texts):
        plain = text.lower().replace("_", "")
        missing = [word for word in DISAGREEMENTS[name][2] if word not in plain]
        assert text, f"rank {rank} noticed nothing"
        assert not missing, f"rank {rank}: {missing} not in: {text}"


def receive_too_little(rank: int, world: int, sent: int, room: int) -> str:
    """A message that does not fit its buffer is an error at the receiver, with both sizes."""
    if rank == 0:
        dist.send(torch.ones(sent), 1)
        return ""
    buffer = Guarded(room)
    try:
        dist.recv(buffer.tensor, 0)
    except RuntimeError as error:
        assert buffer.intact()
        return str(error)
    return "accepted"


@pytest.mark.parametrize(("sent", "room"), [(10, 3), (100_000, 3), (100_000, 99_999)])
@pytest.mark.parametrize("engine", ENGINES)
def test_message_too_long(engine: str, sent: int, room: int) -> None:
    with ranks(2, env=engine_env(engine), timeout=10.0) as pool:
        text = pool.run(receive_too_little, sent, room, deadline=30.0)[1]
        pool.broken = True
    assert str(4 * sent) in text or str(sent) in text, text
    assert str(4 * room) in text or str(room) in text, text
