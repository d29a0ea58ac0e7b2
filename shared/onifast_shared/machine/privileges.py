"""Giving up root: after the ports are bound, before the database is opened."""

from __future__ import annotations

import os
import pwd

from onifast_shared.machine import capabilities

# What the programs keep of root: the panel has `users/` and `certs/` for root alone, and its new files as well, so that
# no group could read them. It reads, and never writes. rights.py bounds it.
KEPT = capabilities.DAC_READ_SEARCH


class PrivilegeError(Exception):
    """Root cannot be given up as configured. The text is one line that names the setting."""


def drop(run_as: str) -> None:
    """Becomes the user `run_as` with their groups, for good; nothing happens unless we are root.

    Of root's capabilities only KEPT stays, where it is there, and no program that is executed gets it. To be called
    once the ports are bound, before any thread starts and before the database is opened. Raises PrivilegeError; the
    program must then stop.
    """
    if os.geteuid() != 0:
        return
    try:
        user = pwd.getpwnam(run_as)
    except KeyError:
        raise PrivilegeError(f"setting run_as: there is no user {run_as!r} on this machine; create it") from None
    if user.pw_uid == 0:
        return  # the administrator's own choice
    try:
        _become(user)
    except OSError as error:
        raise PrivilegeError(f"setting run_as: cannot become {run_as!r}: {error.strerror}") from None
    if os.getresuid() != (user.pw_uid,) * 3 or os.getresgid() != (user.pw_gid,) * 3:
        raise PrivilegeError(f"setting run_as: still root after becoming {run_as!r}")
    if not capabilities.permitted() <= {KEPT}:
        raise PrivilegeError(f"setting run_as: still has rights of root after becoming {run_as!r}")


def _become(user: pwd.struct_passwd) -> None:
    os.initgroups(user.pw_name, user.pw_gid)
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    # Leaving uid 0 in all three clears every capability (capabilities(7)), but for what this keeps permitted.
    capabilities.prctl(capabilities.PR_SET_KEEPCAPS, 1)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    capabilities.prctl(capabilities.PR_SET_KEEPCAPS, 0)
    capabilities.keep_only(KEPT)
    capabilities.prctl(capabilities.PR_SET_NO_NEW_PRIVS, 1)
