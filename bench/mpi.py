"""The same operations on Open MPI, through mpi4py, in processes of their own.

MPI's ranks poll without sleeping, and so may not live beside the others while those are measured: each
operation gets a short mpirun between the others' rounds.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from bench.timing import Key, Pace, Row

NAME = "openmpi"


def available() -> bool:
    return shutil.which("mpirun") is not None and importlib.util.find_spec("mpi4py") is not None


def measure(world: int, op: str, sizes: Sequence[int], pace: Pace) -> list[Row]:
    """One mpirun for an operation and all its sizes; no rows where MPI has no such operation."""
    if op not in CALLS:
        return []
    command = ["mpirun", "-n", str(world), "--oversubscribe", "--mca", "mpi_yield_when_idle", "1"]
    if os.geteuid() == 0:
        command.append("--allow-run-as-root")
    job = json.dumps({"op": op, "sizes": list(sizes), "pace": asdict(pace)})
    root = str(Path(__file__).resolve().parent.parent)
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")])),
    }
    finished = subprocess.run(
        [*command, sys.executable, "-m", "bench.mpi", job],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode != 0:
        raise RuntimeError(f"mpirun failed:\n{finished.stderr[-2000:]}")
    return [Row(**each) for each in json.loads(finished.stdout.strip().splitlines()[-1])]


def _ping_pong(comm: Any, whole: np.ndarray, part: np.ndarray, other: np.ndarray) -> None:
    if comm.rank == 0:
        comm.Send(whole, 1)
        comm.Recv(other, 1)
    elif comm.rank == 1:
        comm.Recv(other, 0)
        comm.Send(whole, 0)


def _in_place() -> Any:
    from mpi4py import MPI

    return MPI.IN_PLACE


def _reduce(comm: Any, whole: np.ndarray, part: np.ndarray, other: np.ndarray) -> None:
    if comm.rank == 0:
        comm.Reduce(_in_place(), whole)
    else:
        comm.Reduce(whole, None)


Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]
Call = Callable[[Any, np.ndarray, np.ndarray, np.ndarray], object]
CALLS: dict[str, Call] = {
    "all_reduce": lambda comm, whole, part, other: comm.Allreduce(_in_place(), whole),
    "broadcast": lambda comm, whole, part, other: comm.Bcast(whole),
    "reduce": _reduce,
    "all_gather_into_tensor": lambda comm, whole, part, other: comm.Allgather(part, other),
    "reduce_scatter_tensor": lambda comm, whole, part, other: comm.Reduce_scatter_block(whole, part),
    "all_to_all_single": lambda comm, whole, part, other: comm.Alltoall(whole, other),
    "gather": lambda comm, whole, part, other: comm.Gather(part, other if comm.rank == 0 else None),
    "scatter": lambda comm, whole, part, other: comm.Scatter(whole if comm.rank == 0 else None, part),
    "ping_pong": _ping_pong,
    "barrier": lambda comm, whole, part, other: comm.Barrier(),
}


def _timed(comm: Any, call: Call, sets: Sequence[Arrays], count: int) -> list[float]:
    """As the torch side: without the first, which also waits for the ranks to set out."""
    seconds = []
    comm.Barrier()
    for turn in range(count + 1):
        began = time.perf_counter()
        call(comm, *sets[turn % len(sets)])
        seconds.append(time.perf_counter() - began)
    return seconds[1:]


def _verify(comm: Any, op: str, sets: Sequence[Arrays]) -> None:
    """The torch side's check, on tensors that share the arrays' memory."""
    import torch

    from bench.operations import OPERATIONS, Buffers, fill

    place = _place(comm)
    whole, part, other = (torch.from_numpy(array) for array in sets[0])
    buffers = Buffers(whole, part, other)
    fill(place, buffers)
    CALLS[op](comm, *sets[0])
    if not OPERATIONS[op].check(place, buffers):
        raise RuntimeError(f"{NAME}: {op} gave a wrong result on rank {comm.rank}")


def _place(comm: Any) -> Any:
    from bench.operations import Place

    return Place(comm.rank, comm.size, None)  # type: ignore[arg-type]


def _size(comm: Any, op: str, size: int, pace: Pace) -> Row:
    from mpi4py import MPI

    from bench.operations import OPERATIONS

    sets = [
        (each.whole.numpy(), each.part.numpy(), each.other.numpy())
        for each in OPERATIONS[op].buffer_sets(_place(comm), size)
    ]
    call = CALLS[op]
    each = comm.allreduce(min(_timed(comm, call, sets, 4)[1:]), MPI.MAX)
    count = pace.iterations(each)
    seconds: list[float] = []
    for _ in range(pace.rounds_of(count * each)):
        _verify(comm, op, sets)
        for whole, _, _ in sets:
            whole.fill(0)
        slowest: np.ndarray = np.array(_timed(comm, call, sets, count), dtype=np.float64)
        comm.Allreduce(MPI.IN_PLACE, slowest, MPI.MAX)
        seconds += slowest.tolist()
    return Row.of(Key(comm.size, op, size, NAME), seconds)


def _main(job: dict[str, Any]) -> None:
    """A rank under mpirun."""
    from mpi4py import MPI

    rows = [_size(MPI.COMM_WORLD, job["op"], size, Pace(**job["pace"])).as_dict() for size in job["sizes"]]
    if MPI.COMM_WORLD.rank == 0:
        print(json.dumps(rows))


if __name__ == "__main__":
    _main(json.loads(sys.argv[1]))
