"""What an account may not read or write of what a program needs: asked in a child that becomes that account."""

from __future__ import annotations

import json
import os
import pwd
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from onifast_shared.machine import capabilities, privileges
from onifast_shared.machine.config import Settings

UNITS = ("onifast-smtpd", "onifast-web", "onifast-outbox")
_SYSTEMD = Path("/run/systemd/system")  # there where the machine was booted with it: sd_booted(3)
_UNIT_FOLDERS = (Path("/etc/systemd/system"), Path("/usr/lib/systemd/system"), Path("/lib/systemd/system"))
_SHOWN = 3  # files of one kind that are named


class Account(NamedTuple):
    """An account that programs run as. One that `reads_all` has CAP_DAC_READ_SEARCH, from a unit or kept of root."""

    name: str
    how: str
    reads_all: bool


def accounts(settings: Settings) -> list[Account]:
    """The accounts to ask as: the units' where systemd runs and has them, else `run_as`; without root, one's own."""
    if os.geteuid() != 0:
        return [Account(_own_name(), "who asks", reads_all=False)]
    if _SYSTEMD.exists() and any((folder / f"{unit}.service").exists() for folder in _UNIT_FOLDERS for unit in UNITS):
        return [Account(unit, "systemd", reads_all=True) for unit in UNITS]
    # A container's root may lack what the programs would keep of it.
    return [Account(settings.run_as, "setting run_as", reads_all=privileges.KEPT in capabilities.permitted())]


def _own_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def problems(settings: Settings, account: Account) -> list[str]:
    """What the account may not do, in sentences."""
    try:
        is_root = os.geteuid() == 0 and pwd.getpwnam(account.name).pw_uid == 0
    except KeyError:
        return [f"there is no user {account.name!r} ({account.how}) on this machine"]
    asked = _asked(settings, account)
    found = list(asked()) if os.geteuid() != 0 or is_root else _as_account(account.name, asked)
    return [f"{account.name} ({account.how}) {each}" for each in found]


def _as_account(name: str, asked: Callable[[], Iterator[str]]) -> list[str]:
    """What a child that has become the account finds."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    if (pid := os.fork()) == 0:
        _answer(name, asked, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    return [str(each) for each in json.loads(text)] if text else [f"cannot be asked as {name}"]


def _answer(name: str, asked: Callable[[], Iterator[str]], pipe: int) -> None:
    try:
        privileges.drop(name)
        text = json.dumps(list(asked()))
    except Exception as error:
        text = json.dumps([f"cannot be asked: {error}"])
    with os.fdopen(pipe, "w") as out:
        out.write(text)
    os._exit(0)


def _asked(settings: Settings, account: Account) -> Callable[[], Iterator[str]]:
    def ask() -> Iterator[str]:
        if not account.reads_all:
            yield from _unreadable(settings.users_dir, "panel users", ("*.json",))
            yield from _unreadable(settings.certs_dir, "certificates", ("*/*.pem",))
        yield from _unwritable(settings)

    return ask


def _unreadable(directory: Path, holds: str, patterns: tuple[str, ...]) -> Iterator[str]:
    try:
        directory.stat()
    except FileNotFoundError:
        return  # nobody can read it, and that is said once
    except OSError:
        pass
    if not os.access(directory, os.R_OK | os.X_OK):
        yield f"cannot read {directory} ({holds})"
        return
    closed = [folder for folder in sorted(directory.iterdir()) if folder.is_dir() and not os.access(folder, os.R_OK)]
    files = [file for pattern in patterns for file in sorted(directory.glob(pattern))]
    yield from _named("cannot read", [*closed, *(file for file in files if not os.access(file, os.R_OK))])


def _unwritable(settings: Settings) -> Iterator[str]:
    if not os.access(settings.config_dir, os.R_OK | os.W_OK | os.X_OK):
        yield f"cannot write {settings.config_dir} (the database's directory), or it is missing"
        return
    files = sorted(settings.config_dir.glob(f"{settings.database.stem}*"))
    ours = [file for file in files if not file.is_dir() and file.suffix != ".toml" and ".set-aside" not in file.name]
    yield from _named("cannot write", [file for file in ours if not os.access(file, os.R_OK | os.W_OK)])


def _named(what: str, files: list[Path]) -> Iterator[str]:
    yield from (f"{what} {file}" for file in files[:_SHOWN])
    if len(files) > _SHOWN:
        yield f"{what} {len(files) - _SHOWN} more files like {files[0]}"
