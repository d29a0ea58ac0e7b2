"""Limits on what is sent: how much is used, who was refused, and forms to change and reset them."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Response, redirect, request, url_for
from onifast_shared.limits import standings as limit_standings
from onifast_shared.limits import store as sending_limits
from onifast_shared.limits import subjects as limit_subjects
from onifast_shared.limits.standings import SubjectStanding
from onifast_shared.limits.subjects import FOREIGN_SENDER, LARGEST, PERIODS, SCOPES, WORDS, Subject
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.actions import limits as actions
from onifast_web.http.problems import Problem
from onifast_web.languages import dates
from onifast_web.languages.retelling import retold
from onifast_web.languages.texts import _, marked
from onifast_web.reading.render import sentence
from onifast_web.webmail.declared import NavEntry, NavGroup, Notices, PageRoute
from onifast_web.webmail.long_lists import shown, wanted
from onifast_web.webmail.pages import page, user

_GAPS = str.maketrans("", "", " ,.'\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}")


@dataclass(frozen=True)
class Gauge:
    """What is used of one limit; `period` is "an hour" or "a day". `until` is when one that is used up has room."""

    used: int
    limit: int
    period: str
    is_own: bool
    until: float | None


@dataclass(frozen=True)
class RefusalMark:
    """What a subject was refused for: a word, how often, and when last."""

    word: str
    times: int
    last_ts: int


@dataclass(frozen=True)
class LimitLine:
    """A row of the table: a subject, its gauges, and what it was refused."""

    subject: Subject
    word: str
    messages: list[Gauge]
    recipients: list[Gauge]
    until: float | None
    marks: list[RefusalMark]


@dataclass(frozen=True)
class LimitField:
    """A limit in the form: its name and words, its own value ("" for none), and the settings' value."""

    name: str
    words: str
    value: str
    default: int


@allow(Who.USER)
def limits() -> AnyResponse:
    """The user's limits; for administrators everybody's, with a form."""
    caller, _username = user()
    if request.method == "GET":
        return _asked(request.args.get("scope", ""), request.args.get("name", ""))
    if not caller.is_admin:
        raise Problem(403, _("Only administrators may do this."))
    scope, name = request.form.get("scope", ""), request.form.get("name", "")
    try:
        subject = limit_subjects.subject(scope, name)
    except ValueError as error:
        return _page(scope, name, {"name": sentence(error)})
    if request.form.get("do") == "reset":
        actions.change(current(), subject, {}, reset=True)
        return redirect(url_for("webmail.limits", did="limits-reset", q=wanted() or None), 303)
    errors: dict[str, str] = {}
    chosen = {counted: _chosen(counted, errors) for counted in PERIODS}
    if errors:
        return _page(scope, name, errors)
    actions.change(current(), subject, chosen, reset=False)
    return redirect(url_for("webmail.limits", did="limits"), 303)


ROUTES = (PageRoute("GET POST", "/limits", limits),)
NAV = (
    NavEntry(
        "limits",
        marked("Limits"),
        limits,
        icon="gauge",
        group=NavGroup.DELIVERY,
        order=50,
        hint=marked("How much may be sent, and how much of it is used."),
    ),
)
NOTICES: Notices = {
    "limits": marked("Limits saved. They count from the next message on."),
    "limits-reset": marked("Forgotten: all of the limit can be used again."),
}


def _asked(scope: str, name: str) -> Response:
    """The page, with the form of a subject if one is named."""
    try:
        if name:
            limit_subjects.subject(scope, name)
    except ValueError as error:
        return _page(scope, name, {"name": sentence(error)})
    return _page(scope, name)


def _chosen(counted: str, errors: dict[str, str]) -> int | None:
    """What stands in a field: nothing for the settings' limit."""
    text = request.form.get(counted, "").translate(_GAPS)
    if not text:
        return None
    if text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) <= LARGEST:
        return int(text)
    errors[counted] = _("A whole number from 0 to %(largest)s, or nothing.", largest=dates.number(LARGEST))
    return None


def _page(scope: str, name: str, errors: dict[str, str] | None = None) -> Response:
    caller, _username = user()
    web = current()
    now = web.clock()
    standings = web.database.read(lambda tx: limit_standings.list_for(tx, caller.manages, web.settings, now))
    found = shown(standings, lambda standing: standing.tally.subject.name)
    subject = _subject(scope, name) if caller.is_admin else None
    return page(
        "limits.html",
        "limits",
        422 if errors else 200,
        lines=[_line(standing, now) for standing in found.rows],
        found=found,
        scopes=[(value, _title(value)) for value in SCOPES],
        subject=subject,
        fields=_fields(subject) if subject else [],
        scope=scope,
        name=name,
        errors=errors or {},
    )


def _subject(scope: str, name: str) -> Subject | None:
    try:
        return limit_subjects.subject(scope, name)
    except ValueError:
        return None


def _fields(subject: Subject) -> list[LimitField]:
    web = current()
    tally = web.database.read(lambda tx: sending_limits.of(tx, subject, web.settings))

    def value(counted: str) -> str:
        if request.method == "POST":
            return request.form.get(counted, "")
        return str(tally.limits[counted]) if counted in tally.own else ""

    return [
        LimitField(
            counted, retold(words.capitalize()), value(counted), limit_subjects.default(subject, counted, web.settings)
        )
        for counted, words in WORDS.items()
    ]


def _line(standing: SubjectStanding, now: float) -> LimitLine:
    tally = standing.tally
    ends = [until for counted in PERIODS if (until := tally.used_up_until(counted, now))]
    return LimitLine(
        subject=tally.subject,
        word=_title(tally.subject.scope),
        messages=_gauges(standing, "messages", now),
        recipients=_gauges(standing, "recipients", now),
        until=max(ends, default=None),
        marks=_marks(standing),
    )


def _gauges(standing: SubjectStanding, what: str, now: float) -> list[Gauge]:
    tally = standing.tally
    return [
        Gauge(
            used=tally.used(counted, now),
            limit=limit,
            period=retold(WORDS[counted].removeprefix(f"{what} ")),
            is_own=counted in tally.own,
            until=tally.used_up_until(counted, now),
        )
        for counted, limit in tally.limits.items()
        if counted.startswith(what) and limit
    ]


def _marks(standing: SubjectStanding) -> list[RefusalMark]:
    beyond = [hit for counted, hit in standing.hits.items() if counted != FOREIGN_SENDER]
    marks = []
    if beyond:
        marks.append(RefusalMark(_("Refused"), sum(hit.times for hit in beyond), max(hit.last_ts for hit in beyond)))
    if foreign := standing.hits.get(FOREIGN_SENDER):
        marks.append(RefusalMark(_("Foreign sender"), foreign.times, foreign.last_ts))
    return marks


def _title(scope: str) -> str:
    word = SCOPES[scope]
    return retold(f"{word[0].upper()}{word[1:]}")
