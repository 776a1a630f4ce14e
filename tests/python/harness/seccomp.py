"""Has the kernel refuse system calls to this process, as containers and exhausted systems do."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Sequence

NUMBERS = {
    "x86_64": {"process_vm_readv": 310, "clone": 56, "clone3": 435, "seccomp": 317},
    "aarch64": {"process_vm_readv": 270, "clone": 220, "clone3": 435, "seccomp": 277},
}
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06  # of classic BPF
REFUSE, ALLOW = 0x00050000, 0x7FFF0000  # the first with an errno added
PR_SET_NO_NEW_PRIVS, SET_MODE_FILTER, ALL_THREADS = 38, 1, 1


class Instruction(ctypes.Structure):
    _fields_ = [
        ("code", ctypes.c_uint16),
        ("true", ctypes.c_uint8),
        ("false", ctypes.c_uint8),
        ("k", ctypes.c_uint32),
    ]


class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_uint16), ("instructions", ctypes.POINTER(Instruction))]


def refuse(calls: Sequence[str], error: int) -> None:
    """All threads get `error` for these calls from now on. Raises OSError where the machine has no such filters."""
    numbers = NUMBERS[platform.machine()]
    tests = [
        Instruction(JUMP_IF_EQUAL, len(calls) - i, 0, numbers[call]) for i, call in enumerate(calls)
    ]  # to the last instruction
    program = [
        Instruction(LOAD, 0, 0, 0),  # the system call's number
        *tests,
        Instruction(RETURN, 0, 0, ALLOW),
        Instruction(RETURN, 0, 0, REFUSE + error),
    ]
    given = (Instruction * len(program))(*program)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.syscall(
        numbers["seccomp"], SET_MODE_FILTER, ALL_THREADS, ctypes.byref(Filter(len(program), given))
    ):
        raise OSError(ctypes.get_errno(), "seccomp")
