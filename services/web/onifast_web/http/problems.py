"""Failures that a caller is told about: RFC 9457 problem documents for programs, readable pages for people."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from threading import BoundedSemaphore
from typing import Any

from flask import Flask, Request, Response, json, render_template, request
from onifast_shared.db.errors import DatabaseBusy, DatabaseError, DatabaseFull
from onifast_shared.db.reports import Reports
from onifast_shared.machine import log
from werkzeug.exceptions import BadHost, HTTPException, RequestEntityTooLarge

from onifast_web.http.forwarded import IGNORED_PROXY
from onifast_web.languages.texts import _

_logger = log.get("web")
_reports = Reports(_logger)

MEDIA_TYPE = "application/problem+json"
_RETRY_SOON = {"Retry-After": "5"}
# Who has just put a web server before this one sees this first, and no page that could tell more.
_NOT_BELIEVED = " A web server before this one is not believed: see proxy-not-trusted in the log of onifast-web."


class Problem(Exception):
    """A request that is not carried out. `detail` is one sentence for whoever sent it, and holds no path or secret.

    `errors` name the fields that are wrong; `headers` go into the answer; `members` into the document, as its `type`
    has them.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        type: str = "about:blank",
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.type = type
        self.members = dict(members or {})
        self.status = HTTPStatus(status)
        self.detail = detail
        self.errors = list(errors)
        self.headers = dict(headers or {})

    def document(self) -> dict[str, Any]:
        """The members of RFC 9457 section 3.1, and `errors` where fields are at fault."""
        members: dict[str, Any] = {
            "type": self.type,
            "title": self.status.phrase,
            "status": int(self.status),
            "detail": self.detail,
        }
        return members | ({"errors": self.errors} if self.errors else {}) | self.members


def not_found(what: str = "message") -> Problem:
    """The answer for what is not there, and for what belongs to somebody else: they must look the same."""
    return Problem(404, _("There is no such %(what)s.", what=what))


def unprocessable(field: str, message: str) -> Problem:
    """The answer to a request whose fields do not fit."""
    return Problem(422, f"{field}: {message}", errors=[{"field": field, "message": message}])


@contextmanager
def waiting_for_others(places: BoundedSemaphore) -> Iterator[None]:
    """For what waits for the DNS or for outbox; raises Problem(503) where as many do as there are places.

    A domain's owner can have its name servers keep silent: they must not have all threads wait for them.
    """
    if not places.acquire(blocking=False):
        raise Problem(503, _("Too many others wait for such an answer. Try again in a moment."), headers=_RETRY_SOON)
    try:
        yield
    finally:
        places.release()


def from_database(error: DatabaseError) -> Problem:
    """What a failing database means to a client: nothing was changed, and trying again is right."""
    if isinstance(error, DatabaseFull):
        return Problem(507, _("The server's disk is full; nothing was changed."), headers=_RETRY_SOON)
    if isinstance(error, DatabaseBusy):
        return Problem(503, _("The server is busy; nothing was changed. Try again in a moment."), headers=_RETRY_SOON)
    return Problem(503, _("The mail store cannot be reached just now. Try again in a moment."), headers=_RETRY_SOON)


def from_http(error: HTTPException) -> Problem:
    """Flask's own errors (404, 405, 413 …) in our words."""
    status = error.code or 500
    headers = {
        name: value
        for name, value in error.get_headers(request.environ)
        if name.lower() not in {"content-type", "content-length"}
    }
    if isinstance(error, RequestEntityTooLarge):
        return Problem(413, _("The request is larger than this server accepts."), headers=headers)
    details = {
        400: _("The request could not be understood."),
        404: _("There is nothing at this address."),
        405: _("This address does not answer to that method."),
    }
    return Problem(status, details.get(status, f"{HTTPStatus(status).phrase}."), headers=headers)


def is_for_programs(asked: Request) -> bool:
    """Whether the answer is JSON: all below /api, what monitors ask, and whoever asks for JSON and not for a page."""
    if asked.path.startswith("/api/") or asked.path == "/readyz":
        return True
    return asked.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json"


def answer(problem: Problem) -> Response:
    """The problem as the caller can read it."""
    if is_for_programs(request):
        response = Response(json.dumps(problem.document()), problem.status, content_type=MEDIA_TYPE)
    else:
        response = Response(render_template("problem.html", problem=problem), problem.status)
    response.headers.extend(problem.headers)
    response.headers["Cache-Control"] = "no-store"
    return response


def register(app: Flask) -> None:
    """Every way in which a view can fail ends in `answer`."""

    @app.errorhandler(Problem)
    def _problem(error: Problem) -> Response:
        return answer(error)

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response:
        if isinstance(error, BadHost):
            # No page: its links cannot be made for a name that is none (RFC 9112 section 3.2).
            return Response("The Host header is no host name.\n", 400, mimetype="text/plain")
        if error.response is not None and error.code is not None and error.code < 400:
            return Response(status=error.code, headers=error.get_headers(request.environ))
        problem = from_http(error)
        if problem.status == 404 and IGNORED_PROXY in request.environ:
            problem.detail += _NOT_BELIEVED
        return answer(problem)

    @app.errorhandler(DatabaseError)
    def _database(error: DatabaseError) -> Response:
        _reports.report("database-error", error, logging.ERROR, path=request.path)
        return answer(from_database(error))

    @app.errorhandler(Exception)
    def _unforeseen(_error: Exception) -> Response:
        _logger.exception("unforeseen-error path=%s", log.shown(request.path))
        return answer(Problem(500, _("Something went wrong on the server. It has been logged.")))
