"""Refused mail: what did not come in, or was not let out, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Response, redirect, request, url_for
from onifast_shared.refused import refusals as store
from onifast_shared.refused.kept import KeptMessage
from onifast_shared.refused.refusals import Refusal, RefusalRow
from onifast_shared.values.paging import CursorError
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import Web, current
from onifast_web.actions import junk as actions
from onifast_web.http.problems import not_found
from onifast_web.languages.texts import marked
from onifast_web.reading import bodies
from onifast_web.reading.bodies import SenderVerdict
from onifast_web.reading.render import sentence
from onifast_web.webmail.declared import NavEntry, NavGroup, Notices, PageRoute
from onifast_web.webmail.pages import page, user

_PAGE = 50
_DAY = 86400
_STAGES = {
    "MAIL": marked("when the sender was named"),
    "RCPT": marked("when the recipient was named"),
    "DATA": marked("when the message was sent"),
    "BDAT": marked("when the message was sent"),
}


@dataclass(frozen=True)
class RefusalLine:
    """A refusal as the page tells it: `findings` are what the checks of the sender found, in sentences."""

    refused_ts: int
    refusal: Refusal
    reason: str
    stage: str
    for_now: bool
    verdict: SenderVerdict | None
    findings: list[str]
    id: int
    kept: KeptMessage | None
    kept_until: int | None
    rescued_ts: int | None


@allow(Who.USER)
def refusals() -> Response:
    """A page of refused mail, newest first; everybody's for administrators."""
    caller, _username = user()
    web, cursor = current(), request.args.get("cursor") or None
    kept = web.settings.refusals_kept
    try:
        found = web.database.read(
            lambda tx: store.list_page(tx, caller.manages, since=web.clock() - kept, limit=_PAGE, cursor=cursor)
        )
    except CursorError:
        raise not_found("page") from None
    return page(
        "refusals.html",
        "refusals",
        rows=[_line(web, row) for row in found.rows],
        next_cursor=found.next_cursor,
        cursor=cursor,
        days=max(1, round(kept / _DAY)),
        keeps=web.settings.refused_kept_whole > 0,
    )


@allow(Who.USER)
def refusal(refusal_id: int) -> Response:
    """One record, which a digest's link leads to: it changes nothing, since programs follow links."""
    caller, _username = user()
    web = current()
    row = web.database.read(lambda tx: actions.find_refusal(tx, web, caller, refusal_id))
    return page("refusal.html", "refusals", row=_line(web, row))


@allow(Who.USER)
def rescue(refusal_id: int) -> AnyResponse:
    """Fetches a refused message back into its recipient's inbox."""
    caller, username = user()
    email_id, owner = actions.rescue(current(), caller, refusal_id)
    if owner == username:
        return redirect(url_for("webmail.message", email_id=email_id, did="rescued"), 303)
    return redirect(url_for("webmail.refusals", did="rescued-for"), 303)


ROUTES = (
    PageRoute("GET", "/refusals", refusals),
    PageRoute("GET", "/refusals/<int:refusal_id>", refusal, off_menu="the list, and digests, lead to it"),
    PageRoute("POST", "/refusals/<int:refusal_id>/rescue", rescue, off_menu="a record's button posts to it"),
)
NAV = (
    NavEntry(
        "refusals",
        marked("Refused mail"),
        refusals,
        icon="refused",
        group=NavGroup.DELIVERY,
        order=20,
        hint=marked("Mail that was not let in, and how to get it after all."),
    ),
)
NOTICES: Notices = {
    "rescued": marked("Fetched back. It lies in your inbox now; whoever sent it was told that it was refused."),
    "rescued-for": marked("Fetched back into its recipient’s inbox."),
}


def _line(web: Web, row: RefusalRow) -> RefusalLine:
    item = row.refusal
    authentication = item.authentication or {}
    verdict = bodies.verdict(authentication, _author_domain(item))
    checks = [f"{check.name} {check.text}." for check in verdict.checks] if verdict else []
    return RefusalLine(
        refused_ts=row.refused_ts,
        refusal=item,
        reason=_reason(item),
        stage=_STAGES.get(item.stage, ""),
        for_now=400 <= item.code < 500,
        verdict=verdict,
        findings=bodies.reasons(authentication) or checks,
        id=row.id,
        kept=row.kept,
        kept_until=actions.kept_until(web, row),
        rescued_ts=row.rescued_ts,
    )


def _reason(item: Refusal) -> str:
    """The reply's text as a sentence, without the address that stands beside it anyhow."""
    text = item.reason.strip()
    for address in filter(None, (item.recipient, item.sender)):
        text = text.removeprefix(f"<{address}>: ")
    return sentence(text)


def _author_domain(item: Refusal) -> str:
    """The domain that the message claimed to be from: that of its From field, where DMARC looked at it."""
    found: Any = item.authentication
    for name in ("details", "dmarc", "domain"):
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, str) and found else item.sender.rpartition("@")[2]
