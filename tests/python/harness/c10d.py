"""The parts of torch.distributed that its type stubs leave out, behind `Any`."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch.distributed import distributed_c10d

c10d: Any = dist


def world_group() -> Any:
    """The default ProcessGroup."""
    return distributed_c10d._get_default_group()


def cpu_backend() -> Any:
    """The default group's Backend object for CPU tensors."""
    return world_group()._get_backend(torch.device("cpu"))


def world_store() -> Any:
    """The Store that the default group was made with."""
    return distributed_c10d._get_default_store()


def premul_sum(factor: float) -> Any:
    """ReduceOp.PREMUL_SUM with its factor; torch keeps the maker private."""
    return c10d._make_nccl_premul_sum(factor)
