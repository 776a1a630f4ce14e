"""Dead and stuck ranks: nobody hangs, and the error says who, in which operation, over which engine."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time

import pytest
import torch
import torch.distributed as dist
from harness import BACKEND, ENGINES, ON_GLOO, Outcome, Pool, ranks, timebomb
from harness.backend import engine_env
from harness.operations import OPERATIONS, names, wait_all

# In a larger world gloo's survivors wait for each other: they need not have a socket to the dead rank in use.
WORLD = 2 if ON_GLOO else 3
VICTIM = 1
SURVIVORS = [rank for rank in range(WORLD) if rank != VICTIM]
BOUND = 1.0  # seconds from a rank's death to the error, and from a timeout to the error
TYPES = ("DistBackendError", "DistNetworkError") if not ON_GLOO else ("RuntimeError",)

# Gloo's roots and senders don't wait for anybody, and don't look whether anybody is left; its
# asynchronous reduce of large tensors was seen to wait on for its whole timeout.
GLOO_MISSES = ("broadcast", "gather", "scatter", "any_source", "reduce")
SERVED = [op for op in OPERATIONS if not (ON_GLOO and op in GLOO_MISSES)]

# When the victim dies after everybody has begun: in the first operation, in the next, later.
DELAYS = (0.0003, 0.002, 0.011)
SMALL, LARGE = 64, 1 << 20

# Operations that no survivor can finish without the victim, wherever it stands.
NEED_EVERYBODY: tuple[str, ...] = (
    "all_reduce",
    "all_gather",
    "reduce_scatter_tensor",
    "all_to_all_single",
    "barrier",
    "star",
    "batch",
)
NEED_EVERYBODY = tuple(op for op in NEED_EVERYBODY if op in SERVED)


def run_until_it_fails(rank: int, world: int, op: str, count: int, async_op: bool, delay: float) -> None:
    """The same operation again and again; the victim's timer kills it in the middle of one."""
    start = OPERATIONS[op]
    wait_all(start(rank, world, count, async_op))
    dist.barrier()
    store = dist.distributed_c10d._get_default_store()
    store.add("past the barrier", 1)
    if rank == VICTIM:  # dies when nobody is in the barrier any more
        while store.add("past the barrier", 0) < world:
            time.sleep(0.001)
        timebomb.arm(delay)
    while True:
        flying = [start(rank, world, count, async_op) for _ in range(3 if async_op else 1)]
        for works in flying:
            wait_all(works)


def one_more(rank: int, world: int, op: str, count: int) -> None:
    wait_all(OPERATIONS[op](rank, world, count, False))


def once(rank: int, world: int, op: str, count: int, async_op: bool) -> None:
    wait_all(OPERATIONS[op](rank, world, count, async_op))


def _survivors(outcomes: list[Outcome]) -> list[Outcome]:
    return [outcome for outcome in outcomes if outcome.rank != VICTIM]


def _check_blame(outcome: Outcome, op: str, engine: str) -> None:
    assert outcome.raised(*TYPES), outcome.describe()
    if not ON_GLOO:
        assert f"rank {VICTIM}" in outcome.message, outcome.message
        assert names(op, outcome.message), outcome.message
        assert engine in outcome.message, outcome.message


def _check_clean_exit(pool: Pool, shm_before: set[str]) -> None:
    """Survivors destroy their group, exit by themselves, and leave nothing behind."""
    codes = pool.stop(patience=10.0)
    assert [code for rank, code in enumerate(codes) if rank != VICTIM] == [0] * (WORLD - 1)
    left = {name for name in set(os.listdir("/dev/shm")) - shm_before if "slime" in name}
    assert not left


@pytest.mark.parametrize("delay", DELAYS)
@pytest.mark.parametrize("count", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("async_op", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("op", SERVED)
@pytest.mark.parametrize("engine", ENGINES)
def test_killed_inside(engine: str, op: str, async_op: bool, count: int, delay: float) -> None:
    shm_before = set(os.listdir("/dev/shm"))
    with ranks(WORLD, env=engine_env(engine)) as pool:
        outcomes = pool.outcomes(run_until_it_fails, op, count, async_op, delay, deadline=20.0)
        died = outcomes[VICTIM]
        assert died.exitcode == -signal.SIGKILL, died.describe()
        for outcome in _survivors(outcomes):
            _check_blame(outcome, op, engine)
            assert outcome.ended - died.ended < BOUND, outcome.message
        again = pool.submit(one_more, "all_reduce", SMALL, members=SURVIVORS).wait(20.0)
        for outcome in again:
            assert outcome.raised(*TYPES), "an operation on a group with a dead rank must fail"
            assert outcome.ended - outcome.began < BOUND
        _check_clean_exit(pool, shm_before)


@pytest.mark.parametrize("async_op", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("op", NEED_EVERYBODY)
@pytest.mark.parametrize("engine", ENGINES)
def test_dead_before_it_came(engine: str, op: str, async_op: bool) -> None:
    """The victim dies between operations; those who wait for it learn of it at once."""
    with ranks(WORLD, env=engine_env(engine)) as pool:
        pool.run(once, op, SMALL, False)
        call = pool.submit(once, op, SMALL, async_op, members=SURVIVORS)
        killed = pool.kill(VICTIM)
        for outcome in call.wait(20.0):
            _check_blame(outcome, op, engine)
            assert outcome.ended - killed < BOUND


@pytest.mark.parametrize("op", NEED_EVERYBODY)
@pytest.mark.parametrize("engine", ENGINES)
def test_frozen_rank_is_named_at_the_timeout(engine: str, op: str) -> None:
    timeout = 4.0 if ON_GLOO else 3.0  # also bounds the making of the group, on a busy machine
    with ranks(WORLD, env=engine_env(engine), timeout=timeout) as pool:
        pool.run(once, op, SMALL, False)
        pool.freeze(VICTIM)
        outcomes = pool.submit(once, op, SMALL, False, members=SURVIVORS).wait(20.0)
        for outcome in outcomes:
            assert outcome.failure is not None, outcome.describe()
            assert timeout * 0.9 < outcome.ended - outcome.began < timeout + BOUND, outcome.message
            if not ON_GLOO:
                assert f"within {timeout * 1000:.0f} ms" in outcome.message, outcome.message
                assert f"rank {VICTIM}" in outcome.message, outcome.message
                assert "time" in outcome.message.lower(), outcome.message
                assert names(op, outcome.message), outcome.message
        codes = pool.stop(patience=3.0)  # the frozen one can't obey; it is killed when the pool closes
        assert [codes[rank] for rank in SURVIVORS] == [0] * len(SURVIVORS)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_slow_rank_is_not_a_dead_one(engine: str) -> None:
    """Frozen for a while and thawed before the timeout: the operation completes."""
    with ranks(WORLD, env=engine_env(engine), timeout=20.0) as pool:
        pool.run(once, "all_reduce", SMALL, False)
        pool.freeze(VICTIM)
        early = pool.submit(once, "all_reduce", LARGE, False, members=SURVIVORS)
        late = pool.submit(once, "all_reduce", LARGE, False, members=[VICTIM])
        signal.sigtimedwait([], 0.5)
        pool.thaw(VICTIM)
        assert all(outcome.ok for outcome in [*early.wait(), *late.wait()])


def take_any(rank: int, world: int) -> None:
    dist.recv(torch.empty(SMALL))


@pytest.mark.skipif(ON_GLOO, reason="gloo waits for the timeout")
@pytest.mark.parametrize("engine", ENGINES)
def test_nobody_left_to_send(engine: str) -> None:
    """A receive from any source fails when the last rank that could send is dead."""
    with ranks(2, env=engine_env(engine)) as pool:
        pool.run(once, "all_reduce", SMALL, False)
        call = pool.submit(take_any, members=[0])
        signal.sigtimedwait([], 0.2)
        killed = pool.kill(VICTIM)
        outcome = call.wait(20.0)[0]
        _check_blame(outcome, "any_source", engine)
        assert outcome.ended - killed < BOUND


def give(rank: int, world: int, pause: float) -> None:
    time.sleep(pause)
    dist.send(torch.ones(1), VICTIM)


@pytest.mark.skipif(ON_GLOO, reason="gloo's sender hears of a death when its socket does")
@pytest.mark.parametrize("engine", ENGINES)
def test_who_only_gives_hears_of_a_death_within_a_second_or_two(engine: str) -> None:
    """A small send needs nobody, and makes no system call by which it could hear."""
    with ranks(2, env=engine_env(engine)) as pool:
        pool.run(once, "all_reduce", SMALL, False)
        pool.kill(VICTIM)
        outcome = pool.submit(give, 2.5, members=[0]).wait(20.0)[0]
        _check_blame(outcome, "send", engine)


def make_a_group(rank: int, world: int) -> None:
    dist.new_group()


@pytest.mark.skipif(ON_GLOO, reason="gloo waits for the timeout")
@pytest.mark.parametrize("engine", ENGINES)
def test_a_group_that_a_dead_rank_should_join(engine: str) -> None:
    env = {**engine_env(engine), "DLSLIME_CONNECT_TIMEOUT": "1000"}
    with ranks(WORLD, env=env) as pool:
        pool.run(once, "all_reduce", SMALL, False)
        call = pool.submit(make_a_group, members=SURVIVORS)
        time.sleep(0.3)  # they wait for its word in the store
        killed = pool.kill(VICTIM)
        for outcome in call.wait(20.0):
            assert outcome.raised(*TYPES), outcome.describe()
            assert f"rank {VICTIM} has not come" in outcome.message, outcome.message
            assert "lost it" in outcome.message, outcome.message
            assert "the store" not in outcome.message, outcome.message
            bound = (
                BOUND if engine == "shm" else 2 * BOUND
            )  # a lost connection gets connect_timeout to be replaced
            assert outcome.ended - killed < bound


def _sockets() -> set[int]:
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                found.add(int(name))
    return found


def a_new_group_after_a_cut(rank: int, world: int) -> str:
    """Rank 0 cuts the connection of a group of two live ranks; rank 1 comes late to the next group."""
    before = _sockets()
    first = dist.new_group(backend=BACKEND)
    tensor = torch.ones(1)
    dist.all_reduce(tensor, group=first)
    dist.barrier()  # gloo's
    if rank == 0:
        for number in _sockets() - before:
            with socket.socket(fileno=os.dup(number)) as one, contextlib.suppress(OSError):
                one.getpeername()  # refused by the listener, which stays
                one.shutdown(socket.SHUT_RDWR)
    said = ""
    try:
        dist.all_reduce(tensor, group=first)
    except RuntimeError as error:
        said = str(error)
    for turn in range(2):  # at the second the first group is still cut, but its ranks are connected again
        time.sleep((0.3 + turn) * rank)
        later = dist.new_group(backend=BACKEND)
        tensor = torch.ones(1)
        dist.all_reduce(tensor, group=later)
        assert float(tensor) == world
    return said


@pytest.mark.skipif(ON_GLOO, reason="the connection that is cut is one of dlslime's")
def test_a_cut_connection_is_no_death() -> None:
    env = {**engine_env("tcp"), "DLSLIME_CONNECT_TIMEOUT": "1000"}
    with ranks(2, backend="gloo", env=env) as pool:
        assert "all_reduce" in "".join(pool.run(a_new_group_after_a_cut)), "nobody noticed the cut"


def subgroup_survives(rank: int, world: int) -> float | str:
    """A group that the dead rank is no member of goes on; the one it is a member of does not."""
    pair = dist.new_group(SURVIVORS)
    everybody = torch.ones(1)
    dist.all_reduce(everybody)
    if rank == VICTIM:
        os.kill(os.getpid(), signal.SIGKILL)
    try:
        dist.barrier()
    except RuntimeError:
        tensor = torch.ones(SMALL)
        for _ in range(20):
            dist.all_reduce(tensor, group=pair)
        return float(tensor[0])
    return "a barrier with a dead rank passed"


@pytest.mark.parametrize("engine", ENGINES)
def test_groups_without_the_dead_rank_go_on(engine: str) -> None:
    with ranks(WORLD, env=engine_env(engine)) as pool:
        for outcome in _survivors(pool.outcomes(subgroup_survives, deadline=20.0)):
            assert outcome.ok, outcome.describe()
            assert outcome.value == float(len(SURVIVORS)) ** 20
