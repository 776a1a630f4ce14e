"""Every collective on dlslime, Gloo and, where installed, Open MPI: measured in one run, taken in turn.

python bench/collectives.py --quick
python bench/collectives.py --worlds 2 4 --ops all_reduce broadcast --sizes 8 65536 --engines tcp
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console
from rich.progress import Progress

from bench import mpi
from bench.operations import OPERATIONS
from bench.ranks import Ranks, label
from bench.report import save, show, slower
from bench.timing import Row, human

SIZES = [8, 64, 512, 4 << 10, 32 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20]
QUICK_SIZES = [8, 4 << 10, 64 << 10, 1 << 20, 16 << 20]


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer sizes and rounds: minutes, not an hour")
    parser.add_argument("--worlds", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--ops", nargs="+", default=list(OPERATIONS), choices=list(OPERATIONS))
    parser.add_argument("--sizes", type=int, nargs="+", help="bytes of the largest buffer of a rank")
    parser.add_argument("--rounds", type=int, help="how often each backend has its turn at each size")
    parser.add_argument(
        "--backends", nargs="+", default=["dlslime", "gloo"], help="the first is compared with the rest"
    )
    parser.add_argument(
        "--engines", help="what DLSLIME_ENGINES is set to: shm, tcp; default: the backend's own choice"
    )
    parser.add_argument("--no-mpi", action="store_true", help="leave Open MPI out")
    parser.add_argument("--pin", action="store_true", help="bind rank r to the r-th allowed CPU")
    parser.add_argument(
        "--check", action="store_true", help="fail when the first backend is slower than the second"
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out")
    options = parser.parse_args(arguments)
    options.sizes = options.sizes or (QUICK_SIZES if options.quick else SIZES)
    options.rounds = options.rounds or (4 if options.quick else 10)
    return options


def environment(options: argparse.Namespace) -> dict[str, str]:
    """What the ranks start with: Gloo on loopback, and the engines asked for."""
    env = {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    if options.engines:
        env["DLSLIME_ENGINES"] = options.engines
    return env


def run(options: argparse.Namespace, console: Console, engines: dict[str, dict[str, str]]) -> list[Row]:
    """Measure everything; `engines` takes what each backend really used, by world size."""
    with_mpi = not options.no_mpi and mpi.available()
    rows: list[Row] = []
    steps = sum(len(_sizes(op, options.sizes)) for op in options.ops) * len(options.worlds)
    with Progress(console=console) as progress:
        task = progress.add_task("measuring", total=steps)
        for world in options.worlds:
            ranks = Ranks(
                world,
                tuple(options.backends),
                environment(options),
                options.rounds,
                options.quick,
                options.pin,
            )
            console.print(f"{world} ranks, engines in use: {ranks.engines}")
            engines[str(world)] = ranks.engines
            for op in options.ops:
                sizes = _sizes(op, options.sizes)
                for size in sizes:
                    progress.update(task, description=f"{op}, {human(size)}, {world} ranks")
                    rows += ranks.measure(op, size)
                    progress.advance(task)
                if with_mpi:
                    rows += mpi.measure(world, op, sizes, options.rounds, options.quick)
            ranks.close()
    return rows


def _sizes(op: str, sizes: list[int]) -> list[int]:
    return [8] if op == "barrier" else sizes


def main() -> int:
    options = parse(sys.argv[1:])
    console = Console(width=None if sys.stdout.isatty() else 160)
    engines: dict[str, dict[str, str]] = {}
    rows = run(options, console, engines)
    names = [label(options.backends, index) for index in range(len(options.backends))]
    if any(row.backend == mpi.NAME for row in rows):
        names.append(mpi.NAME)
    show(rows, names, console)
    settings: dict[str, object] = {name: str(value) for name, value in vars(options).items()}
    settings |= {"cpus": os.cpu_count(), "load": os.getloadavg(), "engines": engines}
    for path in save(rows, names, options.out, settings):
        console.print(f"wrote {path}")
    if len(options.backends) < 2:
        return 0
    behind = slower(rows, names[0], names[1])
    console.print(f"{names[0]} is behind {names[1]} in {len(behind)} cells by p50")
    return 1 if options.check and behind else 0


if __name__ == "__main__":
    sys.exit(main())
