"""In which language, and for which time zone, the request at hand is answered.

It is found out once it is known whose request it is (`settle`): not only where a text is asked for, for that may be
within a transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flask import Flask, current_app, has_request_context, request

from onifast_web.languages import pseudo
from onifast_web.languages.catalogue import SOURCE, Catalogue, known, load

_EXTENSION = "languages"


@dataclass(frozen=True)
class Own:
    """What the person whose request it is chose: a language by BCP 47, a time zone by its IANA name; "" for none."""

    language: str = ""
    zone: str = ""


@dataclass(frozen=True)
class _Answering:
    """What a request is answered in; `zone` is None where the person chose none."""

    catalogue: Catalogue
    zone: ZoneInfo | None


@dataclass(frozen=True)
class _Choosing:
    """How an application chooses: what people chose themselves, then what their browser asks for, then its default."""

    own: Callable[[], Own]
    default: str
    offered: tuple[str, ...]

    def language(self, own: str) -> str:
        """The one to answer in, for somebody who chose `own`."""
        asked = asked_for([tag for tag, _ in request.accept_languages], self.offered)
        return own if own in self.offered else asked or self.default


_current: ContextVar[_Answering | None] = ContextVar("onifast-language", default=None)


def register(app: Flask, own: Callable[[], Own], default: str, *, with_pseudo: bool = False) -> None:
    """Has each request of the app answered in its language; what programs ask for, in the source's."""
    offered_tags = (*known(), *(pseudo.LANGUAGES if with_pseudo else ()))
    app.extensions[_EXTENSION] = _Choosing(own, default if default in offered_tags else SOURCE, offered_tags)
    app.before_request(_forget)
    app.teardown_request(lambda _error: _forget())


def catalogue() -> Catalogue:
    """The language of the request; the source's where there is none."""
    return (_current.get() or _found()).catalogue


def zone() -> ZoneInfo | None:
    """The time zone that the person chose whose request it is."""
    return (_current.get() or _found()).zone


def offered() -> tuple[str, ...]:
    """The languages that people can choose."""
    return _choosing().offered


def asked_for(tags: list[str], offered_tags: tuple[str, ...]) -> str:
    """The first of a browser's languages that there is, as it is or without its region (RFC 4647 section 3.4)."""
    by_lower = {tag.lower(): tag for tag in offered_tags}
    for tag in tags:
        wanted = tag.lower()
        while wanted:
            if wanted in by_lower:
                return by_lower[wanted]
            wanted = wanted.rpartition("-")[0]
    return ""


@lru_cache(maxsize=64)
def zone_named(name: str) -> ZoneInfo | None:
    """The time zone of that name in the IANA database; None where there is none."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def settle() -> None:
    """Finds out in which language the request is answered, for who is known by now."""
    _found()


def _found() -> _Answering:
    if not has_request_context():
        return _Answering(load(SOURCE), None)
    if request.path.startswith("/api/"):
        found = _Answering(load(SOURCE), None)
    else:
        own = _choosing().own()
        found = _Answering(load(_choosing().language(own.language)), zone_named(own.zone))
    _current.set(found)
    return found


def _choosing() -> _Choosing:
    found: _Choosing = current_app.extensions[_EXTENSION]
    return found


def _forget() -> None:
    _current.set(None)
