"""What the command line offers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="dlslime_torch: what this machine has for it, and what is fastest here.",
)


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=140)


@app.command()
def doctor(
    plan: Annotated[bool, typer.Option("--plan", help="Print the plan in use, and nothing else.")] = False,
    env: Annotated[bool, typer.Option("--env", help="Print every setting, and nothing else.")] = False,
) -> None:
    """Say what is installed, what connects processes here, and what is in the way of better.

    Starts two processes that make a group. The exit status is 1 where nothing connects them, or a setting is wrong.
    """
    from dlslime_torch.cli import doctor as work

    console = _console()
    try:
        if plan:
            work.show_plan(console)
        elif env:
            work.show_settings(console)
        else:
            raise typer.Exit(0 if work.examine(console) else 1)
    except ValueError as error:  # a setting: the text names it
        console.print(f"error: {error}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None


@app.command()
def tune(
    out: Annotated[Path, typer.Option(help="Where to write the plan.")] = Path("dlslime.plan"),
    worlds: Annotated[
        str, typer.Option(help="Numbers of ranks to measure; default: 2, and 4 where there are 4 CPUs.")
    ] = "",
    seconds: Annotated[float, typer.Option(min=0.1, help="How long to measure, without the start.")] = 40.0,
    largest: Annotated[int, typer.Option(min=1024, help="The largest vector, in bytes.")] = 8 << 20,
    verbose: Annotated[bool, typer.Option("--verbose", help="Print every measured time.")] = False,
) -> None:
    """Measure every algorithm on this machine and write a plan for DLSLIME_PLAN.

    Run it while nothing else does: what it decides is as good as the quiet it had.
    """
    from dlslime_torch.cli import tune as work
    from dlslime_torch.cli.local_ranks import RanksFailed

    console = _console()
    try:
        work.tune(console, out, work.worlds_from(worlds), seconds, largest, verbose)
    except (RanksFailed, OSError, ValueError) as error:
        console.print(f"error: {error}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
