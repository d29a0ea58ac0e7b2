"""The process's Linux capabilities (capabilities(7)): which it has, giving them up, and prctl(2)."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

DAC_READ_SEARCH = 2
SETGID = 6
SETUID = 7

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_SET_NO_NEW_PRIVS = 38

_VERSION_3 = 0x20080522
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def effective() -> frozenset[int]:
    """The numbers of the capabilities in force."""
    return _read("CapEff:")


def permitted() -> frozenset[int]:
    """The numbers of the capabilities that may be put in force."""
    return _read("CapPrm:")


def _read(name: str) -> frozenset[int]:
    for line in Path("/proc/thread-self/status").read_text().splitlines():
        if line.startswith(name):
            mask = int(line.split()[1], 16)
            return frozenset(number for number in range(64) if mask >> number & 1)
    return frozenset()


def can_become_others() -> bool:
    """Whether this process may change to any other user and group."""
    return {SETUID, SETGID} <= effective()


def keep_only(*kept: int) -> None:
    """Gives up every capability but those of `kept` that the process has. Acts on the calling thread: call it early."""
    mask = sum(1 << number for number in set(kept) & permitted())
    data = (_Data * 2)(_Data(mask & 0xFFFFFFFF, mask & 0xFFFFFFFF, 0), _Data(mask >> 32, mask >> 32, 0))
    # The ambient set would hand them to whatever this process executes.
    prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    _check(_libc().capset(ctypes.byref(_Header(_VERSION_3, 0)), data))


def prctl(option: int, argument: int = 0) -> None:
    """prctl(2), of the calling thread. Raises OSError."""
    _check(_libc().prctl(option, argument, 0, 0, 0))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
