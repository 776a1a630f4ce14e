"""Every collective against numpy: op x dtype x reduction x world x size x layout x sync/async.

A test is one operation at one world size and runs its part of the matrix in one go, in processes that
are reused. Results must be right, the same bits on every rank, and the same bits from run to run.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from harness import ON_GLOO, PoolRegistry
from oracle import copying, matrix, reducing
from oracle.case import Case
from oracle.sweep import Start, same_everywhere, sweep

WORLDS = (1, 2, 3, 4, 5)


def _check(
    pools: PoolRegistry, world: int, starts: Mapping[str, Start], cases: list[Case], skew: int = 0
) -> dict[str, str]:
    digests: list[dict[str, str]] = pools.get(world).run(sweep, starts, cases, skew, deadline=120)
    differing = same_everywhere(digests)
    assert not differing, f"ranks hold different bits: {differing[:5]}"
    return digests[0]


def _cases(cases: list[Case]) -> list[Case]:
    if not cases:
        assert ON_GLOO, "nothing is left out for dlslime"
        pytest.skip("gloo has no such operation")
    return cases


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("op", reducing.STARTS)
def test_reduction(pools: PoolRegistry, op: str, world: int) -> None:
    _check(pools, world, reducing.STARTS, _cases(list(matrix.reducing((op,)))))


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("op", copying.STARTS)
def test_copy(pools: PoolRegistry, op: str, world: int) -> None:
    _check(pools, world, copying.STARTS, _cases(list(matrix.copying((op,)))))


@pytest.mark.smoke
@pytest.mark.parametrize("world", [2, 3])
def test_every_collective_once(pools: PoolRegistry, world: int) -> None:
    """A thin slice of the matrix through every operation, for other versions of torch."""
    _check(pools, world, reducing.STARTS, list(matrix.reducing(tuple(reducing.STARTS)))[::17])
    _check(pools, world, copying.STARTS, list(matrix.copying(tuple(copying.STARTS)))[::11])


@pytest.mark.parametrize("world", [2, 3, 4])
def test_a_million_elements(pools: PoolRegistry, world: int) -> None:
    _check(pools, world, reducing.STARTS, list(matrix.large(tuple(reducing.STARTS), reduces=True)))
    _check(pools, world, copying.STARTS, list(matrix.large(tuple(copying.STARTS), reduces=False)))


@pytest.mark.parametrize("world", [3, 4])
def test_same_bits_whatever_the_timing(world: int) -> None:
    """Fresh processes and another skew between ranks may not change a bit."""
    cases = list(matrix.reducing(("all_reduce", "all_reduce_coalesced")))[::7]
    runs = []
    for skew in (1, 2):
        pools = PoolRegistry()
        try:
            runs.append(_check(pools, world, reducing.STARTS, cases, skew))
        finally:
            pools.close()
    assert runs[0] == runs[1]
