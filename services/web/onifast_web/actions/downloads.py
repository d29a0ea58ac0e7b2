"""Files to be saved: a message's attachments, and its bytes. Never shown by a browser in our name."""

from __future__ import annotations

import hashlib
import io
import itertools
import zipfile
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from flask import Response, request
from onifast_shared.db.database import Database
from onifast_shared.mailboxes import contents
from onifast_shared.mailboxes.stored_attachments import LargeBytes, StoredAttachment
from onifast_shared.message.parsing import Attachment, Parsed

from onifast_web.http.problems import not_found
from onifast_web.reading import render

POLICY = "default-src 'none'; sandbox"
"""Of what a stranger sent and a browser might show: nothing runs in it, and nothing is loaded by it."""

_PIECE = 256 * 1024
# Types that a browser would run something in, were it ever to show them.
_ACTIVE_TYPES = ("text/html", "text/xml", "text/javascript", "application/xhtml", "application/xml", "image/svg")


def attachment(parsed: Parsed, index: int) -> Response:
    """A message's attachment; raises Problem(404) for a number that it does not have."""
    if not 0 <= index < len(parsed.attachments):
        raise not_found("attachment")
    item = parsed.attachments[index]
    return _streamed(item.chunks, name_of(item), _saved_as(item.content_type))


def stored(found: StoredAttachment, database: Database) -> Response:
    """The same, read from the database piece by piece as it is sent."""
    name = _file_name(found.at.filename, found.at.place)
    return _known(found.chunks(database), found.at.size, found.mark, name, _saved_as(found.at.content_type))


def stored_message(found: LargeBytes, trace: bytes, database: Database, name: str) -> Response:
    """A large message's bytes, read likewise."""
    chunks = itertools.chain([trace], contents.octets(database, found.content_id, 0, found.size))
    mark = f"{found.content_id} {hashlib.sha256(trace).hexdigest()}"
    return _known(chunks, found.trace + found.size, mark, name, "message/rfc822")


def _saved_as(content_type: str) -> str:
    active = content_type.startswith(_ACTIVE_TYPES) or content_type.endswith("+xml")
    return "application/octet-stream" if active or not content_type else content_type


def shown(item: Attachment, media_type: str) -> Response:
    """An attachment that a page of ours shows, as what its content is; for a reader who goes there, a file to save."""
    response = _streamed(item.chunks, name_of(item), media_type)
    response.headers["Cache-Control"] = "private, max-age=3600"
    return response


def archive(items: Sequence[Attachment], name: str, when: datetime) -> Response:
    """Attachments as one zip file, made as it is sent: no more of it is in memory than one piece."""
    response = Response(_zipped(items, when), content_type="application/zip")
    _name(response, name)
    return response


class _Outlet(io.RawIOBase):
    """Where `zipfile` writes to: what was written is taken away at once."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._written.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        written = b"".join(self._written)
        self._written.clear()
        return written


def _zipped(items: Sequence[Attachment], when: datetime) -> Iterator[bytes]:
    outlet, taken = _Outlet(), set[str]()
    stamp = max(when.timetuple()[:6], (1980, 1, 1, 0, 0, 0))  # no file of a zip is older
    with zipfile.ZipFile(outlet, "w") as made:
        for item in items:
            entry = zipfile.ZipInfo(_unique(name_of(item), taken), stamp)
            entry.external_attr = 0o644 << 16
            # What is compressed already costs time and gains nothing.
            packs = item.content_type.startswith("text/") or item.is_message
            entry.compress_type = zipfile.ZIP_DEFLATED if packs else zipfile.ZIP_STORED
            with made.open(entry, "w") as target:
                for chunk in item.chunks():
                    target.write(chunk)
                    yield outlet.take()
            yield outlet.take()
    yield outlet.take()


def _unique(name: str, taken: set[str]) -> str:
    """A name that no other file of the archive has, on systems too that know no capitals."""
    stem, dot, extension = name.rpartition(".")
    found, number = name, 1
    while found.casefold() in taken:
        number += 1
        found = f"{stem} ({number}).{extension}" if dot and stem else f"{name} ({number})"
    taken.add(found.casefold())
    return found


def on_disk(path: Path, mark: str, name: str, content_type: str) -> Response:
    """A file of ours on disk, read piece by piece as it is sent."""
    return _known(_read(path), path.stat().st_size, mark, name, content_type)


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file_there:
        while piece := file_there.read(_PIECE):
            yield piece


def safe_name(name: str) -> str:
    """A name that a file may have."""
    return render.file_name(name, "mail")


def file(data: bytes, name: str, content_type: str) -> Response:
    """Bytes as a file, or the part of them that Range asks for (RFC 9110 section 14); what is there already is 304."""
    return _streamed(lambda: iter([data]), name, content_type)


def _streamed(chunks: Callable[[], Iterator[bytes]], name: str, content_type: str) -> Response:
    """`file`, of what `chunks` gives piece by piece: once to know how much it is, and once to send it."""
    digest, size = hashlib.sha256(), 0
    for chunk in chunks():
        digest.update(chunk)
        size += len(chunk)
    return _known(chunks(), size, digest.hexdigest(), name, content_type)


def _known(chunks: Iterator[bytes], size: int, mark: str, name: str, content_type: str) -> Response:
    """A file of `size` octets, which no other one with the same `mark` differs from."""
    response = Response(chunks, content_type=content_type)
    response.content_length = size
    _name(response, name)
    etag = hashlib.sha256(mark.encode()).hexdigest()[:32]
    response.set_etag(etag)
    environ = dict(request.environ)
    if not _range_counts(etag):
        environ.pop("HTTP_RANGE", None)
    response.make_conditional(environ, accept_ranges=True, complete_length=size)
    return response


def _name(response: Response, name: str) -> None:
    """Makes of an answer a file to be saved under a name."""
    # RFC 6266: the plain name for old programs, the real one for all others.
    plain = name.encode("ascii", "replace").decode("ascii").replace("?", "_")
    response.headers["Content-Disposition"] = (
        f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    )
    response.headers["Content-Security-Policy"] = POLICY


def _range_counts(etag: str) -> bool:
    """Whether a part is what is asked for; else it is the whole, as if no Range had been sent (RFC 9110).

    Of several parts the whole is sent too (section 14.2 leaves that to us).
    """
    wanted = request.range
    if request.method != "GET" or wanted is None or wanted.units != "bytes" or len(wanted.ranges) != 1:
        return False
    if request.headers.get("If-Range", "").lstrip().startswith("W/"):
        return False  # section 13.1.5: a weak validator matches nothing
    return not request.if_none_match.contains_weak(etag)  # section 13.2.2: that one goes first


def name_of(item: Attachment) -> str:
    """What an attachment is called as a file."""
    return _file_name(item.filename, item.index)


def message_name(subject: str) -> str:
    """What a message is called as a file."""
    return f"{render.file_name(subject, 'message')[:100]}.eml"


def _file_name(filename: str, index: int) -> str:
    return render.file_name(filename, f"attachment-{index + 1}")
