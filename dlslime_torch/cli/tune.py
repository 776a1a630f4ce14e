"""dlslime tune: a plan for this machine, out of the times of every algorithm at every size, taken in turn."""

from __future__ import annotations

import math
import os
import platform
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

import torch
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import dlslime_torch
from dlslime_torch._backend import extension
from dlslime_torch.cli import tune_rank
from dlslime_torch.cli.local_ranks import run_ranks
from dlslime_torch.cli.plan import Row, choose, rows_for, rows_of, size_text

SMALLEST = 128  # bytes: below it what fits into a line goes in the line
SWITCH = math.log(1.10)  # what another algorithm must win in all before it is worth a row
HABIT = math.log(1.02)  # what the built-in choice is given at each size
START_PATIENCE = 90.0  # seconds for ranks to start and end
CHUNKS = ("256 KiB", "1 MiB", "4 MiB")
WAYS = {"local": "shm", "wire": "tcp"}  # and the engine to measure it by


class Candidate(NamedTuple):
    does: str
    most: int | None


@dataclass(frozen=True)
class Contest:
    """An operation and way with more than one algorithm."""

    operation: str
    way: str
    candidates: tuple[Candidate, ...]
    line: Row | None  # the built-in row of what fits into a line, which is kept
    built_in: list[Row]

    def general(self) -> Candidate:
        return next(one for one in self.candidates if one.most is None and one.does != "pull")

    def forcing(self, index: int) -> str:
        """A plan in which this candidate does all that it can."""
        one = self.candidates[min(index, len(self.candidates) - 1)]
        rows = [self.line] if self.line else []
        if one.most is not None:
            rows.append(Row(self.operation, self.way, one.most, one.does))
        last = self.general() if one.most is not None else one
        return "\n".join(str(row) for row in [*rows, Row(self.operation, self.way, None, last.does)]) + "\n"


# By operation and way, size, world and candidate: the median in seconds.
Times = dict[tuple[str, str], dict[int, dict[int, dict[str, float]]]]


def worlds_from(text: str) -> list[int]:
    if not text:
        return [2, 4] if int(extension().host()["usable CPUs"]) >= 4 else [2]
    try:
        worlds = [int(word) for word in text.split(",")]
    except ValueError:
        worlds = []
    if not worlds or min(worlds) < 2 or max(worlds) > 64:
        raise ValueError(f"--worlds {text}: must be numbers of ranks from 2 to 64, such as 2,4")
    return worlds


def contests() -> list[Contest]:
    built_in = rows_of(extension().plan_text())
    choices = extension().plan_choices()
    found = []
    for operation, way in dict.fromkeys((one[0], one[1]) for one in choices):
        rows = rows_for(built_in, operation, way)
        usual = {row.algorithm: row.does for row in rows}
        candidates = tuple(
            Candidate(does, most)
            for op, its_way, name, most in choices
            if (op, its_way) == (operation, way) and name != "line"
            for does in _with_chunks(usual.get(name, name))
        )
        line = next((row for row in rows if row.algorithm == "line"), None)
        if len(candidates) > 1:
            found.append(Contest(operation, way, candidates, line, rows))
    return found


def _with_chunks(does: str) -> list[str]:
    """The built-in chunk first, then some others; what has none is alone."""
    name, by, chunk = does.partition(" by ")
    return [f"{name} by {size}" for size in dict.fromkeys([chunk, *CHUNKS])] if by else [does]


def ladder(largest: int) -> list[int]:
    """Every second size first: where time runs out, the steps between are missing and not the ends."""
    sizes = [SMALLEST << step for step in range(40) if SMALLEST << step <= largest]
    return sizes[::2] + sizes[1::2]


def tune(
    console: Console, out: Path, worlds: Sequence[int], seconds: float, largest: int, verbose: bool
) -> None:
    check_writable(out)
    games = contests()
    times = measure(console, games, worlds, seconds, ladder(largest))
    rows = {(game.operation, game.way): decide(game, times) for game in games}
    if verbose:
        show_times(console, games, times)
    show_rows(console, games, rows, times)
    write(out, games, rows, worlds)
    console.print(f"\nwrote {out}; use it with DLSLIME_PLAN={out.resolve()}", markup=False, soft_wrap=True)


def check_writable(out: Path) -> None:
    """Before the measuring, not after it. Leaves nothing behind but the folder."""
    file = out.resolve()
    there = file.exists()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a"):
            pass
    except OSError as error:
        why = "Not a directory" if isinstance(error, FileExistsError) else error.strerror
        raise ValueError(f"--out {out}: no plan can be written there: {why}: {error.filename}") from None
    if not there:
        file.unlink()


def measure(
    console: Console, games: Sequence[Contest], worlds: Sequence[int], seconds: float, sizes: list[int]
) -> Times:
    times: Times = {}
    share = seconds / len(worlds)
    with (
        tempfile.TemporaryDirectory(prefix="dlslime-plans-") as folder,
        Progress(console=console) as progress,
    ):
        task = progress.add_task("measuring", total=len(worlds) * len(sizes) * len(WAYS))
        for world in worlds:
            progress.update(task, description=f"{world} ranks")
            job = {
                "ways": [_way(Path(folder), way, games, world) for way in WAYS],
                "sizes": sizes,
                "seconds": share,
            }
            for answer in run_ranks(tune_rank.__name__, world, job, share * 3 + START_PATIENCE):
                if "skipped" in answer:
                    console.print(f"{world} ranks: {answer['skipped']}", markup=False, soft_wrap=True)
                    continue
                progress.update(task, advance=answer["last"])
                by_size = times.setdefault((answer["operation"], answer["way"]), {})
                by_size.setdefault(answer["size"], {})[world] = answer["times"]
    return times


def _way(folder: Path, way: str, games: Sequence[Contest], world: int) -> dict[str, object]:
    here = [game for game in games if game.way == way and not meaningless(game, world)]
    return {
        "way": way,
        "engine": WAYS[way],
        "plans": _plan_files(folder, f"{way}-{world}", here),
        "contests": [[way, game.operation, _names(game), _limits(game)] for game in here],
    }


def meaningless(game: Contest, world: int) -> bool:
    """Between two ranks a broadcast is one message, whatever the plan says."""
    return world == 2 and (game.operation, game.way) == ("broadcast", "wire")


def _names(game: Contest) -> list[str]:
    return [one.does for one in game.candidates]


def _limits(game: Contest) -> list[int | None]:
    return [one.most for one in game.candidates]


def _plan_files(folder: Path, name: str, games: Sequence[Contest]) -> list[str]:
    """Plan i has every operation's i-th candidate: as many groups as the longest list needs."""
    files = []
    for index in range(max((len(game.candidates) for game in games), default=0)):
        path = folder / f"{name}-{index}"
        path.write_text("".join(game.forcing(index) for game in games))
        files.append(str(path))
    return files


def decide(game: Contest, times: Times) -> list[Row]:
    """The rows with the least time over all sizes and worlds, of logarithms, so that every size counts alike."""
    measured = times.get((game.operation, game.way), {})
    sizes = sorted(measured)
    if not sizes:
        return game.built_in
    names = _names(game)
    usual = [names.index(does) if (does := choose(game.built_in, size)) in names else -1 for size in sizes]
    best = [0.0] * len(names)
    came: list[list[int]] = []
    for at, size in enumerate(sizes):
        usually = (usual[at - 1], usual[at]) if at else (-1, -1)
        ways_in = [
            min((best[before] + _switch(before, i, usually), before) for before in range(len(names)))
            for i in range(len(names))
        ]
        came.append([before for _, before in ways_in])
        best = [
            so_far + _cost(names[i], measured[size]) - (HABIT if i == usual[at] else 0.0)
            for i, (so_far, _) in enumerate(ways_in)
        ]
    picks = [min(range(len(names)), key=best.__getitem__)]
    for before in reversed(came[1:]):
        picks.append(before[picks[-1]])
    return _rows(game, sizes, [names[pick] for pick in reversed(picks)])


def _switch(before: int, after: int, usually: tuple[int, int]) -> float:
    """The built-in plan's own changes cost nothing."""
    return 0.0 if before == after or (before, after) == usually else SWITCH


def _cost(name: str, by_world: dict[int, dict[str, float]]) -> float:
    """Against the fastest of each world; what was not measured there can't be had at this size."""
    costs = [
        math.log(times[name] / min(times.values())) if name in times else math.inf
        for times in by_world.values()
    ]
    return sum(costs) / len(costs)


def _rows(game: Contest, sizes: Sequence[int], picks: Sequence[str]) -> list[Row]:
    rows = [game.line] if game.line else []
    limits = {one.does: one.most for one in game.candidates}
    for size, pick, following in zip(sizes, picks, [*picks[1:], None], strict=True):
        if pick != following:
            last = following is None and limits[pick] is None
            rows.append(Row(game.operation, game.way, None if last else size, pick))
    if rows[-1].up_to is not None:
        rows.append(Row(game.operation, game.way, None, game.general().does))
    return rows


def show_times(console: Console, games: Iterable[Contest], times: Times) -> None:
    table = Table(title="medians in us", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in ("operation", "way", "ranks", "size", "algorithms, the fastest first"):
        table.add_column(column)
    for game in games:
        for size, by_world in sorted(times.get((game.operation, game.way), {}).items()):
            for world, found in sorted(by_world.items()):
                ranking = sorted(found.items(), key=lambda item: item[1])
                text = ", ".join(f"{name} {took * 1e6:.1f}" for name, took in ranking)
                table.add_row(game.operation, game.way, str(world), size_text(size), text)
    console.print(table)


def gain(game: Contest, rows: list[Row], times: Times) -> float:
    """How much of the built-in plan's time these rows take, over all that was measured."""
    ratios = [
        math.log(found[choose(rows, size)] / found[choose(game.built_in, size)])
        for size, by_world in times.get((game.operation, game.way), {}).items()
        for found in by_world.values()
        if choose(rows, size) in found and choose(game.built_in, size) in found
    ]
    return math.exp(sum(ratios) / len(ratios)) if ratios else 1.0


def show_rows(
    console: Console, games: Iterable[Contest], rows: dict[tuple[str, str], list[Row]], times: Times
) -> None:
    table = Table(title="the plan", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in ("operation", "way", "measured: up to, algorithm", "built in", "time of built in"):
        table.add_column(column)
    for game in games:
        mine = rows[game.operation, game.way]
        took = f"{gain(game, mine, times):.2f}" if (game.operation, game.way) in times else "not measured"
        table.add_row(game.operation, game.way, _short(mine), _short(game.built_in), took)
    console.print(table)


def _short(rows: Iterable[Row]) -> str:
    return ", ".join(f"{size_text(row.up_to)} {row.does}" for row in rows)


def write(
    out: Path, games: Iterable[Contest], rows: dict[tuple[str, str], list[Row]], worlds: Iterable[int]
) -> None:
    now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    host = f"{platform.machine()}, {os.cpu_count()} CPUs, Linux {platform.release()}"
    version = f"dlslime_torch {dlslime_torch.__version__}, torch {torch.__version__}"
    text = f"# measured by dlslime tune on {now}, with {', '.join(map(str, worlds))} ranks\n# {host}, {version}\n"
    for game in games:
        text += "\n" + "".join(f"{row}\n" for row in rows[game.operation, game.way])
    out.write_text(text)
    extension().plan_text(str(out))  # a ValueError if it were none
