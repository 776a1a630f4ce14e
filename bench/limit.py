"""The limit: c10d's own floor for small sizes; for large ones what a single-copy algorithm moves through memory.

The traffic is counted in buffers of `size` bytes, read and written once each, over all ranks together. It assumes that
every rank reads the others' tensors in place and writes only results; a written line's read for ownership is not
counted, nor in the bandwidth, which comes from copies of the same size by as many ranks as there are CPUs, at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from bench import floor
from bench.ranks import MEMORY
from bench.timing import Key, Row

Traffic = Callable[[int], float]


def _reduce_scattered(world: int) -> float:
    """Each rank reads its share of everybody's buffer and writes the sum."""
    return world * (1 + 1 / world)


def _exchanged(world: int) -> float:
    """Each rank reads a buffer's worth, partly the others', and writes it."""
    return 2.0 * world


TRAFFIC: dict[str, Traffic] = {
    "all_reduce": lambda world: _reduce_scattered(world) + 2 * (world - 1),
    "reduce_scatter": _reduce_scattered,
    "reduce_scatter_tensor": _reduce_scattered,
    "all_gather": _exchanged,
    "all_gather_into_tensor": _exchanged,
    "all_to_all_single": _exchanged,
    "broadcast": lambda world: 2.0 * (world - 1),
    "reduce": lambda world: world + 1.0,
    "gather": lambda world: 2.0,
    "scatter": lambda world: 2.0,
    "ping_pong": lambda world: 4.0,
}


def copy_key(world: int, size: int) -> Key:
    """The copies that tell the bandwidth."""
    return Key(min(world, cpus()), "copy", size, MEMORY)


def floor_key(world: int, op: str) -> Key:
    return Key(world, op, 8, floor.NAME)


def cpus() -> int:
    return len(os.sched_getaffinity(0))


def bandwidth(copied: Row) -> float:
    """Bytes read and written per microsecond by all ranks that copied at once."""
    return copied.world * 2 * copied.size / copied.p50


def memory_time(world: int, op: str, size: int, copied: Row) -> float:
    """Microseconds that the operation's traffic takes at the bandwidth of the copies."""
    return TRAFFIC[op](world) * size / bandwidth(copied)


def limit(key: Key, rows: Mapping[Key, Row]) -> float | None:
    """Microseconds below which no backend can come; None where what it is computed from was not measured."""
    copied, called = rows.get(copy_key(key.world, key.size)), rows.get(floor_key(key.world, key.op))
    if key.op not in TRAFFIC or copied is None or called is None:
        return None
    return max(called.p50, memory_time(key.world, key.op, key.size, copied))
