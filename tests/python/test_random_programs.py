"""Random mixes of collectives and messages, at random skew, on several groups at once.

Issue order within a group is the program's; between groups each rank has its own.
"""

from __future__ import annotations

import os

import pytest
from harness import PoolRegistry
from programs import run_program

# More seeds for a long run: DLSLIME_TEST_SEEDS=1000.
SEEDS = range(int(os.environ.get("DLSLIME_TEST_SEEDS", "8")))
LENGTH = 150


def _groups(world: int) -> list[list[int]]:
    everybody = list(range(world))
    lists = [everybody, everybody, everybody[1:], everybody[:-1], everybody[::2]]
    return [members for members in lists if members]


@pytest.mark.parametrize("world", [2, 3, 4])
@pytest.mark.parametrize("seed", SEEDS)
def test_random_program(pools: PoolRegistry, seed: int, world: int) -> None:
    assert sum(pools.get(world).run(run_program, seed, LENGTH, _groups(world), deadline=60)) > 0
