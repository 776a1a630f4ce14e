"""What every rank runs in test_two_hosts.py, by the name of JOB: the core of the suite, or what ends badly."""

from __future__ import annotations

import os
import signal
from datetime import timedelta

import numpy as np
import torch
import torch.distributed as dist


def check(name: str, got: torch.Tensor, expected: np.ndarray) -> None:
    if not np.array_equal(got.numpy(), expected):
        raise AssertionError(f"{name}: {got.flatten()[:4]} instead of {expected.flatten()[:4]}")


def made(rank: int, size: int) -> np.ndarray:
    return (np.arange(size, dtype=np.int64) * 31 + rank * 1_000_003) % 65_521


def collectives(rank: int, world: int, size: int) -> None:
    mine, everybody = torch.from_numpy(made(rank, size)), [made(r, size) for r in range(world)]
    total = np.sum(everybody, axis=0)
    t = mine.clone()
    dist.all_reduce(t)
    check("all_reduce", t, total)
    for root in range(world):
        t = mine.clone()
        dist.broadcast(t, root)
        check("broadcast", t, everybody[root])
        t = mine.clone()
        dist.reduce(t, root)
        if rank == root:
            check("reduce", t, total)
        gathered = [torch.empty_like(mine) for _ in range(world)] if rank == root else None
        dist.gather(mine, gathered, root)
        for r, part in enumerate(gathered or []):
            check("gather", part, everybody[r])
        t = torch.empty_like(mine)
        dist.scatter(t, [mine + r for r in range(world)] if rank == root else None, root)
        check("scatter", t, everybody[root] + rank)
    out = torch.empty(world * size, dtype=torch.int64)
    dist.all_gather_into_tensor(out, mine)
    check("all_gather", out, np.concatenate(everybody))
    t = torch.empty_like(mine)
    dist.reduce_scatter_tensor(t, torch.cat([mine + r for r in range(world)]))
    check("reduce_scatter", t, total + world * rank)
    out = torch.empty(world * size, dtype=torch.int64)
    dist.all_to_all_single(out, torch.cat([mine + 7 * r for r in range(world)]))
    check("all_to_all", out, np.concatenate([one + 7 * rank for one in everybody]))


def messages(rank: int, world: int, size: int) -> None:
    after, before = (rank + 1) % world, (rank - 1) % world
    got = torch.empty(size, dtype=torch.int64)
    ops = [
        dist.P2POp(dist.isend, torch.from_numpy(made(rank, size)), after, tag=3),
        dist.P2POp(dist.irecv, got, before, tag=3),
    ]
    for work in dist.batch_isend_irecv(ops):
        work.wait()
    check("ring", got, made(before, size))


def drawn(rank: int, size: int, dtype: torch.dtype) -> torch.Tensor:
    """Such that nearly every sum is rounded; of either truth."""
    generator = torch.Generator().manual_seed(1000 + rank)
    wide = torch.complex128 if dtype.is_complex else torch.float64
    some = torch.randn(size, generator=generator, dtype=wide)
    if dtype == torch.bool:
        return some > 0.7
    spread = 1 if dtype.itemsize == 1 else 3
    return (some * 10.0 ** torch.randint(-spread, spread, (size,), generator=generator)).to(dtype)


def summed(hosts: list[list[int]], dtype: torch.dtype, size: int) -> torch.Tensor:
    """The ranks of each host in order, then the hosts; rounded to `dtype` once."""
    adds_up = dtype in (torch.bool, torch.float64) or dtype.is_complex
    accumulator = dtype if adds_up else torch.float32
    partial = []
    for ranks in hosts:
        total = drawn(ranks[0], size, dtype).to(accumulator)
        for rank in ranks[1:]:
            total = total + drawn(rank, size, dtype).to(accumulator)
        partial.append(total)
    result = partial[0]
    for total in partial[1:]:
        result = result + total
    return result.to(dtype)


def bits(t: torch.Tensor) -> torch.Tensor:
    return t.view(torch.uint8)


DTYPES = (
    *(torch.float32, torch.bfloat16, torch.float16, torch.float64, torch.complex64, torch.complex128),
    *(torch.bool, torch.float8_e4m3fn, torch.float8_e5m2),
)


def same_bits(rank: int, world: int, hosts: list[list[int]]) -> None:
    """On all ranks, and those of the order that docs/collectives.md promises."""
    for dtype in DTYPES:
        for size in (1, 1000, 70_000, 300_001):
            expected = summed(hosts, dtype, size)
            t = drawn(rank, size, dtype)
            dist.all_reduce(t)
            if not torch.equal(bits(t), bits(expected)):
                raise AssertionError(f"all_reduce of {size} {dtype}: {t[:4]} instead of {expected[:4]}")
            whole, part = drawn(rank, size * world, dtype), torch.empty(size, dtype=dtype)
            dist.reduce_scatter_tensor(part, whole)
            expected = summed(hosts, dtype, size * world)[rank * size : (rank + 1) * size]
            if not torch.equal(bits(part), bits(expected)):
                raise AssertionError(
                    f"reduce_scatter of {size} {dtype}: {part[:4]} instead of {expected[:4]}"
                )


def values(rank: int, world: int) -> str:
    report = dist.group.WORLD._get_backend(torch.device("cpu")).report()  # type: ignore[union-attr]
    for size in (0, 1, 17, 1009, 5000, 100_003, 1_000_000):
        collectives(rank, world, size)
        messages(rank, world, size)
    hosts = [[int(r) for r in ranks.split(",")] for ranks in os.environ["HOSTS"].split(";")]
    same_bits(rank, world, hosts)
    mine = next(ranks for ranks in hosts if rank in ranks)
    neighbours = dist.new_group(mine, use_local_synchronization=True)
    t = torch.ones(3)
    dist.all_reduce(t, group=neighbours)
    check("all_reduce on one host", t, np.full(3, len(mine), np.float32))
    dist.barrier()
    return f"all right over {report['engine']}: {report['shape']}"


def until_told(rank: int, size: int, op: dist.ReduceOp.RedOpType) -> str:
    t = torch.ones(size)
    try:
        for _ in range(1000):
            dist.all_reduce(t, op)
    except dist.DistError as error:
        return f"was told: {error}"
    raise AssertionError(f"rank {rank} was told nothing")


def death(rank: int, _world: int) -> str:
    """Rank VICTIM is killed while the others need it."""
    dist.barrier()
    if rank == int(os.environ["VICTIM"]):
        os.kill(os.getpid(), signal.SIGKILL)
    return until_told(rank, int(os.environ["SIZE"]), dist.ReduceOp.SUM)


def mismatch(rank: int, _world: int) -> str:
    """Rank VICTIM calls something else."""
    dist.barrier()
    differs = rank == int(os.environ["VICTIM"])
    return until_told(rank, int(os.environ["SIZE"]), dist.ReduceOp.MAX if differs else dist.ReduceOp.SUM)


def main() -> None:
    dist.init_process_group("dlslime", timeout=timedelta(seconds=60))
    rank, world = dist.get_rank(), dist.get_world_size()
    job = {"values": values, "death": death, "mismatch": mismatch}[os.environ["JOB"]]
    said = job(rank, world)
    dist.destroy_process_group()
    print(f"rank {rank} of {world}: {said}", flush=True)


if __name__ == "__main__":
    main()
