"""The checks of .ci/ catch what they are for, and let pass what they must."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / ".ci"))

import check_co_await
import check_floors
import check_sizes
import cxx


@pytest.mark.parametrize(
    ("path", "text", "complaint"),
    [
        ("base/a.h", '#include "engine/engine.h"', "from a floor above base/"),
        ("memory/a.h", '#include "reduce/reduce.h"', "side by side"),
        ("message/a.h", '#include "transfer/put.h"', "side by side"),
        ("collective/a.cpp", '  #  include "rpc/x.h"', "from a floor above"),
        ("engine/tcp/a.cpp", "#include <Python.h>", "only torch_ext/"),
        ("message/a.cpp", '#include "torch/torch.h"', "only torch_ext/"),
        ("base/a.cpp", "#include <c10/util/Half.h>", "only torch_ext/"),
        ("engine/tcp/a.cpp", '#include "../engine.h"', "from csrc/"),
        ("message/a.cpp", '#include "engine/shm/arena.h"', "names the engine shm"),
        ("collective/a.cpp", 'if (name == "tcp") return;', "names the engine tcp"),
        ("collective/a.cpp", "make_shm_engine();", "names the engine shm"),
        ("collective/a.cpp", "engine::ShmEngine e;", "names the engine shm"),
        ("torch_ext/backend.cpp", 'add("sim");', "names the engine sim"),
        ("attic/a.cpp", "", "no room"),
    ],
)
def test_floors_refuses(path: str, text: str, complaint: str) -> None:
    found = list(check_floors.problems(path, text))
    assert found
    assert complaint in found[0]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (
            "engine/shm/a.cpp",
            '#include "engine/engine.h"\n#include "memory/region.h"\n#include <spdlog/spdlog.h>',
        ),
        ("message/a.cpp", "// over tcp this would wait\n/* shm */ int simple = 0, similar = 0;"),
        ("collective/a.cpp", '// #include "rpc/x.h"\n#include "message/m.h"\n#include "transfer/t.h"'),
        ("torch_ext/engines.cpp", '#include "engine/shm/engine.h"\nadd("tcp");'),
        ("torch_ext/backend.cpp", "#include <torch/csrc/distributed/c10d/Backend.hpp>"),
        ("reduce/a.cpp", '#include "reduce/dtype.h"\n#include <torchless>'),
    ],
)
def test_floors_lets_pass(path: str, text: str) -> None:
    assert list(check_floors.problems(path, text)) == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("if (co_await f()) g();", 1),
        ("while (!(co_await f()).ok()) {}", 1),
        ("switch (co_await f()) {}", 1),
        ("x();\nif (a &&\n    b(c,\n      co_await f()))\n  g();", 4),
        ("if (const auto v = co_await f(); v) g();", 1),
        ("if constexpr (true) {} else if (co_await f()) {}", 1),
        ("for (; co_await f();) {}", 1),
        ("do { } while (co_await f());", 1),
        ('if (s == ")" && co_await f()) {}', 1),
        ("if (n > 1'000 && co_await f()) {}", 1),
        ("if (c == ')' && co_await f()) {}", 1),
    ],
)
def test_co_await_refuses(text: str, line: int) -> None:
    found = list(check_co_await.problems("a.cpp", text))
    assert len(found) == 1
    assert found[0].startswith(f"a.cpp:{line}:")


@pytest.mark.parametrize(
    "text",
    [
        "const auto v = co_await f();\nif (v) g();",
        "if (ready()) co_await f();",
        "while (more()) { const auto v = co_await f(); }",
        "// if (co_await f())\n/* while (co_await f()) */",
        'log("if (co_await f())"); R"(if (co_await f()))";',
        "co_await notify(x);  // verify (co_await)",
    ],
)
def test_co_await_lets_pass(text: str) -> None:
    assert list(check_co_await.problems("a.cpp", text)) == []


def test_sizes() -> None:
    assert check_sizes.too_long({"a": 450, "b": 451}) == ["b: 451 lines, 450 at most"]


def test_blank_keeps_lines() -> None:
    text = 'a; // b\n"c\\"d" /* e\nf */ g'
    bare = cxx.blank(text)
    assert bare.split() == ["a;", "g"]
    assert bare.count("\n") == text.count("\n")
    assert '"c' in cxx.blank(text, strings=False)
