"""Trains a small convolutional network on scikit-learn's handwritten digits with DistributedDataParallel.

    torchrun --nproc-per-node 2 examples/digits_ddp.py --backend dlslime

Only the name of the backend tells that it is dlslime; the package is imported to say which engine was used. Exits
with an error when the accuracy on the held-out images is below 97 % or the ranks' weights are not the same to the
last bit.
"""

import argparse
import gc
import hashlib
import json
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.distributed as dist
import torch.distributed.nn
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch._C._distributed_c10d import GradBucket
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

import dlslime_torch

WANTED_ACCURACY = 0.97


@dataclass
class Result:
    backend: str
    engine: str
    accuracy: float
    step_ms: float  # median
    communication_ms: float  # median, per step
    same_on_all_ranks: bool


class Net(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(),
            nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(64 * 16, 128), nn.ReLU(), nn.Linear(128, 10),
        )  # fmt: skip


class TimedAllReduce:
    """`average` is a DDP communication hook: averages a bucket of gradients, timed from the call to completion."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def average(self, _: object, bucket: GradBucket) -> torch.futures.Future[Tensor]:
        start = time.perf_counter()
        work = dist.all_reduce(bucket.buffer(), async_op=True)
        assert work is not None

        def finish(future: torch.futures.Future[list[Tensor]]) -> Tensor:
            self.seconds += time.perf_counter() - start
            return future.value()[0].div_(dist.get_world_size())

        averaged: torch.futures.Future[Tensor] = work.get_future().then(finish)
        return averaged


def images() -> tuple[TensorDataset, TensorDataset]:
    pixels, labels = load_digits(return_X_y=True)
    split = train_test_split(pixels / 16, labels, test_size=0.2, random_state=0, stratify=labels)
    train_x, test_x = (torch.tensor(x, dtype=torch.float32).reshape(-1, 1, 8, 8) for x in split[:2])
    train_y, test_y = (torch.tensor(y) for y in split[2:])
    return TensorDataset(train_x, train_y), TensorDataset(test_x, test_y)


def same_on_all_ranks(model: nn.Module) -> bool:
    digest = hashlib.sha256()
    for parameter in model.parameters():
        digest.update(parameter.detach().numpy().tobytes())
    mine = torch.frombuffer(bytearray(digest.digest()), dtype=torch.uint8)
    everyones = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
    dist.all_gather(everyones, mine)
    return all(torch.equal(other, mine) for other in everyones)


def engine_in_use(backend: str) -> str:
    """What really moves the bytes, as the backend itself says; gloo knows only TCP."""
    if backend != "dlslime":
        return "tcp (gloo)"
    return dlslime_torch.report()["engine"]


def train(backend: str, epochs: int, seed: int) -> tuple[Result, nn.Module]:
    torch.manual_seed(seed)
    training, held_out = images()
    sampler: DistributedSampler[tuple[Tensor, ...]] = DistributedSampler(training, seed=seed)
    loader = DataLoader(training, batch_size=32, sampler=sampler)
    model = DistributedDataParallel(Net())
    clock = TimedAllReduce()
    model.register_comm_hook(None, clock.average)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=4e-3, total_steps=epochs * len(loader))
    step_seconds, communication_seconds = [], []

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, disable=dist.get_rank() != 0) as progress:
        bar = progress.add_task(f"{backend}: training", total=epochs * len(loader))
        for epoch in range(epochs):
            sampler.set_epoch(epoch)
            for x, y in loader:
                start, clock.seconds = time.perf_counter(), 0.0
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(model(x), y)
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
                step_seconds.append(time.perf_counter() - start)
                communication_seconds.append(clock.seconds)
                progress.update(bar, advance=1, description=f"{backend}: loss {loss.item():.3f}")

    x, y = held_out.tensors
    with torch.no_grad():
        accuracy = (model.module(x).argmax(1) == y).float().mean().item()
    result = Result(
        backend=backend,
        engine=engine_in_use(backend),
        accuracy=accuracy,
        step_ms=statistics.median(step_seconds) * 1e3,
        communication_ms=statistics.median(communication_seconds) * 1e3,
        same_on_all_ranks=same_on_all_ranks(model),
    )
    return result, model.module


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--backend", default="dlslime")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="folder for result.json and weights.pt")
    arguments = parser.parse_args()

    # Gloo's threads abort the process if one lets go of its last tensor while the interpreter ends. They end with the
    # group, so nothing may hold it then: not the default arguments of torch.distributed.nn, which are the default group
    # of the moment it is imported (by DistributedDataParallel, if not above), nor DistributedDataParallel, a cycle.
    dist.init_process_group(arguments.backend)
    try:
        result, model = train(arguments.backend, arguments.epochs, arguments.seed)
        if dist.get_rank() == 0:
            print(
                f"{result.backend} ({result.engine}): {result.accuracy:.2%} of the held-out images are right"
            )
            if arguments.out:
                torch.save(model.state_dict(), arguments.out / "weights.pt")
                (arguments.out / "result.json").write_text(json.dumps(asdict(result)))
    finally:
        gc.collect()
        dist.destroy_process_group()
    if not result.engine:
        print("the backend does not say which engine it used", file=sys.stderr)
    return result.accuracy < WANTED_ACCURACY or not result.same_on_all_ranks or not result.engine


if __name__ == "__main__":
    sys.exit(main())
