"""What every rank runs in test_two_hosts.py: the core of the suite over two "hosts", checked against numpy."""

from __future__ import annotations

import os

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


def main() -> None:
    dist.init_process_group("dlslime")
    rank, world = dist.get_rank(), dist.get_world_size()
    engine = dist.group.WORLD._get_backend(torch.device("cpu")).report()["engine"]  # type: ignore[union-attr]
    if engine != os.environ["EXPECTED_ENGINE"]:
        raise AssertionError(f"engine {engine}")
    for size in (0, 1, 17, 1009, 5000, 100_003, 1_000_000):
        collectives(rank, world, size)
        messages(rank, world, size)
    neighbours = dist.new_group([rank // 2 * 2, rank // 2 * 2 + 1], use_local_synchronization=True)
    t = torch.ones(3)
    dist.all_reduce(t, group=neighbours)
    check("all_reduce on one host", t, np.full(3, 2, np.float32))
    dist.barrier()
    dist.destroy_process_group()
    print(f"rank {rank} of {world}: all right over {engine}", flush=True)


if __name__ == "__main__":
    main()
