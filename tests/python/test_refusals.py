"""Bad input: each an exception that says the value and the limit, and leaves the group usable."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.distributed as dist
from harness import ON_GLOO, PoolRegistry, ranks
from harness.c10d import cpu_backend, premul_sum, world_group
from oracle import dtypes

pytestmark = pytest.mark.skipif(ON_GLOO, reason="what the texts must say is our own promise")

ERRORS = (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError)
WORLD = 3

STRIDED = torch.zeros(4, 4)[:, ::2]


def _reduce_without_meaning(rank: int, world: int) -> list[str]:
    """Try every reduction that means nothing on its type; returns what was accepted or badly worded."""
    wrong = []
    for dtype, redop in itertools.product(dtypes.ALL, dtypes.REDUCTIONS):
        if dtypes.meaningful(redop, dtype):
            continue
        op = premul_sum(2.0) if redop == "PREMUL_SUM" else getattr(dist.ReduceOp, redop)
        name = dtypes.name_of(dtype)
        try:
            dist.all_reduce(torch.zeros(3).to(dtype), op)
            wrong.append(f"{redop} on {name} was accepted")
        except ERRORS as error:
            text = str(error)
            # Complex types are refused by torch's own Python, which names only the reduction.
            if redop.lower() not in text.lower() or (name not in text and dtype not in dtypes.COMPLEX):
                wrong.append(f"{redop} on {name} was refused with: {text}")
    return wrong


def _table() -> list[tuple[str, Callable[[], object], tuple[str, ...]]]:
    """What is wrong, the call, and what its error must mention (lower case)."""
    one, sparse = torch.zeros(4), torch.zeros(4).to_sparse()
    meta = torch.zeros(4, device="meta")
    three = [torch.zeros(4) for _ in range(WORLD)]
    f32, i32, uneven = torch.zeros(6), torch.zeros(6, dtype=torch.int32), torch.zeros(7)
    exchange = dist.all_to_all_single
    eleven = torch.zeros(11)
    eights = [torch.zeros(4, 2) for _ in range(WORLD)]
    short = [torch.zeros(4), torch.zeros(4), torch.zeros(5)]
    mixed = [torch.zeros(4), torch.zeros(4), torch.zeros(4, dtype=torch.float64)]
    pg, backend = world_group(), cpu_backend()
    return [
        ("non-contiguous all_reduce", lambda: dist.all_reduce(STRIDED), ("contiguous",)),
        ("non-contiguous broadcast", lambda: dist.broadcast(STRIDED, 0), ("contiguous",)),
        ("non-contiguous all_gather input", lambda: dist.all_gather(eights, STRIDED), ("contiguous",)),
        ("non-contiguous send", lambda: dist.send(STRIDED, 1 if dist.get_rank() == 0 else 0), ("contiguous",)),
        ("sparse broadcast", lambda: dist.broadcast(sparse, 0), ("sparse",)),
        ("sparse reduce", lambda: dist.reduce(sparse, 0), ("sparse",)),
        # torch answers for meta tensors itself before the backend sees them; the backend must not rely on it
        ("meta all_reduce", lambda: backend.allreduce([meta]), ("meta", "cpu")),
        ("meta all_gather", lambda: backend.allgather([three], [meta]), ("meta", "cpu")),
        ("all_gather list of wrong length", lambda: dist.all_gather(three[:2], one), ("2", "3")),
        ("all_gather list of mixed types", lambda: dist.all_gather(mixed, one), ("float64", "float32")),
        ("all_gather_into_tensor of wrong size", lambda: dist.all_gather_into_tensor(eleven, one), ("11", "12")),
        ("reduce_scatter list of wrong length", lambda: dist.reduce_scatter(one, three[:2]), ("2", "3")),
        ("reduce_scatter list of mixed types", lambda: dist.reduce_scatter(one, mixed), ("float64", "float32")),
        ("reduce_scatter own piece of wrong size", lambda: dist.reduce_scatter(torch.zeros(6), short), ("6",)),
        ("reduce_scatter_tensor of wrong size", lambda: dist.reduce_scatter_tensor(one, torch.zeros(13)), ("13", "12")),
        ("scatter from a root out of range", lambda: pg.scatter([one], [three], _scatter_root(7)), ("7", "3")),
        ("broadcast from a root out of range", lambda: pg.broadcast([one], _broadcast_root(-2)), ("-2",)),
        ("reduce to a root out of range", lambda: pg.reduce([one], _reduce_root(3)), ("3",)),
        ("send to a rank out of range", lambda: pg.send([one], 9, 0), ("9", "3")),
        ("recv from a rank out of range", lambda: pg.recv([one], -5, 0), ("-5",)),
        ("send to itself", lambda: dist.send(one, dist.get_rank()), ("rank",)),
        ("negative tag", lambda: pg.send([one], (dist.get_rank() + 1) % WORLD, -3), ("tag", "-3")),
        ("splits that do not add up", lambda: exchange(f32.clone(), f32, [2, 2, 2], [1, 2, 2]), ("5", "6")),
        ("too few splits", lambda: exchange(f32.clone(), f32, [3, 3], [3, 3]), ("2", "3")),
        ("negative split", lambda: exchange(f32.clone(), f32, [4, 4, -2], [4, 4, -2]), ("-2",)),
        ("size not divisible by the world", lambda: exchange(uneven, uneven.clone()), ("7", "3")),
        ("all_to_all list of mixed types", lambda: dist.all_to_all(three, mixed), ("float64", "float32")),
        ("all_to_all_single of two types", lambda: exchange(i32, f32), ("int32", "float32")),
        ("coalesced all_reduce of mixed types", lambda: pg.allreduce_coalesced(mixed), ("float64", "float32")),
        ("coalesced all_reduce of one tensor twice", lambda: pg.allreduce_coalesced([one, one]), ("overlap",)),
        ("coalesced all_reduce of overlapping ones", lambda: pg.allreduce_coalesced([f32[:4], f32[3:]]), ("overlap",)),
        ("two tensors where one is meant", lambda: backend.allreduce([one, one.clone()]), ("2", "1")),
        ("no tensor where one is meant", lambda: backend.allreduce([]), ("0",)),
    ]  # fmt: skip


def _broadcast_root(root: int) -> dist.BroadcastOptions:
    options = dist.BroadcastOptions()
    options.rootRank = root
    return options


def _reduce_root(root: int) -> dist.ReduceOptions:
    options = dist.ReduceOptions()
    options.rootRank = root
    return options


def _scatter_root(root: int) -> dist.ScatterOptions:
    options = dist.ScatterOptions()
    options.rootRank = root
    return options


def _bad_calls(rank: int, world: int) -> list[str]:
    """Run the table; after each bad call the group must still work."""
    wrong = []
    for name, call, words in _table():
        try:
            work = call()
            if work is not None and hasattr(work, "wait"):
                work.wait()
            wrong.append(f"{name}: accepted")
        except ERRORS as error:
            text = str(error).split("Exception raised from")[0]
            missing = [word for word in words if word.lower() not in text.lower()]
            if missing:
                wrong.append(f"{name}: {missing} not in {type(error).__name__}: {text}")
        after = torch.ones(1)
        dist.all_reduce(after)
        assert float(after) == world, f"{name} left the group unusable"
    return wrong


def _after_destroy(rank: int, world: int) -> list[str]:
    """Use of a destroyed group's object, kept by the user: an error each time, for every kind of call."""
    backend = cpu_backend()
    dist.barrier()
    dist.destroy_process_group()
    accepted = []
    calls: dict[str, Callable[[], Any]] = {
        "allreduce": lambda: backend.allreduce([torch.zeros(1)]),
        "broadcast": lambda: backend.broadcast([torch.zeros(1)], _broadcast_root(0)),
        "barrier": lambda: backend.barrier(),
        "send": lambda: backend.send([torch.zeros(1)], (rank + 1) % world, 0),
        "recv": lambda: backend.recv([torch.zeros(1)], (rank + 1) % world, 0),
    }
    for name, call in calls.items():
        try:
            call().wait()
            accepted.append(name)
        except RuntimeError as error:
            if not any(word in str(error) for word in ("shut down", "destroyed", "closed", "aborted")):
                accepted.append(f"{name}: {error}")
    return accepted


def _in_forked_child(rank: int, world: int) -> str:
    """A collective in a forked child must say so; the parent goes on as if nothing had happened."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        text = "accepted"
        try:
            dist.all_reduce(torch.zeros(1))
        except BaseException as error:
            text = f"{type(error).__name__}: {error}"
        os.write(write, text.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        said = pipe.read()
    _, status = os.waitpid(pid, 0)
    assert status == 0
    after = torch.ones(1)
    dist.all_reduce(after)
    assert float(after) == world
    return said


def test_reductions_without_meaning(pools: PoolRegistry) -> None:
    for world in (1, 3):
        assert pools.get(world).run(_reduce_without_meaning) == [[]] * world


def test_bad_calls(pools: PoolRegistry) -> None:
    wrong = pools.get(WORLD).run(_bad_calls)
    assert wrong == [[]] * WORLD, "\n".join(itertools.chain(*wrong))


def test_use_after_destroy() -> None:
    with ranks(2) as pool:
        assert pool.run(_after_destroy) == [[], []]


def test_use_in_a_forked_child(pools: PoolRegistry) -> None:
    for text in pools.get(2).run(_in_forked_child):
        assert "fork" in text, text
