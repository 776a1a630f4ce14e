"""The command line with real processes: doctor, tune, and what a user sees of a mistake. No times are asserted."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from harness import ON_GLOO

from dlslime_torch import _C
from dlslime_torch.cli import local_ranks
from dlslime_torch.cli.plan import Row, choose, rows_for, rows_of
from dlslime_torch.cli.tune import Candidate, Contest, Times, contests, decide
from dlslime_torch.cli.tune_rank import alias

pytestmark = pytest.mark.skipif(ON_GLOO, reason="gloo has no such command")


def command(
    *arguments: str, code: int = 0, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DLSLIME_")}
    done = subprocess.run(
        [sys.executable, "-m", "dlslime_torch.cli", *arguments],
        env={**clean, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_doctor_tries_what_connects_two_processes() -> None:
    said = command("doctor", env={"DLSLIME_SPIN_US": "7"}).stdout
    assert f"built for torch {_C.built_for_torch()}" in said
    assert re.search(r"^reductions +" + _C.host()["reductions"], said, re.M)
    assert re.search(r"^DLSLIME_SPIN_US +7", said, re.M)
    assert re.search(r"^shm +connected, direct reads: (yes|no)", said, re.M)
    assert re.search(r"^tcp +connected, direct reads: no", said, re.M)
    assert re.search(r"^default .*plan: built in", said, re.M)


def test_doctor_says_what_is_in_the_way() -> None:
    said = command("doctor", env={"DLSLIME_ENGINES": "tcp"}).stdout
    assert re.search(r"^default .*engine: tcp", said, re.M)


def test_doctor_prints_the_plan_in_use(tmp_path: Path) -> None:
    path = tmp_path / "plan"
    path.write_text("all_gather local up to *: pull\n")
    said = command("doctor", "--plan", env={"DLSLIME_PLAN": str(path)}).stdout
    assert f"plan: {path}" in said
    table, _, text = said.partition("The same as a file:")
    assert re.search(r"^all_gather +local +\* +pull", table, re.M)
    assert text.strip() == _C.plan_text(str(path)).strip()
    assert "plan: built in" in command("doctor", "--plan").stdout


def test_doctor_prints_every_setting() -> None:
    said = command("doctor", "--env", env={"DLSLIME_YIELD_US": "123"}).stdout
    for _, variable, _, _ in _C.knobs():
        assert variable in said
    assert re.search(r"DLSLIME_YIELD_US +123 +200", said)


@pytest.mark.parametrize("arguments", [["doctor"], ["doctor", "--plan"], ["doctor", "--env"]])
def test_doctor_names_a_setting_that_is_wrong(arguments: list[str]) -> None:
    said = command(*arguments, code=1, env={"DLSLIME_PLAN": "/nowhere"}).stdout
    assert said.startswith("error: DLSLIME_PLAN=/nowhere: must be a file with a plan")


def test_tune_writes_a_plan_that_can_be_used(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "plan"
    said = command(
        "tune", "--out", str(path), "--worlds", "3", "--seconds", "2", "--largest", "4096", "--verbose"
    ).stdout
    assert f"DLSLIME_PLAN={path}" in said
    assert re.search(r"^all_reduce +local +3 +128 B +\S+ \d", said, re.M)
    assert re.search(r"^broadcast +wire +3 +128 B +", said, re.M)
    tuned = rows_of(_C.plan_text(str(path)))
    for game in contests():
        assert rows_for(tuned, game.operation, game.way)[-1].up_to is None
    assert f"plan: {path}" in command("doctor", env={"DLSLIME_PLAN": str(path)}).stdout


@pytest.mark.parametrize("worlds", ["1", "two", "2,,3", "65"])
def test_tune_refuses_worlds_that_are_none(worlds: str) -> None:
    assert f"error: --worlds {worlds}: must be" in command("tune", "--worlds", worlds, code=1).stdout


def test_tune_refuses_a_place_where_it_cannot_write_before_it_measures(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    for out, why in (
        (tmp_path, f"Is a directory: {tmp_path}"),
        (file / "plan", f"Not a directory: {file}"),
        (file / "folder" / "plan", f"Not a directory: {file}"),
    ):
        said = command("tune", "--out", str(out), "--seconds", "60", code=1).stdout
        assert said.startswith(f"error: --out {out}: no plan can be written there: {why}"), said
    assert file.read_text() == "mine"


def test_tune_says_what_its_ranks_died_of(tmp_path: Path) -> None:
    """An engine that is not allowed to connect them: here one whose interface is none."""
    said = command(
        "tune", "--out", str(tmp_path / "plan"), "--seconds", "1", code=1, env={"DLSLIME_INTERFACE": "nope"}
    ).stdout
    assert "failed:" in said
    assert "DLSLIME_INTERFACE=nope" in said
    assert not (tmp_path / "plan").exists()


def test_ranks_that_have_started_end_where_another_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[str]] = []
    start = local_ranks._start

    def fail_the_third(*arguments: Any) -> subprocess.Popen[str]:
        if len(started) == 2:
            raise OSError("no more processes")
        started.append(start(*arguments))
        return started[-1]

    monkeypatch.setattr(local_ranks, "_start", fail_the_third)
    with pytest.raises(OSError, match="no more processes"):
        list(local_ranks.run_ranks("dlslime_torch.cli.tune_rank", 3, {}, 60.0))
    assert [rank.returncode is None for rank in started] == [False, False]


def test_importing_the_package_imports_no_command_line() -> None:
    code = "import sys, dlslime_torch; dlslime_torch.Options(); print({'typer', 'rich'} & set(sys.modules))"
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert said.stdout.strip() == "set()"


# ---- what tune makes of times ----


GAME = Contest(
    "all_reduce",
    "local",
    (Candidate("one_shot", 1024), Candidate("two_shot", None), Candidate("pull", None)),
    Row("all_reduce", "local", 64, "line"),
    [
        Row("all_reduce", "local", 64, "line"),
        Row("all_reduce", "local", 512, "one_shot"),
        Row("all_reduce", "local", None, "two_shot"),
    ],
)


def times(*cells: tuple[int, dict[str, float]]) -> Times:
    return {("all_reduce", "local"): {size: {2: found} for size, found in cells}}


def rows(measured: Times) -> list[str]:
    return [str(row).split("up to ")[1] for row in decide(GAME, measured)]


def test_the_winner_changes_where_the_times_do() -> None:
    assert rows(
        times(
            (128, {"one_shot": 1, "two_shot": 2, "pull": 3}),
            (1024, {"one_shot": 2, "two_shot": 2.9, "pull": 3}),
            (2048, {"two_shot": 3, "pull": 4}),
            (4096, {"two_shot": 8, "pull": 4}),
        )
    ) == ["64 B: line", "1 KiB: one_shot", "2 KiB: two_shot", "*: pull"]


def test_what_differs_by_noise_stays_as_it_is() -> None:
    assert rows(
        times(
            (256, {"one_shot": 1.01, "two_shot": 1, "pull": 1.01}),
            (512, {"one_shot": 1, "two_shot": 1.02, "pull": 1}),
            (1024, {"one_shot": 0.99, "two_shot": 1, "pull": 0.98}),
            (2048, {"two_shot": 1, "pull": 0.98}),
        )
    ) == ["64 B: line", "512 B: one_shot", "*: two_shot"]


def test_the_largest_sizes_go_by_what_can_do_them() -> None:
    assert rows(times((128, {"one_shot": 1, "two_shot": 2, "pull": 2}))) == [
        "64 B: line",
        "128 B: one_shot",
        "*: two_shot",
    ]


def test_what_was_not_measured_stays_as_it_is() -> None:
    assert rows({}) == ["64 B: line", "512 B: one_shot", "*: two_shot"]


def test_no_pull_where_it_was_not_measured() -> None:
    measured = times((128, {"one_shot": 2, "two_shot": 1}), (4096, {"two_shot": 1}))
    assert rows(measured) == ["64 B: line", "*: two_shot"]


def test_chunks_that_hold_everything_are_measured_once() -> None:
    names = ["direct", "shards by 1 MiB", "shards by 256 KiB", "shards by 4 MiB"]
    same = [
        [alias(names, name, size, 2) for name in names] for size in (128 << 10, 512 << 10, 2 << 20, 4 << 20)
    ]
    assert same[0] == ["direct", *["shards by 1 MiB"] * 3]
    assert same[1] == ["direct", "shards by 1 MiB", "shards by 256 KiB", "shards by 1 MiB"]
    assert same[2] == same[3] == names


def test_choosing_by_size() -> None:
    assert [choose(GAME.built_in, size) for size in (0, 64, 65, 512, 513)] == [
        "line",
        "line",
        "one_shot",
        "one_shot",
        "two_shot",
    ]
