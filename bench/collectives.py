"""Every collective on dlslime, Gloo and, where installed, Open MPI: measured in one run, taken in turn.

python bench/collectives.py --bars                      what the bars need, ten minutes: is each reached?
python bench/collectives.py --bars --resume --limit 50  the same in pieces: again until it says that all is measured
python bench/collectives.py --quick --worlds 2 --ops all_reduce broadcast --sizes 8 65536
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch.distributed as dist
from rich.console import Console
from rich.progress import Progress

from bench import floor, limit, mpi
from bench.bars import GLOO, OURS, bars, unavoidable
from bench.cases import CASES
from bench.judge import judge, tables
from bench.machine import describe
from bench.operations import OPERATIONS
from bench.plan import Job, Terms, jobs, run
from bench.plots import draw
from bench.ranks import label
from bench.report import save, show, slower
from bench.timing import BRIEF, QUICK, THOROUGH, Key, Row

SIZES = [8, 64, 512, 4 << 10, 32 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20]
QUICK_SIZES = [8, 4 << 10, 64 << 10, 1 << 20, 16 << 20]
UNFINISHED = 3  # exit status of --limit


def backend(name: str) -> str:
    if name not in (OURS, floor.NAME) and not dist.is_backend_available(name):
        raise argparse.ArgumentTypeError(
            f"no such backend here: {name} (Open MPI is measured where installed)"
        )
    return name


def operation(name: str) -> str:
    known = {*OPERATIONS, *(key.op for cell in [*bars(), *unavoidable()] for key in cell.needs)}
    if name not in known:
        raise argparse.ArgumentTypeError(f"no such operation: {name}; there are {', '.join(sorted(known))}")
    return name


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bars", action="store_true", help="only what the bars need")
    parser.add_argument("--all", action="store_true", help="every operation and size, and the bars")
    parser.add_argument("--quick", action="store_true", help="fewer sizes and rounds")
    parser.add_argument("--worlds", type=int, nargs="+", help="default: 2 and 4, or all that the bars need")
    parser.add_argument(
        "--ops", type=operation, nargs="+", help=f"of {', '.join(OPERATIONS)}; of the bars also others"
    )
    parser.add_argument("--rounds", type=int, help="how often each backend has its turn at each size")
    parser.add_argument("--sizes", type=int, nargs="+", help="bytes of the largest buffer of a rank")
    parser.add_argument(
        "--backends",
        type=backend,
        nargs="+",
        default=["dlslime", "gloo"],
        help="the first is compared with the rest: dlslime, gloo, floor, or another that torch has",
    )
    parser.add_argument(
        "--engines",
        choices=["shm", "tcp"],
        default="",
        help="what DLSLIME_ENGINES is set to; default: the backend's choice",
    )
    parser.add_argument("--no-mpi", action="store_true", help="leave Open MPI out")
    parser.add_argument("--pin", action="store_true", help="bind rank r to the r-th allowed CPU")
    parser.add_argument(
        "--check", action="store_true", help="fail when the first backend is slower than the next"
    )
    parser.add_argument("--resume", action="store_true", help="keep what --out has and measure the rest")
    parser.add_argument(
        "--limit", type=float, help="stop after so many seconds, with status 3 if there is more"
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out")
    options = parser.parse_args(arguments)
    options.floor = floor.NAME in options.backends or options.bars or options.all
    return options


def swept(options: argparse.Namespace) -> list[Key]:
    """Operations times sizes, each on every backend; the floor once, since it knows no sizes."""
    keys = []
    sizes = options.sizes or (QUICK_SIZES if options.quick else SIZES)
    for world in options.worlds or [2, 4]:
        for op in options.ops or OPERATIONS:
            for size in [8] if op == "barrier" else sizes:
                names = [label(options.backends, index) for index in range(len(options.backends))]
                keys += [Key(world, op, size, name, options.engines) for name in names if name != floor.NAME]
                if f"{op}_shared" in CASES and OURS in names:
                    keys.append(Key(world, f"{op}_shared", size, OURS, options.engines))
                if op in mpi.CALLS:
                    keys.append(Key(world, op, size, mpi.NAME))
                if options.floor and not options.engines:
                    keys += [limit.copy_key(world, size)] if op in limit.TRAFFIC else []
                    keys += [limit.floor_key(world, op)] if size == 8 else []
    return keys


def wanted(options: argparse.Namespace) -> list[Key]:
    needed = (
        [key for cell in [*bars(), *unavoidable()] for key in cell.needs]
        if options.bars or options.all
        else []
    )
    needed = [
        key
        for key in needed
        if (not options.worlds or key.world in options.worlds)
        and (not options.ops or key.op in options.ops)
        and (not options.sizes or key.size in options.sizes)
        and (not options.engines or key.engines == options.engines)
        and (key.backend not in (OURS, GLOO) or key.backend in options.backends)
    ]
    keys = [*needed, *([] if options.bars else swept(options))]
    with_mpi = not options.no_mpi and mpi.available()
    return [key for key in dict.fromkeys(keys) if with_mpi or key.backend != mpi.NAME]


def left(planned: list[Job], rows: dict[Key, Row]) -> list[Job]:
    return [job for job in planned if not all(key in rows for key in job.keys)]


def terms(options: argparse.Namespace) -> Terms:
    pace = QUICK if options.quick else BRIEF if options.bars else THOROUGH
    if options.rounds:
        pace = replace(pace, rounds=options.rounds)
    backends = list(options.backends)
    if options.floor and floor.NAME not in backends:
        backends.append(floor.NAME)
    env = {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    return Terms(pace, tuple(backends), env, options.pin, time.monotonic() + (options.limit or float("inf")))


def kept(options: argparse.Namespace) -> tuple[dict[Key, Row], dict[str, dict[str, str]]]:
    """The rows and engines of the run that is resumed."""
    file = options.out / "collectives.json"
    if not options.resume or not file.exists():
        return {}, {}
    before = json.loads(file.read_text())
    return {row.key: row for row in (Row(**each) for each in before["rows"])}, before["settings"]["engines"]


def conclude(options: argparse.Namespace, rows: dict[Key, Row], console: Console) -> int:
    """The tables that were asked for; the exit status."""
    listed = [label(options.backends, index) for index in range(len(options.backends))]
    if not options.bars:
        show(rows, listed, console)
    if options.bars or options.all:
        for table in tables(judge(bars(), rows), judge(unavoidable(), rows)):
            console.print(table)
    others = [name for name in listed[1:] if name != floor.NAME]
    if not others:
        return 0
    behind = slower(rows, listed[0], others[0])
    console.print(f"{listed[0]} is behind {others[0]} in {len(behind)} cells by p50")
    return 1 if options.check and behind else 0


def main() -> int:
    options = parse(sys.argv[1:])
    console = Console(width=None if sys.stdout.isatty() else 160)
    rows, engines = kept(options)
    planned = jobs(wanted(options))
    if not planned:
        console.print("nothing to measure: no cell has these operations, sizes, worlds and engines")
        return 2
    todo = left(planned, rows)
    with Progress(console=console, disable=not sys.stdout.isatty()) as progress:
        task = progress.add_task("measuring", total=len(todo))

        def began(job: Job) -> None:
            progress.update(task, description=str(job))

        for found in run(todo, terms(options), began, engines):
            # What is kept stays: it was measured in turn with what it is compared with.
            rows = {row.key: row for row in found} | rows
            progress.advance(task)
    rest = left(planned, rows)
    status = UNFINISHED if rest else conclude(options, rows, console)
    settings: dict[str, object] = {name: str(value) for name, value in vars(options).items()}
    settings |= {"engines": engines, "command": " ".join(sys.argv)}
    cases = judge(bars(), rows) if options.bars or options.all else []
    for path in save(rows, cases, options.out, settings, describe(rows)):
        console.print(f"wrote {path}")
    if rest:
        console.print(f"{len(rest)} of {len(planned)} jobs are left: the same again with --resume")
    else:
        for path in draw(rows, options.out):
            console.print(f"wrote {path}")
    return status


if __name__ == "__main__":
    sys.exit(main())
