"""Our own style sheets and scripts: read once, compressed once, and kept by browsers until they change."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from flask import Response, request, url_for
from werkzeug.exceptions import NotFound

from onifast_web.http import compression

_YEAR = 365 * 86400
# What the page that draws a PDF loads, which has no origin: the same public files for everybody.
_FOR_NO_ORIGIN = ("pdf-frame.", "texts.js", "texts/", "tokens.css", "vendor/pdf/")


@dataclass(frozen=True)
class StaticFile:
    """A file as it is sent: whole, and by gzip where that makes it smaller."""

    media_type: str
    content: bytes
    gzipped: bytes

    @classmethod
    def read(cls, path: Path) -> StaticFile:
        """From the disk. Raises OSError."""
        content = path.read_bytes()
        gzipped = compression.compressed(content)
        media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return cls(media_type, content, gzipped if len(gzipped) < len(content) else content)


class StaticFiles:
    """The files of a directory and those below it, which nobody changes while the program runs."""

    def __init__(self, directory: Path) -> None:
        found = sorted(path for path in directory.rglob("*") if path.is_file())
        self._paths = {path.relative_to(directory).as_posix(): path for path in found}
        # One version for all: the scripts import each other by relative names.
        content = b"".join(path.read_bytes() for path in self._paths.values())
        self.version = hashlib.sha256(content).hexdigest()[:12]
        self._read: Callable[[str], StaticFile] = lru_cache(None)(lambda name: StaticFile.read(self._paths[name]))

    def answer(self, name: str) -> Response:
        """A file. Raises NotFound (404)."""
        if name not in self._paths:
            raise NotFound
        file = self._read(name)
        packed = file.gzipped is not file.content and compression.takes_gzip(request)
        response = Response(file.gzipped if packed else file.content, content_type=_content_type(file.media_type))
        if packed:
            response.headers["Content-Encoding"] = "gzip"
        response.vary.add("Accept-Encoding")
        response.headers["Cache-Control"] = f"public, max-age={_YEAR}, immutable"
        if name.startswith(_FOR_NO_ORIGIN):
            response.headers["Access-Control-Allow-Origin"] = "*"
            response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        response.set_etag(f"{self.version}-{'gzip' if packed else 'plain'}")
        response.make_conditional(request)
        return response

    def link(self, name: str) -> str:
        """Where a file is, for templates."""
        return url_for("static", version=self.version, filename=name)


def _content_type(media_type: str) -> str:
    is_text = media_type.startswith("text/") or media_type == "image/svg+xml"
    return f"{media_type}; charset=utf-8" if is_text else media_type
