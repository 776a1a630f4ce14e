"""A PyTorch distributed backend. No import is needed to use it: ``init_process_group(backend="dlslime")``.

Importing this package is cheap and does not load the C++ extension; the first use of what lives there does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlslime_torch._autoload import register

if TYPE_CHECKING:
    from dlslime_torch._C import Backend, Options

__version__ = "0.1.0"
__all__ = ["Backend", "Options", "__version__", "knobs", "register"]


def knobs() -> list[tuple[str, str, str, str]]:
    """Every setting: its name in `Options`, its environment variable, its default and its meaning."""
    from dlslime_torch._backend import extension

    return extension().knobs()


def __getattr__(name: str) -> object:
    if name in ("Backend", "Options"):
        from dlslime_torch._backend import extension

        return getattr(extension(), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
