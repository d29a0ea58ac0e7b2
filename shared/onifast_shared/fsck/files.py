"""Files beside the database: users' copies, what broken-off work left, and who may read keys."""

from __future__ import annotations

import contextlib
import os
import shlex
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePath

from onifast_shared.fsck.kinds import FsckProblem, FsckTools
from onifast_shared.mailboxes import indexing
from onifast_shared.mailboxes.indexing import FiledCopy

COPIES, UNKNOWN_COPIES, LEFT_OVERS, RIGHTS = "missing-copies", "unknown-copies", "left-overs", "rights"

MAIL_FOLDER = PurePath(".onifast/mail")
LEFT_OVER_AGE = 86400
"""Seconds after which a file of work that is under way belongs to work that broke off."""

_ITSELF = PurePath()
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_SECRET = ("privkey.pem", "dkim_private")


def missing_copies(tools: FsckTools) -> Iterator[FsckProblem]:
    """Messages whose copy was written to their owner's home, and is not there."""
    if not tools.settings.file_copies:
        return
    after = 0
    while filed := tools.db.read(partial(indexing.filed, after=after)):
        after = filed[-1].id
        for each in filed:
            path = _place(tools, each)
            if path is not None and _is_absent(path):
                text = f"there is no {path}"
                yield FsckProblem(COPIES, f"emails {each.id}", text, partial(_write_anew, tools, each.id))


def _place(tools: FsckTools, copy: FiledCopy) -> Path | None:
    """Where a copy should lie; what the row says of it is believed for its name alone."""
    name = PurePath(copy.path).name
    folder = indexing.copy_folder(copy.address)
    return tools.settings.home_root / copy.home / MAIL_FOLDER / folder / name if name else None


def _is_absent(path: Path) -> bool:
    """Whether a file is not there; who may not look says nothing about it."""
    try:
        path.lstat()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def _write_anew(tools: FsckTools, email_id: int) -> str:
    tools.db.write(lambda tx: indexing.refile(tx, email_id))
    return "outbox writes it anew"


def unknown_copies(tools: FsckTools) -> Iterator[FsckProblem]:
    """Copies in users' homes that no message of theirs is filed as. Their owners' names are taken from directories."""
    root = tools.settings.home_root
    for home in _names(root):
        mail = PurePath(home) / MAIL_FOLDER
        for folder in (mail, *(mail / name for name in _names(root, mail))):
            for name in _names(root, folder):
                if name.endswith(".eml") and not name.startswith("."):
                    yield from _unknown(tools, home, root / folder / name)


def _unknown(tools: FsckTools, home: str, path: Path) -> Iterator[FsckProblem]:
    number = path.stem.rpartition("-")[2]
    email_id = int(number) if number.isascii() and number.isdigit() and len(number) < len(str(2**63)) else 0
    if not tools.db.read(lambda tx: indexing.is_copy_of(tx, email_id, home, path.name)):
        text = f"no message of {home}'s has this copy"
        command = shlex.join(("onifast-mailctl", "import", "mail", home, str(path)))  # their owner chose the names
        remedy = f"{command} brings it in, once; or remove it"
        yield FsckProblem(UNKNOWN_COPIES, str(path), text, remedy=remedy)


def _names(root: Path, below: PurePath = _ITSELF) -> Iterator[str]:
    """What lies in a folder below one that is ours; nothing where it cannot be read.

    No link is followed on the way down: a user who may put one there would have us look where they may not.
    """
    with contextlib.ExitStack() as opened:
        try:
            fd = os.open(root, _FOLDER)
            opened.callback(os.close, fd)
            for part in below.parts:
                fd = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=fd)
                opened.callback(os.close, fd)
            with os.scandir(fd) as found:
                for each in found:
                    yield each.name
        except OSError:
            return


def left_overs(tools: FsckTools) -> Iterator[FsckProblem]:
    """Files beside the database that work which broke off left there."""
    path = tools.settings.database
    for each in map(path.parent.joinpath, _names(path.parent)):
        is_ours = each.name.startswith(f"{path.name}.")
        if is_ours and (each.name.endswith(".part") or ".rebuilt-" in each.name) and _is_old(each, tools.now):
            yield FsckProblem(LEFT_OVERS, str(each), "work that broke off left it", partial(_put_away, tools, each))


def _is_old(path: Path, now: float) -> bool:
    try:
        return path.lstat().st_mtime < now - LEFT_OVER_AGE
    except OSError:
        return False


def _put_away(tools: FsckTools, path: Path) -> str:
    return f"moved to {tools.lost.keep_file(path)}"


def rights(tools: FsckTools) -> Iterator[FsckProblem]:
    """Private keys, the database and the panel's token that everybody on this host can read or change."""
    settings = tools.settings
    secret = [path for path in (settings.database, settings.panel_token_path) if not _is_absent(path)]
    certificates = settings.certs_dir
    for domain in _names(certificates):
        names = _names(certificates, PurePath(domain))
        secret += [certificates / domain / name for name in names if name.startswith(_SECRET)]
    for path in secret:
        found = path.lstat()
        if stat.S_ISREG(found.st_mode) and found.st_mode & 0o007:
            text = f"everybody on this host may use it: mode {stat.S_IMODE(found.st_mode):04o}"
            yield FsckProblem(RIGHTS, str(path), text, partial(_shut, path))


def _shut(path: Path) -> str:
    # O_PATH opens no database (POSIX locks would go with its closing), and follows no link that was put there since.
    fd = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        mode = stat.S_IMODE(os.fstat(fd).st_mode) & ~0o007
        Path(f"/proc/self/fd/{fd}").chmod(mode)
    finally:
        os.close(fd)
    return f"mode {mode:04o}"
