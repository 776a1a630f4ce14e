"""Makes backends: what init_process_group and new_group call, by way of torch's registry."""

from __future__ import annotations

import functools
import warnings
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol, cast

import torch

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store

    from dlslime_torch._C import Backend, Options

REBUILD = "rebuild it: pip install --force-reinstall --no-deps . (in its source folder)"


class GroupOptions(Protocol):
    """The part that we use of c10d's DistributedBackendOptions."""

    store: Store
    group_rank: int
    group_size: int
    timeout: timedelta
    group_id: str
    global_ranks_in_group: list[int]


class Extension(Protocol):
    """The functions of _C, as a type: a module is none."""

    @staticmethod
    def knobs() -> list[tuple[str, str, str, str]]: ...
    @staticmethod
    def plan_choices() -> list[tuple[str, str, str, int | None]]: ...
    @staticmethod
    def plan_text(path: str = "") -> str: ...
    @staticmethod
    def host() -> dict[str, str]: ...
    @staticmethod
    def built_for_torch() -> str: ...
    @staticmethod
    def create_backend(
        store: Store,
        rank: int,
        size: int,
        timeout: timedelta,
        group_id: str,
        global_ranks: list[int],
        options: Options | None,
    ) -> Backend: ...


def minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def check_torch(built_for: str, running: str) -> None:
    """c10d's classes change their layout in every minor release: any other is a crash, not a degraded mode."""
    if minor(built_for) != minor(running):
        raise ImportError(
            f"dlslime_torch was built for torch {minor(built_for)} and this is torch {running}; {REBUILD}"
        )


@functools.cache
def extension() -> Extension:
    """The C++ extension, loaded on first use. Raises a one-line ImportError when it does not fit this torch."""
    try:
        from dlslime_torch import _built_for
    except ImportError:
        raise ImportError(f"dlslime_torch has no extension built; {REBUILD}") from None
    # Asked of a file, not of the extension: loading one that was built for another minor may already crash.
    check_torch(_built_for.TORCH, torch.__version__)
    from dlslime_torch import _C

    return cast(Extension, _C)


def check_options(options: object) -> Options | None:
    """Ours are taken; another backend's are ignored, since one ``pg_options`` serves all backends of a group."""
    if options is None:
        return None
    extension()
    from torch._C._distributed_c10d import Backend as AnyBackend

    from dlslime_torch._C import Options as Ours

    if isinstance(options, Ours):
        return options
    if isinstance(options, AnyBackend.Options):
        warnings.warn(f"dlslime ignores pg_options of type {type(options).__qualname__}", stacklevel=2)
        return None
    raise TypeError(f"pg_options must be dlslime_torch._C.Options, got {type(options).__qualname__}")


def warn_of_timeout(options: Options, timeout: timedelta) -> None:
    """torch hands the group's timeout over apart from the options; one that is set there counts for nothing."""
    from dlslime_torch._C import Options as Ours

    if options._timeout not in (timeout, Ours()._timeout):
        warnings.warn(f"pg_options._timeout is ignored: the group's timeout is {timeout}", stacklevel=3)


def create(dist_options: object, options: object = None) -> Backend:
    """Creates one group's backend from what torch hands to a backend registered with ``extended_api=True``."""
    group = cast(GroupOptions, dist_options)
    ours = check_options(options)
    if ours is not None:
        warn_of_timeout(ours, group.timeout)
    return extension().create_backend(
        group.store,
        group.group_rank,
        group.group_size,
        group.timeout,
        group.group_id,
        group.global_ranks_in_group,
        ours,
    )
