"""Which images of a message are shown: those that it brings along, and those elsewhere once the reader wants them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from onifast_shared.message import embedding

from onifast_web.reading import trackers

MOST_REMOTE = 300
"""Images from elsewhere that one message may load."""

_INLINE_IMAGE = re.compile(r"data:image/(?:png|gif|jpeg|webp);base64,[A-Za-z0-9+/=\s]+", re.IGNORECASE)
_MAX_URL = 4000
_IGNORED = re.compile(r"[\t\r\n]")  # by browsers, anywhere in a URL


class ImageGate:
    """Judges the images of one message, and counts what it refuses.

    `inline` are those that it brings along (see `embedding`). `remote` gives the URL that one from elsewhere is loaded
    by; None refuses them all.
    """

    def __init__(self, inline: Mapping[str, str], remote: Callable[[str], str] | None) -> None:
        self.embedded: set[str] = set()
        self.blocked: set[str] = set()
        self.trackers: set[str] = set()
        self.loaded: dict[str, str] = {}
        self._inline = inline
        self._remote = remote

    def of(self, source: str, *, is_tiny: bool = False) -> str:
        """What an image's URL becomes, "" where it is not to be loaded."""
        source = source.strip()
        if (name := embedding.reference(source)) in self._inline:
            self.embedded.add(name)
            return self._inline[name]
        if source[:5].lower() == "data:":
            return source if _INLINE_IMAGE.fullmatch(source) else ""
        url = absolute(source)
        if not url:
            return ""
        if is_tiny or trackers.is_known(url):
            self.trackers.add(url)
            return ""
        if url in self.loaded:
            return self.loaded[url]
        if self._remote is None or len(self.loaded) >= MOST_REMOTE:
            self.blocked.add(url)
            return ""
        self.loaded[url] = self._remote(url)
        return self.loaded[url]


def absolute(source: str) -> str:
    """A URL of the web, whole: one that leaves the protocol open means https. "" for any other."""
    url = _IGNORED.sub("", source.strip())
    if url.startswith(("//", "\\\\")):
        url = "https:" + url
    if not url.lower().startswith(("http://", "https://")) or len(url) > _MAX_URL or not url.isprintable():
        return ""
    try:
        return url if urlsplit(url).hostname else ""
    except ValueError:
        return ""
