"""The overview: what is wrong, in words, and what goes in and out, from the programs' own counters."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import NamedTuple

from flask import Response, request
from onifast_shared.db.database import Connection
from onifast_shared.health import checks
from onifast_shared.health.checks import HealthFinding, State
from onifast_shared.limits import standings
from onifast_shared.limits.standings import Hit
from onifast_shared.metrics import gauges, history
from onifast_shared.metrics.gauges import QueueState
from onifast_shared.metrics.history import SPANS, History, Line, Span

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.languages.texts import _, marked
from onifast_web.webmail import charts
from onifast_web.webmail.charts import Chart, ChartLine
from onifast_web.webmail.declared import NavEntry, NavGroup, Notices, PageRoute
from onifast_web.webmail.pages import page, user

MOST_LISTED = 8

_LINES = (
    Line("others", "received_messages", lambda labels: labels["service"] == "smtp"),
    Line("users", "received_messages", lambda labels: labels["service"] != "smtp"),
    Line("remote", "deliveries", lambda labels: labels["way"] == "remote"),
    Line("local", "deliveries", lambda labels: labels["way"] == "local"),
    Line("deferred", "deferrals"),
    Line("bounced", "bounces"),
    Line("temporary", "refusals", lambda labels: labels["kind"] == "temporary"),
    Line("permanent", "refusals", lambda labels: labels["kind"] == "permanent"),
    Line("failed", "logins", lambda labels: labels["result"] == "failure"),
    Line("limits", "limits_hit"),
)
_CHARTS = (
    (
        *("in", marked("Mail in")),
        (("others", marked("by SMTP"), "one"), ("users", marked("from users"), "two")),
    ),
    (
        *("out", marked("Delivered")),
        (("remote", marked("to other servers"), "one"), ("local", marked("here"), "two")),
    ),
    (
        *("trouble", marked("Not delivered")),
        (("deferred", marked("deferred"), "three"), ("bounced", marked("bounced"), "four")),
    ),
    (
        *("refused", marked("Refused")),
        (("temporary", marked("for now"), "three"), ("permanent", marked("for good"), "four")),
    ),
    (
        *("abuse", marked("Logins and limits")),
        (("failed", marked("failed logins"), "three"), ("limits", marked("limits hit"), "four")),
    ),
)
_SPANS = {"hour": marked("Hour"), "day": marked("Day"), "month": marked("30 days")}
_REASONS = {
    "spf": marked("SPF failed"),
    "dkim": marked("DKIM failed"),
    "dmarc": marked("DMARC failed"),
    "authentication": marked("The mail was not authenticated"),
    "reverse-dns": marked("Our address has no proper name in DNS"),
    "blocklist": marked("Our address is on a block list"),
    "reputation": marked("The other side does not trust us"),
    "rate": marked("Too much mail at once"),
    "greylisted": marked("Greylisted"),
    "content": marked("The content was refused"),
    "size": marked("The message is too large"),
    "mailbox-full": marked("The mailbox is full"),
    "unknown-user": marked("There is no such mailbox"),
    "inactive": marked("The mailbox is not in use"),
    "policy": marked("A policy of the other side"),
    "sender": marked("The sender was refused"),
    "tls": marked("TLS failed"),
    "relaying": marked("The other side does not relay"),
    "dns": marked("DNS did not answer"),
    "connection": marked("The server could not be reached"),
    "busy": marked("The server is busy"),
    "too-late": marked("Tried for too long"),
    "other": marked("Another reason"),
}


class Reason(NamedTuple):
    """Why mail is not delivered, in words that are marked for translation, and how often that was."""

    words: str
    bounces: int
    deferrals: int


class OverviewNumbers(NamedTuple):
    """What the database says: what was counted, the queue as it is, why mail fails, and who sends too much."""

    past: History
    queue: Mapping[str, QueueState]
    reasons: list[Reason]
    hits: list[Hit]


@allow(Who.ADMINISTRATOR)
def overview() -> Response:
    """Findings, the queue and the disk as they are now, and charts over an hour, a day or a month."""
    user()
    asked = request.args.get("span", "")
    name = asked if asked in SPANS else "day"
    web, now = current(), time.time()
    found = web.database.read(lambda tx: _look(tx, SPANS[name], now))
    return page(
        "overview.html",
        "overview",
        span=name,
        spans={each: _(title) for each, title in _SPANS.items()},
        troubles_now=_wrong(checks.look(web.settings, knocks=False)),
        queue=found.queue,
        oldest=_oldest(found.queue, now),
        disk=gauges.disk(web.settings),
        charts=[_chart(key, title, lines, found.past) for key, title, lines in _CHARTS],
        drawing=(charts.WIDTH, charts.HEIGHT),
        reasons=found.reasons,
        hits=found.hits,
    )


ROUTES = (PageRoute("GET", "/overview", overview),)
NAV = (
    NavEntry(
        "overview",
        marked("Overview"),
        overview,
        icon="chart",
        group=NavGroup.ADMINISTRATION,
        order=5,
        hint=marked("What is wrong, and what goes in and out."),
    ),
)
NOTICES: Notices = {}


def _oldest(queue: Mapping[str, QueueState], now: float) -> int | None:
    """Since when the oldest is in the queue; what is to be sent later is not there before its time."""
    found = (each.oldest_ts for each in queue.values())
    return min((since for since in found if since is not None and since <= now), default=None)


def _look(tx: Connection, span: Span, now: float) -> OverviewNumbers:
    hits = [hit for hit in standings.hits(tx) if hit.last_ts > now - span.seconds]
    return OverviewNumbers(
        history.of(tx, _LINES, span, now), gauges.queue_states(tx), _reasons(tx, span, now), hits[:MOST_LISTED]
    )


def _reasons(tx: Connection, span: Span, now: float) -> list[Reason]:
    bounces, deferrals = (
        dict(history.by_label(tx, metric, "reason", span, now)) for metric in ("bounces", "deferrals")
    )
    kinds = sorted(bounces.keys() | deferrals.keys(), key=lambda kind: (-bounces.get(kind, 0), -deferrals.get(kind, 0)))
    return [
        Reason(_REASONS.get(kind, _REASONS["other"]), bounces.get(kind, 0), deferrals.get(kind, 0))
        for kind in kinds[:MOST_LISTED]
    ]


def _wrong(findings: list[HealthFinding]) -> list[HealthFinding]:
    """What is not well, the worst first."""
    order = list(State)
    wrong = [finding for finding in findings if finding.state is not State.OK]
    return sorted(wrong, key=lambda finding: -order.index(finding.state))


def _chart(key: str, title: str, lines: tuple[tuple[str, str, str], ...], past: History) -> Chart:
    return charts.drawn(key, _(title), [ChartLine(name, _(words), kind) for name, words, kind in lines], past)
