"""What the checks share: finding C++ files, and blanking what must not be judged in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_TOKEN = re.compile(
    r"//[^\n]*|/\*.*?\*/"  # comments
    r'|R"(?P<raw>[^()\\\s]{0,16})\(.*?\)(?P=raw)"|"(?:\\.|[^"\\\n])*"'  # strings
    r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'",  # characters, but not 1'000
    re.DOTALL,
)


def sources(folder: Path) -> Iterator[Path]:
    yield from sorted(p for p in folder.rglob("*") if p.suffix in {".h", ".hpp", ".cpp", ".cc"})


def blank(text: str, *, strings: bool = True) -> str:
    """`text` with comments (and strings) replaced by spaces: line numbers stay what they were."""

    def replace(match: re.Match[str]) -> str:
        token = match.group()
        if not token.startswith(("//", "/*")) and not strings:
            return token
        return re.sub(r"[^\n]", " ", token)

    return _TOKEN.sub(replace, text)


def line_of(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1
