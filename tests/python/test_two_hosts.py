"""Two "hosts": network namespaces joined by a virtual cable, told apart by the `host_id` option; two ranks on each."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

JOB = Path(__file__).with_name("two_hosts_job.py")
NAMES = ("a", "b")


def ip(*args: str, within: tuple[str, ...] = ()) -> None:
    subprocess.run([*within, "ip", *args], check=True, capture_output=True, timeout=10)


def inside(namespace: str) -> tuple[str, ...]:
    """What runs a command there. Not `ip -n`, which mounts things, and can't where the root is no mount point."""
    return ("nsenter", f"--net=/run/netns/{namespace}")


@pytest.fixture
def hosts() -> Iterator[list[tuple[str, str]]]:
    """(namespace, address) of each host; both gone at the end."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("ip", "nsenter"))):
        pytest.skip("network namespaces need root, iproute2 and nsenter")
    tag = f"dls{os.getpid()}"
    made: list[tuple[str, str]] = []
    try:
        for i, name in enumerate(NAMES):
            ip("netns", "add", f"{tag}{name}")
            made.append((f"{tag}{name}", f"10.213.7.{i + 1}"))
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespaces here: {error.stderr.decode().strip()}")
    try:
        ip("link", "add", f"{tag}x", "type", "veth", "peer", "name", f"{tag}y")
        for (namespace, address), cable in zip(made, (f"{tag}x", f"{tag}y"), strict=True):
            ip("link", "set", cable, "netns", namespace)
            ip("addr", "add", f"{address}/24", "dev", cable, within=inside(namespace))
            ip("link", "set", cable, "up", within=inside(namespace))
            ip("link", "set", "lo", "up", within=inside(namespace))
        yield made
    finally:
        for namespace, _ in made:
            subprocess.run(["ip", "netns", "del", namespace], check=False, capture_output=True, timeout=10)


def start(rank: int, namespace: str, master: str, **env: str) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "MASTER_ADDR": master,
        "MASTER_PORT": "29417",
        "RANK": str(rank),
        "WORLD_SIZE": "4",
        "OMP_NUM_THREADS": "1",
        **env,
    }
    command = [*inside(namespace), sys.executable, str(JOB)]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


Result = tuple[int, str]  # exit status and output


def run(hosts: list[tuple[str, str]], places: str, host_ids: tuple[str, str], **env: str) -> list[Result]:
    """Rank i on the host that the i-th letter of `places` names; what became of each."""
    by_host = [",".join(str(r) for r, place in enumerate(places) if place == name) for name in NAMES]
    env["HOSTS"] = ";".join(by_host) if host_ids[0] else ",".join(str(r) for r in range(len(places)))
    ranks = []
    for rank, place in enumerate(places):
        host = NAMES.index(place)
        host_id = {"DLSLIME_HOST_ID": host_ids[host]} if host_ids[0] else {}
        ranks.append(start(rank, hosts[host][0], hosts[0][1], **host_id, **env))
    outputs = [rank.communicate(timeout=120)[0] for rank in ranks]
    return [(rank.returncode, output) for rank, output in zip(ranks, outputs, strict=True)]


@pytest.mark.parametrize(
    ("places", "host_ids", "over"),
    [
        ("aabb", ("a", "b"), "shm+tcp: 2 hosts x 2 ranks, shm inside, tcp between"),
        ("abab", ("a", "b"), "shm+tcp: 2 hosts x 2 ranks, shm inside, tcp between"),
        ("aabb", ("", ""), "shm: 1 host x 4 ranks, shm inside"),
    ],
)
def test_four_ranks(hosts: list[tuple[str, str]], places: str, host_ids: tuple[str, str], over: str) -> None:
    """Told apart, pairs across talk TCP over the cable; not told apart, one kernel is one host."""
    for status, output in run(hosts, places, host_ids, JOB="values"):
        assert status == 0, output
        assert f"all right over {over}" in output, output


@pytest.mark.parametrize(("places", "shape"), [("aaab", "3, 1"), ("abbb", "1, 3")])
def test_hosts_of_unequal_sizes(hosts: list[tuple[str, str]], places: str, shape: str) -> None:
    for rank, (status, output) in enumerate(run(hosts, places, ("a", "b"), JOB="values")):
        assert status == 0, output
        alone = places.count(places[rank]) == 1
        over = f"{'tcp' if alone else 'shm+tcp'}: 2 hosts of {shape} ranks, "
        assert f"all right over {over}" in output, output


@pytest.mark.parametrize("size", ["1", "1000000"])
@pytest.mark.parametrize("victim", [0, 3])
@pytest.mark.parametrize("job", ["death", "mismatch"])
def test_everybody_is_told(hosts: list[tuple[str, str]], job: str, victim: int, size: str) -> None:
    results = run(hosts, "aabb", ("a", "b"), JOB=job, VICTIM=str(victim), SIZE=size)
    for rank, (status, output) in enumerate(results):
        if job == "death" and rank == victim:
            assert status == -signal.SIGKILL, output
            continue
        assert status == 0, output
        assert "was told:" in output, output
        if rank != victim:
            assert f"rank {victim}" in output, output
        if job == "mismatch":
            assert "all_reduce(max" in output, output
