"""The Unix accounts that the programs run as, and the directories that they work in: made where they are missing."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from onifast_shared.machine.config import Settings

GROUP = "onifast-mail"
ACCOUNTS = ("onifast-mail", "onifast-smtpd", "onifast-web", "onifast-outbox")


class HostError(Exception):
    """The machine cannot be made ready. The text is one line that says why, and what would help."""


def prepare(settings: Settings) -> list[str]:
    """Makes what is missing, and says what that was. What is there stays as it is.

    As root it makes the accounts too; anybody else gets directories of their own. Raises HostError.
    """
    made = list(_accounts()) if os.geteuid() == 0 else []
    return made + list(_directories(settings))


def _accounts() -> Iterator[str]:
    missing = [name for name in ACCOUNTS if not _is_account(name)]
    if not missing:
        return
    if not _is_group(GROUP):
        _run("groupadd", "--system", GROUP)
    for name in missing:
        _run(
            *("useradd", "--system", "--gid", GROUP, "--home-dir", "/", "--no-create-home"),
            *("--shell", "/usr/sbin/nologin", name),
        )
    yield f"accounts {', '.join(missing)}"


def _run(*command: str) -> None:
    if not (program := shutil.which(command[0], path=f"{os.defpath}:/usr/sbin:/sbin")):
        raise HostError(
            f"{command[0]} is not on this machine: install the package passwd, or make {command[-1]} yourself"
        )
    done = subprocess.run(
        [program, *command[1:]], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        raise HostError(f"{' '.join(command)} failed: {said}")


def _is_account(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _is_group(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True


def _directories(settings: Settings) -> Iterator[str]:
    """As systemd-tmpfiles makes them of our tmpfiles.d: users/ and certs/ for root alone, config/ for the group."""
    group = grp.getgrnam(GROUP).gr_gid if os.geteuid() == 0 else -1
    for path, mode, gid in (
        (settings.root, 0o711, -1),
        (settings.users_dir, 0o700, -1),
        (settings.certs_dir, 0o700, -1),
        (settings.config_dir, 0o2770, group),
        (settings.sso_dir, 0o770, group),
    ):
        if _make(path, mode, gid):
            yield f"directory {path}"


def _make(path: Path, mode: int, gid: int) -> bool:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700)
        if gid != -1:
            os.chown(path, -1, gid)
        path.chmod(mode)
    except FileExistsError:
        if not path.is_dir():
            raise HostError(f"{path} is there, and no directory") from None
        return False
    except OSError as error:
        raise HostError(f"directory {path} cannot be made: {error.strerror}; run it as root") from None
    return True
