"""Takes a backup apart again: to look whether it is whole, or to put it where the system works.

What waited to be sent when the backup was made may have been delivered since: it comes back as `held`, and goes out
when an administrator says so.
"""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import apsw

from onifast_shared.backup.making import COUNTED
from onifast_shared.backup.manifest import Manifest, StoredFile
from onifast_shared.backup.repository import Repository, RepositoryError
from onifast_shared.db import identity, inspection
from onifast_shared.db.connections import connect
from onifast_shared.db.errors import translated
from onifast_shared.machine.config import Settings
from onifast_shared.queue import restored as restored_rows


@dataclass(frozen=True)
class Verified:
    """What was found wrong with a backup, in words; empty if nothing was."""

    id: str
    findings: tuple[str, ...]


@dataclass(frozen=True)
class Restored:
    """What a restore did: the database, files put back and left alone, rows held, and where the old database is."""

    id: str
    database: Path
    files: int
    left_alone: tuple[str, ...]
    held: int
    set_aside: Path | None


class RestoreRefused(Exception):
    """Nothing was changed; the text says why, and what can be done."""


def verify(repository: Repository, manifest: Manifest, scratch: Path | None = None) -> Verified:
    """Restores a backup into a temporary place, and compares all of it; raises EncryptionError, OSError.

    Every chunk is read, every file's hash is compared, the database is checked page by page and its rows are counted.
    """
    with tempfile.TemporaryDirectory(dir=scratch, prefix="onifast-mail-verify-") as place:
        database = Path(place) / "database"
        findings = []
        for each in manifest.files:
            target = database if each.place == "database" else Path(place) / "file"
            try:
                _write_content(repository, each, target)
            except RepositoryError as error:
                findings.append(f"{each.place}: {each.path}: {error}")
        if not findings:
            findings = _compare(database, manifest)
        return Verified(manifest.id, tuple(findings))


def _compare(database: Path, manifest: Manifest) -> list[str]:
    findings = inspection.soundness(database, 1.0).findings
    if findings:
        return [f"the database is damaged: {each}" for each in findings]
    with closing(apsw.Connection(str(database))) as connection:
        for name in COUNTED:
            found = int(connection.execute(f"SELECT count(*) FROM {name}").get)
            if found != manifest.rows.get(name):
                findings.append(f"table {name} has {found} rows; there were {manifest.rows.get(name)}")
        if identity.id_of(connection) != manifest.database_id:
            findings.append("the database has another id")
    return findings


def restore(settings: Settings, repository: Repository, manifest: Manifest, *, replace: bool) -> Restored:
    """Puts a backup where the settings say that the system is; the programs are stopped.

    A database that lies there is set aside if `replace` says so, never overwritten; files that are there stay as they
    are. Raises RestoreRefused, RepositoryError, EncryptionError, DatabaseError, OSError.
    """
    database = settings.database
    database.parent.mkdir(mode=0o2770, parents=True, exist_ok=True)
    _refuse_newer(database, manifest, replace=replace)
    new = database.with_name(f"{database.name}.restoring-{os.getpid()}")
    try:
        _write_content(repository, manifest.database, new)
        _lay_down(new, database.parent, manifest.database.mode)
        damage = _compare(new, manifest)
        if damage:
            raise RestoreRefused(f"backup {manifest.id} is not whole: {damage[0]}")
        # Before it lies where programs look: whoever is killed from here on leaves nothing that goes out a second time.
        held = _hold(new, manifest)
        set_aside = _exchange(new, database)
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            new.with_name(new.name + suffix).unlink(missing_ok=True)
    identity.forget(database)
    put, left = _put_files(settings, repository, manifest)
    return Restored(manifest.id, database, put, left, held, set_aside)


def _refuse_newer(database: Path, manifest: Manifest, *, replace: bool) -> None:
    if not database.exists() or database.stat().st_size == 0:
        return
    if not replace:
        latest = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(database.stat().st_mtime))
        raise RestoreRefused(
            f"database {database} is there, last changed {latest} UTC, and backup {manifest.id} would hide what is"
            " newer; --replace sets it aside"
        )
    with translated(database), closing(connect(database, 1.0)) as connection:
        try:
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("ROLLBACK")
        except apsw.BusyError:
            raise RestoreRefused(f"programs work on database {database}; stop all three first") from None


def _exchange(new: Path, database: Path) -> Path | None:
    aside = None
    if database.exists():
        aside = database.with_name(f"{database.name}.set-aside-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}")
        for suffix in ("-wal", "-shm", ""):
            found = database.with_name(database.name + suffix)
            if found.exists():
                found.rename(aside.with_name(aside.name + suffix))
    new.rename(database)
    identity.sync_directory(database.parent)
    return aside


def _lay_down(path: Path, folder: Path, mode: int) -> None:
    """Gives the database the mode and group that a new one would have."""
    path.chmod(mode)
    if os.geteuid() == 0:
        found = folder.stat()
        os.chown(path, found.st_uid, found.st_gid)


def _hold(database: Path, manifest: Manifest) -> int:
    with translated(database), closing(connect(database, 1.0)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        held = restored_rows.hold(connection, manifest.id)
        connection.execute("COMMIT")
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        return held


def _put_files(settings: Settings, repository: Repository, manifest: Manifest) -> tuple[int, tuple[str, ...]]:
    """Not the users' copies: outbox writes those that are missing anew, as the user, which is safe in a home."""
    roots = {"config": settings.database.parent, "certs": settings.certs_dir}
    put, left = 0, []
    for each in manifest.files:
        if each.place not in roots or each.path == identity.mark_path(settings.database).name:
            continue
        target = _below(roots[each.place], each.path)
        if target.exists() or target.is_symlink():
            left.append(str(target))
        else:
            _put(repository, each, roots[each.place], target)
            put += 1
    return put, tuple(left)


def extract(repository: Repository, manifest: Manifest, place: str, folder: Path) -> int:
    """Writes the files of one place, or its database, below a new folder; returns how many.

    Raises RestoreRefused, RepositoryError, EncryptionError, OSError.
    """
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        raise RestoreRefused(f"{folder} is there already; give a folder that is not") from None
    found = [each for each in manifest.files if each.place == place]
    for each in found:
        _put(repository, each, folder, _below(folder, each.path))
    return len(found)


def _put(repository: Repository, each: StoredFile, root: Path, target: Path) -> None:
    _make_folders(root, target.parent)
    _write_content(repository, each, target)
    target.chmod(each.mode)
    if os.geteuid() == 0:
        user = _number(each.owner, lambda name: pwd.getpwnam(name).pw_uid)
        group = _number(each.group, lambda name: grp.getgrnam(name).gr_gid)
        os.chown(target, user, group, follow_symlinks=False)
        target.chmod(each.mode)  # a new owner takes set-id bits away
    os.utime(target, (each.mtime, each.mtime))


def _below(root: Path, relative: str) -> Path:
    """Where a file goes; raises RestoreRefused for a manifest that leads elsewhere."""
    parts = Path(relative).parts
    if not parts or Path(relative).is_absolute() or ".." in parts:
        raise RestoreRefused(f"the backup names a file {relative!r}, which is not below its root")
    here = root
    for part in parts[:-1]:
        here = here / part
        if here.is_symlink():
            raise RestoreRefused(f"{here} is a link, and {relative} would go where it leads")
    return root.joinpath(*parts)


def _make_folders(root: Path, folder: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    missing = [each for each in (folder, *folder.parents) if each.is_relative_to(root) and not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700)


def _number(name: str, find: Callable[[str], int]) -> int:
    try:
        return find(name)
    except KeyError:
        return int(name) if name.isdigit() else 0


def _write_content(repository: Repository, each: StoredFile, target: Path) -> None:
    """Writes a stored file; raises RepositoryError where it is not what it was."""
    whole = hashlib.sha256()
    fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(fd, "wb") as file:
        for name in each.chunks:
            data = repository.get(name)
            whole.update(data)
            file.write(data)
        file.flush()
        os.fsync(fd)
    if whole.hexdigest() != each.sha256:
        raise RepositoryError(f"{each.path} is not what it was when backup was made")
