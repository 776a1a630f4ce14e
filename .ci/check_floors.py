"""The house keeps its floors: a room of csrc/ includes only from itself and from the floors below it.

Also: only torch_ext/ sees torch, Python and pybind11, and no engine is named above engine/ (but in
torch_ext/engines.cpp, which registers them). Run without arguments; prints what is wrong and exits 1.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from cxx import ROOT, blank, line_of, sources

# Bottom to top; rooms on one floor do not know each other.
FLOORS = [
    {"base"},
    {"reduce", "memory"},
    {"engine"},
    {"transfer", "message"},
    {"collective"},
    {"directory", "rpc", "cache"},
    {"torch_ext"},
]
ENGINES = ("shm", "tcp", "rdma", "cuda", "ascend", "sim")
ENGINES_NAMED_IN = "torch_ext/engines.cpp"  # the registration

_HEIGHT = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)
_FOREIGN = re.compile(r"^(torch|ATen|c10|caffe2|pybind11)/|^Python\.h$")
# shm, engine::shm, "tcp" and make_tcp_engine are engine names; simple and __shm_open are not.
_ENGINE_WORD = re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(ENGINES)})(?![A-Za-z0-9])", re.IGNORECASE)
_KNOB = re.compile(r"\bDLSLIME_[A-Z_]+")  # DLSLIME_SIM_ is a variable, not the engine
_ENGINE_CAMEL = re.compile(rf"\b(?:{'|'.join(e.capitalize() for e in ENGINES)})(?=[A-Z]\w*)")


def problems(path: str, text: str) -> Iterator[str]:
    """What is wrong with the file at `path`, relative to csrc/."""
    room = path.split("/")[0]
    if room not in _HEIGHT:
        yield f"{path}:1: {room}/ is no room of the house; its floor belongs in .ci/check_floors.py"
        return
    bare = _KNOB.sub(lambda m: " " * len(m.group()), blank(text, strings=False))
    for match in _INCLUDE.finditer(bare):
        where, target = f"{path}:{line_of(bare, match.start())}", match.group(2)
        if _FOREIGN.search(target) and room != "torch_ext":
            yield f"{where}: includes <{target}>; only torch_ext/ sees torch, Python and pybind11"
        other = target.split("/")[0]
        if match.group(1) == '"' and other in _HEIGHT and other != room:
            if _HEIGHT[other] > _HEIGHT[room]:
                yield f"{where}: includes {target}, from a floor above {room}/"
            elif _HEIGHT[other] == _HEIGHT[room]:
                yield f"{where}: includes {target}; {room}/ and {other}/ are side by side"
        elif match.group(1) == '"' and target.startswith("../"):
            yield f"{where}: includes {target}; write the path from csrc/"
    if _HEIGHT[room] > _HEIGHT["engine"] and path != ENGINES_NAMED_IN:
        for pattern in (_ENGINE_WORD, _ENGINE_CAMEL):
            for match in pattern.finditer(bare):
                yield f"{path}:{line_of(bare, match.start())}: names the engine {match.group().lower()}"


def main() -> int:
    csrc = ROOT / "csrc"
    paths: list[Path] = list(sources(csrc))
    found = [p for path in paths for p in problems(path.relative_to(csrc).as_posix(), path.read_text())]
    print("\n".join(f"csrc/{line}" for line in found) or f"floors: {len(paths)} files, each on its floor")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
