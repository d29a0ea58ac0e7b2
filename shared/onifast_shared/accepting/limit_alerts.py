"""Alerts: people and webhooks are told when a limit on outgoing mail is hit, once a day for each of each subject.

The alert is mail like any other, to the subject's owner and to the host's postmaster. It has the null sender, so that
it is never answered by a bounce, and it counts against no limit.
"""

from __future__ import annotations

from onifast_shared.accepting import alerts
from onifast_shared.db.database import Connection
from onifast_shared.limits import store as sending_limits
from onifast_shared.limits import usage as limit_usage
from onifast_shared.limits.subjects import DAY, Subject
from onifast_shared.limits.usage import LimitExceeded
from onifast_shared.machine.config import Settings
from onifast_shared.recipients import addresses
from onifast_shared.values import times
from onifast_shared.values.address import Address
from onifast_shared.webhooks import telling


def hit(tx: Connection, exceeded: LimitExceeded, settings: Settings, now: float) -> None:
    """Notes that a limit was hit, and tells its people of it unless they were told of it within a day."""
    sending_limits.record(tx, exceeded.subject, exceeded.counted, now)
    if not _is_due(tx, exceeded, now):
        return
    _tell_webhooks(tx, exceeded, now)
    if settings.limit_alerts:
        subject, text = f"Limit on outgoing mail reached: {exceeded.subject}", _text(exceeded, settings, now)
        alerts.send(tx, _people(tx, exceeded.subject, settings), subject, text, settings)


def _tell_webhooks(tx: Connection, exceeded: LimitExceeded, now: float) -> None:
    scope, name = exceeded.subject
    owner = _owner(tx, exceeded.subject)
    data = {
        "owner": owner,
        "scope": scope,
        "name": name,
        "counted": exceeded.counted,
        "limit": exceeded.limit,
        "until": None if exceeded.until is None else times.rfc3339(exceeded.until),
    }
    telling.tell(tx, owner, "limit_hit", data, now)


def _is_due(tx: Connection, exceeded: LimitExceeded, now: float) -> bool:
    key = (*exceeded.subject, exceeded.counted)
    sql = """
        INSERT INTO limit_alerts (scope, name, counted, told_ts) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (scope, name, counted) DO UPDATE SET told_ts = ?4 WHERE told_ts <= ?5 OR told_ts > ?4
    """
    tx.execute("DELETE FROM limit_alerts WHERE told_ts <= ?", (int(now - DAY),))
    tx.execute(sql, (*key, int(now), int(now - DAY)))
    return tx.changes() > 0


def _people(tx: Connection, subject: Subject, settings: Settings) -> list[Address]:
    """Who is told: whose mail it is, if they have an address here, and who looks after the host."""
    owner = _owner(tx, subject)
    primary = addresses.primary_address(tx, owner) if owner else None
    postmaster = alerts.postmaster(settings)
    return [primary, postmaster] if primary else [postmaster]


def _owner(tx: Connection, subject: Subject) -> str | None:
    return addresses.domain_owner(tx, subject.name) if subject.scope == "domain" else subject.name


def _text(exceeded: LimitExceeded, settings: Settings, now: float) -> str:
    subject = exceeded.subject
    return f"""Mail of {subject} was refused by {settings.hostname}:

    {exceeded}.

{_release(exceeded, now)}
What was refused was not sent, and the program that wanted to send it was told so. Many programs try again by
themselves; others have to be told to.

If you did not expect so much mail, somebody else may be sending it: with a stolen password, or through a hole in a
web site. Then change the password, and look for the site's program that writes mail. If the mail is yours, and the
limit is too low for it, ask your administrator.

Administrators see who has used what with "onifast-mailctl limits list" and on the page Limits of the webmail, and
change it there or with
"onifast-mailctl limits set {subject.scope} {subject.name} --{exceeded.counted.replace("_", "-")} NUMBER".

You are told of this limit once a day at the most.
"""


def _release(exceeded: LimitExceeded, now: float) -> str:
    if exceeded.until is None:
        return "This message has more recipients than the limit lets through at any time; one with fewer goes out.\n"
    return (
        f"The limit releases by itself: from {limit_usage.moment(exceeded.until, now)} on there is room for the next"
        " message.\n"
    )
