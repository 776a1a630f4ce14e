"""The `dlslime` command. Needs typer and rich (`pip install dlslime_torch[cli]`), which nothing else here does."""

from __future__ import annotations

import sys


def main() -> None:
    try:
        from dlslime_torch.cli.app import app
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        sys.exit(f"dlslime: the command needs {error.name}: pip install typer rich (or dlslime_torch[cli])")
    app()
