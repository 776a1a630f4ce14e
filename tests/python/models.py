"""Small trainings for `test_integrations.py`: run on two backends from one seed, they must agree.

Every function is `fn(rank, world, ...)` and returns plain data; nothing here knows which backend it's on.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from harness.c10d import c10d
from torch import nn
from torch.distributed.algorithms.ddp_comm_hooks import default_hooks, powerSGD_hook
from torch.distributed.algorithms.join import Join
from torch.distributed.optim import ZeroRedundancyOptimizer
from torch.nn.parallel import DistributedDataParallel

Weights = dict[str, list[float]]
STEPS = 4


def net() -> nn.Module:
    torch.manual_seed(7)
    return nn.Sequential(nn.Linear(10, 33), nn.ReLU(), nn.Linear(33, 33), nn.ReLU(), nn.Linear(33, 4))


class Forked(nn.Module):
    """Uses one of two branches, so that some parameters get no gradient."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(8)
        self.left, self.right, self.last = nn.Linear(10, 8), nn.Linear(10, 8), nn.Linear(8, 4)

    def forward(self, batch: torch.Tensor, left: bool) -> torch.Tensor:
        result: torch.Tensor = self.last((self.left if left else self.right)(batch))
        return result


def batch(rank: int, step: int) -> torch.Tensor:
    return torch.randn(6, 10, generator=torch.Generator().manual_seed(100 * step + rank))


def weights(module: nn.Module) -> Weights:
    return {name: each.detach().flatten().tolist() for name, each in module.state_dict().items()}


def train(rank: int, model: nn.Module, optimizer: torch.optim.Optimizer, steps: int = STEPS) -> None:
    for step in range(steps):
        optimizer.zero_grad()
        model(batch(rank, step)).square().mean().backward()
        optimizer.step()


def _own_hook(state: object, bucket: Any) -> torch.futures.Future[torch.Tensor]:
    """Gathers instead of reducing, and chains a callback to the future."""
    outputs = [torch.empty_like(bucket.buffer()) for _ in range(dist.get_world_size())]
    work = dist.all_gather(outputs, bucket.buffer(), async_op=True)
    assert work is not None
    return work.get_future().then(lambda _: torch.stack(outputs).mean(0))  # type: ignore[no-any-return]


# torch compares the annotations themselves with the types; here they are text.
_own_hook.__annotations__ = {"bucket": c10d.GradBucket, "return": torch.futures.Future[torch.Tensor]}


def ddp(rank: int, world: int, hook: str, static: bool = False) -> Weights:
    """Plain, or with a communication hook."""
    torch.manual_seed(rank)  # DDP must broadcast rank 0's weights
    model = net()
    if rank:
        nn.init.zeros_(model[0].weight)  # type: ignore[index]
    wrapped = DistributedDataParallel(
        model, bucket_cap_mb=1, static_graph=static, gradient_as_bucket_view=static
    )
    if hook == "powerSGD":
        state = powerSGD_hook.PowerSGDState(None, matrix_approximation_rank=1, start_powerSGD_iter=2)
        wrapped.register_comm_hook(state, powerSGD_hook.powerSGD_hook)
    elif hook == "own":
        wrapped.register_comm_hook(None, _own_hook)
    elif hook:
        wrapped.register_comm_hook(None, getattr(default_hooks, f"{hook}_hook"))
    train(rank, wrapped, torch.optim.SGD(wrapped.parameters(), lr=0.1, momentum=0.9))
    return weights(wrapped.module)


def ddp_unused(rank: int, world: int) -> Weights:
    wrapped = DistributedDataParallel(Forked(), find_unused_parameters=True)
    optimizer = torch.optim.SGD(wrapped.parameters(), lr=0.1)
    for step in range(STEPS):
        optimizer.zero_grad()
        wrapped(batch(rank, step), (rank + step) % 2 == 0).square().mean().backward()
        optimizer.step()
    return weights(wrapped.module)


def ddp_join(rank: int, world: int) -> Weights:
    """Ranks with different numbers of batches."""
    wrapped = DistributedDataParallel(net())
    optimizer = torch.optim.SGD(wrapped.parameters(), lr=0.1)
    with Join([wrapped]):
        train(rank, wrapped, optimizer, steps=3 + 2 * rank)
    return weights(wrapped.module)


def ddp_buffers(rank: int, world: int) -> Weights:
    """BatchNorm's buffers are broadcast at every step; SyncBatchNorm does not run on CPUs."""
    torch.manual_seed(7)
    model = nn.Sequential(nn.Linear(10, 16), nn.BatchNorm1d(16), nn.Linear(16, 4))
    wrapped = DistributedDataParallel(model)
    train(rank, wrapped, torch.optim.SGD(wrapped.parameters(), lr=0.1))
    dist.barrier()
    return weights(wrapped.module) if rank == 0 else {}


def zero_redundancy(rank: int, world: int) -> Weights:
    wrapped = DistributedDataParallel(net())
    optimizer = ZeroRedundancyOptimizer(wrapped.parameters(), torch.optim.Adam, lr=0.01)
    train(rank, wrapped, optimizer)
    optimizer.consolidate_state_dict(to=0)
    return weights(wrapped.module)


def fsdp2(rank: int, world: int, mixed: bool) -> Weights:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    mesh = init_device_mesh("cpu", (world,))
    policy = MixedPrecisionPolicy(torch.bfloat16, torch.float32) if mixed else MixedPrecisionPolicy()
    model = net()
    for layer in model:  # type: ignore[attr-defined]
        if isinstance(layer, nn.Linear):
            fully_shard(layer, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)
    train(rank, model, torch.optim.AdamW(model.parameters(), lr=0.01))
    return {name: each.full_tensor().flatten().tolist() for name, each in model.state_dict().items()}


def hybrid_sharded(rank: int, world: int) -> Weights:
    """FSDP2 on a 2-D mesh: reduce_scatter inside, all_reduce across."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh("cpu", (2, world // 2), mesh_dim_names=("replicate", "shard"))
    model: Any = fully_shard(net(), mesh=mesh)
    train(rank, model, torch.optim.SGD(model.parameters(), lr=0.1))
    return {name: each.full_tensor().flatten().tolist() for name, each in model.state_dict().items()}


def dtensor(rank: int, world: int) -> Weights:
    """Placements changed back and forth, and a sharded matrix product."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import DTensor, Partial, Replicate, Shard, distribute_tensor

    mesh = init_device_mesh("cpu", (world,))
    torch.manual_seed(3)
    left, right = torch.randn(2 * world + 1, 12), torch.randn(12, 3 * world)
    rows = distribute_tensor(left, mesh, [Shard(0)])
    columns = distribute_tensor(right, mesh, [Shard(1)])
    product: Any = rows @ columns
    turned: Any = rows.redistribute(placements=[Shard(1)]).redistribute(placements=[Replicate()])
    partial: Any = DTensor.from_local(left * (rank + 1), mesh, [Partial()])
    summed: Any = partial.redistribute(placements=[Shard(0)])
    return {
        "product": product.full_tensor().flatten().tolist(),
        "turned": turned.to_local().flatten().tolist(),
        "summed": summed.full_tensor().flatten().tolist(),
    }


def mesh_2d(rank: int, world: int) -> Weights:
    """Rows and columns of a mesh are groups of their own."""
    from torch.distributed.device_mesh import init_device_mesh

    mesh = init_device_mesh("cpu", (2, world // 2), mesh_dim_names=("rows", "columns"))
    result = {}
    for name in ("rows", "columns"):
        tensor = torch.tensor([float(rank + 1)])
        dist.all_reduce(tensor, group=mesh[name].get_group())
        result[name] = tensor.tolist()
    return result


def tensor_parallel(rank: int, world: int) -> Weights:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

    mesh = init_device_mesh("cpu", (world,))
    torch.manual_seed(4)
    model = nn.Sequential(nn.Linear(10, 24), nn.ReLU(), nn.Linear(24, 4))
    parallelize_module(model, mesh, {"0": ColwiseParallel(), "2": RowwiseParallel()})
    train(0, model, torch.optim.SGD(model.parameters(), lr=0.1))
    return {name: each.full_tensor().flatten().tolist() for name, each in model.named_parameters()}  # type: ignore[attr-defined]


def pipeline(rank: int, world: int, schedule: str) -> list[float]:
    """One stage a rank; the loss of every microbatch, on the last."""
    from torch.distributed import pipelining

    torch.manual_seed(5)
    layers = [nn.Linear(10, 10) for _ in range(world)]
    stage = pipelining.PipelineStage(layers[rank], rank, world, torch.device("cpu"))
    losses: list[torch.Tensor] = []
    kind = getattr(pipelining, schedule)
    loss = lambda output, target: (output - target).square().mean()  # noqa: E731
    if schedule == "ScheduleInterleaved1F1B":
        runner = kind([stage], 2 * world, loss_fn=loss)
    else:
        runner = kind(stage, 2 * world, loss_fn=loss)
    inputs, target = torch.randn(4 * world, 10), torch.randn(4 * world, 10)
    for _ in range(2):
        if rank == 0:
            runner.step(inputs)
        elif rank == world - 1:
            runner.step(target=target, losses=losses)
        else:
            runner.step()
    gradient = layers[rank].weight.grad
    assert gradient is not None
    return [float(each) for each in losses] + [float(gradient.double().sum())]


def save_and_load(rank: int, world: int, folder: str) -> bool:
    """Save sharded, asynchronously and not, and load into another sharding."""
    from torch.distributed import checkpoint
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import Replicate, Shard, distribute_tensor

    dcp: Any = checkpoint
    mesh = init_device_mesh("cpu", (world,))
    torch.manual_seed(6)
    whole = torch.randn(4 * world, 5)
    state: dict[str, Any] = {"weight": distribute_tensor(whole, mesh, [Shard(0)]), "step": 17}
    dcp.save(state, checkpoint_id=os.path.join(folder, "plain"))
    saving = dcp.async_save(state, checkpoint_id=os.path.join(folder, "async"))
    saving.result(timeout=30)
    dist.barrier()
    for name in ("plain", "async"):
        back: dict[str, Any] = {
            "weight": distribute_tensor(torch.zeros_like(whole), mesh, [Replicate()]),
            "step": 0,
        }
        dcp.load(back, checkpoint_id=os.path.join(folder, name))
        if back["step"] != 17 or not torch.equal(back["weight"].to_local(), whole):
            return False
    return Path(folder, "plain", ".metadata").exists()


def functional(rank: int, world: int, compiled: bool) -> Weights:
    """Functional collectives, traced by torch.compile or not."""
    import torch.distributed._functional_collectives as funcol

    group = dist.distributed_c10d._get_default_group()

    def program(tensor: torch.Tensor) -> tuple[torch.Tensor, ...]:
        doubled = funcol.all_reduce(tensor * 2, "sum", group)
        gathered = funcol.all_gather_tensor(tensor + 1, 0, group)
        scattered = funcol.reduce_scatter_tensor(gathered * doubled.sum(), "avg", 0, group)
        swapped = funcol.all_to_all_single(gathered, None, None, group)
        sent = funcol.broadcast(scattered + rank, 0, group)
        return doubled, gathered, scattered, swapped, sent

    run = torch.compile(program, backend="eager", fullgraph=True) if compiled else program
    outputs = run(torch.arange(6.0) + rank)
    return {str(index): (output + 0).flatten().tolist() for index, output in enumerate(outputs)}
