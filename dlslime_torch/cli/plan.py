"""Plans as Python sees them: rows out of a text, and rows into one."""

from __future__ import annotations

import re
from typing import NamedTuple

UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
ROW = re.compile(r"(?P<op>\w+) (?P<way>\w+) up to (?P<size>\*|\d+ \w+): (?P<does>.+)")


class Row(NamedTuple):
    operation: str
    way: str
    up_to: int | None  # bytes; None: any
    does: str  # the algorithm, and its chunk

    def __str__(self) -> str:
        return f"{self.operation} {self.way} up to {size_text(self.up_to)}: {self.does}"

    @property
    def algorithm(self) -> str:
        return self.does.split()[0]


def bytes_of(text: str) -> int:
    """4 KiB -> 4096."""
    number, unit = text.split()
    return int(number) * UNITS[unit]


def size_text(size: int | None) -> str:
    if size is None:
        return "*"
    for unit, scale in reversed(UNITS.items()):
        if size >= scale and size % scale == 0:
            return f"{size // scale} {unit}"
    return f"{size} B"


def rows_of(text: str) -> list[Row]:
    """The rows of a text as `plan_text` writes it."""
    rows = []
    for found in ROW.finditer(text):
        size = None if found["size"] == "*" else bytes_of(found["size"])
        rows.append(Row(found["op"], found["way"], size, found["does"]))
    return rows


def rows_for(rows: list[Row], operation: str, way: str) -> list[Row]:
    return [row for row in rows if (row.operation, row.way) == (operation, way)]


def choose(rows: list[Row], size: int) -> str:
    """What these rows, of one operation and way, do at a size."""
    return next(row.does for row in rows if row.up_to is None or size <= row.up_to)
