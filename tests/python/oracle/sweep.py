"""Runs cases on a rank and says which went wrong; the parent compares ranks by digest."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Mapping, Sequence

import torch
import torch.distributed as dist

from oracle.case import Case, Issued
from oracle.compare import difference

Start = Callable[[int, int, Case], Issued]
IN_FLIGHT = 12  # asynchronous operations issued before the first is waited for
REPORT = 5


def sweep(
    rank: int, world: int, starts: Mapping[str, Start], cases: Sequence[Case], skew: int = 0
) -> dict[str, str]:
    """Run the cases; returns a digest of every result that all ranks must hold alike.

    `skew` seeds pauses that differ between ranks: results may not depend on who comes when.
    """
    random.seed(skew * 1000 + rank)
    wrong: list[str] = []
    digests: dict[str, str] = {}
    flying: list[Issued] = []
    for case in cases:
        if skew and random.random() < 0.05:
            time.sleep(random.random() * 0.004)
        issued = starts[case.op](rank, world, case)
        flying.append(issued)
        if not case.async_op or len(flying) >= IN_FLIGHT:
            _settle(flying, wrong, digests)
    _settle(flying, wrong, digests)
    dist.barrier()
    if wrong:
        raise AssertionError(f"{len(wrong)} results wrong:\n" + "\n".join(wrong[:REPORT]))
    return digests


def _settle(flying: list[Issued], wrong: list[str], digests: dict[str, str]) -> None:
    for issued in flying:
        issued.finish()
        for index, (want, inputs) in enumerate(issued.expected()):
            if text := difference(issued.outputs[index], want, inputs):
                wrong.append(f"{issued.case}: output {index}: {text}")
        if issued.alike:
            digests[str(issued.case)] = digest(issued.outputs)
    flying.clear()


def digest(tensors: Sequence[torch.Tensor]) -> str:
    state = hashlib.blake2b(digest_size=8)
    for tensor in tensors:
        state.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return state.hexdigest()


def same_everywhere(per_rank: Sequence[dict[str, str]]) -> list[str]:
    """The cases whose results differ between ranks."""
    return [name for name in per_rank[0] if len({digests[name] for digests in per_rank}) > 1]
