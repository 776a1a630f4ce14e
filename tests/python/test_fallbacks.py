"""Ranks on one host that shared memory does not connect, or not well: each works, says so once, reports it."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from fallbacks_job import CANNOT
from harness import ON_GLOO
from harness.store import fresh_prefix, store_port

pytestmark = pytest.mark.skipif(ON_GLOO, reason="gloo has one engine")

JOB = Path(__file__).with_name("fallbacks_job.py")
CHECKOUT = JOB.parents[2]
OWN_PIDS = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
FOREIGN_PROC = OWN_PIDS[:-1]
OWN_USERS = ["unshare", "--user", "--map-root-user", "--mount", "--ipc"]
OWN_NETWORK = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
TINY_SHM = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size=64k none /dev/shm && exec "$@"', "sh"]
NOWHERE = 64 * 1024  # of a file's size: less than a ring
RINGS_ONLY = 512 * 1024  # more than a ring, less than what a group shares


def user(number: int) -> list[str]:
    return ["setpriv", f"--reuid={number}", f"--regid={number}", "--clear-groups"]


@dataclass(frozen=True)
class Rank:
    """How a rank is started: behind which command, and what it gives up by itself."""

    behind: Sequence[str] = ()
    gives_up: str = ""


@dataclass(frozen=True)
class Said:
    returncode: int
    output: str
    log: str

    @property
    def report(self) -> dict[str, str]:
        report: dict[str, str] = json.loads(self.output.splitlines()[-1])
        return report

    @property
    def warnings(self) -> list[str]:
        return re.findall(r"dlslime warning\] (.*)", self.log)


@functools.cache
def why_impossible(behind: tuple[str, ...]) -> str:
    """Why no rank runs behind this command here; empty: one does. It must find the installation there, too."""
    if shutil.which(behind[0]) is None:
        return f"{behind[0]} is not installed"
    look = (
        "import dlslime_torch._built_for, importlib.util as u; assert u.find_spec('torch'), 'no torch there'"
    )
    tried = subprocess.run(
        [*behind, sys.executable, "-c", look],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    last = (tried.stderr.strip().splitlines() or [f"exit status {tried.returncode}"])[-1]
    return f"no rank runs behind {' '.join(behind[:5])} on this machine: {last}" if tried.returncode else ""


def environment() -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DLSLIME_")}
    paths = [str(CHECKOUT), os.environ.get("PYTHONPATH", "")]
    return {
        **clean,
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
    }


def run(ranks: Sequence[Rank], **variables: str) -> list[Said]:
    """Every rank's exit, output and log; skips where the machine does not permit what a rank does."""
    for rank in ranks:
        if rank.behind and (why := why_impossible(tuple(rank.behind))):
            pytest.skip(why)
    common = {
        **environment(),
        "WORLD_SIZE": str(len(ranks)),
        "TEST_STORE_PORT": str(store_port()),
        "TEST_STORE_PREFIX": fresh_prefix(),
        **variables,
    }
    running = [
        subprocess.Popen(
            [*rank.behind, sys.executable, str(JOB)],
            env={**common, "RANK": str(number), "TEST_GIVE_UP": rank.gives_up},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number, rank in enumerate(ranks)
    ]
    said = [finished(process) for process in running]
    if any(each.returncode == CANNOT for each in said):
        pytest.skip(next(each.output.strip() for each in said if each.returncode == CANNOT))
    return said


def finished(process: subprocess.Popen[str]) -> Said:
    try:
        output, log = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        process.kill()
        output, log = process.communicate()
    return Said(process.returncode, output, log)


def all_well(ranks: Sequence[Rank], **variables: str) -> list[Said]:
    said = run(ranks, **variables)
    assert [each.returncode for each in said] == [0] * len(ranks), "\n".join(e.log + e.output for e in said)
    return said


def plain_user() -> list[str]:
    """Root may look into every process: for those who must not, another user; else ourselves."""
    return user(65534) if os.geteuid() == 0 else []


# ---- another engine ----


@pytest.mark.parametrize(
    ("ranks", "why"),
    [
        ([Rank(OWN_PIDS), Rank(OWN_PIDS)], "another PID namespace"),
        ([Rank(), Rank(OWN_PIDS)], "another PID namespace"),
        ([Rank(OWN_USERS), Rank(OWN_USERS)], "Permission denied"),
        ([Rank(user(61001)), Rank(user(61002))], "Permission denied"),
        ([Rank(plain_user(), "dumpable"), Rank(plain_user(), "dumpable")], "Permission denied"),
        ([Rank(plain_user()), Rank(plain_user(), "dumpable")], "Permission denied"),
        ([Rank(gives_up=str(NOWHERE)), Rank(gives_up=str(NOWHERE))], "File too large"),
        ([Rank(), Rank(gives_up=str(NOWHERE))], "File too large"),
    ],
    ids=[
        "PID namespaces",
        "one in a PID namespace",
        "user, mount and IPC namespaces",
        "two users",
        "not dumpable",
        "one not dumpable",
        "no room for rings",
        "no room for one's rings",
    ],
)
def test_tcp_serves_and_that_is_said_once(ranks: list[Rank], why: str) -> None:
    for rank, said in enumerate(all_well(ranks)):
        peer = f"rank {1 - rank}"
        assert said.report["engine"] == "tcp"
        assert said.report[peer] == "tcp"
        assert why in said.report[f"{peer} without shm"]
        assert len(said.warnings) == 1, said.log
        (warning,) = said.warnings
        assert f"for {peer} (process " in warning
        assert f"host {said.report['host']}" in warning
        assert "engine tcp is used instead of shm: " in warning
        assert said.report[f"{peer} without shm"] in warning


def test_an_engine_that_can_not_be_made_is_said_once() -> None:
    """By the process that lacks it, and by the one that would have used it."""
    whole, without = all_well([Rank(), Rank(gives_up="0")])
    assert whole.report["rank 1"] == without.report["rank 0"] == "tcp"
    assert "File too large" in whole.report["rank 1 without shm"]
    assert "File too large" in without.report["without shm"]
    assert len(whole.warnings) == len(without.warnings) == 1, whole.log + without.log
    assert "engine tcp is used instead of shm: " in whole.warnings[0]
    assert without.warnings[0].startswith("engine shm is left out: ")


def test_a_proc_of_another_pid_namespace() -> None:
    """As `unshare --pid` leaves it: what /proc calls a process is not what it calls itself."""
    for rank, said in enumerate(all_well([Rank(FOREIGN_PROC), Rank(FOREIGN_PROC)])):
        assert said.report[f"rank {1 - rank}"] == "tcp"
        assert len(said.warnings) == 1, said.log
        assert said.warnings[0].startswith(
            "engine shm is left out: /proc was mounted in another PID namespace"
        )


def test_only_those_concerned_fall_back() -> None:
    together, too, apart = all_well([Rank(), Rank(), Rank(OWN_PIDS)])
    assert together.report["engine"] == too.report["engine"] == "shm+tcp"
    assert (together.report["rank 1"], together.report["rank 2"]) == ("shm", "tcp")
    assert "rank 1 without shm" not in together.report
    assert apart.report["engine"] == "tcp"
    for said in (together, too, apart):
        assert len([text for text in said.warnings if "instead of shm" in text]) == 1, said.log
    assert "for rank 0 (process " in apart.warnings[0]
    assert " and 1 more" in apart.warnings[0]


def test_another_host_is_no_fallback() -> None:
    """Told apart by choice: TCP is what serves such a pair, and nothing is amiss."""
    chosen = [Rank(["env", f"DLSLIME_HOST_ID={name}"]) for name in "ab"]
    for rank, said in enumerate(all_well(chosen)):
        assert said.report["engine"] == "tcp"
        assert f"rank {1 - rank} without shm" not in said.report
        assert said.warnings == []


def test_a_choice_is_no_fallback() -> None:
    for said in all_well([Rank(), Rank(["env", "DLSLIME_ENGINES=tcp"])]):
        assert said.report["engine"] == "tcp"
        assert said.warnings == []


def test_a_forbidden_fallback_is_an_error() -> None:
    for said in run([Rank(OWN_PIDS), Rank(OWN_PIDS)], DLSLIME_ENGINES="shm"):
        assert said.returncode == 1
        assert "DistNetworkError" in said.log
        why = "shm: the peer runs in another PID namespace"
        assert f"no engine connects rank 0 and rank 1 ({why} | {why})" in said.log


def test_an_engine_that_can_not_be_made_and_must_be() -> None:
    for said in run([Rank(gives_up="0"), Rank()], DLSLIME_ENGINES="shm"):
        assert said.returncode == 1
        assert "no engine connects rank 0 and rank 1 (shm: ftruncate" in said.log, said.log


# ---- the same engine, not at its best ----


# There nothing is read directly by default: nothing is lost, and nothing need be said.
AMD = "AuthenticAMD" in Path("/proc/cpuinfo").read_text()


def test_direct_reads_refused_to_all_is_said_once() -> None:
    refused = Rank(gives_up="direct reads")
    for rank, said in enumerate(all_well([refused, refused])):
        assert said.report["engine"] == "shm"
        if AMD:
            assert f"rank {1 - rank} hampered" not in said.report
            assert said.warnings == []
            continue
        assert "process_vm_readv: Operation not permitted" in said.report[f"rank {1 - rank} hampered"]
        assert len(said.warnings) == 1, said.log
        assert "engine shm is hampered: " in said.warnings[0]
        assert "two copies instead of one" in said.warnings[0]


def test_direct_reads_refused_to_one_is_said_by_that_one() -> None:
    refused, reads, reads_too = all_well([Rank(gives_up="direct reads"), Rank(), Rank()])
    assert {said.report["engine"] for said in (refused, reads, reads_too)} == {"shm"}
    if AMD:
        assert refused.warnings == []
    else:
        assert {"rank 1 hampered", "rank 2 hampered"} <= refused.report.keys()
        assert len(refused.warnings) == 1, refused.log
        assert "for rank 1 (process " in refused.warnings[0]
    for said in (reads, reads_too):
        assert not any(key.endswith("hampered") for key in said.report)
        assert said.warnings == []


def test_no_room_for_a_groups_pages_is_said_once() -> None:
    little = Rank(gives_up=str(RINGS_ONLY))
    for said in all_well([little, little]):
        assert said.report["engine"] == "shm"
        assert "File too large" in said.report["without shared memory"]
        assert len(said.warnings) == 1, said.log
        assert "collectives go by messages instead of shared memory" in said.warnings[0]


# ---- nothing to fall back from ----


def test_a_tiny_dev_shm_does_not_matter() -> None:
    for said in all_well([Rank(TINY_SHM), Rank(TINY_SHM)]):
        assert said.report["engine"] == "shm"
        assert not any("instead of" in text for text in said.warnings), said.log


def test_networks_of_their_own_do_not_matter(tmp_path: Path) -> None:
    ranks = [Rank(OWN_NETWORK), Rank(OWN_NETWORK)]
    for said in all_well(ranks, TEST_STORE_FILE=str(tmp_path / "store")):
        assert said.report["engine"] == "shm"
        assert not any("instead of" in text for text in said.warnings), said.log
