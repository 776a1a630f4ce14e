"""The bars: what is to be reached, as a table. Each cell says which rows it needs and how they make a figure.

Figures are ratios of p50 within one run, both sides measured in turn, unless a case says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from bench import beside, ddp, floor, mpi, processor
from bench.cases import ALL
from bench.limit import copy_key, floor_key, memory_time
from bench.operations import OPERATIONS
from bench.timing import Key, Row, human

OURS, GLOO, MPI = "dlslime", "gloo", mpi.NAME
KIB, MIB = 1 << 10, 1 << 20
SMALL = (
    "all_reduce", "barrier", "broadcast", "all_gather", "all_gather_into_tensor", "reduce_scatter",
    "reduce_scatter_tensor", "all_to_all_single",
)  # fmt: skip
MOVING = ("broadcast", "all_gather_into_tensor", "all_to_all_single", "ping_pong")
BULK_SIZES = (64 * KIB, MIB, 16 * MIB, 64 * MIB)
TCP_SIZES = (8, 4 * KIB, 64 * KIB, MIB, 16 * MIB, 64 * MIB)
Value = Callable[[Sequence[Row]], float]


@dataclass(frozen=True)
class Cell:
    """One figure and its bound."""

    case: str  # in the words of the requirement
    what: str
    needs: tuple[Key, ...]
    value: Value  # of the rows that it needs, in that order
    bound: float
    at_least: bool = False
    unit: str = "x"

    def reached(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound

    def excess(self, value: float) -> float:
        """How far from the bound: above 1 it is missed by so much."""
        return self.bound / max(value, 1e-9) if self.at_least else value / self.bound


def _ratio(rows: Sequence[Row]) -> float:
    return rows[0].p50 / rows[1].p50


def _micros(rows: Sequence[Row]) -> float:
    return rows[0].p50


def _spread(rows: Sequence[Row]) -> float:
    return rows[0].p99 / rows[0].p50


def _communication(rows: Sequence[Row]) -> float:
    ours, theirs, alone = (row.p50 for row in rows)
    # Where Gloo's communication drowns in the noise of a step, nothing can be said of ours.
    return (ours - alone) / (theirs - alone) if theirs > alone else float("inf")


def _of_model(rows: Sequence[Row]) -> float:
    ours, copied = rows
    return memory_time(ours.world, "all_reduce", ours.size, copied) / ours.p50


def _against(case: str, peer: str, bound: float, ours: Key, their_op: str = "") -> Cell:
    theirs = Key(ours.world, their_op or ours.op, ours.size, peer, "" if peer == MPI else ours.engines)
    forced = f", {ours.engines}" if ours.engines else ""
    what = f"{ours.op} {human(ours.size)}, {ours.world} ranks{forced}, against {peer}"
    return Cell(case, what, (ours, theirs), _ratio, bound)


def _own(case: str, bound: float, ours: Key, theirs: Key) -> Cell:
    what = f"{ours.op} {human(ours.size)}, {ours.world} ranks, against {theirs.op}"
    return Cell(case, what, (ours, theirs), _ratio, bound)


def _small() -> Iterator[Cell]:
    for op in SMALL:
        case = "8 B collectives, 2 ranks: 1.8 x the floor"
        ours = Key(2, op, 8, OURS)
        yield Cell(case, f"{op} against floor", (ours, floor_key(2, op)), _ratio, 1.8)
    case = "8 B send + recv round trip: 3 x the floor per call"  # a rank makes two calls, on both sides of the ratio
    ours = Key(2, "ping_pong", 8, OURS)
    yield Cell(case, "ping_pong against floor", (ours, floor_key(2, "ping_pong")), _ratio, 3.0)


def _reducing() -> Iterator[Cell]:
    bounds = {64 * KIB: (0.15, 1.0), MIB: (0.45, 0.7), 64 * MIB: (0.45, 0.5)}
    for size, (gloo, openmpi) in bounds.items():
        case = f"all_reduce {human(size)}, 2 ranks"
        ours = Key(2, "all_reduce", size, OURS)
        yield _against(f"{case}: {gloo} x Gloo", GLOO, gloo, ours)
        yield _against(f"{case}: {openmpi} x Open MPI", MPI, openmpi, ours)
    case = "all_reduce 64 MiB, tensors of allocateTensor"
    shared = Key(2, "all_reduce_shared", 64 * MIB, OURS)
    yield _against(f"{case}: 0.3 x Gloo", GLOO, 0.3, shared, "all_reduce")
    needs = (shared, copy_key(2, 64 * MIB))
    yield Cell(f"{case}: 0.6 of the memory model", "of the model", needs, _of_model, 0.6, at_least=True)


def _bulk() -> Iterator[Cell]:
    for world, op, size in product((2, 4), MOVING, BULK_SIZES):
        case = "broadcast, all_gather, all_to_all, send/recv, 64 KiB to 64 MiB"
        ours = Key(world, op, size, OURS)
        yield _against(f"{case}: 0.5 x Gloo", GLOO, 0.5, ours)
        yield _against(f"{case}: Open MPI", MPI, 1.0, ours)
    for size in (MIB, 16 * MIB, 64 * MIB):
        case = "reduce_scatter 1 to 64 MiB, 4 ranks: 0.15 x Gloo"
        yield _against(case, GLOO, 0.15, Key(4, "reduce_scatter_tensor", size, OURS))


def _crowded() -> Iterator[Cell]:
    ours = Key(4, "all_reduce", 8, OURS)
    yield _against("8 B all_reduce, 4 ranks on 2 cores: 0.05 x Gloo", GLOO, 0.05, ours)
    yield Cell(
        "8 B all_reduce, 4 ranks on 2 cores: 20 us",
        "all_reduce 8 B, 4 ranks",
        (ours,),
        _micros,
        20.0,
        unit="us",
    )
    case = "1 MiB all_reduce, 8 ranks on 2 cores: 0.3 x Gloo"
    yield _against(case, GLOO, 0.3, Key(8, "all_reduce", MIB, OURS))


def _variants() -> Iterator[Cell]:
    for dtype, size in product(("bf16", "f16"), (MIB, 4 * MIB, 16 * MIB, 64 * MIB)):
        ours = Key(2, f"all_reduce_{dtype}", size, OURS)
        theirs = ours._replace(op="all_reduce_f32_of_same_count")
        yield _own("bf16 and f16 all_reduce 1 to 64 MiB: 0.6 x our f32 of the same count", 0.6, ours, theirs)
    many = Key(2, "all_reduce_coalesced", 4 * KIB, OURS)
    yield _against("200 coalesced 4 KiB all_reduces: 0.1 x Gloo", GLOO, 0.1, many)
    flight = Key(2, "all_reduce_in_flight", MIB, OURS)
    case = "8 async all_reduces of 1 MiB in flight: no slower than in sequence"
    yield _own(case, 1.0, flight, flight._replace(op="all_reduce_in_sequence"))
    for size in (8, MIB):
        case = "all_reduce completed through get_future(): 0.5 x Gloo"
        yield _against(case, GLOO, 0.5, Key(2, "all_reduce_future", size, OURS))


def _cpu() -> Iterator[Cell]:
    idle, late = Key(2, processor.IDLE, 8, OURS), Key(2, processor.LATE, 8, OURS)
    yield Cell("idle group: 0 % CPU (0.01 %)", "us of CPU a second", (idle,), _micros, 100.0, unit="us")
    case = "waiting 10 ms for a late peer: 1 ms of CPU"
    yield Cell(case, "us of CPU, 8 B all_reduce", (late,), _micros, 1000.0, unit="us")


def _beside() -> Iterator[Cell]:
    ours, theirs = (Key(2, beside.BESIDE, 8, name) for name in (OURS, GLOO))
    case = "8 B all_reduce beside another thread's of 64 MiB: 200 us"
    yield Cell(case, "2 ranks, 4 busy threads on 2 cores", (ours, theirs), _micros, 200.0, unit="us")


def _tcp() -> Iterator[Cell]:
    for world, op in product((2, 4), OPERATIONS):
        for size in (8,) if op == "barrier" else TCP_SIZES:
            ours = Key(world, op, size, OURS, "tcp")
            yield _against("forced TCP, every collective and size: 0.7 x Gloo", GLOO, 0.7, ours)


def _training() -> Iterator[Cell]:
    for model in (ddp.DIGITS, ddp.LARGE):
        ours, theirs, alone = (Key(2, model, 0, name) for name in (OURS, GLOO, ddp.ALONE))
        case = "DDP step: 0.6 x Gloo's communication time"
        yield Cell(case, f"{model}, 2 ranks", (ours, theirs, alone), _communication, 0.6)
        case = "DDP step: overlap at least as good (the whole step)"
        yield Cell(case, f"{model}, 2 ranks", (ours, theirs), _ratio, 1.0)


def _tails(cells: Sequence[Cell]) -> Iterator[Cell]:
    """Of all that is measured on two ranks anyway."""
    keys = dict.fromkeys(key for cell in cells for key in cell.needs)
    for key in keys:
        if (key.world, key.backend, key.engines) == (2, OURS, "") and key.op in ALL:
            what = f"p99 / p50 of {key.op} {human(key.size)}"
            yield Cell("p99 / p50, 2 ranks: 5", what, (key,), _spread, 5.0)


def unavoidable() -> list[Cell]:
    """What the floor or the scheduler takes where a bar is close to it, by the same bound: no backend can do better."""
    case = "unavoidable"
    many = Key(2, "all_reduce_coalesced", 4 * KIB, floor.NAME)
    what = "floor: 200 coalesced all_reduces, against gloo's of 4 KiB"
    cells = [Cell(case, what, (many, many._replace(backend=GLOO)), _ratio, 0.1)]
    for op in MOVING[:3]:
        what = f"floor: {op}, 2 ranks, against openmpi's of 64 KiB"
        cells.append(Cell(case, what, (floor_key(2, op), Key(2, op, 64 * KIB, MPI)), _ratio, 1.0))
    copies = Key(2, beside.BESIDE_COPIES, 8, OURS)
    what = "8 B all_reduce beside another thread that only copies"
    cells.append(Cell(case, what, (copies,), _micros, 200.0, unit="us"))
    crowded = Key(4, "all_reduce_yielding", 8, floor.NAME)
    what = "floor: all_reduce and sched_yield, 4 ranks on 2 cores"
    cells.append(Cell(case, what, (crowded,), _micros, 20.0, unit="us"))
    for op in MOVING[:3]:
        what = f"floor: all_reduce and sched_yield, 4 ranks, against openmpi's {op} of 64 KiB"
        cells.append(Cell(case, what, (crowded, Key(4, op, 64 * KIB, MPI)), _ratio, 1.0))
    return cells


def bars() -> list[Cell]:
    main = [*_small(), *_reducing(), *_bulk(), *_crowded(), *_variants(), *_cpu(), *_beside(), *_training()]
    return [*main, *_tails(main), *_tcp()]
