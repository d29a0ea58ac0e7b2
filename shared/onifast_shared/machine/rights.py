"""What a program started as root keeps of it once its ports are bound: an account, one capability, and some files."""

from __future__ import annotations

import mimetypes
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from onifast_shared.machine import capabilities, landlock, log, privileges
from onifast_shared.machine.config import Settings
from onifast_shared.machine.privileges import PrivilegeError

# Directories, never single files: useradd and DHCP put a new file in the old one's place, which no rule would know.
_MACHINE = ("/usr", "/lib", "/lib64", "/bin", "/etc", "/proc", "/sys", "/dev", "/run")
_NAME_SERVICES = ("/var/lib/sss", "/var/lib/extrausers")  # nss_sss(8), nss_extrausers


def give_up_root(settings: Settings) -> None:
    """Becomes `run_as`, keeps no right but to read, and binds that to `readable`, where the kernel can; logs it.

    Nothing happens unless we are root and are to become somebody else: systemd's units bind their programs themselves.
    When to call it, see `privileges.drop`. Raises PrivilegeError.
    """
    if os.geteuid() != 0:
        return
    privileges.drop(settings.run_as)
    if os.geteuid() == 0:
        return
    try:
        bound = landlock.read_only_below(readable(settings))
    except OSError as error:
        raise PrivilegeError(f"setting run_as: cannot bind what {settings.run_as!r} reads: {error.strerror}") from None
    reads_all = privileges.KEPT in capabilities.permitted()
    log.event(log.get("rights"), "rights", user=settings.run_as, reads_roots_files=reads_all, landlock=bound)


def readable(settings: Settings) -> Iterator[Path]:
    """What a program has to read: the panel's root, Python and its libraries, the machine's configuration."""
    yield settings.root
    if settings.outbound_tls_ca is not None:
        yield settings.outbound_tls_ca.parent
    yield from map(Path, {sys.prefix, sys.base_prefix, *filter(None, sys.path)})
    yield from map(Path, (*_MACHINE, *_NAME_SERVICES, *mimetypes.knownfiles, tempfile.gettempdir()))
