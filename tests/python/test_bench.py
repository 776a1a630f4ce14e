"""The benchmarks' own logic: checks that notice wrong data, plans that measure all, verdicts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench import collectives, mpi
from bench.bars import Cell, bars
from bench.cases import ALL
from bench.judge import judge
from bench.limit import TRAFFIC, copy_key, floor_key, limit
from bench.operations import Place, fill
from bench.plan import jobs
from bench.ranks import PROGRAMS
from bench.timing import Key, Row

ROOT = Path(__file__).resolve().parents[2]
OURS, THEIRS = Key(2, "all_reduce", 8, "dlslime"), Key(2, "all_reduce", 8, "gloo")


def row(key: Key, micros: float) -> Row:
    return Row.of(key, [micros * 1e-6] * 3)


@pytest.mark.parametrize("name", [name for name in ALL if name != "barrier" and not name.endswith("_shared")])
def test_checks_notice_that_nothing_was_done(name: str) -> None:
    seen = []
    for rank in range(2):
        place = Place(rank, 2, None)  # type: ignore[arg-type]
        buffers = ALL[name].make(place, 64)
        fill(place, buffers)
        seen.append(ALL[name].check(place, buffers))
    assert not all(seen)


def test_every_key_of_the_bars_can_be_measured_and_is_planned_once() -> None:
    keys = {key for cell in bars() for key in cell.needs}
    for key in keys:
        known = mpi.CALLS if key.backend == mpi.NAME else {**ALL, **PROGRAMS}
        assert key.op in known, key
    planned = [key for job in jobs(list(keys)) for key in job.keys]
    assert sorted(planned) == sorted(keys)
    for job in jobs(list(keys)):
        assert len({(key.world, key.engines, key.backend == mpi.NAME) for key in job.keys}) == 1


def test_bars_want_no_backend_that_was_not_asked_for() -> None:
    options = collectives.parse(["--bars", "--no-mpi", "--backends", "dlslime"])
    assert {key.backend for key in collectives.wanted(options)} >= {"dlslime"}
    assert "gloo" not in {key.backend for key in collectives.wanted(options)}


def test_a_ratio_s_two_sides_are_measured_in_turn() -> None:
    planned = jobs([key for cell in bars() for key in cell.needs])
    where = {key: job for job in planned for key in job.keys}
    for cell in bars():
        sides = [key for key in cell.needs if key.backend != mpi.NAME]
        assert len({where[key] for key in sides}) == 1, cell


@pytest.mark.parametrize(
    ("ours", "at_least", "state"),
    [(50, False, "reached"), (51, False, "not reached"), (50, True, "reached"), (49, True, "not reached")],
)
def test_verdicts(ours: float, at_least: bool, state: str) -> None:
    cell = Cell("case", "what", (OURS, THEIRS), lambda rows: rows[0].p50 / rows[1].p50, 0.5, at_least)
    rows = {OURS: row(OURS, ours), THEIRS: row(THEIRS, 100)}
    assert judge([cell], rows)[0].state == state
    assert judge([cell], {OURS: rows[OURS]})[0].state == "not measured"


def test_the_limit_is_the_floor_or_the_memory() -> None:
    for op in TRAFFIC:
        small, large = Key(2, op, 8, "dlslime"), Key(2, op, 1 << 20, "dlslime")
        rows = {
            key: row(key, micros)
            for key, micros in ((floor_key(2, op), 4), (copy_key(2, 8), 0.1), (copy_key(2, 1 << 20), 100))
        }
        assert limit(small, rows) == pytest.approx(4)
        memory = limit(large, rows)
        assert memory is not None
        assert memory == pytest.approx(
            TRAFFIC[op](2) * 25
        )  # two ranks, each reads and writes: 4 MiB in 100 us


def test_a_short_run(tmp_path: Path) -> None:
    ops = ["all_reduce", "all_reduce_coalesced", "all_reduce_future", "all_reduce_in_flight", "barrier"]
    command = [sys.executable, str(ROOT / "bench" / "collectives.py"), "--quick", "--rounds=1", "--no-mpi"]
    command += ["--worlds=2", "--sizes", "64", "--out", str(tmp_path), "--ops", *ops]
    ran = subprocess.run(command, env=os.environ, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    rows = json.loads((tmp_path / "collectives.json").read_text())["rows"]
    measured = {(each["op"], each["backend"]) for each in rows}
    assert measured >= {(op, backend) for op in ops for backend in ("dlslime", "gloo")}
