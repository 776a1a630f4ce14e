"""Pools shared by a whole test session, one per world size and settings; broken ones are replaced."""

from __future__ import annotations

from typing import Any

from harness.pool import Pool

KEEP = 6  # idle pools cost memory and descriptors: the least recently used go first


class PoolRegistry:
    """`get(world, **spec)` returns an intact pool, making or replacing one when it must."""

    def __init__(self) -> None:
        self._pools: dict[str, Pool] = {}

    def get(self, world: int, **spec: Any) -> Pool:
        key = repr((world, sorted(spec.items())))
        pool = self._pools.pop(key, None)
        if pool is not None and pool.broken:
            pool.close()
            pool = None
        if pool is None:
            pool = Pool(world, **spec)
        self._pools[key] = pool  # now the most recently used
        while len(self._pools) > KEEP:
            self._pools.pop(next(iter(self._pools))).close()
        return pool

    def close(self) -> None:
        for pool in self._pools.values():
            pool.close()
        self._pools.clear()
