"""Files to be saved: a message's attachments, and its bytes. Never shown by a browser in our name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from urllib.parse import quote

from flask import Response, request
from onifast_shared.message.parsing import Attachment, Parsed

from onifast_web.http.problems import not_found
from onifast_web.reading import render

POLICY = "default-src 'none'; sandbox"
"""Of what a stranger sent and a browser might show: nothing runs in it, and nothing is loaded by it."""

# Types that a browser would run something in, were it ever to show them.
_ACTIVE_TYPES = ("text/html", "text/xml", "text/javascript", "application/xhtml", "application/xml", "image/svg")


def attachment(parsed: Parsed, index: int) -> Response:
    """A message's attachment; raises Problem(404) for a number that it does not have."""
    if not 0 <= index < len(parsed.attachments):
        raise not_found("attachment")
    item = parsed.attachments[index]
    active = item.content_type.startswith(_ACTIVE_TYPES) or item.content_type.endswith("+xml")
    content_type = "application/octet-stream" if active or not item.content_type else item.content_type
    return _streamed(item.chunks, name_of(item), content_type)


def file(data: bytes, name: str, content_type: str) -> Response:
    """Bytes as a file, or the part of them that Range asks for (RFC 9110 section 14); what is there already is 304."""
    return _streamed(lambda: iter([data]), name, content_type)


def _streamed(chunks: Callable[[], Iterator[bytes]], name: str, content_type: str) -> Response:
    """`file`, of what `chunks` gives piece by piece: once to know how much it is, and once to send it."""
    digest, size = hashlib.sha256(), 0
    for chunk in chunks():
        digest.update(chunk)
        size += len(chunk)
    response = Response(chunks(), content_type=content_type)
    response.content_length = size
    # RFC 6266: the plain name for old programs, the real one for all others.
    plain = name.encode("ascii", "replace").decode("ascii").replace("?", "_")
    response.headers["Content-Disposition"] = (
        f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    )
    response.headers["Content-Security-Policy"] = POLICY
    response.set_etag(digest.hexdigest()[:32])
    response.make_conditional(request, accept_ranges=True, complete_length=size)
    return response


def name_of(item: Attachment) -> str:
    """What an attachment is called as a file."""
    return render.file_name(item.filename, f"attachment-{item.index + 1}")
