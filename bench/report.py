"""What a run leaves: a table on the terminal; JSON, CSV and a plot in a folder."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.judge import Case
from bench.timing import Row, human


@dataclass(frozen=True)
class Cell:
    """All backends at one world, operation and size."""

    world: int
    op: str
    size: int
    engines: str
    rows: Mapping[str, Row]

    def ratio(self, ours: str, theirs: str) -> float | None:
        """How many times faster `ours` is by p50; None where one of them was not measured."""
        if ours not in self.rows or theirs not in self.rows:
            return None
        return self.rows[theirs].p50 / self.rows[ours].p50


def cells(rows: Sequence[Row]) -> list[Cell]:
    grouped: dict[tuple[int, str, int, str], dict[str, Row]] = {}
    for row in rows:
        grouped.setdefault((row.world, row.op, row.size, row.engines), {})[row.backend] = row
    return [Cell(*key, found) for key, found in grouped.items()]


def show(rows: Sequence[Row], backends: Sequence[str], console: Console) -> None:
    """p50 (p99, min) in microseconds, and how the first backend compares with each of the others."""
    table = Table(title="microseconds an operation: p50 (p99, min); ratio: theirs / ours, above 1 is faster")
    for heading in ("world", "operation", "size"):
        table.add_column(heading)
    for name in backends:
        table.add_column(name, justify="right")
    for name in backends[1:]:
        table.add_column(f"{name} / {backends[0]}", justify="right")
    for cell in cells(rows):
        ratios = [cell.ratio(backends[0], name) for name in backends[1:]]
        table.add_row(
            str(cell.world),
            f"{cell.op} ({cell.engines})" if cell.engines else cell.op,
            human(cell.size),
            *(_times(cell.rows.get(name)) for name in backends),
            *(_coloured(ratio) for ratio in ratios),
        )
    console.print(table)


def _times(row: Row | None) -> str:
    return "-" if row is None else f"{row.p50:,.1f} ({row.p99:,.1f}, {row.best:,.1f})"


def _coloured(ratio: float | None) -> str:
    if ratio is None:
        return "-"
    return f"[{'green' if ratio >= 1 else 'red'}]{ratio:.2f} x"


def slower(rows: Sequence[Row], ours: str, theirs: str) -> list[Cell]:
    """The cells where our p50 is above theirs."""
    return [cell for cell in cells(rows) if (ratio := cell.ratio(ours, theirs)) is not None and ratio < 1]


def save(
    rows: Sequence[Row],
    cases: Sequence[Case],
    folder: Path,
    settings: Mapping[str, object],
    machine: Mapping[str, str],
    plots: bool,
) -> list[Path]:
    """Write collectives.json and .csv, and the plots; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"collectives.{kind}" for kind in ("json", "csv")]
    document = {
        "settings": dict(settings),
        "machine": dict(machine),
        "bars": [verdict.as_dict() for case in cases for verdict in case.verdicts],
        "rows": [row.as_dict() for row in rows],
    }
    paths[0].write_text(json.dumps(document, indent=1) + "\n")
    with paths[1].open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0].as_dict()))
        writer.writeheader()
        writer.writerows(row.as_dict() for row in rows)
    return paths


def _plot(rows: Sequence[Row], backends: Sequence[str], path: Path) -> None:
    """One panel an operation and world: p50 over size, both logarithmic; the band reaches from min to p99."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    ops = list(dict.fromkeys(row.op for row in rows))
    worlds = list(dict.fromkeys(row.world for row in rows))
    area = (5 * len(worlds), 3 * len(ops))
    figure, axes = pyplot.subplots(len(ops), len(worlds), figsize=area, squeeze=False)
    for line, op in enumerate(ops):
        for column, world in enumerate(worlds):
            axis = axes[line][column]
            for name in backends:
                found = [row for row in rows if (row.op, row.world, row.backend) == (op, world, name)]
                sizes = [max(1, row.size) for row in found]
                axis.plot(sizes, [row.p50 for row in found], marker="o", markersize=3, label=name)
                axis.fill_between(sizes, [row.best for row in found], [row.p99 for row in found], alpha=0.15)
            axis.set(xscale="log", yscale="log", title=f"{op}, {world} ranks", xlabel="bytes", ylabel="µs")
            axis.grid(visible=True, which="major", alpha=0.3)
    axes[0][0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
