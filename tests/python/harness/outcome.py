"""What became of one call on one rank, as plain data that crosses the pipe."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Failure:
    """An exception, flattened: not every exception pickles, and its class may live in an extension."""

    types: tuple[str, ...]
    message: str
    trace: str

    @staticmethod
    def of(error: BaseException) -> Failure:
        names = tuple(kind.__name__ for kind in type(error).__mro__)
        return Failure(names, str(error), "".join(traceback.format_exception(error)))


@dataclass(frozen=True)
class Outcome:
    """A value, a failure, or a process that ended before it answered (`exitcode`).

    `began` and `ended` are CLOCK_MONOTONIC seconds, comparable between processes of one machine.
    """

    rank: int
    value: Any = None
    failure: Failure | None = None
    exitcode: int | None = None
    began: float = 0.0
    ended: float = 0.0
    log: str = ""

    @property
    def ok(self) -> bool:
        return self.failure is None and self.exitcode is None

    def raised(self, *names: str) -> bool:
        """Whether the call raised one of these exception types (or a subclass), by class name."""
        return self.failure is not None and any(name in self.failure.types for name in names)

    @property
    def message(self) -> str:
        return self.failure.message if self.failure else ""

    def describe(self) -> str:
        if self.failure is not None:
            head, body = f"rank {self.rank} raised {self.failure.types[0]}", self.failure.trace
        else:
            head, body = f"rank {self.rank} ended with exit code {self.exitcode}", ""
        tail = f"--- its output ---\n{self.log}" if self.log else ""
        return f"===== {head} =====\n{body}{tail}"


class RankFailure(AssertionError):
    """At least one rank failed; shows every failing rank's traceback and output."""

    def __init__(self, title: str, outcomes: Sequence[Outcome]) -> None:
        self.outcomes = list(outcomes)
        bad = [outcome for outcome in outcomes if not outcome.ok]
        super().__init__("\n".join([title, *(outcome.describe() for outcome in bad)]))
