"""The files of a zip, a tar or a directory, one after another; nothing in them reaches outside.

No path is ever opened that an archive names, so none leads anywhere; links and devices are passed over, what is packed
too well to be mail is refused, and no archive's list of files may fill the memory.
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from onifast_shared.moving.found import Bounds, SourceError

MOST_PACKED = 250
"""How many times smaller than itself mail may be packed; text is by some ten times."""

_LARGEST_DIRECTORY = 64 * 1024 * 1024  # octets of a zip's list of files
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # of bzip2 and LZMA, zipfile unpacks any number of octets at once
_LARGEST_EXTENSION = 64 * 1024  # octets of what a tar says of one file: a long name, or pax records
_MOST_EXTENSIONS = 8  # of one file; and of all files together, where they are for all
_LOOK_AT = 64 * 1024 * 1024  # octets unpacked from which on it counts how well they were packed
_EOCD, _EOCD64_LOCATOR, _EOCD64 = b"PK\x05\x06", b"PK\x06\x07", b"PK\x06\x06"


@dataclass(frozen=True)
class ArchivedFile:
    """A file: its path as the archive has it, its size, and its bytes. `problem` says why it cannot be read.

    `moved_on` is how much of the archive lies before its end, `packed` of that its own.
    """

    path: str
    size: int
    stream: BinaryIO | None
    problem: str = ""
    moved_on: int = 0
    packed: int = 0


def of_zip(path: Path, bounds: Bounds) -> Iterator[ArchivedFile]:
    """The files of a zip, in its own order; raises SourceError."""
    packed = _sound_directory(path)
    done = 0
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            if len(infos) > bounds.entries:
                raise SourceError(f"The archive has {len(infos):,} files; {bounds.entries:,} are the most.")
            total = sum(info.file_size for info in infos)
            if total > bounds.unpacked:
                raise SourceError(f"The archive is {total:,} octets unpacked; {bounds.unpacked:,} are the most.")
            if total > _LOOK_AT and total > MOST_PACKED * packed:
                raise SourceError("The archive is packed too well to be mail.")
            for info in infos:
                done += info.compress_size
                if not info.is_dir():
                    yield from _zipped(archive, info, done)
    except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError, struct.error) as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"The zip file cannot be read: {error}.") from None


def _zipped(archive: zipfile.ZipFile, info: zipfile.ZipInfo, done: int) -> Iterator[ArchivedFile]:
    if stat.S_ISLNK(info.external_attr >> 16):
        yield ArchivedFile(info.filename, 0, None, "it is a link", done)
        return
    if info.flag_bits & 1:
        yield ArchivedFile(info.filename, info.file_size, None, "it is encrypted", done)
        return
    if info.compress_type not in _METHODS:
        yield ArchivedFile(info.filename, info.file_size, None, "it is packed by a method that is not read here", done)
        return
    try:
        stream = archive.open(info)
    except (zipfile.BadZipFile, NotImplementedError, OSError, zlib.error) as error:
        yield ArchivedFile(info.filename, info.file_size, None, f"it cannot be read: {error}", done)
        return
    with stream:
        yield ArchivedFile(info.filename, info.file_size, cast(BinaryIO, stream), "", done, info.compress_size)


def _sound_directory(path: Path) -> int:
    """Looks at how large the list of files is before anything reads it; the archive's size. Raises SourceError."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - 65557))
        tail = file.read()
        place = tail.rfind(_EOCD)
        if place < 0 or len(tail) - place < 22:
            raise SourceError("The zip file is cut off: it has no end.")
        directory = struct.unpack("<I", tail[place + 12 : place + 16])[0]
        locator = tail[max(0, place - 20) : place]
        if locator.startswith(_EOCD64_LOCATOR):
            # zipfile believes what it points to, or what lies before it, whatever the short form says.
            said, before = struct.unpack("<Q", locator[8:16])[0], size - len(tail) + place - 76
            directory = max(directory, *(_directory_at(file, at) for at in (said, before) if 0 <= at < size))
    if directory > _LARGEST_DIRECTORY:
        raise SourceError("The zip file has too many files.")
    return size


def _directory_at(file: BinaryIO, offset: int) -> int:
    """The size of the list of files, as the long form (Zip64) there has it; 0 where there is none."""
    file.seek(offset)
    end = file.read(56)
    return int(struct.unpack("<Q", end[40:48])[0]) if end.startswith(_EOCD64) and len(end) == 56 else 0


class _BoundedInfo(tarfile.TarInfo):
    """A tar's file, of which no more is believed than a file of mail needs: tarfile itself reads what a name's length
    says into memory, calls itself for each header before a file, and gives holes of any size.
    """

    def _proc_member(self, archive: _BoundedTar) -> tarfile.TarInfo:
        if self.type in _EXTENSIONS:
            archive.extensions += 1
            archive.common += self.type == tarfile.XGLTYPE
            if self.size > _LARGEST_EXTENSION or max(archive.extensions, archive.common) > _MOST_EXTENSIONS:
                raise SourceError("The tar file says more of a file than a name and times.")
        else:
            archive.extensions = 0
            if self.type == tarfile.GNUTYPE_SPARSE:
                raise SourceError(_SPARSE)
        return super()._proc_member(archive)  # type: ignore[misc, no-any-return]

    def _proc_gnusparse_10(self, *_arguments: object) -> None:
        raise SourceError(_SPARSE)


class _BoundedTar(tarfile.TarFile):
    tarinfo = _BoundedInfo
    extensions = common = 0


_EXTENSIONS = (
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
)
_SPARSE = "The tar file has files with holes. Make it without them (not tar --sparse)."


def of_tar(stream: BinaryIO, bounds: Bounds, packed: PackedStream | None = None) -> Iterator[ArchivedFile]:
    """The files of a tar, which is read once from its beginning to its end; raises SourceError."""
    number = 0
    try:
        with _BoundedTar.open(fileobj=stream, mode="r|") as archive:
            while (member := archive.next()) is not None:
                archive.members = []  # type: ignore[attr-defined]  # it would keep every one
                number += 1
                if number > bounds.entries:
                    raise SourceError(f"The archive has more than {bounds.entries:,} files.")
                moved = packed.moved_on if packed else archive.offset
                if member.isdir():
                    continue
                if not member.isreg() or member.issparse():
                    why = "it has holes" if member.isreg() else "it is a link or a device"
                    yield ArchivedFile(member.name, 0, None, why, moved)
                    continue
                opened = archive.extractfile(member)
                yield ArchivedFile(member.name, member.size, cast(BinaryIO, opened), "", moved)
    except (tarfile.TarError, EOFError, OSError, zlib.error, ValueError) as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"The tar file cannot be read any further: {error}.") from None


def of_directory(root: Path) -> Iterator[ArchivedFile]:
    """The regular files below a directory, in the order of their names; no link is followed."""
    done = 0
    for folder, subfolders, names, descriptor in os.fwalk(root, follow_symlinks=False):
        subfolders.sort()
        for name in sorted(names):
            path = str(Path(folder, name).relative_to(root))
            try:
                opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=descriptor)
            except OSError as error:
                yield ArchivedFile(path, 0, None, f"it cannot be opened: {error.strerror}", done)
                continue
            with contextlib.closing(os.fdopen(opened, "rb")) as file:
                found = os.fstat(file.fileno())
                if not stat.S_ISREG(found.st_mode):
                    continue
                done += found.st_size
                yield ArchivedFile(path, found.st_size, file, "", done, found.st_size)


UNREADABLE = (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error)
"""What reading a damaged file of an archive raises."""


class PackedStream:
    """A stream that unpacks gzip, and refuses what grows too much; `moved_on` is how much of the file is read."""

    def __init__(self, file: BinaryIO, bounds: Bounds) -> None:
        self._file = file
        self._bounds = bounds
        self._unpacker = zlib.decompressobj(wbits=31)
        self._kept = b""
        self._unpacked = 0
        self._ended = False

    @property
    def moved_on(self) -> int:
        """How much of the packed file is read."""
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        """The next octets, `size` at the most; b"" at the end. Raises SourceError."""
        wanted = 1 << 20 if size < 0 else size
        while len(self._kept) < wanted and not self._ended:
            self._more()
        taken, self._kept = self._kept[:wanted], self._kept[wanted:]
        return taken

    def seek(self, offset: int) -> int:
        """Goes forward to an octet of what is unpacked."""
        at = self._unpacked - len(self._kept)
        while at < offset and (more := self.read(min(1 << 20, offset - at))):
            at += len(more)
        return at

    def _more(self) -> None:
        if self._unpacker.eof:
            rest = self._unpacker.unused_data or self._file.read(65536)
            if not rest.strip(b"\0"):
                self._ended = True
                return
            self._unpacker = zlib.decompressobj(wbits=31)  # another member (RFC 1952 section 2.2)
        else:
            rest = self._unpacker.unconsumed_tail or self._file.read(65536)
        try:
            unpacked = self._unpacker.decompress(rest, 1 << 20)
        except zlib.error:
            raise SourceError("The gzip file is damaged.") from None
        if not rest and not unpacked:
            if not self._unpacker.eof:
                raise SourceError("The gzip file is cut off.")
            self._ended = True
        self._kept += unpacked
        self._unpacked += len(unpacked)
        if self._unpacked > self._bounds.unpacked:
            raise SourceError(f"The file is more than {self._bounds.unpacked:,} octets unpacked.")
        if self._unpacked > _LOOK_AT and self._unpacked > MOST_PACKED * self._file.tell():
            raise SourceError("The file is packed too well to be mail.")
