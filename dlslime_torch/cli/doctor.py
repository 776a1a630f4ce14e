"""dlslime doctor: what is here, found out by trying it with two processes rather than by guessing."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

import dlslime_torch
from dlslime_torch._backend import extension
from dlslime_torch.cli.local_ranks import Answer, RanksFailed, Say, run_ranks
from dlslime_torch.cli.plan import rows_of, size_text

PATIENCE = timedelta(seconds=60)
YAMA = Path("/proc/sys/kernel/yama/ptrace_scope")
YAMA_SAYS = {
    "0": "0: processes of one user may read each other's memory",
    "1": "1: only a parent may read its children's memory",
    "2": "2: only root may read other processes' memory",
    "3": "3: nobody may read another process's memory",
}


def _table(title: str, *columns: str) -> Table:
    table = Table(
        title=title or None, title_justify="left", show_header=bool(columns), box=None, padding=(0, 2, 0, 0)
    )
    for column in columns or ("", ""):
        table.add_column(column, overflow="fold")
    return table


def show_plan(console: Console) -> None:
    """The plan that a group made here now would be offered, as a table and as a text to start a file from."""
    path = dlslime_torch.Options().plan
    text = extension().plan_text(path)
    console.print(f"plan: {path or 'built in'}", markup=False, soft_wrap=True)
    table = _table("", "operation", "way", "up to", "algorithm")
    for row in rows_of(text):
        table.add_row(row.operation, row.way, size_text(row.up_to), row.does)
    console.print(table)
    console.print("\nThe same as a file:\n")
    console.print(text, markup=False, soft_wrap=True)


def show_settings(console: Console) -> None:
    dlslime_torch.Options()  # complains of a bad one
    table = _table("settings", "option", "variable", "set to", "default", "meaning")
    for option, variable, default, meaning in dlslime_torch.knobs():
        table.add_row(option or "none", variable, os.environ.get(variable) or "", default, meaning)
    console.print(table)


def examine(console: Console) -> bool:
    """Prints everything; False where no group could be made."""
    dlslime_torch.Options()
    for title, found in (("versions", versions()), ("host", host()), ("settings in use", settings())):
        table = _table(title)
        for name, value in found.items():
            table.add_row(name, value)
        console.print(table, "")
    trial = try_it()
    table = _table("two processes of this host, by")
    for engine, outcome in trial["engines"].items():
        table.add_row(engine, outcome)
    table.add_row(
        "default", "; ".join(f"{k}: {v}" for k, v in _news(trial["report"]).items()) or trial["error"]
    )
    console.print(table, "")
    for warning in warnings_of(trial):
        console.print(f"warning: {warning}", style="yellow", markup=False, soft_wrap=True)
    return bool(trial["report"])


def versions() -> dict[str, str]:
    return {
        "dlslime_torch": f"{dlslime_torch.__version__}, built for torch {extension().built_for_torch()}",
        "torch": torch.__version__,
        "Python": sys.version.split()[0],
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def host() -> dict[str, str]:
    found = extension().host()
    allowed = len(os.sched_getaffinity(0))
    scope = YAMA.read_text().strip() if YAMA.exists() else ""
    return {
        "CPUs": f"{os.cpu_count()}, {allowed} allowed by affinity, {found['usable CPUs']} usable (cgroup)",
        "reductions": found["reductions"],
        "boot id": found["boot id"],
        "ptrace_scope": YAMA_SAYS.get(scope, scope or "none: Yama is not there"),
    }


def settings() -> dict[str, str]:
    set_here = {knob[1]: os.environ[knob[1]] for knob in dlslime_torch.knobs() if os.environ.get(knob[1])}
    return set_here or {"none": "all defaults"}


def _news(report: Mapping[str, str]) -> dict[str, str]:
    """Of a report what is not in the other tables."""
    told = ("host", "version", "group", "rank", "size", "reductions", "rank 1")
    return {name: value for name, value in report.items() if name not in told}


def try_it() -> Answer:
    try:
        return next(run_ranks(__name__, 2, {"engines": _engines()}, PATIENCE.total_seconds()))
    except (RanksFailed, StopIteration) as error:
        return {"engines": {}, "report": {}, "error": str(error)}


def _engines() -> list[str]:
    return next(default for option, _, default, _ in dlslime_torch.knobs() if option == "engines").split(",")


def warnings_of(trial: Answer) -> list[str]:
    found = [
        f"{name}: {why}"
        for name, why in trial["report"].items()
        if "hampered" in name or name.startswith("without") or " without " in name
    ]
    if trial["error"]:
        found.append(f"no group could be made: {trial['error']}")
    if trial["report"].get("direct reads") == "no" and "shm" in trial["report"]["engine"]:
        found.append("processes can't read each other's memory: large collectives take a copy more")
    return found


def rank(say: Say, rank: int, world: int, store: str, job: dict[str, Any]) -> None:
    """In a process of its own: a group by each engine alone, then one by the settings in force."""
    engines = {}
    for engine in job["engines"]:
        report, error = _report_of([engine], rank, world, f"{store}-{engine}")
        engines[engine] = f"connected, direct reads: {report['direct reads']}" if report else error
    report, error = _report_of(None, rank, world, store)
    if rank == 0:
        say(engines=engines, report=report, error=error)


def _report_of(engines: list[str] | None, rank: int, world: int, store: str) -> tuple[dict[str, str], str]:
    import torch.distributed as dist

    c10d: Any = dist  # its stubs leave the stores out
    options = dlslime_torch.Options()
    if engines:
        options.engines = engines
    try:
        dist.init_process_group(
            "dlslime",
            store=c10d.FileStore(store, world),
            rank=rank,
            world_size=world,
            timeout=PATIENCE / 4,
            pg_options=options,
        )
        dist.all_reduce(torch.ones(1))
        report = dlslime_torch.report()
    except (RuntimeError, ValueError) as error:
        return {}, (str(error).splitlines() or [type(error).__name__])[0]
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()
    return report, ""
