"""Landlock (landlock(7)): a process binds itself, and what it starts, to read below some paths only.

Linux since 5.13, where it is built in; it holds whatever the files' rights and the process's capabilities say.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_ASK_VERSION = 1
_PATH_BENEATH = 1
_READ_FILE, _READ_DIR, _REFER = 1 << 2, 1 << 3, 1 << 13
_VERSION_WITH_REFER = 2


class _Ruleset(ctypes.Structure):
    _fields_ = (("handled_access_fs", ctypes.c_uint64),)


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def read_only_below(paths: Iterable[Path]) -> bool:
    """Binds the calling thread for good to read these files, and what lies below these directories, and nothing else.

    Those that do not exist are left out; writing stays as it is. False where the kernel cannot do it. It takes
    PR_SET_NO_NEW_PRIVS, and comes before any thread starts. Raises OSError.
    """
    if not (version := kernel_version()):
        return False
    # Moving files between directories is refused to whoever is bound, unless it is handled and allowed.
    refer = _REFER if version >= _VERSION_WITH_REFER else 0
    handled = _Ruleset(_READ_FILE | _READ_DIR | refer)
    ruleset = _checked(_syscall(_CREATE_RULESET, ctypes.byref(handled), ctypes.sizeof(handled), 0))
    try:
        for path in paths:
            _allow(ruleset, path, _READ_FILE | _READ_DIR)
        if refer:
            _allow(ruleset, Path("/"), refer)
        _checked(_syscall(_RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)
    return True


def kernel_version() -> int:
    """The kernel's version of Landlock; 0 where it has none."""
    return max(0, _syscall(_CREATE_RULESET, None, 0, _ASK_VERSION))


def _allow(ruleset: int, path: Path, access: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        rule = _PathBeneath(access if path.is_dir() else access & _READ_FILE, fd)
        _checked(_syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0))
    finally:
        os.close(fd)


def _syscall(number: int, *arguments: object) -> int:
    return int(ctypes.CDLL(None, use_errno=True).syscall(number, *arguments))


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
