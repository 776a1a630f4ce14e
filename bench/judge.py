"""Which bars are reached: a line for each case, and every cell that misses its bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table

from bench.bars import Cell
from bench.timing import Key, Row


@dataclass(frozen=True)
class Verdict:
    """A cell and what was measured; value is None where a row that it needs is missing."""

    cell: Cell
    value: float | None

    @property
    def reached(self) -> bool:
        return self.value is not None and self.cell.reached(self.value)

    @property
    def text(self) -> str:
        if self.value is None:
            return "-"
        if self.cell.unit == "us":
            return f"{self.value:,.1f} us"
        return f"{self.value:.2f} x" if self.value >= 0.1 else f"{self.value:.3f} x"

    def as_dict(self) -> dict[str, object]:
        cell = self.cell
        return {
            "case": cell.case,
            "what": cell.what,
            "bound": cell.bound,
            "at_least": cell.at_least,
            "value": self.value,
            "reached": self.reached,
        }


@dataclass(frozen=True)
class Case:
    """All cells of one requirement."""

    name: str
    verdicts: Sequence[Verdict]

    @property
    def measured(self) -> list[Verdict]:
        return [verdict for verdict in self.verdicts if verdict.value is not None]

    @property
    def worst(self) -> Verdict | None:
        return max(self.measured, key=lambda v: v.cell.excess(v.value or 0.0), default=None)

    @property
    def state(self) -> str:
        if not self.measured:
            return "not measured"
        if not all(verdict.reached for verdict in self.measured):
            return "not reached"
        return "reached" if len(self.measured) == len(self.verdicts) else "reached so far"


def judge(cells: Sequence[Cell], rows: Mapping[Key, Row]) -> list[Case]:
    cases: dict[str, list[Verdict]] = {}
    for cell in cells:
        found = [rows[key] for key in cell.needs if key in rows]
        value = cell.value(found) if len(found) == len(cell.needs) else None
        cases.setdefault(cell.case, []).append(Verdict(cell, value))
    return [Case(name, verdicts) for name, verdicts in cases.items()]


def case_lines(cases: Sequence[Case]) -> list[tuple[str, str, str, str, str]]:
    """Case, state, how many of its cells, the worst figure, where that is."""
    lines = []
    for case in cases:
        worst = case.worst
        done = sum(verdict.reached for verdict in case.measured)
        where = "" if worst is None else worst.cell.what
        lines.append(
            (case.name, case.state, f"{done}/{len(case.verdicts)}", worst.text if worst else "-", where)
        )
    return lines


def missed(cases: Sequence[Case]) -> list[Verdict]:
    """Every cell that misses its bound, the worst first."""
    found = [verdict for case in cases for verdict in case.measured if not verdict.reached]
    return sorted(found, key=lambda v: -v.cell.excess(v.value or 0.0))


def cell_lines(verdicts: Sequence[Verdict]) -> list[tuple[str, str, str]]:
    """Each cell, its figure and its bound."""
    return [(v.cell.what, v.text, f"{'≥' if v.cell.at_least else '≤'} {v.cell.bound:g}") for v in verdicts]


def _listed(title: str, verdicts: Sequence[Verdict]) -> Table:
    table = Table(title=title)
    for heading in ("cell", "measured", "bound"):
        table.add_column(heading)
    for line in cell_lines(verdicts):
        table.add_row(*line)
    return table


def tables(cases: Sequence[Case], unavoidable: Sequence[Case]) -> list[Table]:
    overview = Table(title="the bars")
    for heading in ("case", "", "cells", "worst", "where"):
        overview.add_column(heading)
    for name, state, cells, worst, where in case_lines(cases):
        colour = {"reached": "green", "not reached": "red"}.get(state, "yellow")
        overview.add_row(name, f"[{colour}]{state}", cells, worst, where)
    others = [
        _listed("cells that miss their bound", missed(cases)),
        _listed(
            "what no backend can help, by the same bounds", [v for case in unavoidable for v in case.measured]
        ),
    ]
    return [overview, *(table for table in others if table.rows)]
