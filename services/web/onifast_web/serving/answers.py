"""Answers of waitress: a page's, and those to requests that it refuses itself."""

from __future__ import annotations

import json
from typing import Any

from waitress.task import ErrorTask, Task, WSGITask
from waitress.utilities import RequestEntityTooLarge

from onifast_web.http.forwarded import CALLER, PEER
from onifast_web.http.problems import MEDIA_TYPE
from onifast_web.http.response_headers import DATA_POLICY

SMALL_BODY = 1024 * 1024
"""Octets of a body that anybody may send."""

BUSY_SECONDS = 10
"""After which to ask again, where there was no room."""

_PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    '<meta name="color-scheme" content="light dark"><title>{title}</title><h1>{title}</h1><p>{detail}</p></html>'
)


class TooManyLarge(RequestEntityTooLarge):  # type: ignore[misc]
    """Too many large requests are under way, whoever sends them."""

    code = 503
    reason = "Service Unavailable"


class ShareIsFull(RequestEntityTooLarge):  # type: ignore[misc]
    """A client sends more requests at once than are its share."""

    code = 429
    reason = "Too Many Requests"


class _Ending(Task):  # type: ignore[misc]
    """Ends the connection with this answer once the program is to stop, and keeps it where waitress would end it.

    An answer that has no body (204, 304) ends with its header (RFC 9112 section 6.3), so another request may follow.
    """

    channel: Any  # a `channel.Channel`, which has these for its tasks
    request: Any
    _goes_on = False

    def build_response_header(self) -> bytes:
        if self.channel.front.stopping:
            self.request.headers["CONNECTION"] = "close"
        wants_end = self.request.headers.get("CONNECTION", "").lower() == "close"
        self._goes_on = not self.has_body and self.version == "1.1" and not wants_end
        header: bytes = super().build_response_header()
        self._goes_on = False
        return header

    def set_close_on_finish(self) -> None:
        if not self._goes_on:
            super().set_close_on_finish()


class PageTask(_Ending, WSGITask):  # type: ignore[misc]
    """The answer of a view, which learns who the client is and may tell who calls."""

    def get_environment(self) -> dict[str, Any]:
        """WSGI's environment (PEP 3333), with the client and the way to tell its caller."""
        environ: dict[str, Any] = super().get_environment()
        environ[PEER] = self.channel.peer
        environ[CALLER] = self.channel.learn_caller
        return environ


class RefusalTask(_Ending, ErrorTask):  # type: ignore[misc]
    """An error that waitress itself finds (bad syntax, a body that is too large), as RFC 9457 wants it."""

    def execute(self) -> None:
        """Writes the answer."""
        error = self.request.error
        detail = _in_words(error, self.channel.adj.max_request_body_size)
        document = {"type": "about:blank", "title": error.reason, "status": error.code, "detail": detail}
        media_type, body = MEDIA_TYPE, json.dumps({key: value for key, value in document.items() if value})
        if detail and "text/html" in self.request.headers.get("ACCEPT", ""):
            media_type, body = "text/html; charset=utf-8", _PAGE.format(title=error.reason, detail=detail)
        self.status = f"{error.code} {error.reason}"
        self.response_headers.extend([("Content-Type", media_type), ("Cache-Control", "no-store")])
        self.response_headers.append(("Content-Security-Policy", DATA_POLICY))
        if isinstance(error, TooManyLarge | ShareIsFull):
            self.response_headers.append(("Retry-After", str(BUSY_SECONDS)))
        self.set_close_on_finish()
        self.content_length = len(body.encode())
        self.write(body.encode())


def _in_words(error: Any, most: int) -> str:
    """What a person is to know of a refusal; "" of one that only a broken program gets."""
    if isinstance(error, TooManyLarge):
        return f"Too many large requests are under way. Try again in {BUSY_SECONDS} seconds."
    if isinstance(error, ShareIsFull):
        return f"Too many requests come from your address at once. Try again in {BUSY_SECONDS} seconds."
    if isinstance(error, RequestEntityTooLarge):
        return (
            f"What was sent is larger than {most // 1_000_000} MB, which is the most that Onifast Mail takes, or than"
            f" {SMALL_BODY // 1024} KB without a login. Go back and send less: a message's files count together."
        )
    return ""
