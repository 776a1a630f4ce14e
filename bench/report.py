"""What a run leaves: a table on the terminal, JSON and CSV in a folder."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import floor, mpi
from bench.judge import Case
from bench.limit import limit
from bench.timing import Key, Row, human


def _ratio(rows: Mapping[Key, Row], ours: Row, name: str) -> float | None:
    """How many times faster `ours` is by p50; None where the other was not measured, or ours took none (`idle_cpu`)."""
    theirs = rows.get(ours.key._replace(backend=name))
    return None if theirs is None or not ours.p50 else theirs.p50 / ours.p50


def show(rows: Mapping[Key, Row], backends: Sequence[str], console: Console) -> None:
    """p50 (p99, min) in microseconds, and how the first backend compares with each of the others."""
    names = [name for name in [*backends, mpi.NAME] if any(key.backend == name for key in rows)]
    compared = [name for name in names[1:] if name != floor.NAME]
    table = Table(title="microseconds an operation: p50 (p99, min); ratio: theirs / ours, above 1 is faster")
    for heading in ("world", "operation", "size"):
        table.add_column(heading)
    for name in names:
        table.add_column(name, justify="right")
    for name in compared:
        table.add_column(f"{name} / {names[0]}", justify="right")
    table.add_column("limit", justify="right")
    for row in rows.values():
        if row.backend != names[0]:
            continue
        others = [rows.get(row.key._replace(backend=name)) for name in names]
        bound = limit(row.key, rows)
        table.add_row(
            str(row.world),
            f"{row.op} ({row.engines})" if row.engines else row.op,
            human(row.size),
            *(_times(other) for other in others),
            *(_coloured(_ratio(rows, row, name)) for name in compared),
            "-" if bound is None else f"{bound:,.1f}",
        )
    console.print(table)


def _times(row: Row | None) -> str:
    return "-" if row is None else f"{row.p50:,.1f} ({row.p99:,.1f}, {row.best:,.1f})"


def _coloured(ratio: float | None) -> str:
    if ratio is None:
        return "-"
    return f"[{'green' if ratio >= 1 else 'red'}]{ratio:.2f} x"


def slower(rows: Mapping[Key, Row], ours: str, theirs: str) -> list[Row]:
    """Our rows where our p50 is above theirs."""
    mine = [row for row in rows.values() if row.backend == ours]
    return [row for row in mine if (ratio := _ratio(rows, row, theirs)) is not None and ratio < 1]


def save(
    rows: Mapping[Key, Row],
    cases: Sequence[Case],
    folder: Path,
    settings: Mapping[str, object],
    machine: Mapping[str, str],
) -> list[Path]:
    """Write collectives.json and .csv; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"collectives.{kind}" for kind in ("json", "csv")]
    listed = [row.as_dict() for row in rows.values()]
    document = {
        "settings": dict(settings),
        "machine": dict(machine),
        "bars": [verdict.as_dict() for case in cases for verdict in case.verdicts],
        "rows": listed,
    }
    paths[0].write_text(json.dumps(document, indent=1) + "\n")
    with paths[1].open("w", newline="") as file:
        writer = csv.DictWriter(file, listed[0])
        writer.writeheader()
        writer.writerows(listed)
    return paths
