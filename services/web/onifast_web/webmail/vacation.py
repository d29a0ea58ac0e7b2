"""Vacation: what the account, or one of its addresses, answers while its user is away."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta, tzinfo

from flask import Response, redirect, request, url_for
from onifast_shared.db.database import Connection
from onifast_shared.filters import vacations
from onifast_shared.filters.vacations import VacationNote
from onifast_shared.recipients import addresses
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.actions import vacation as actions
from onifast_web.http.problems import Problem
from onifast_web.languages.texts import _, marked
from onifast_web.reading.render import sentence
from onifast_web.webmail.declared import NavEntry, NavGroup, Notices, PageRoute
from onifast_web.webmail.looks import sent_looks
from onifast_web.webmail.pages import page, user

_LONGEST = vacations.LONGEST_TEXT + 1
_UTC = "UTC"


@allow(Who.USER)
def vacation() -> AnyResponse:
    """The note of the account, or of one address, with its form."""
    web, (_caller, username) = current(), user()
    if request.method == "GET":
        return _page(username, request.args.get("address", ""))
    address, do = request.form.get("address", ""), request.form.get("do", "")
    if do == "off":
        actions.turn_off(web, username)
        return redirect(url_for("webmail.vacation", did="vacation-off"), 303)
    if do == "remove":
        actions.remove(web, username, address)
        return redirect(url_for("webmail.vacation", did="vacation-removed"), 303)
    if do != "save":
        raise Problem(400, _("That action is not known."))
    note, errors = _sent(address)
    if not errors:
        try:
            note = actions.put(web, username, note)
        except Problem as problem:
            if problem.status != 422:
                raise
            errors = {str(each["field"]): sentence(str(each["message"])) for each in problem.errors}
    if errors:
        return _page(username, address, note, errors)
    did = "vacation-saved" if not note.is_on else "vacation-later" if note.awaits(web.clock()) else "vacation-on"
    return redirect(url_for("webmail.vacation", address=note.address or None, did=did), 303)


ROUTES = (PageRoute("GET POST", "/vacation", vacation),)
NAV = (
    NavEntry(
        "vacation",
        marked("Vacation"),
        vacation,
        icon="vacation",
        group=NavGroup.WRITING,
        order=40,
        hint=marked("What people are answered while you are away."),
    ),
)
NOTICES: Notices = {
    "vacation-on": marked("Saved. Who writes to you is answered from now on."),
    "vacation-later": marked("Saved. Who writes to you is answered from its first day on."),
    "vacation-saved": marked("Saved. It is off: nobody is answered."),
    "vacation-off": marked("Turned off. Nobody is answered any more."),
    "vacation-removed": marked("Deleted."),
}


def _sent(address: str) -> tuple[VacationNote, dict[str, str]]:
    """The note that was sent, and what is wrong with its days."""
    form, errors = request.form, dict[str, str]()
    name = form.get("zone", _UTC)[:64]
    zone = vacations.time_zone(name)
    note = VacationNote(
        address=address[:400],
        is_on=form.get("is_on") == "1",
        subject=form.get("subject", "").strip()[: vacations.LONGEST_SUBJECT + 1],
        text=_lines("text"),
        html=sent_looks()[:_LONGEST],
        known_text=_lines("known_text"),
        known_html=sent_looks("known_html", "known_text")[:_LONGEST],
        audience="known" if form.get("audience") == "known" else "everybody",
        days=form.get("days", 0, type=int),
        zone=name if zone else _UTC,
    )
    return replace(note, from_ts=_moment("from", zone, errors), until_ts=_moment("until", zone, errors)), errors


def _lines(name: str) -> str:
    # What an editor has between words that it keeps apart is a blank like any other.
    return request.form.get(name, "").replace("\r\n", "\n").replace("\u00a0", " ").strip()[:_LONGEST]


def _moment(name: str, zone: tzinfo | None, errors: dict[str, str]) -> int | None:
    """When a day begins there, or ends if it is the last one; None where none is given."""
    text = request.form.get(name, "").strip()
    if not text:
        return None
    try:
        day = date.fromisoformat(text) + timedelta(days=name == "until")
        return int(datetime.combine(day, time(), zone or vacations.time_zone(_UTC)).timestamp())
    except (ValueError, OverflowError):
        errors[name] = _("A day is written as 2026-12-24.")
        return None


def _day(moment: int | None, note: VacationNote, *, is_last: bool = False) -> str:
    """The day of a moment, as the form has it."""
    if moment is None:
        return ""
    zone = vacations.time_zone(note.zone) or vacations.time_zone(_UTC)
    return datetime.fromtimestamp(moment - is_last, zone).date().isoformat()


def _page(
    username: str, address: str, note: VacationNote | None = None, errors: dict[str, str] | None = None
) -> Response:
    def read(tx: Connection) -> tuple[list[VacationNote], list[str], list[tuple[str, int]]]:
        own = [row.address for row in addresses.list_for(tx, username)]
        return vacations.list_all(tx, username), own, vacations.answered(tx, username, address)

    notes, own, answered = current().database.read(read)
    found = next((each for each in notes if each.address == address), None)
    shown = note or found or VacationNote(address)
    return page(
        "vacation.html",
        "vacation",
        422 if errors else 200,
        note=shown,
        is_kept=found is not None,
        first_day=request.form.get("from", "") if errors else _day(shown.from_ts, shown),
        last_day=request.form.get("until", "") if errors else _day(shown.until_ts, shown, is_last=True),
        notes={each.address: each for each in notes},
        addresses=own,
        answered=answered,
        errors=errors or {},
        now=current().clock(),
        most_days=vacations.MOST_DAYS,
    )
