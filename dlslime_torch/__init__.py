"""A PyTorch distributed backend. No import is needed to use it: ``init_process_group(backend="dlslime")``.

Importing this package is cheap and does not load the C++ extension; the first use of what lives there does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlslime_torch._autoload import register

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

    from dlslime_torch._C import Backend, Options

__version__ = "0.1.0"
__all__ = ["Backend", "Options", "__version__", "knobs", "register", "report"]


def knobs() -> list[tuple[str, str, str, str]]:
    """Every setting: its name in `Options`, its environment variable, its default and its meaning."""
    from dlslime_torch._backend import extension

    return extension().knobs()


def report(group: ProcessGroup | None = None) -> dict[str, str]:
    """What a group really uses, the default group if none is named: see docs/configuration.md, "What is in use".

    Also under ``TORCH_DISTRIBUTED_DEBUG=DETAIL``, where torch wraps the backend. Raises a ValueError for a group whose
    CPU backend is another one.

    >>> dlslime_torch.report()["engine"]
    'shm'
    """
    import torch
    import torch.distributed as dist

    group = group or dist.group.WORLD
    if group is None:
        raise ValueError("dlslime_torch.report: init_process_group has not been called")
    backend: Any = group._get_backend(torch.device("cpu"))
    backend = getattr(backend, "wrapped_pg", backend)
    if not hasattr(backend, "report"):
        raise ValueError(f"dlslime_torch.report: the group's CPU backend is {backend.name()}")
    found: dict[str, str] = backend.report()
    return found


def __getattr__(name: str) -> object:
    if name in ("Backend", "Options"):
        from dlslime_torch._backend import extension

        return getattr(extension(), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
