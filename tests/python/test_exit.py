"""How processes end: forgotten groups, unfinished operations, children forked after init."""

from __future__ import annotations

import pytest
from harness import ON_GLOO
from harness.script import run_script

OURS_ONLY = pytest.mark.skipif(ON_GLOO, reason="gloo makes no such promise: it may abort at exit")


def _ended_well(world: int, body: str, deadline: float = 60.0) -> list[str]:
    finished = run_script(world, body, deadline)
    for each in finished:
        assert each.returncode == 0, each.output
    return [each.output for each in finished]


@OURS_ONLY
@pytest.mark.smoke
def test_forgets_to_destroy() -> None:
    _ended_well(2, "dist.all_reduce(torch.ones(10))")


@OURS_ONLY
def test_exits_with_operations_under_way() -> None:
    """A receive nobody answers, kept alive to the interpreter's end, does not keep the process alive."""
    _ended_well(
        2,
        """
        dist.barrier()
        work = dist.irecv(torch.empty(10), 1 - rank)
        other = dist.all_reduce(torch.ones(10), async_op=True) if rank == 0 else None
        """,
    )


@OURS_ONLY
def test_exits_while_a_thread_is_blocked() -> None:
    _ended_well(
        2,
        """
        import threading
        dist.barrier()
        if rank == 0:
            threading.Thread(target=dist.recv, args=(torch.empty(1), 1), daemon=True).start()
            time.sleep(0.3)
        """,
    )


def test_data_loader_workers() -> None:
    """Processes forked after init work, end, and take nothing of the group with them."""
    _ended_well(
        2,
        """
        from torch.utils.data import DataLoader, TensorDataset
        dist.all_reduce(torch.ones(10))
        data = TensorDataset(torch.arange(64.0))
        for _ in range(2):
            for (batch,) in DataLoader(data, batch_size=8, num_workers=2, multiprocessing_context="fork"):
                total = batch.sum()
                dist.all_reduce(total)
        tensor = torch.ones(1000)
        dist.all_reduce(tensor)
        assert float(tensor[0]) == world
        dist.destroy_process_group()
        """,
    )


@OURS_ONLY
def test_forked_child_does_not_hide_its_parents_death() -> None:
    """A child that outlives its killed parent may not keep the parent's connections open."""
    outputs = run_script(
        2,
        """
        import signal
        dist.all_reduce(torch.ones(10))
        if rank == 1:
            if os.fork() == 0:
                os.close(1); os.close(2)
                time.sleep(4)
                os._exit(0)
            os.kill(os.getpid(), signal.SIGKILL)
        began = time.monotonic()
        try:
            dist.all_reduce(torch.ones(10))
        except RuntimeError as error:
            print("noticed" if time.monotonic() - began < 1 else "late", error)
        """,
        30.0,
    )
    assert "noticed" in outputs[0].output, outputs[0].output


@OURS_ONLY
@pytest.mark.parametrize("destroy", [True, False])
def test_uncaught_exception_ends_the_process(destroy: bool) -> None:
    """An exception on one rank ends it with its traceback; the other gets an error, not a hang."""
    finished = run_script(
        2,
        f"""
        dist.all_reduce(torch.ones(10))
        if rank == 1:
            {"dist.destroy_process_group()" if destroy else "pass"}
            raise ValueError("my own mistake")
        dist.all_reduce(torch.ones(10))
        """,
        50.0,
    )
    assert finished[1].returncode == 1, finished[1].output
    assert "my own mistake" in finished[1].output
    assert finished[0].returncode == 1, finished[0].output
