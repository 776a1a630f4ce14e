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


def collect(buffer: Guarded, root: int) -> list[torch.Tensor] | None:
    """What the root of a gather or scatter names, and nobody else."""
    if dist.get_rank() != root:
        return None
    return [torch.empty_like(buffer.tensor) for _ in range(dist.get_world_size())]


Call = Callable[[Guarded], object]
# What the odd rank calls, what the others call, and the words for both that the error must hold; "a|b":
# either (a size may be told in elements or bytes).
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
        ["1001|4004", "1000|4000"],
    ),
    "size of large tensors": (
        (300_001, torch.float32, lambda b: dist.all_reduce(b.tensor)),
        (1_000_000, torch.float32, lambda b: dist.all_reduce(b.tensor)),
        ["300001|1200004", "1000000|4000000"],
    ),
    "small against large": (
        (2, torch.float32, lambda b: dist.all_reduce(b.tensor)),
        (1_000_000, torch.float32, lambda b: dist.all_reduce(b.tensor)),
        ["1000000|4000000", "2 |8 bytes"],
    ),
    "reduction": (
        (1000, torch.float32, lambda b: dist.all_reduce(b.tensor, dist.ReduceOp.MAX)),
        (1000, torch.float32, lambda b: dist.all_reduce(b.tensor)),
        ["max", "sum"],
    ),
    "memory format": (
        (1000, torch.float32, lambda b: dist.all_reduce(b.tensor.view(2, 10, 10, 5).permute(0, 3, 1, 2))),
        (1000, torch.float32, lambda b: dist.all_reduce(b.tensor.view(2, 5, 10, 10))),
        ["x float32 channelslast)", "x float32)"],
    ),
    "root": (
        (1000, torch.float32, lambda b: dist.broadcast(b.tensor, 2)),
        (1000, torch.float32, lambda b: dist.broadcast(b.tensor, 0)),
        ["broadcast", "root"],
    ),
    "scatter and gather": (  # where the odd one is the root all wait for each other, and nobody sends
        (300, torch.float32, lambda b: dist.gather(b.tensor, collect(b, 1), 1)),
        (300, torch.float32, lambda b: dist.scatter(b.tensor, collect(b, 1), 1)),
        ["gather", "scatter"],
    ),
    "gathered size": (
        (90, torch.float32, lambda b: dist.all_gather_into_tensor(b.tensor, torch.ones(30))),
        (120, torch.float32, lambda b: dist.all_gather_into_tensor(b.tensor, torch.ones(40))),
        ["allgather"],
    ),
}


def agree(rank: int, world: int) -> None:
    dist.all_reduce(torch.ones(1))


NEXT = "at the next operation: "


def disagree(rank: int, world: int, name: str, odd: int) -> str:
    """Make the disagreeing call; returns the error's text after checking that no edge was touched.

    Where data has a root, a rank that agrees with its own partner (one that has handed its data over, a
    receiver that has it) may be done before anybody objects; then it has to hear of it at its next operation.
    """
    mine, others, _ = DISAGREEMENTS[name]
    count, dtype, call = mine if rank == odd else others
    buffer = Guarded(count, dtype)
    text, said = "", ""
    try:
        call(buffer)
        said = NEXT
        dist.barrier()
    except RuntimeError as error:
        text = said + str(error)
    assert buffer.intact(), "memory outside the tensor was written"
    return text


def _missing(words: list[str], text: str) -> list[str]:
    plain = text.lower().replace("_", "")
    return [word for word in words if not any(each in plain for each in word.split("|"))]


@pytest.mark.parametrize("odd", [0, 1, 2])
@pytest.mark.parametrize("name", DISAGREEMENTS)
@pytest.mark.parametrize("engine", ENGINES)
def test_disagreement(engine: str, name: str, odd: int) -> None:
    with ranks(WORLD, env=engine_env(engine), timeout=10.0) as pool:
        pool.run(agree)
        texts = pool.run(disagree, name, odd, deadline=30.0)
        pool.broken = True
    shown = "\n".join(f"rank {rank}: {text or 'noticed nothing'}" for rank, text in enumerate(texts))
    may_be_done = {
        "operation": {0},
        "root": {0, 1, 2} - ({1} if odd == 1 else set()),
        "scatter and gather": set() if odd == 1 else {0, 1, 2},
    }.get(name, set())
    for rank, text in enumerate(texts):
        assert text, shown
        if text.startswith(NEXT) and rank in may_be_done:
            assert "Timed out" not in text, shown
            continue
        assert not text.startswith(NEXT), shown
        assert not _missing(DISAGREEMENTS[name][2], text), shown


def agree_then_disagree(rank: int, world: int) -> str:
    """A right operation directly followed by a wrong one."""
    tensor = torch.ones(1)
    dist.all_reduce(tensor)
    assert float(tensor) == world
    try:
        dist.all_reduce(torch.ones(1000 + rank))
    except RuntimeError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("attempt", range(5))
@pytest.mark.parametrize("engine", ENGINES)
def test_disagreement_does_not_reach_back(engine: str, attempt: int) -> None:
    """An operation that all ranks called alike completes everywhere, whatever the next one comes to."""
    with ranks(WORLD, env=engine_env(engine), timeout=10.0) as pool:
        assert all(pool.run(agree_then_disagree, deadline=30.0))
        pool.broken = True


def receive_too_little(rank: int, world: int, sent: int, room: int) -> str:
    """A message that does not fit its buffer: an error at the receiver, and at a sender still waiting."""
    buffer = Guarded(room)
    try:
        if rank == 0:
            dist.send(torch.ones(sent), 1)
        else:
            dist.recv(buffer.tensor, 0)
    except RuntimeError as error:
        assert buffer.intact()
        return str(error)
    return "accepted"


@pytest.mark.parametrize(("sent", "room"), [(10, 3), (100_000, 3), (100_000, 99_999)])
@pytest.mark.parametrize("engine", ENGINES)
def test_message_too_long(engine: str, sent: int, room: int) -> None:
    with ranks(2, env=engine_env(engine), timeout=10.0) as pool:
        sender, receiver = pool.run(receive_too_little, sent, room, deadline=30.0)
        pool.broken = True
    for text in [receiver] + ([sender] if sender != "accepted" else []):
        assert not _missing([f"{sent}|{4 * sent}", f"{room}|{4 * room}"], text), text
