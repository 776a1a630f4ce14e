"""A picture for each operation: time and bandwidth against size, everybody's and the limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import ddp, floor, mpi
from bench.limit import limit
from bench.operations import OPERATIONS
from bench.ranks import MEMORY
from bench.timing import Key, Row, human

NOT_DRAWN = (floor.NAME, MEMORY, ddp.ALONE)
COLOURS = {"dlslime": "tab:blue", "gloo": "tab:orange", mpi.NAME: "tab:green"}
FEWEST_SIZES = 3  # fewer make no curve


def draw(rows: Mapping[Key, Row], folder: Path) -> list[Path]:
    """One file for each operation of which enough sizes were measured; returns their paths: none without matplotlib."""
    try:
        import matplotlib
    except ImportError:
        print("no pictures: matplotlib is not installed (.venv/bin/pip install matplotlib)")
        return []

    matplotlib.use("Agg")
    paths = []
    for op in OPERATIONS:
        curves = _curves(rows, op)
        if curves:
            paths.append(folder / f"{op}.png")
            _figure(rows, op, curves, paths[-1])
    return paths


def _curves(rows: Mapping[Key, Row], op: str) -> dict[int, dict[str, list[Row]]]:
    """By world, then by name; each in the order of sizes."""
    found: dict[int, dict[str, list[Row]]] = {}
    for key in sorted(rows):
        if key.op in (op, f"{op}_shared") and key.backend not in NOT_DRAWN:
            name = f"{key.backend}, {key.engines}" if key.engines else key.backend
            name += ", its own tensors" if key.op != op else ""
            found.setdefault(key.world, {}).setdefault(name, []).append(rows[key])
    return {
        world: drawn
        for world, curves in found.items()
        if (drawn := {name: curve for name, curve in curves.items() if len(curve) >= FEWEST_SIZES})
    }


def _figure(
    rows: Mapping[Key, Row], op: str, curves: Mapping[int, Mapping[str, Sequence[Row]]], path: Path
) -> None:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, len(curves), figsize=(6 * len(curves), 7.5), squeeze=False)
    for column, (world, named) in enumerate(curves.items()):
        latency, bandwidth = axes[0][column], axes[1][column]
        for name, curve in named.items():
            _lines(latency, bandwidth, name, curve)
        points = [(row.size, bound) for row in _plain(named) if (bound := limit(row.key, rows)) is not None]
        if points:
            sizes, bounds = zip(*points, strict=True)
            style = {"color": "black", "linestyle": "--", "linewidth": 1, "label": "the limit"}
            latency.plot(sizes, bounds, **style)
            bandwidth.plot(sizes, [size / bound / 1e3 for size, bound in points], **style)
        latency.set(title=f"{op}, {world} ranks", ylabel="µs, median and p99", yscale="log")
        bandwidth.set(ylabel="GB/s of the buffer's size")
        for axis in (latency, bandwidth):
            axis.set_xscale("log", base=2)
            axis.set_xticks([8 << (4 * step) for step in range(7)], minor=False)
            axis.xaxis.set_major_formatter(lambda size, _: human(int(size)))
            axis.grid(visible=True, which="major", alpha=0.3)
        latency.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=80)
    pyplot.close(figure)


def _plain(named: Mapping[str, Sequence[Row]]) -> Sequence[Row]:
    """The longest curve that is nobody's variant: the limit is drawn at its sizes."""
    return max((curve for name, curve in named.items() if "," not in name), key=len, default=[])


def _lines(latency: Any, bandwidth: Any, name: str, curve: Sequence[Row]) -> None:
    colour = COLOURS.get(name.partition(",")[0])
    line = "-" if name in COLOURS else ":"
    style = {"color": colour, "linestyle": line, "marker": "o", "markersize": 3}
    sizes = [row.size for row in curve]
    latency.plot(sizes, [row.p50 for row in curve], label=name, **style)
    latency.fill_between(
        sizes, [row.p50 for row in curve], [row.p99 for row in curve], alpha=0.1, color=colour
    )
    bandwidth.plot(sizes, [row.size / row.p50 / 1e3 for row in curve], label=name, **style)
