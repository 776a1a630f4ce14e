"""The knobs: a bad value is an error that names it, an unknown name warns once, and DLSLIME_LOG is one of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import dlslime_torch

DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"
MAKE_OPTIONS = """
import dlslime_torch
try:
    dlslime_torch.Options()
    dlslime_torch.Options()
    print("made")
except ValueError as error:
    print("refused", error)
"""


def options_with(**variables: str) -> tuple[str, str]:
    """What a fresh process that makes its options prints, and what it logs."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DLSLIME_")}
    done = subprocess.run(
        [sys.executable, "-c", MAKE_OPTIONS],
        env={**clean, **variables},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip(), done.stderr


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DLSLIME_ENGINES", "shm,pigeon"),
        ("DLSLIME_SPIN_US", "a while"),
        ("DLSLIME_YIELD_US", "-1"),
        ("DLSLIME_CONNECT_TIMEOUT", "0"),
        ("DLSLIME_THREADS", "2"),
        ("DLSLIME_INTERFACE", "nope"),
        ("DLSLIME_PLAN", "/nowhere/plan"),
        ("DLSLIME_PLAN", "/"),
        ("DLSLIME_LOG", "verbose"),
        ("DLSLIME_LOG", "WARN"),
    ],
)
def test_a_bad_value_is_an_error_that_names_it(variable: str, value: str) -> None:
    said, _ = options_with(**{variable: value})
    assert said.startswith(f"refused {variable}={value}: must be "), said


def test_a_file_that_is_no_plan_is_an_error_with_line_and_reason(tmp_path: Path) -> None:
    path = tmp_path / "plan"
    path.write_text("all_reduce local up to *: two_shot\nall_reduce local up to 1 KiB: one_shot\n")
    said, _ = options_with(DLSLIME_PLAN=str(path))
    assert said.startswith(f"refused DLSLIME_PLAN={path}: must be a file with a plan: line 2: "), said


def test_spaces_in_a_list_do_not_matter() -> None:
    said, _ = options_with(DLSLIME_ENGINES=" tcp , shm")
    assert said == "made"


@pytest.mark.parametrize("level", ["trace", "debug", "info", "warn", "error", "critical", "off"])
def test_every_level_is_taken(level: str) -> None:
    said, logged = options_with(DLSLIME_LOG=level, DLSLIME_SPEED="11")
    assert said == "made"
    heard = level in ("trace", "debug", "info", "warn")
    assert logged.count("DLSLIME_SPEED") == heard, logged


def test_a_mistyped_level_does_not_silence_the_log() -> None:
    said, logged = options_with(DLSLIME_LOG="debgu", DLSLIME_SPEED="11")
    assert "refused DLSLIME_LOG=debgu: must be one of trace, debug" in said
    assert logged.count("no setting is called DLSLIME_SPEED") == 1, logged


def test_a_name_that_only_begins_like_a_knob_is_unknown() -> None:
    _, logged = options_with(DLSLIME_LOGS="1")
    assert logged.count("no setting is called DLSLIME_LOGS") == 1, logged


def test_the_document_has_every_knob() -> None:
    text = DOCUMENT.read_text()
    options = dlslime_torch.Options()
    for option, variable, default, meaning in dlslime_torch.knobs():
        assert f"`{variable}` | " in text, variable
        assert not option or hasattr(options, option), option
        assert meaning, variable
        assert f"| `{variable}` | `{default}` |" in text or not default, (variable, default)
