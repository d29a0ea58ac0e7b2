"""The process's Linux capabilities (capabilities(7)): which it has, and giving them up."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

DAC_READ_SEARCH = 2
SETGID = 6
SETUID = 7

_VERSION_3 = 0x20080522
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def effective() -> frozenset[int]:
    """The numbers of the capabilities in force."""
    for line in Path("/proc/thread-self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            mask = int(line.split()[1], 16)
            return frozenset(number for number in range(64) if mask >> number & 1)
    return frozenset()


def can_become_others() -> bool:
    """Whether this process may change to any other user and group."""
    return {SETUID, SETGID} <= effective()


def keep_only(*kept: int) -> None:
    """Give up every capability but those of `kept` that the process has. Acts on the calling thread: call it early."""
    libc = ctypes.CDLL(None, use_errno=True)
    mask = sum(1 << number for number in set(kept) & effective())
    data = (_Data * 2)(_Data(mask & 0xFFFFFFFF, mask & 0xFFFFFFFF, 0), _Data(mask >> 32, mask >> 32, 0))
    # The ambient set would hand them to whatever this process executes.
    _check(libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))
    _check(libc.capset(ctypes.byref(_Header(_VERSION_3, 0)), data))


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
