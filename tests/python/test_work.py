"""Work: what torch and its users may ask of an operation under way, and what the answers must be."""

from __future__ import annotations

import errno
import itertools
import threading
import time
import weakref
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from harness import ON_GLOO, PoolRegistry, ranks
from harness.c10d import cpu_backend, world_group, world_store
from harness.seccomp import refuse

OURS_ONLY = pytest.mark.skipif(ON_GLOO, reason="gloo has no such thing")
PATIENCE = 10.0  # seconds: only a hang takes so long


def _until(condition: Any, what: str) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, f"never: {what}"
        time.sleep(0.001)


_gates = itertools.count()


class Gate:
    """Holds the other ranks back until rank 0 says go, over the store, so that nothing else moves."""

    def __init__(self, name: str) -> None:
        self._store = world_store()
        # Ranks of a pool make the same gates in the same order. (A group's sequence number would not do:
        # gloo counts point-to-point operations too, so its ranks come to differ.)
        self._key = f"gate/{name}/{next(_gates)}"

    def open(self) -> None:
        self._store.set(self._key, "go")

    def pass_through(self) -> None:
        self._store.wait([self._key])


def is_completed_is_truthful(rank: int, world: int) -> None:
    """False while a peer is missing; true, without anybody waiting, once it has come."""
    gate = Gate("completed")
    tensor = torch.ones(1000)
    if rank != 0:
        gate.pass_through()
    work = dist.all_reduce(tensor, async_op=True)
    assert work is not None
    if rank == 0:
        time.sleep(0.05)
        assert not work.is_completed()
        gate.open()
    _until(work.is_completed, "is_completed() after every rank had come")
    assert float(tensor[0]) == world
    assert work.is_success()
    assert work.exception() is None
    work.wait()


def wait_with_a_timeout(rank: int, world: int) -> None:
    """A wait that is too short throws and leaves the operation running; a later wait gets the result."""
    gate = Gate("timeout")
    tensor = torch.ones(1000)
    if rank != 0:
        gate.pass_through()
    work = dist.all_reduce(tensor, async_op=True)
    assert work is not None
    if rank == 0:
        began = time.monotonic()
        with pytest.raises(RuntimeError):
            work.wait(timedelta(milliseconds=100))
        assert time.monotonic() - began >= 0.09
        assert not work.is_completed()
        gate.open()
    work.wait(timedelta(seconds=PATIENCE))
    assert float(tensor[0]) == world


def _reduced_and_doubled(world: int) -> tuple[dist.Work, torch.Tensor]:
    tensor = torch.ones(5)
    work = dist.all_reduce(tensor, async_op=True)
    assert work is not None
    doubled = work.get_future().then(lambda future: future.value()[0] * 2)
    _until(doubled.done, "a future nobody waits for")
    assert doubled.value().tolist() == [2.0 * world] * 5
    return work, tensor


def futures(rank: int, world: int) -> None:
    """get_future: a list of the outputs; callbacks chain; it completes whether or not anybody waits."""
    work, tensor = _reduced_and_doubled(world)
    assert work.get_future().wait()[0].data_ptr() == tensor.data_ptr()

    outputs = [torch.empty(2) for _ in range(world)]
    work = dist.all_gather(outputs, torch.full((2,), float(rank)), async_op=True)
    assert work is not None
    work.get_future().wait()
    assert [float(each[0]) for each in outputs] == list(range(world))


def futures_where_no_thread_can_be_made(rank: int, world: int) -> bool:
    """The second thread that completes futures is a spare one. False: this machine has no such filters."""
    try:
        refuse(["clone", "clone3"], errno.EAGAIN)
    except OSError:
        return False
    if rank != 0:
        time.sleep(0.2)  # rank 0 has asked for its future before the operation ends
    _reduced_and_doubled(world)
    return True


def futures_of_messages(rank: int, world: int) -> None:
    """send and recv have futures too, and their values are lists of tensors."""
    if rank == 0:
        work = dist.isend(torch.full((4,), 3.0), 1)
        assert work is not None
        assert isinstance(work.get_future().wait(), list)
    elif rank == 1:
        into = torch.empty(4)
        work = dist.irecv(into, 0)
        assert work is not None
        value = work.get_future().wait()
        assert isinstance(value, list)
        assert into.tolist() == [3.0] * 4


def callbacks_may_communicate(rank: int, world: int) -> None:
    """A callback runs on a thread that holds nothing of ours: it may issue and wait for operations."""
    group = dist.new_group()
    seen: list[float] = []

    def again(future: torch.futures.Future[Any]) -> None:
        second = torch.ones(1)
        dist.all_reduce(second, group=group)
        seen.append(float(second))

    work = dist.all_reduce(torch.ones(1), async_op=True)
    assert work is not None
    work.get_future().then(again).wait()
    assert seen == [float(world)]
    dist.destroy_process_group(group)


def results_and_sources(rank: int, world: int) -> None:
    """result(), get_future_result(), source_rank() of a receive from any source."""
    tensor = torch.ones(3)
    work = dist.all_reduce(tensor, async_op=True)
    assert work is not None
    work.wait()
    assert work.result()[0].data_ptr() == tensor.data_ptr()
    assert work.get_future_result().wait() == 0
    if rank == 0:
        sources = []
        for _ in range(world - 1):
            into = torch.empty(1)
            work = cpu_backend().recv_anysource([into], 9)
            work.wait()
            assert work.source_rank() == int(into)
            sources.append(int(into))
        assert sorted(sources) == list(range(1, world))
    else:
        dist.send(torch.tensor([float(rank)]), 0, tag=9)


def durations(rank: int, world: int) -> None:
    """After timing is enabled, a Work knows how many milliseconds it took."""
    world_group()._enable_collectives_timing()
    if rank == 1:
        time.sleep(0.1)
    work = dist.all_reduce(torch.ones(1000), async_op=True)
    assert work is not None
    work.wait()
    duration = work._get_duration()
    assert 0 < duration < 10_000
    if rank == 0:
        assert duration > 50, f"rank 0 waited for rank 1 for 100 ms, its Work says {duration} ms"


def sequence_numbers(rank: int, world: int) -> tuple[int, int]:
    """The group counts its collectives, the same on every rank."""
    before = cpu_backend()._get_sequence_number_for_group()
    for _ in range(5):
        dist.all_reduce(torch.ones(1))
    return before, cpu_backend()._get_sequence_number_for_group()


def opposite_order(rank: int, world: int, count: int, threads: bool) -> None:
    """Two groups, issued in opposite order on two ranks: asynchronously, or blocking from two threads."""
    groups = [dist.new_group(), dist.new_group()]
    order = [0, 1] if rank % 2 == 0 else [1, 0]
    for _ in range(20):
        tensors = [torch.full((count,), float(index + 1)) for index in range(2)]
        if threads:
            running = []
            for index in order:
                thread = threading.Thread(
                    target=dist.all_reduce, args=(tensors[index],), kwargs={"group": groups[index]}
                )
                thread.start()
                running.append(thread)
            for thread in running:
                thread.join()
        else:
            works = [dist.all_reduce(tensors[index], group=groups[index], async_op=True) for index in order]
            for work in works:
                assert work is not None
                work.wait()
        assert [float(each[-1]) for each in tensors] == [float(world), 2.0 * world]
    for group in groups:
        dist.destroy_process_group(group)


def opposite_order_blocking(rank: int, world: int) -> str:
    """Blocking calls in opposite order can't finish: the timeout's error must name what waits."""
    groups = [dist.new_group(group_desc="left"), dist.new_group(group_desc="right")]
    for group in groups:
        dist.all_reduce(torch.ones(1), group=group)
    for group in groups:
        group.set_timeout(timedelta(seconds=1))
    for group in groups if rank == 0 else groups[::-1]:
        try:
            dist.all_reduce(torch.ones(1000), group=group)
        except RuntimeError as error:
            return str(error)
    return "finished"


def thousands_in_flight(rank: int, world: int, howmany: int) -> None:
    """All issued before the first is waited for, waited for in reverse."""
    tensors = [torch.full((8,), float(index)) for index in range(howmany)]
    works = [dist.all_reduce(tensor, async_op=True) for tensor in tensors]
    for work in reversed(works):
        assert work is not None
        work.wait()
    for index, tensor in enumerate(tensors):
        assert float(tensor[7]) == index * world


def small_ones_in_flight_wake_no_thread(rank: int, world: int) -> int:
    """With threads=0 this thread finishes what it has issued: how often did any other thread of ours wake?"""

    def woken() -> int:
        times = 0
        for task in Path("/proc/self/task").iterdir():
            if int(task.name) != threading.get_native_id():
                times += int(
                    (task / "status").read_text().partition("\nvoluntary_ctxt_switches:")[2].split()[0]
                )
        return times

    tensors = [torch.ones(2) for _ in range(8)]
    dist.barrier()
    before = woken()
    for _ in range(200):
        for work in [dist.all_reduce(tensor, async_op=True) for tensor in tensors]:
            assert work is not None
            work.wait()
    return woken() - before


def nobody_keeps_a_dropped_work(rank: int, world: int) -> None:
    """Its tensor goes soon after a call that has found it done."""
    tensor = torch.ones(1000)
    alive = weakref.ref(tensor)
    dist.all_reduce(tensor, async_op=True)
    del tensor
    dist.barrier()
    _until(lambda: alive() is None, "the tensor's end")


def thousands_of_messages(rank: int, world: int, howmany: int) -> None:
    """isend without anybody receiving yet, thousands of times; then they all arrive in order."""
    gate = Gate("messages")
    if rank == 0:
        works = [dist.isend(torch.full((100,), float(index)), 1) for index in range(howmany)]
        gate.open()
        for work in works:
            assert work is not None
            work.wait()
    elif rank == 1:
        gate.pass_through()
        for index in range(howmany):
            into = torch.empty(100)
            dist.recv(into, 0)
            assert float(into[99]) == index


def threads_share_a_rank(rank: int, world: int) -> None:
    """Several threads of a rank, each with its own group, at once."""
    groups = [dist.new_group() for _ in range(4)]
    wrong: list[str] = []

    def loop(index: int) -> None:
        for turn in range(100):
            tensor = torch.full((index * 1000 + 1,), float(turn))
            dist.all_reduce(tensor, group=groups[index])
            if float(tensor[-1]) != turn * world:
                wrong.append(f"group {index} turn {turn}: {tensor[-1]}")

    running = [threading.Thread(target=loop, args=(index,)) for index in range(4)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert not wrong, wrong[:3]
    for group in groups:
        dist.destroy_process_group(group)


def abort_from_another_thread(rank: int, world: int) -> str:
    """abort() ends a blocked call of another thread; it and shutdown() may be called again and again."""
    dist.all_reduce(torch.ones(1))
    said: list[str] = []

    def block() -> None:
        try:
            dist.all_reduce(torch.ones(100))
            said.append("finished")
        except RuntimeError as error:
            said.append(str(error))

    if rank != 0:
        return ""
    thread = threading.Thread(target=block)
    thread.start()
    time.sleep(0.2)
    for _ in range(3):
        cpu_backend().abort()
    thread.join(PATIENCE)
    assert not thread.is_alive(), "the blocked call outlived abort()"
    for _ in range(3):
        cpu_backend().shutdown()
    return said[0]


@pytest.mark.parametrize("world", [2, 3])
@pytest.mark.parametrize(
    "program", [is_completed_is_truthful, wait_with_a_timeout, futures, callbacks_may_communicate]
)
def test_work(pools: PoolRegistry, program: Any, world: int) -> None:
    pools.get(world).run(program)


@OURS_ONLY
@pytest.mark.parametrize("program", [futures_of_messages, results_and_sources, durations])
def test_work_beyond_gloo(pools: PoolRegistry, program: Any) -> None:
    pools.get(3).run(program)


@OURS_ONLY
def test_futures_where_no_thread_can_be_made() -> None:
    with ranks(2) as pool:
        if not all(pool.run(futures_where_no_thread_can_be_made)):
            pytest.skip("this machine lets no process refuse itself system calls (seccomp)")
        assert "no second thread to complete futures" in pool.log(0)


def test_sequence_numbers() -> None:
    with ranks(3) as pool:
        counts = pool.run(sequence_numbers)
    assert len(set(counts)) == 1
    before, after = counts[0]
    assert after - before == 5


@pytest.mark.parametrize("threads", [False, True], ids=["async", "threads"])
@pytest.mark.parametrize("count", [4, 1_000_000])
def test_opposite_order(pools: PoolRegistry, count: int, threads: bool) -> None:
    pools.get(2).run(opposite_order, count, threads)


@OURS_ONLY
def test_opposite_order_blocking_names_both() -> None:
    with ranks(2) as pool:
        texts = pool.run(opposite_order_blocking, deadline=20.0)
        pool.broken = True
    for text in texts:
        assert "left" in text, text
        assert "right" in text, text


@pytest.mark.parametrize("world", [2, 4])
def test_thousands_in_flight(pools: PoolRegistry, world: int) -> None:
    pools.get(world).run(thousands_in_flight, 3000)


@OURS_ONLY
def test_small_ones_in_flight_wake_no_thread() -> None:
    with ranks(2, env={"DLSLIME_THREADS": "0"}) as pool:
        assert max(pool.run(small_ones_in_flight_wake_no_thread)) < 50, "of 1600"
        pool.run(nobody_keeps_a_dropped_work)


def test_thousands_of_messages(pools: PoolRegistry) -> None:
    pools.get(2).run(thousands_of_messages, 3000)


def test_threads_share_a_rank(pools: PoolRegistry) -> None:
    pools.get(2).run(threads_share_a_rank)


@OURS_ONLY
def test_abort_from_another_thread() -> None:
    with ranks(2) as pool:
        texts = pool.run(abort_from_another_thread)
        assert "abort" in texts[0].lower(), texts[0]
        pool.broken = True
