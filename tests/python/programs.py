"""Random programs of communication: what `test_random_programs.py` makes every rank run.

A program is a list of steps that all ranks derive from one seed. A step is an operation on a group; a
rank skips those of groups it's no member of, pauses at random, and issues neighbouring asynchronous steps
of different groups in an order of its own, which no two ranks need share.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist

COUNTS = (0, 1, 3, 16, 257, 5_000, 40_000, 300_000)
KINDS = (
    "all_reduce",
    "broadcast",
    "reduce",
    "all_gather",
    "all_gather_into_tensor",
    "reduce_scatter_tensor",
    "all_to_all_single",
    "gather",
    "scatter",
    "barrier",
    "exchange",
)


@dataclass(frozen=True)
class Step:
    serial: int
    kind: str
    group: int
    count: int
    root: int  # index in the group
    async_op: bool


@dataclass
class Flight:
    """A step under way on this rank."""

    step: Step
    works: list[dist.Work]
    check: Callable[[], bool]


def compose(seed: int, length: int, groups: Sequence[Sequence[int]]) -> list[Step]:
    """The program of a seed, the same on every rank."""
    dice = random.Random(seed)
    steps = []
    for serial in range(length):
        group = dice.randrange(len(groups))
        count = dice.choices(COUNTS, weights=[2, 4, 4, 4, 4, 4, 2, 1])[0]
        root = dice.randrange(len(groups[group]))
        steps.append(Step(serial, dice.choice(KINDS), group, count, root, dice.random() < 0.6))
    return steps


def value(step: Step, member: int, block: int = 0) -> float:
    """What a member contributes: small integers, so that float32 sums are exact."""
    return float((step.serial * 7 + member * 3 + block) % 101)


def _full(count: int, number: float) -> torch.Tensor:
    return torch.full((count,), number)


def launch(step: Step, group: dist.ProcessGroup, members: Sequence[int], me: int) -> Flight:
    """Issue the step as member `me` (an index in the group)."""
    size, count, root = len(members), step.count, step.root
    total = sum(value(step, member) for member in range(size))
    run: dict[str, Any] = {"async_op": step.async_op}
    mine = _full(count, value(step, me))
    work: dist.Work | None = None
    pairs: list[tuple[torch.Tensor, torch.Tensor]] = []  # what came out, what should have
    if step.kind == "all_reduce":
        work = dist.all_reduce(mine, group=group, **run)
        pairs = [(mine, _full(count, total))]
    elif step.kind == "broadcast":
        work = dist.broadcast(mine, members[root], group=group, **run)
        pairs = [(mine, _full(count, value(step, root)))]
    elif step.kind == "reduce":
        work = dist.reduce(mine, members[root], group=group, **run)
        pairs = [(mine, _full(count, total))] if me == root else []
    elif step.kind == "all_gather":
        outputs = [torch.empty(count) for _ in members]
        work = dist.all_gather(outputs, mine, group=group, **run)
        pairs = [(outputs[member], _full(count, value(step, member))) for member in range(size)]
    elif step.kind == "all_gather_into_tensor":
        whole = torch.empty(size * count)
        work = dist.all_gather_into_tensor(whole, mine, group=group, **run)
        pairs = [(whole, torch.cat([_full(count, value(step, member)) for member in range(size)]))]
    elif step.kind == "reduce_scatter_tensor":
        whole = torch.cat([_full(count, value(step, me, block)) for block in range(size)])
        output = torch.empty(count)
        work = dist.reduce_scatter_tensor(output, whole, group=group, **run)
        pairs = [(output, _full(count, sum(value(step, member, me) for member in range(size))))]
    elif step.kind == "all_to_all_single":
        whole = torch.cat([_full(count, value(step, me, block)) for block in range(size)])
        output = torch.empty(size * count)
        work = dist.all_to_all_single(output, whole, group=group, **run)
        pairs = [(output, torch.cat([_full(count, value(step, member, me)) for member in range(size)]))]
    elif step.kind == "gather":
        outputs = [torch.empty(count) for _ in members] if me == root else []
        work = dist.gather(mine, outputs or None, members[root], group=group, **run)
        pairs = [(out, _full(count, value(step, member))) for member, out in enumerate(outputs)]
    elif step.kind == "scatter":
        pieces = [_full(count, value(step, root, block)) for block in range(size)] if me == root else None
        work = dist.scatter(mine, pieces, members[root], group=group, **run)
        pairs = [(mine, _full(count, value(step, root, me)))]
    elif step.kind == "barrier":
        work = dist.barrier(group=group, **run)
    elif step.kind == "exchange":
        return _exchange(step, group, members, me)
    flight = Flight(
        step, [work] if work is not None else [], lambda: all(torch.equal(*pair) for pair in pairs)
    )
    return flight


def _exchange(step: Step, group: dist.ProcessGroup, members: Sequence[int], me: int) -> Flight:
    """isend and irecv with the next and previous member, tagged by the step."""
    size = len(members)
    after, before = (me + 1) % size, (me - 1) % size
    if size == 1:
        return Flight(step, [], lambda: True)
    into = torch.empty(step.count)
    tag = step.serial % 1000
    send = dist.isend(_full(step.count, value(step, me)), members[after], group=group, tag=tag)
    receive = dist.irecv(into, members[before], group=group, tag=tag)
    assert send is not None
    assert receive is not None
    flight = Flight(step, [receive, send], lambda: torch.equal(into, _full(step.count, value(step, before))))
    if not step.async_op:
        settle(flight)
        flight.works = []
    return flight


def settle(flight: Flight) -> None:
    for work in flight.works:
        work.wait()
    assert flight.check(), f"wrong result of {flight.step}"


def shuffled_runs(steps: list[Step], dice: random.Random) -> list[list[Step]]:
    """Synchronous steps alone; asynchronous ones between them in runs, shuffled between groups.

    A group's own steps keep their order.
    """
    runs: list[list[Step]] = [[]]
    for step in steps:
        if step.async_op:
            runs[-1].append(step)
        else:
            runs += [[step], []]
    for run in runs:
        queues: dict[int, list[Step]] = {}
        for step in run:
            queues.setdefault(step.group, []).append(step)
        order = [step.group for step in run]
        dice.shuffle(order)
        run[:] = [queues[group].pop(0) for group in order]
    return runs


def run_program(rank: int, world: int, seed: int, length: int, member_lists: list[list[int]]) -> int:
    """Make the groups, run the program, check every result; returns how many steps this rank took part in.

    Ranks wait only between runs, when all they have to issue so far is issued. Then whoever waits, waits
    for steps that come earlier in the program than any that others hold back: a hang is the backend's.
    """
    dice = random.Random(seed * 1009 + rank)
    groups = [dist.new_group(members) for members in member_lists]
    flying: list[Flight] = []
    mine = [step for step in compose(seed, length, member_lists) if rank in member_lists[step.group]]
    for run in shuffled_runs(mine, dice):
        for step in run:
            if dice.random() < 0.1:
                time.sleep(dice.random() * 0.003)
            members = member_lists[step.group]
            group = groups[step.group]
            assert group is not None
            flying.append(launch(step, group, members, members.index(rank)))
        while len(flying) > 30 or (flying and dice.random() < 0.4):
            settle(flying.pop(dice.randrange(len(flying))))
    for flight in flying:
        settle(flight)
    dist.barrier()
    for group, members in zip(groups, member_lists, strict=True):
        if rank in members:
            dist.destroy_process_group(group)
    return len(mine)
