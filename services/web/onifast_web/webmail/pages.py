"""What all pages behind the login share: who sees them, the sidebar's numbers, and notes about what was just done."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from flask import Response, make_response, render_template, request
from onifast_shared.db import troubles
from onifast_shared.db.database import Connection
from onifast_shared.departed import watching
from onifast_shared.mailboxes import mailbox
from onifast_shared.mailboxes.mailbox import FOLDERS
from onifast_shared.queue import waiting
from onifast_shared.recipients import quotas
from pydantic import ValidationError

from onifast_web.access import auth
from onifast_web.access.auth import Caller
from onifast_web.access.context import Web, current
from onifast_web.http.problems import Problem
from onifast_web.reading.render import sentence

_MOST_UNDONE = 200
_END_OF_TIME = 253_402_300_800  # the year 10000


@dataclass(frozen=True)
class Notice:
    """One sentence about what was just done, or could not be; the time that it ends with; how to undo a move."""

    text: str
    undo_ids: list[int] = field(default_factory=list)
    undo_folder: str = ""
    is_failure: bool = False
    moment: int | None = None


@dataclass(frozen=True)
class Undo:
    """The message that was just sent and can be called back for so many seconds more, by way of its copy in sent."""

    email_id: int
    seconds: int


@dataclass(frozen=True)
class FolderCount:
    """A folder's numbers in the sidebar."""

    total: int
    unread: int


def user() -> tuple[Caller, str]:
    """The caller and their name: a page belongs to a user, so the service token must name one."""
    found = auth.caller()
    if found.username is None:
        raise Problem(403, "The service token has no mailbox; name a user.")
    return found, found.username


def page(template: str, here: str, http_status: int = 200, /, **values: Any) -> Response:
    """A page in its frame. `here` is the sidebar's entry that it belongs to."""
    caller, username = user()
    web = current()
    found, quota, scheduled, undo = web.database.read(
        lambda tx: (
            mailbox.counts(tx, username),
            quotas.of(tx, "owner", username, web.settings),
            waiting.count_scheduled(tx, username, web.clock()),
            _undo(tx, username, web.clock()),
        )
    )
    notice = _notice()
    if undo and request.args.get("did") == "sent":
        notice = None  # the bar says so
    text = render_template(
        template,
        here=here,
        caller=caller,
        csrf_token=caller.csrf_token,
        folders=FOLDERS,
        counts={name: FolderCount(*numbers) for name, numbers in found.items()},
        quota=quota,
        scheduled=scheduled,
        undo=undo,
        notice=notice,
        troubles=_troubles(web) if caller.is_admin else [],
        **values,
    )
    return make_response(text, http_status)


def _troubles(web: Web) -> list[str]:
    """What administrators are told on every page."""
    waiting = len(web.database.read(watching.waiting))
    users = "A user's file is" if waiting == 1 else f"{waiting} users' files are"
    asked = [f"{users} missing from the panel. Confirm under Departed users that they are gone, or put them back."]
    return [each.text for each in troubles.present(web.database.path)] + (asked if waiting else [])


def field_errors(error: ValidationError) -> dict[str, str]:
    """What is wrong with a form's fields, in a sentence for each."""
    return {str(item["loc"][0]): _wrong(str(item["loc"][0]), str(item["msg"])) for item in error.errors()}


def _wrong(field: str, message: str) -> str:
    if field.endswith("port"):
        return "A port is a number from 1 to 65535."
    return sentence(message.removeprefix("Value error, "))


def _undo(tx: Connection, username: str, now: float) -> Undo | None:
    found = waiting.undoable(tx, username, now)
    seconds = math.floor(found.release_ts - now) if found else 0
    return Undo(found.email_id, seconds) if found and found.email_id and seconds > 0 else None


def _notice() -> Notice | None:
    """The note that a redirect asks for by `did`: texts are ours, only numbers and folder names come from the URL."""
    did, number = request.args.get("did", ""), request.args.get("n", 0, type=int)
    some = "1 message" if number == 1 else f"{number} messages"
    target = request.args.get("to", "")
    if did == "move" and target in FOLDERS:
        still = " What was scheduled is sent all the same: see Scheduled." if request.args.get("still") else ""
        return Notice(f"Moved {some} to {target.capitalize()}.{still}", _undo_ids(), request.args.get("came", ""))
    if did == "scheduled":
        return Notice("Your message will be sent", moment=number if 0 < number < _END_OF_TIME else None)
    failures = {
        "too-late": "Too late to call it back: it is on its way already, or has arrived.",
        "not-waiting": "This message does not wait any more.",
        "outbox-forbidden": "This was captured by a sandbox that is not yours to open.",
        "no-copy": "This message has no copy in Sent that could become a draft.",
    }
    if did in failures:
        return Notice(failures[did], is_failure=True)
    texts = {
        "recalled": "Called back: nothing was sent. Here it is as a draft.",
        "unscheduled": "It will not be sent. It is a draft again.",
        "sent-now": "Your message is on its way.",
        "released": f"Released: {'1 copy' if number == 1 else f'{number} copies'} will be sent for real.",
        "redirected": "Redirected. It is on its way to the other address.",
        "undo-time": "Saved. It counts from the next message on.",
        "sandbox-on": "The domain is in the sandbox: what it sends is captured from now on.",
        "sandbox-off": "The domain is out of the sandbox: what it sends goes out from now on.",
        "read": f"Marked {some} as read.",
        "unread": f"Marked {some} as unread.",
        "purge": f"Deleted {some} for good.",
        "sent": "Your message is on its way.",
        "saved": "Draft saved.",
        "discarded": "Draft discarded.",
        "none": "Nothing was selected.",
        "outbox": f"Changed {'1 delivery' if number == 1 else f'{number} deliveries'}.",
        "outbox-none": "That does not apply to the selected deliveries.",
        "limits": "Limits saved. They count from the next message on.",
        "limits-reset": "Forgotten: all of the limit can be used again.",
        "relay": "Relay saved. It counts from the next message on.",
        "route": "Route saved. It counts from the next attempt on.",
        "route-removed": "Route removed.",
        "source": "Source address saved. It counts from the next attempt on.",
        "source-removed": "Source address removed.",
        "destination-limited": "Limits saved. They count within seconds.",
        "destination-freed": "Limits removed. The settings count again.",
        "suppressed": "Suppressed. Mail to this address is not sent until you lift that.",
        "lifted": "Lifted. The next message to this address is sent.",
        "rule": "Rule made. What fits it waits from now on.",
        "tls-forgotten": "Forgotten. The domain is remembered anew once its servers prove who they are.",
        "rule-removed": "Rule removed. What it held keeps waiting in the outbox.",
        "rule-released": "Rule removed. What it held is on its way.",
        "added": "Address added.",
        "removed": "Address removed.",
        "forwarded": "Forward added. It counts from the next message on.",
        "unforwarded": "Forward removed.",
        "revoked": "Password revoked.",
        "user-restored": "Restored. What was kept is the user's again.",
        "user-purged": "What was kept is being deleted.",
        "users-gone": "Confirmed. They depart within minutes, unless their files come back.",
        "key": "New key made. Publish its record now.",
        "webhook-test": "A test is on its way. Look here again in a moment.",
        "webhook-enable": "Enabled. It is told of what happens from now on.",
        "webhook-remove": "Webhook removed.",
        "key-rotate": "New key made. Add its record to DNS; the old key goes on signing until DNS shows the new one.",
        "key-switch": "Mail is signed with the new key from now on. Keep the old record for a while.",
        "key-abort": "The new key is gone. The old one goes on signing.",
    }
    return Notice(texts[did]) if did in texts else None


def _undo_ids() -> list[int]:
    if request.args.get("came", "") not in FOLDERS:
        return []
    found = [int(text) for text in request.args.get("ids", "").split(".") if text.isdecimal() and len(text) < 19]
    return found if len(found) <= _MOST_UNDONE else []
