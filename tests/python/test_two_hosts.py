"""Two "hosts": network namespaces joined by a virtual cable, told apart by the `host_id` option; two ranks on each."""

from __future__ import annotations

import os
import shutil
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


@pytest.mark.parametrize(("host_ids", "engine"), [(("a", "b"), "shm+tcp"), (("", ""), "shm")])
def test_four_ranks(hosts: list[tuple[str, str]], host_ids: tuple[str, str], engine: str) -> None:
    """Told apart, pairs across talk TCP over the cable; not told apart, one kernel is one host."""
    ranks = []
    for rank in range(4):
        namespace, _ = hosts[rank // 2]
        host = {"DLSLIME_HOST_ID": host_ids[rank // 2]} if host_ids[0] else {}
        ranks.append(start(rank, namespace, hosts[0][1], EXPECTED_ENGINE=engine, **host))
    outputs = [rank.communicate(timeout=120)[0] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0] * 4, "\n".join(outputs)
    assert all("all right over" in output for output in outputs), outputs
