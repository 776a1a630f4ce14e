"""The C++ extension. Load it through dlslime_torch._backend.extension(), which checks that it fits this torch."""

from datetime import timedelta

from torch._C import _distributed_c10d as c10d

class Options(c10d.Backend.Options):
    """How a group communicates; pass it as ``pg_options``. Each field has an environment variable: see ``knobs()``."""

    engines: list[str]
    interface: str
    host_id: str
    spin_us: int | None  # None: chosen by the number of local ranks and CPUs
    yield_us: int
    connect_timeout: timedelta
    threads: int
    plan: str  # a file, read when this is set or the environment names it; empty: built in
    def __init__(self) -> None: ...
    def __copy__(self) -> Options: ...
    def __deepcopy__(self, memo: dict[int, object]) -> Options: ...

class Backend(c10d.Backend):
    @property
    def options(self) -> Options:
        """A copy of what the group was made with; changing it changes nothing."""

    def report(self) -> dict[str, str]:
        """What is really in use, and why nothing better is.

        Under "engine" what connects this rank with the others, under "rank N" what connects it with that one;
        "rank N without shm" says why a preferred engine was passed over, "rank N hampered" why the one in use is
        not at its best, "without shm" why an engine could not be made at all.
        """

    def plan(self) -> str:
        """Which algorithm the group uses for which size, as its ranks have agreed: what a plan file may hold."""

    def comm_seconds(self) -> float:
        """Time spent inside operations of this group so far."""

    def monitored_barrier(self, timeout: timedelta = ..., wait_all_ranks: bool = False) -> None:
        """A barrier that names the ranks that have not come; torch's own function refuses all backends but gloo."""

    def perform_nocolor_split(self, device: object) -> None:
        """What torch calls on ranks that are not in a split: nothing happens."""

def built_for_torch() -> str: ...
def knobs() -> list[tuple[str, str, str, str]]: ...
def plan_choices() -> list[tuple[str, str, str, int | None]]:
    """What a plan may say: operation, way, algorithm, the most bytes that it does (None: any)."""

def plan_text(path: str = "") -> str:
    """A plan file as it is understood, the built-in plan if none is named; a ValueError if it is none."""

def host() -> dict[str, str]:
    """What this process finds on its host."""

def create_backend(
    store: c10d.Store,
    rank: int,
    size: int,
    timeout: timedelta,
    group_id: str,
    global_ranks: list[int],
    options: Options | None,
) -> Backend: ...
