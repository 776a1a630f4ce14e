"""What every rank runs in test_fallbacks.py: gives something up, checks what two groups carry, prints the report."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import sys
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from harness.c10d import c10d
from harness.seccomp import refuse
from two_hosts_job import collectives, messages

CANNOT = 77  # exit status: this machine does not let the rank give it up
PR_SET_DUMPABLE = 4


def prctl(option: int, *values: object) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, *values):
        raise OSError(ctypes.get_errno(), f"prctl {option}")


def give_up(what: str) -> None:
    if what == "dumpable":
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    elif what == "direct reads":
        refuse(["process_vm_readv"], errno.EPERM)  # as older container runtimes do
    elif what:  # how large a file, and so shared memory, may be
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(what), int(what)))


def open_store() -> Any:
    """In the test's process; in a file where a rank has a network of its own."""
    world = int(os.environ["WORLD_SIZE"])
    if path := os.environ.get("TEST_STORE_FILE"):
        return c10d.FileStore(path, world)
    store = c10d.TCPStore("127.0.0.1", int(os.environ["TEST_STORE_PORT"]), is_master=False)
    return c10d.PrefixStore(os.environ["TEST_STORE_PREFIX"], store)


def main() -> int:
    try:
        give_up(os.environ["TEST_GIVE_UP"])
    except (OSError, KeyError) as error:
        print(f"this machine does not let a process give up {os.environ['TEST_GIVE_UP']}: {error!r}")
        return CANNOT
    torch.set_num_threads(1)
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    dist.init_process_group(
        "dlslime", store=open_store(), rank=rank, world_size=world, timeout=timedelta(seconds=60)
    )
    for size in (1, 17, 524_288, 1_000_003):  # 524,288 int64 are 4 MiB
        collectives(rank, world, size)
        messages(rank, world, size)
    again = dist.new_group()  # what was said once is not said again
    tensor = torch.ones(3)
    dist.all_reduce(tensor, group=again)
    assert tensor.tolist() == [world] * 3
    report = dist.group.WORLD._get_backend(torch.device("cpu")).report()  # type: ignore[union-attr]
    dist.barrier()
    dist.destroy_process_group()
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
