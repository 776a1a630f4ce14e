"""Files stay short enough to be read: 450 lines at most."""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

from cxx import ROOT

LIMIT = 450
SUFFIXES = {".h", ".cpp", ".cc", ".py", ".pyi"}


def too_long(sizes: dict[str, int], limit: int = LIMIT) -> list[str]:
    return [f"{path}: {lines} lines, {limit} at most" for path, lines in sizes.items() if lines > limit]


def sizes_in(folder: Path) -> dict[str, int]:
    paths = sorted(p for p in folder.rglob("*") if p.suffix in SUFFIXES)
    return {p.relative_to(ROOT).as_posix(): len(p.read_text().splitlines()) for p in paths}


def main() -> int:
    product = sizes_in(ROOT / "csrc") | sizes_in(ROOT / "dlslime_torch")
    found = too_long(product | sizes_in(ROOT / "tests") | sizes_in(ROOT / "bench"))
    for line in found:
        print(line)
    print(
        f"sizes: {len(product)} files, median {statistics.median(product.values()):.0f} lines,"
        f" longest {max(product.values())}"
    )
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
