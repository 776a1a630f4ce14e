"""Tests of PyTorch's that can't apply to a backend outside its tree, each with its reason.

A listed test must fail: one that passes is reported as an error (a stale entry), and so is an entry that
names no test, or one that never runs here. Every reason says what in torch or in the test makes it impossible.
"""

from __future__ import annotations

from collections.abc import Mapping

# torch 2.13's Python accepts this call for a backend named "gloo" only; ours has it on the group object.
MONITORED_BARRIER = (
    "torch.distributed.monitored_barrier refuses every backend but gloo by name (torch <= 2.14)"
)

# DDP's log takes the group's backend type, which for every plugin is "custom".
LOGGED_AS_CUSTOM = "DDP logs every backend outside torch's tree as 'custom', the test expects its own name"

DLSLIME: Mapping[str, str] = {
    "test_ddp_logging_data_cpu": LOGGED_AS_CUSTOM,
    "test_monitored_barrier_failure_order": MONITORED_BARRIER,
    "test_monitored_barrier_gloo": MONITORED_BARRIER,
    "test_monitored_barrier_gloo_rank_0_timeout": MONITORED_BARRIER,
    "test_monitored_barrier_gloo_subgroup": MONITORED_BARRIER,
    "test_monitored_barrier_wait_all_ranks": MONITORED_BARRIER,
}

# What gloo itself fails at, so that the suite can be checked on it.
_NO_ALL_TO_ALL = "torch 2.13's gloo has no all_to_all of tensor lists"
GLOO: Mapping[str, str] = {
    "test_all_to_all": _NO_ALL_TO_ALL,
    "test_all_to_all_complex": _NO_ALL_TO_ALL,
    "test_all_to_all_full_group": _NO_ALL_TO_ALL,
    "test_all_to_all_group": _NO_ALL_TO_ALL,
}

ALLOWED: Mapping[str, Mapping[str, str]] = {"dlslime": DLSLIME, "gloo": GLOO}
