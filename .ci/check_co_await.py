"""Refuses `co_await` (and `co_yield`) in the condition of if, while, switch or for, and in a range-for's range.

g++ 12 compiles such conditions without a word and wrongly. Write `const auto v = co_await ...;` first. A statement in
front of an if's or switch's condition, `if (auto v = co_await f(); v)`, is refused too: it is the same code to the
compiler. Run without arguments, or with files.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from cxx import ROOT, blank, line_of, sources

_HEAD = re.compile(r"\b(if|while|switch|for)\b(?:\s+constexpr)?\s*\(")
_AWAIT = re.compile(r"\bco_(?:await|yield)\b")


def closing(text: str, start: int) -> int:
    """The offset just after the parenthesis that closes the one before `start`."""
    depth = 1
    for offset in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[offset], 0)
        if depth == 0:
            return offset + 1
    return len(text)


def problems(path: str, text: str) -> Iterator[str]:
    bare = blank(text)
    for head in _HEAD.finditer(bare):
        condition = bare[head.end() : closing(bare, head.end())]
        found = _AWAIT.search(condition)
        if found:
            line = line_of(bare, head.end() + found.start())
            yield f"{path}:{line}: {found.group()} in the condition of {head.group(1)}; g++ 12 miscompiles it"


def main() -> int:
    paths = [Path(a) for a in sys.argv[1:]] or [*sources(ROOT / "csrc"), *sources(ROOT / "tests" / "cpp")]
    found = [p for path in paths for p in problems(str(path), path.read_text())]
    print("\n".join(found) or f"co_await: {len(paths)} files, none in a condition")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
