"""Signals that the kernel delivers to this process at a chosen microsecond.

A test that kills a rank from outside can't say when: by the time the killer runs, the operation may be
over. A POSIX timer fires in the middle of whatever the rank is doing, C++ included, with no thread and
no Python in between.
"""

from __future__ import annotations

import ctypes
import signal
import time

_libc = ctypes.CDLL(None, use_errno=True)


class _SigEvent(ctypes.Structure):
    """`struct sigevent`: value, signal number, notification kind (0: SIGEV_SIGNAL), padding."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signo", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("padding", ctypes.c_char * 48),
    )


class _TimerSpec(ctypes.Structure):
    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("value_s", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    )


def arm(seconds: float, signum: int = signal.SIGKILL) -> float:
    """Have `signum` delivered to this process after `seconds`; returns that moment (CLOCK_MONOTONIC)."""
    event = _SigEvent(None, signum, 0, b"")
    timer = ctypes.c_void_p()
    if _libc.timer_create(time.CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(timer)) != 0:
        raise OSError(ctypes.get_errno(), "timer_create")
    whole, part = divmod(max(1, int(seconds * 1e9)), 10**9)
    spec = _TimerSpec(0, 0, whole, part)
    moment = time.monotonic() + seconds
    if _libc.timer_settime(timer, 0, ctypes.byref(spec), None) != 0:
        raise OSError(ctypes.get_errno(), "timer_settime")
    return moment
