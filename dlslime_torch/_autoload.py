"""What `import torch` calls, through our entry points. An exception here would make `import torch` itself fail."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlslime_torch._C import Backend, Options

NAME = "dlslime"
DEVICES = ["cpu"]


def register() -> None:
    """Tells torch.distributed of the backend. Idempotent; never raises, never loads the extension."""
    try:
        import torch.distributed as dist

        if dist.is_available() and NAME.upper() not in dist.Backend._plugins:
            dist.Backend.register_backend(NAME, _create, extended_api=True, devices=DEVICES)
    except Exception:
        logging.getLogger(__name__).warning("could not register the dlslime backend", exc_info=True)


def _create(dist_options: object, backend_options: Options | None) -> Backend:
    from dlslime_torch._backend import create

    return create(dist_options, backend_options)
