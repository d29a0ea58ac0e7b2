"""A directory of backups: manifests, and the chunks that they share.

    repository.json          how its files are stored; made once
    lock                     who writes or prunes holds it
    manifests/ID             one backup each, written last: a backup without one does not exist
    manifests/ID.chunks      the names of all its chunks, never encrypted, so that pruning needs no identity
    chunks/ab/abcdef…        1 MiB of a file, compressed, under the hash of what it holds

A chunk is stored once, however many backups have it, so that a backup of an unchanged database takes almost nothing.
Where backups are encrypted, names are keyed hashes: they tell nothing to who guesses what a chunk holds.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from onifast_shared.backup import encryption
from onifast_shared.backup.encryption import EncryptionError, Transformation
from onifast_shared.backup.manifest import Manifest, ManifestError
from onifast_shared.db.identity import sync_directory

CHUNK_BYTES = 1 << 20
"""Of a file, before compression; pages of a database keep their places, so that what has not changed is found again."""

_LARGEST_PLAIN = CHUNK_BYTES + 1
_LARGEST_MANIFEST = 1 << 30
_FORMAT = 1
_CHUNK = re.compile(r"[0-9a-f]{64}")
_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z(?:-[0-9]+)?")


class RepositoryError(Exception):
    """The directory cannot be worked with; the text is one line for who asked."""


@dataclass
class Repository:
    """A directory of backups. Make one with `open`; `key` names chunks where they are encrypted."""

    path: Path
    encrypted: bool
    recipients: tuple[str, ...] = ()
    key: bytes = b""
    seal: Transformation | None = None
    unseal: Transformation | None = None
    _durable: set[Path] = field(default_factory=set)

    @classmethod
    def open(cls, path: Path, identity: Path | None = None) -> Repository:
        """The backups that lie there; `identity` decrypts them. Raises RepositoryError, EncryptionError."""
        try:
            values = json.loads((path / "repository.json").read_text("utf-8"))
            stored_as, recipients = int(values["format"]), tuple(map(str, values["recipients"]))
        except FileNotFoundError:
            raise RepositoryError(f"there are no backups in {path}") from None
        except OSError as error:
            raise RepositoryError(f"{path} cannot be read: {error.strerror}") from None
        except (ValueError, KeyError, TypeError):
            raise RepositoryError(f"{path / 'repository.json'} cannot be understood") from None
        if stored_as != _FORMAT:
            raise RepositoryError(f"the backups in {path} have format {stored_as}; this version reads {_FORMAT}")
        made = cls(path, bool(recipients), recipients)
        if made.encrypted and identity is not None:
            made.unseal = encryption.decrypting(identity)
        return made

    @classmethod
    def ready(cls, path: Path, recipients: tuple[str, ...], key: bytes) -> Repository:
        """The directory, made if need be, to store backups in, encrypted to `recipients` if there are any.

        Raises RepositoryError where it holds something else, or backups that are stored for others; EncryptionError.
        """
        for each in recipients:
            encryption.check_recipient(each)
        if not (path / "repository.json").exists():
            _make(path, recipients)
        made = cls.open(path)
        if set(recipients) != set(made.recipients):
            whom = ", ".join(made.recipients) or "nobody"
            raise RepositoryError(f"the backups in {path} are encrypted to {whom}; use another directory for others")
        made.key = key if made.encrypted else b""
        made.seal = encryption.encrypting(made.recipients) if made.encrypted else None
        return made

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else writes or prunes meanwhile. Raises RepositoryError where somebody does already."""
        fd = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise RepositoryError(f"another backup is at work in {self.path}") from None
        finally:
            os.close(fd)

    def put(self, data: bytes) -> tuple[str, int]:
        """Stores a chunk; returns its name, and how many bytes it took: 0 if it was there."""
        name = hmac.new(self.key, data, "sha256").hexdigest() if self.key else hashlib.sha256(data).hexdigest()
        path = self._chunk(name)
        if path.exists():
            return name, 0
        packed = zlib.compress(data, 1)
        sealed = self.seal(packed) if self.seal else packed
        path.parent.mkdir(mode=0o700, exist_ok=True)
        _write(path, sealed)
        self._durable |= {path.parent, path.parent.parent}
        return name, len(sealed)

    def get(self, name: str) -> bytes:
        """What a chunk holds. Raises RepositoryError for one that is missing or damaged, EncryptionError."""
        if not _CHUNK.fullmatch(name):
            raise RepositoryError(f"{name!r} is no name of a chunk")
        try:
            data = self._opened(self._chunk(name).read_bytes(), _LARGEST_PLAIN)
        except FileNotFoundError:
            raise RepositoryError(f"chunk {name} is missing in {self.path}") from None
        except (zlib.error, OSError):
            raise RepositoryError(f"chunk {name} in {self.path} is damaged") from None
        if not self.encrypted and hashlib.sha256(data).hexdigest() != name:
            raise RepositoryError(f"chunk {name} in {self.path} is damaged")
        return data

    def chunks(self) -> Iterator[str]:
        """The names of all that are stored."""
        for folder in sorted((self.path / "chunks").iterdir()):
            yield from (each.name for each in sorted(folder.iterdir()) if _CHUNK.fullmatch(each.name))

    def remove_chunk(self, name: str) -> int:
        """Removes one that nobody needs; returns how many bytes it took."""
        size = self._chunk(name).stat().st_size
        self._chunk(name).unlink()
        return size

    def add(self, manifest: Manifest) -> None:
        """Makes a backup exist, once all that it needs is on disk."""
        for folder in sorted(self._durable):
            sync_directory(folder)
        self._durable.clear()
        names = "".join(f"{name}\n" for name in sorted(manifest.chunks))
        _write(self._needs(manifest.id), names.encode())
        packed = zlib.compress(manifest.dump(), 6)
        _write(self._manifest(manifest.id), self.seal(packed) if self.seal else packed)
        sync_directory(self.path / "manifests")

    def ids(self) -> list[str]:
        """The backups that there are, oldest first."""
        found = [each.name for each in (self.path / "manifests").iterdir() if _ID.fullmatch(each.name)]
        return sorted(found, key=lambda name: (name[:16], int(name[17:] or 0)))

    def manifest(self, backup_id: str) -> Manifest:
        """One backup's. Raises RepositoryError, EncryptionError."""
        if not _ID.fullmatch(backup_id) or not self._manifest(backup_id).is_file():
            raise RepositoryError(f"there is no backup {backup_id!r} in {self.path}")
        try:
            return Manifest.load(self._opened(self._manifest(backup_id).read_bytes(), _LARGEST_MANIFEST))
        except (zlib.error, OSError):
            raise RepositoryError(f"the manifest of backup {backup_id} is damaged") from None
        except ManifestError as error:
            raise RepositoryError(f"the manifest of backup {backup_id} cannot be read: {error}") from None

    def needed(self, backup_id: str) -> set[str]:
        """The chunks that a backup needs. Raises RepositoryError."""
        try:
            return set(self._needs(backup_id).read_text("ascii").split())
        except (OSError, UnicodeDecodeError):
            raise RepositoryError(f"the list of chunks of backup {backup_id} cannot be read") from None

    def remove(self, backup_id: str) -> None:
        """Makes a backup not exist any more; its chunks stay until they are swept."""
        self._manifest(backup_id).unlink()
        self._needs(backup_id).unlink(missing_ok=True)
        sync_directory(self.path / "manifests")

    def _opened(self, stored: bytes, limit: int) -> bytes:
        if self.encrypted and self.unseal is None:
            raise EncryptionError(f"the backups in {self.path} are encrypted: --identity FILE opens them")
        unpacking = zlib.decompressobj()
        data = unpacking.decompress(self.unseal(stored) if self.unseal else stored, limit)
        if not unpacking.eof:
            raise zlib.error("too large, or cut off")
        return data

    def _chunk(self, name: str) -> Path:
        return self.path / "chunks" / name[:2] / name

    def _manifest(self, backup_id: str) -> Path:
        return self.path / "manifests" / backup_id

    def _needs(self, backup_id: str) -> Path:
        return self.path / "manifests" / f"{backup_id}.chunks"


def _make(path: Path, recipients: tuple[str, ...]) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise RepositoryError(f"{path} holds something else than backups; give an empty directory")
        for folder in ("manifests", "chunks"):
            (path / folder).mkdir(mode=0o700)
        _write(path / "repository.json", json.dumps({"format": _FORMAT, "recipients": recipients}).encode())
        sync_directory(path)
    except OSError as error:
        raise RepositoryError(f"{path} cannot be written: {error.strerror}") from None


def _write(path: Path, data: bytes) -> None:
    """Writes a file that is there whole or not at all; its directory is synced by who calls."""
    new = path.with_name(f".{path.name}.new")
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(fd, "wb", closefd=False) as file:
            file.write(data)
        os.fsync(fd)
    finally:
        os.close(fd)
    new.replace(path)
