"""What each rank of `dlslime tune` does: a group for every plan, and the plans taken in turn at every size."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any, NamedTuple

import torch
import torch.distributed as dist

import dlslime_torch
from dlslime_torch.cli.local_ranks import Say
from dlslime_torch.cli.plan import bytes_of

ROUNDS = 5
FEWEST, MOST = 1, 400  # calls of a round
LARGEST_IN_ALL = 32 << 20  # bytes of a rank's buffers, where an operation has one for each rank
ROOTED = (
    "broadcast",
    "reduce",
    "gather",
    "scatter",
)  # a root may run ahead: the time is that until all have met

Group = Any
Call = Callable[[Group], object]


class Contest(NamedTuple):
    way: str
    operation: str
    names: list[str]
    limits: list[int | None]


def rank(say: Say, rank: int, world: int, store: str, job: dict[str, Any]) -> None:
    c10d: Any = dist  # its stubs leave the stores out
    dist.init_process_group(
        "dlslime", store=c10d.FileStore(store, world), rank=rank, world_size=world, pg_options=_options()
    )
    report = dlslime_torch.report()
    shares = report["engine"] == "shm"
    reads = report["direct reads"] == "yes"
    answer = say if rank == 0 else _nobody
    if not shares:
        answer(skipped="shared memory does not connect them: only messages are measured")
    elif not reads:
        answer(skipped="they can't read each other's memory: pull is not measured")
    ways = [way for way in job["ways"] if shares or way["engine"] != "shm"]
    groups = {way["way"]: [_group(way["engine"], path) for path in way["plans"]] for way in ways}
    contests = [Contest(*each) for way in ways for each in way["contests"]]
    _measure_all(answer, world, job, contests, groups, reads)
    dist.destroy_process_group()


def _nobody(**_: Any) -> None:
    """Rank 0 speaks for all."""


def _options() -> dlslime_torch.Options:
    options = dlslime_torch.Options()
    options.engines = ["shm", "tcp"]
    options.plan = ""
    return options


def _group(engine: str, plan: str) -> Group:
    options = _options()
    options.engines = [engine]
    options.plan = plan
    return dist.new_group(backend="dlslime", pg_options=options)


def _measure_all(
    say: Say,
    world: int,
    job: dict[str, Any],
    contests: list[Contest],
    groups: dict[str, list[Group]],
    reads: bool,
) -> None:
    ends = time.monotonic() + job["seconds"]
    cells = len(job["sizes"]) * len(contests)
    for at, size in enumerate(job["sizes"]):
        for index, contest in enumerate(contests):
            left = cells - (at * len(contests) + index)
            budget = (ends - time.monotonic()) / left
            if at and not _agree(budget):  # the first size is measured however long it takes
                return
            last = index + 1 == len(contests) or contests[index + 1].way != contest.way
            if size * world > LARGEST_IN_ALL and contest.operation not in (
                "all_reduce",
                "reduce",
                "broadcast",
            ):
                continue
            times = _measure(contest, size, world, groups[contest.way], reads, budget)
            say(way=contest.way, operation=contest.operation, size=size, times=times, last=last)


def _agree(budget: float) -> bool:
    """Rank 0's clock decides whether there is time left."""
    goes_on = torch.tensor([float(budget > 0)])
    dist.broadcast(goes_on, 0)
    return bool(goes_on)


def _measure(
    contest: Contest, size: int, world: int, groups: list[Group], reads: bool, budget: float
) -> dict[str, float]:
    """By name the median of its quietest round. Taken in turn: every round begins with another algorithm."""
    call = _call(contest.operation, size, world)
    able = [
        index
        for index, name in enumerate(contest.names)
        if (contest.limits[index] or size) >= size
        and (reads or name != "pull")
        and alias(contest.names, name, size, world) == name
    ]
    count = _calls_in_a_round(call, [groups[index] for index in able], budget)
    seconds = dict.fromkeys(able, float("inf"))
    for turn in range(ROUNDS):
        for step in range(len(able)):
            index = able[(turn + step) % len(able)]
            call(groups[index])
            seconds[index] = min(seconds[index], median(_timed(call, groups[index], count)))
    found = {contest.names[index]: seconds[index] for index in able}
    for name in contest.names:
        if (same := alias(contest.names, name, size, world)) in found:
            found[name] = found[same]
    return found


def alias(names: list[str], name: str, size: int, world: int) -> str:
    """What does the same at this size: chunks that hold it all, however it is cut, are all alike."""
    if not holds_all(name, size, world):
        return name
    return next(other for other in names if holds_all(other, size, world))


def holds_all(name: str, size: int, world: int) -> bool:
    _, by, chunk = name.partition(" by ")
    return bool(by) and bytes_of(chunk) >= size * world


def _calls_in_a_round(call: Call, groups: list[Group], budget: float) -> int:
    """So many that all rounds fill the budget, by the slowest rank's account; also the warm-up."""
    took = 0.0
    for group in groups:
        call(group)
        took += min(_timed(call, group, 3))
    everybody = torch.tensor([took, budget])
    dist.broadcast(everybody, 0)
    each, seconds = everybody.tolist()
    return int(min(MOST, max(FEWEST, seconds / ROUNDS / max(each, 1e-7) - 1)))


def _timed(call: Call, group: Group, count: int) -> list[float]:
    seconds = []
    dist.barrier(group=group)
    for _ in range(count):
        start = time.perf_counter()
        call(group)
        seconds.append(time.perf_counter() - start)
    return seconds


def _call(operation: str, size: int, world: int) -> Call:
    """The operation on buffers of zeros, which stay so however often they are added up."""

    def some() -> torch.Tensor:
        return torch.empty(max(1, size // 4)).fill_(0.0)

    def many() -> list[torch.Tensor]:
        return [some() for _ in range(world)]

    root = dist.get_rank() == 0
    data = some()
    parts = many() if operation in ("all_gather", "all_to_all", "reduce_scatter", "gather", "scatter") else []
    ours = parts if root else None
    calls: dict[str, Call] = {
        "all_reduce": lambda group: dist.all_reduce(data, group=group),
        "reduce": lambda group: dist.reduce(data, 0, group=group),
        "broadcast": lambda group: dist.broadcast(data, 0, group=group),
        "all_gather": lambda group: dist.all_gather(parts, data, group=group),
        "gather": lambda group: dist.gather(data, ours, 0, group=group),
        "scatter": lambda group: dist.scatter(data, ours, 0, group=group),
        "reduce_scatter": lambda group: dist.reduce_scatter(data, parts, group=group),
        "all_to_all": lambda group: dist.all_to_all(outputs, parts, group=group),
    }
    outputs = many() if operation == "all_to_all" else []
    plain = calls[operation]
    if operation not in ROOTED:
        return plain

    def with_barrier(group: Group) -> None:
        plain(group)
        dist.barrier(group=group)

    return with_barrier
