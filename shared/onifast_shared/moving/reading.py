"""Reads a file or directory of mail, whatever it is: an mbox, a message, a Maildir, or an archive of any of these.

What it is is found by its octets, within an archive by its path too. A position, `FILE:OCTET`, says where to go on.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, cast

from onifast_shared.message.headers import FIELD
from onifast_shared.moving import archives, maildir, mbox, places
from onifast_shared.moving.archives import ArchivedFile, PackedStream
from onifast_shared.moving.found import Bounds, Finds, Found, PassedOver, SourceError, SourceMessage
from onifast_shared.moving.maildir import MaildirEntry

_GZIP, _ZIP, _EMPTY_ZIP = b"\x1f\x8b", b"PK\x03\x04", b"PK\x05\x06"
_NO_MAIL = re.compile(
    r"(?:^|/)(?:__MACOSX/.*|\.DS_Store|Thumbs\.db|desktop\.ini|dovecot[^/]*|maildirfolder|maildirsize|subscriptions|"
    r"courierimap[^/]*|\.lock|tmp/[^/]*|[^/]+\.(?:msf|dat|plist|emlxpart|lock|html|js|css))\Z",
    re.IGNORECASE,
)
_EML = re.compile(r"\.(?:eml|mht|msg\.txt|rfc822)\Z", re.IGNORECASE)
_MBOX = re.compile(r"\.(?:mbox|mbx|mboxrd|mbs)\Z", re.IGNORECASE)
_ABOVE_FOLDERS = re.compile(
    r"\A(?:.*?/)?(?:Takeout/(?:Mail|Gmail|E-?Mail)|(?:Mail|ImapMail)/[^/]+|Local Folders)/", re.IGNORECASE
)
_SNIFFED = 4096

Files = Callable[[], Iterator[ArchivedFile]]
_Keywords = dict[str, dict[int, str]]


def read(path: Path, name: str, bounds: Bounds, position: str = "") -> Finds:
    """All that is found in a file or directory that its owner calls `name`, from a position on; raises SourceError."""
    try:
        if path.is_dir():
            yield from _files(lambda: archives.of_directory(path), bounds, "")
            return
        with path.open("rb") as file:
            yield from _of_file(path, file, name, bounds, position)
    except OSError as error:
        raise SourceError(f"It cannot be read: {error.strerror}.") from None


def size_of(path: Path) -> int:
    """How many octets there are to be read."""
    if path.is_dir():
        return sum(each.size for each in archives.of_directory(path))
    return path.stat().st_size


def _of_file(path: Path, file: BinaryIO, name: str, bounds: Bounds, position: str) -> Finds:
    begin = file.read(_SNIFFED)
    file.seek(0)
    if begin.startswith((_ZIP, _EMPTY_ZIP)):
        yield from _files(lambda: archives.of_zip(path, bounds), bounds, position)
    elif begin.startswith(_GZIP):
        yield from _packed(path, file, name, bounds, position)
    elif _is_tar(begin):
        yield from _files(lambda: _tar(path, bounds), bounds, position)
    else:
        yield from _plain(file, begin, name, bounds, position)


def _packed(path: Path, file: BinaryIO, name: str, bounds: Bounds, position: str) -> Finds:
    begin = PackedStream(file, bounds).read(_SNIFFED)
    file.seek(0)
    if _is_tar(begin):
        yield from _files(lambda: _packed_tar(path, bounds), bounds, position)
        return
    packed = PackedStream(file, bounds)
    plain_name = re.sub(r"\.gz\Z", "", name, flags=re.IGNORECASE)
    for found in _plain(cast(BinaryIO, packed), begin, plain_name, bounds, position):
        yield replace(found, octets=packed.moved_on)


def _tar(path: Path, bounds: Bounds) -> Iterator[ArchivedFile]:
    with path.open("rb") as file:
        yield from archives.of_tar(file, bounds)


def _packed_tar(path: Path, bounds: Bounds) -> Iterator[ArchivedFile]:
    with path.open("rb") as file:
        packed = PackedStream(file, bounds)
        yield from archives.of_tar(cast(BinaryIO, packed), bounds, packed)


def _is_tar(begin: bytes) -> bool:
    return begin[257:262] == b"ustar"


def _plain(stream: BinaryIO, begin: bytes, name: str, bounds: Bounds, position: str) -> Finds:
    place = _MBOX.sub("", name)
    place = place if places.folder_of(place) else ""
    if _is_mbox(begin):
        yield from mbox.read(stream, bounds, place=place, start=int(position or 0))
    elif _is_message(begin):
        if not position:
            yield replace(_message(stream, name, "", bounds, None), position="1")
    else:
        raise SourceError("This is neither an mbox file, nor a message, nor a zip or tar archive.")


def _is_mbox(begin: bytes) -> bool:
    return begin.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n").startswith(b"From ")


def _is_message(begin: bytes) -> bool:
    return bool(FIELD.match(begin.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n") + b"\n"))


def _message(stream: BinaryIO, name: str, place: str, bounds: Bounds, entry: MaildirEntry | None) -> Found:
    raw = stream.read(bounds.message + 1)
    if raw.startswith(_GZIP) and entry is not None:  # Dovecot's zlib plugin
        with contextlib.suppress(SourceError):
            raw = _unpacked(raw, bounds)
    if len(raw) > bounds.message:
        return PassedOver(name, f"it has more than {bounds.message:,} octets, which are the most")
    if not raw.strip():
        return PassedOver(name, "it is empty")
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    return SourceMessage(raw, name, place)


def _unpacked(raw: bytes, bounds: Bounds) -> bytes:
    return PackedStream(io.BytesIO(raw), bounds).read(bounds.message + 1)


def _files(files: Files, bounds: Bounds, position: str) -> Finds:
    """What the files of an archive hold."""
    keywords = _keywords(files)
    first, octet = (int(part or 0) for part in (position or ":").split(":"))
    for number, file in enumerate(files()):
        if number < first or _NO_MAIL.search(file.path):
            continue
        start = octet if number == first else 0
        try:
            yield from _archived(file, number, start, bounds, keywords)
        except archives.UNREADABLE as error:
            yield PassedOver(file.path, f"it cannot be read: {error}", f"{number + 1}:", file.moved_on)


def _archived(file: ArchivedFile, number: int, start: int, bounds: Bounds, keywords: _Keywords) -> Finds:
    done = _Done(number, file)
    if file.stream is None:
        yield PassedOver(file.path, file.problem, done.position, file.moved_on)
        return
    entry = maildir.entry(file.path)
    begin = b"" if start else file.stream.read(0 if entry or _EML.search(file.path) else _SNIFFED)
    stream = cast(BinaryIO, _Rejoined(begin, file.stream)) if begin else file.stream
    if entry is None and (start or _is_mbox(begin)):
        for found in mbox.read(stream, bounds, place=_place_of_mbox(file.path), start=start):
            yield replace(
                found,
                name=f"{file.path}: {found.name}",
                position=f"{number}:{found.position}",
                octets=done.within(int(found.position)),
            )
        return
    if entry is None and not _EML.search(file.path) and not _is_message(begin):
        yield PassedOver(file.path, "it is no mail", done.position, file.moved_on)
        return
    if file.size > bounds.message:
        why = f"it has {file.size:,} octets, and {bounds.message:,} are the most"
        yield PassedOver(file.path, why, done.position, file.moved_on)
        return
    place = maildir.place(entry.folder) if entry else _place_above(file.path)
    found = _message(stream, file.path, place, bounds, entry)
    if entry and isinstance(found, SourceMessage):
        folder = file.path.rsplit("/", 2)[0] if "/" in file.path.rsplit("/", 1)[0] else ""
        marks = maildir.marks(entry.name, is_new=entry.is_new, keywords=keywords.get(folder))
        found = replace(found, marks=marks, received_ts=maildir.received(entry.name))
    yield replace(found, position=done.position, octets=file.moved_on)


@dataclass(frozen=True)
class _Done:
    """How far one has come within a file of an archive, and behind it."""

    number: int
    file: ArchivedFile

    @property
    def position(self) -> str:
        return f"{self.number + 1}:"

    def within(self, octet: int) -> int:
        share = min(1.0, octet / self.file.size) if self.file.size else 1.0
        return self.file.moved_on - int(self.file.packed * (1 - share))


class _Rejoined:
    """A stream with what was read of it to know what it is; `seek` goes to an octet of the whole."""

    def __init__(self, begin: bytes, stream: BinaryIO) -> None:
        self._begin = begin
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        taken, self._begin = (self._begin, b"") if size < 0 else (self._begin[:size], self._begin[size:])
        return taken if len(taken) == size else taken + self._stream.read(size - len(taken) if size >= 0 else -1)

    def seek(self, offset: int) -> int:
        self._begin = b""
        return self._stream.seek(offset)


def _keywords(files: Files) -> _Keywords:
    """Dovecot's keywords of each folder, which may come after its messages."""
    found: _Keywords = {}
    for file in files():
        folder, _, name = file.path.rpartition("/")
        if name == maildir.KEYWORDS_FILE and file.stream is not None and len(found) < 10_000:
            found[folder] = maildir.keywords(file.stream.read(65536))
    return found


def _place_of_mbox(path: str) -> str:
    """The folder that an mbox file is: Thunderbird has `Clients.sbd/Acme`, Apple Mail `Acme.mbox/mbox`."""
    path = _ABOVE_FOLDERS.sub("", path)
    parts = [_MBOX.sub("", part.removesuffix(".sbd")) for part in path.split("/")]
    if len(parts) > 1 and parts[-1] in ("mbox", "table_of_contents"):
        parts.pop()
    return "/".join(part for part in parts if part.strip("."))


def _place_above(path: str) -> str:
    path = _ABOVE_FOLDERS.sub("", path)
    return "/".join(part for part in path.split("/")[:-1] if part.strip("."))
