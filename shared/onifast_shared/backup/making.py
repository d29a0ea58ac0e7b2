"""Makes a backup of the running system: the database as it is at one moment, settings, and by choice other files."""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO

import apsw

from onifast_shared.backup import retention
from onifast_shared.backup.manifest import Manifest, StoredFile
from onifast_shared.backup.repository import CHUNK_BYTES, Repository, RepositoryError
from onifast_shared.db import identity, migrate
from onifast_shared.db.connections import connect
from onifast_shared.db.errors import translated
from onifast_shared.db.files import file_size
from onifast_shared.machine.config import Settings

STEP_PAGES = 256
"""Pages of the database that are copied at once: 1 MiB."""

PAUSE_PER_STEP = 1.0
"""Rests after each step, as a share of the time that the step took: at least half of the disk is left to the mail."""

COUNTED = ("emails", "outbox", "contents", "mail_addresses", "mail_config")
"""Tables whose rows are counted, so that a restored backup can be compared."""


@dataclass(frozen=True)
class What:
    """What goes in beside the database and `config/`: certificates and keys, the users' own copies of their mail."""

    certs: bool = False
    copies: bool = False


def make(
    settings: Settings, repository: Repository, what: What, now: float, pause: Callable[[float], None] = time.sleep
) -> Manifest:
    """Makes one backup; others go on reading and writing meanwhile. Raises RepositoryError, DatabaseError, OSError."""
    with repository.locked():
        backup_id = _free_id(repository, now)
        counted = _BackupContent(repository)
        database, facts = _database(settings, repository.path, counted, pause)
        others = tuple(counted.file(place, root, each) for place, root, each in _others(settings, what))
        files = (database, *(each for each in others if each is not None))
        made = replace(facts, id=backup_id, made_ts=int(now), files=files, stored=counted.bytes)
        repository.add(made)
        return made


def prune(repository: Repository, rule: retention.Rule) -> tuple[list[str], int]:
    """Removes the backups that a rule does not keep, and what only they needed; returns their ids, and bytes freed."""
    with repository.locked():
        ids = repository.ids()
        kept = retention.kept(ids, rule)
        # Before anything goes: a list that cannot be read would let a backup's chunks be taken for nobody's.
        needed: set[str] = set().union(*(repository.needed(each) for each in kept))
        gone = [each for each in ids if each not in kept]
        for each in gone:
            repository.remove(each)
        unused = [name for name in repository.chunks() if name not in needed]
        return gone, sum(map(repository.remove_chunk, unused))


def _free_id(repository: Repository, now: float) -> str:
    taken, first = set(repository.ids()), time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    numbered = (f"{first}-{number}" for number in range(2, len(taken) + 3))
    return first if first not in taken else next(each for each in numbered if each not in taken)


def _database(
    settings: Settings, folder: Path, stored: _BackupContent, pause: Callable[[float], None]
) -> tuple[StoredFile, Manifest]:
    """Copies one snapshot beside the backups, and takes that apart."""
    copy = folder / f".database-{os.getpid()}"
    try:
        with translated(settings.database):
            facts = _copy(settings, copy, pause)
        with copy.open("rb") as file:
            size, sha256, chunks = stored.content(file)
        return StoredFile("database", settings.database.name, size, sha256, chunks, mode=0o660), facts
    finally:
        for suffix in ("", "-journal", "-wal", "-shm"):
            copy.with_name(copy.name + suffix).unlink(missing_ok=True)


def _copy(settings: Settings, copy: Path, pause: Callable[[float], None]) -> Manifest:
    _refuse_without_room(settings.database, copy.parent)
    with closing(connect(settings.database, settings.database_timeout)) as source:
        identity.refuse_another(source, settings.database)
        # One snapshot from the first page to the last: no writer waits for it, and what they commit is not in it.
        source.execute("BEGIN")
        facts = _facts(source, settings)
        os.close(os.open(copy, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        with closing(apsw.Connection(str(copy))) as target:
            target.execute("PRAGMA synchronous=OFF")  # it is hashed and stored, each piece synced, and thrown away
            with target.backup("main", source, "main") as backup:
                while not backup.done:
                    began = time.monotonic()
                    backup.step(STEP_PAGES)
                    pause((time.monotonic() - began) * PAUSE_PER_STEP)
        return facts


def _refuse_without_room(database: Path, folder: Path) -> None:
    needed, found = file_size(database), os.statvfs(folder)
    if found.f_bavail * found.f_frsize < needed:
        raise RepositoryError(f"no room in {folder}: a copy of the database takes {needed} bytes for a while")


def _facts(source: apsw.Connection, settings: Settings) -> Manifest:
    rows = {name: int(source.execute(f"SELECT count(*) FROM {name}").get) for name in COUNTED}
    recorded = max(migrate.recorded(source))
    database_id = identity.id_of(source)
    return Manifest("", 0, settings.hostname, version("onifast-mail"), recorded, database_id, rows, ())


def _others(settings: Settings, what: What) -> Iterator[tuple[str, Path, Path]]:
    """The place, its root, and each file: never the database's own, nor what is no regular file."""
    config = settings.database.parent
    names = {settings.database.name + suffix for suffix in ("", "-wal", "-shm")}
    for each in _regular(config):
        top = each.relative_to(config).parts[0]  # files on their way in and out lie in a directory of such a name
        if top not in names and not top.startswith(settings.database.name + "."):
            yield "config", config, each
    if what.certs:
        yield from (("certs", settings.certs_dir, each) for each in _regular(settings.certs_dir))
    if what.copies:
        for home in sorted(settings.home_root.glob("*/.onifast")):
            yield from (("homes", settings.home_root, each) for each in _regular(home))


def _regular(folder: Path) -> Iterator[Path]:
    """The regular files below a folder; no link is followed."""
    if folder.is_symlink() or not folder.is_dir():
        return
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _regular(Path(entry.path))
        elif entry.is_file(follow_symlinks=False):
            yield Path(entry.path)


class _BackupContent:
    """Puts files into a repository, and counts what that took."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self.bytes = 0

    def content(self, file: BinaryIO) -> tuple[int, str, tuple[str, ...]]:
        """Stores an open file: its size, SHA-256 and chunks."""
        whole, size, names = hashlib.sha256(), 0, []
        while data := file.read(CHUNK_BYTES):
            whole.update(data)
            size += len(data)
            name, new = self._repository.put(data)
            names.append(name)
            self.bytes += new
        return size, whole.hexdigest(), tuple(names)

    def file(self, place: str, root: Path, path: Path) -> StoredFile | None:
        """Stores a file; None for one that has gone meanwhile, or became something else."""
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except (FileNotFoundError, OSError) as error:
            if isinstance(error, PermissionError):
                raise
            return None
        with os.fdopen(fd, "rb") as file:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                return None
            size, sha256, chunks = self.content(file)
        who = (_name(found.st_uid, lambda number: pwd.getpwuid(number).pw_name),
               _name(found.st_gid, lambda number: grp.getgrgid(number).gr_name))  # fmt: skip
        relative = str(path.relative_to(root))
        return StoredFile(place, relative, size, sha256, chunks, found.st_mode & 0o7777, *who, int(found.st_mtime))


def _name(number: int, find: Callable[[int], str]) -> str:
    with suppress(KeyError):
        return find(number)
    return str(number)
