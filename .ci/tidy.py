"""clang-tidy on the core's sources, as many at a time as there are CPUs.

A file is skipped while nothing it is made from (itself, its headers, .clang-tidy, the tool) has changed since it last
passed: a full run costs minutes, the usual one seconds.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cxx import ROOT

BUILD = ROOT / "build" / "main"
PASSED = ROOT / "build" / "tidy"
TOOL = Path(sys.executable).with_name("clang-tidy")
# Flags of g++ that clang does not know, and warnings that the build already shows.
EXTRA = ["--quiet", "--extra-arg=-Wno-everything", "--warnings-as-errors=*"]


def fingerprint(entry: dict[str, str]) -> str:
    """Of everything that the compiler reads for this file outside of the system's folders."""
    command = shlex.split(entry["command"])
    compiler = next(i for i, word in enumerate(command) if Path(word).name in {"c++", "g++", "clang++"})
    words = command[compiler:]
    output = words.index("-o")
    words = [*words[:output], *words[output + 2 :], "-MM", "-MT", "x"]
    rule = subprocess.run(words, cwd=entry["directory"], check=True, capture_output=True, text=True).stdout
    digest = hashlib.sha256()
    settings = (ROOT / ".clang-tidy", ROOT / ".ci" / "requirements-test.txt")  # the latter pins the tool
    for name in [*map(str, settings), *rule.replace("\\\n", " ").split()[1:]]:
        digest.update((Path(entry["directory"]) / name).read_bytes())
    return digest.hexdigest()


def check(entry: dict[str, str]) -> tuple[str, str]:
    """The file's name, and what clang-tidy has to say about it: nothing when it passes or has passed."""
    name = Path(entry["file"]).relative_to(ROOT).as_posix()
    mark = PASSED / fingerprint(entry)
    if mark.exists():
        return name, ""
    result = subprocess.run([TOOL, "-p", BUILD, *EXTRA, entry["file"]], capture_output=True, text=True)
    if result.returncode == 0:
        mark.touch()
        return name, ""
    return name, result.stdout + result.stderr


def main() -> int:
    core = f"{ROOT}/csrc/"
    entries: list[dict[str, str]] = json.loads((BUILD / "compile_commands.json").read_text())
    entries = [e for e in entries if e["file"].startswith(core) and "/torch_ext/" not in e["file"]]
    PASSED.mkdir(parents=True, exist_ok=True)
    failed = 0
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for name, complaint in pool.map(check, entries):
            if complaint:
                failed += 1
                print(f"{name}:\n{complaint}", flush=True)
    print(f"tidy: {len(entries) - failed} of {len(entries)} files clean")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
