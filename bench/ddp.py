"""Steps of DistributedDataParallel: on each backend, and without any communication, in turn.

A step is forward, backward and an update. A backend's communication time is its step less the same step of the same
model without DDP: what of the communication the backward pass did not hide.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from bench.operations import Place
from bench.timing import Key, Pace, Row
from bench.turns import slowest

DIGITS, LARGE = "ddp_digits", "ddp_25m"
ALONE = "alone"  # in place of a backend: the model without DDP
BATCH = 32
STEPS = 4  # in a turn
ROUNDS = {DIGITS: 25, LARGE: 6}


def _digits() -> tuple[nn.Module, Tensor]:
    from examples.digits_ddp import Net

    return Net(), torch.randn(BATCH, 1, 8, 8)


def _large() -> tuple[nn.Module, Tensor]:
    """25 M parameters in six layers: four buckets of gradients."""
    layers: list[nn.Module] = []
    for _ in range(6):
        layers += [nn.Linear(2048, 2048), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(2048, 10)), torch.randn(BATCH, 2048)


MODELS: dict[str, Callable[[], tuple[nn.Module, Tensor]]] = {DIGITS: _digits, LARGE: _large}


class Training:
    """One model on one backend."""

    def __init__(self, op: str, place: Place | None) -> None:
        torch.manual_seed(0)
        model, _ = MODELS[op]()
        torch.manual_seed(dist.get_rank())
        _, self.inputs = MODELS[op]()
        self.labels = torch.randint(0, 10, (BATCH,))
        self.distributed = place is not None
        self.model = DistributedDataParallel(model, process_group=place.group) if place is not None else model
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-3)

    def step(self) -> float:
        began = time.perf_counter()
        self.optimizer.zero_grad()
        loss = nn.functional.cross_entropy(self.model(self.inputs), self.labels)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return time.perf_counter() - began

    def same_on_all_ranks(self) -> bool:
        mine = torch.stack([parameter.detach().double().sum() for parameter in self.model.parameters()])
        least, most = mine.clone(), mine.clone()
        dist.all_reduce(least, dist.ReduceOp.MIN)
        dist.all_reduce(most, dist.ReduceOp.MAX)
        return bool((least == most).all())


def _steps(places: Mapping[str, Place], keys: Sequence[Key], pace: Pace) -> list[Row]:
    op = keys[0].op
    trainings = [Training(op, places.get(key.backend)) for key in keys]
    seconds: list[list[float]] = [[] for _ in keys]
    for turn in range(-1, ROUNDS[op]):
        for index in [(turn + shift) % len(keys) for shift in range(len(keys))]:
            dist.barrier()
            took = slowest([trainings[index].step() for _ in range(STEPS)])
            if turn >= 0:  # the first round warms up: DDP builds its buckets anew after the first step
                seconds[index] += took
    for key, training in zip(keys, trainings, strict=True):
        if training.distributed and not training.same_on_all_ranks():
            raise RuntimeError(f"{key}: the ranks' weights differ")
    return [Row.of(key, found) for key, found in zip(keys, seconds, strict=True)]


PROGRAMS = {DIGITS: _steps, LARGE: _steps}
