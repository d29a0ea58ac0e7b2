"""What all pages behind the login share: who sees them, the sidebar's numbers, and notes about what was just done."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from flask import Response, make_response, render_template, request
from onifast_shared import mailbox, quotas
from onifast_shared.mailbox import FOLDERS

from onifast_web import auth
from onifast_web.auth import Caller
from onifast_web.context import current
from onifast_web.problems import Problem

_MOST_UNDONE = 200


@dataclass(frozen=True)
class Notice:
    """One sentence about what was just done, and how to undo a move."""

    text: str
    undo_ids: list[int] = field(default_factory=list)
    undo_folder: str = ""


@dataclass(frozen=True)
class FolderCount:
    """A folder's numbers in the sidebar."""

    total: int
    unread: int


def user() -> tuple[Caller, str]:
    """The caller and his name: a page belongs to a user, so the service token must name one."""
    found = auth.caller()
    if found.username is None:
        raise Problem(403, "The service token has no mailbox; name a user.")
    return found, found.username


def page(template: str, here: str, http_status: int = 200, /, **values: Any) -> Response:
    """A page in its frame. `here` is the sidebar's entry that it belongs to."""
    caller, username = user()
    web = current()
    found, quota = web.database.read(
        lambda tx: (mailbox.counts(tx, username), quotas.of(tx, "owner", username, web.settings))
    )
    text = render_template(
        template,
        here=here,
        caller=caller,
        csrf_token=caller.csrf_token,
        folders=FOLDERS,
        counts={name: FolderCount(*numbers) for name, numbers in found.items()},
        quota=quota,
        notice=_notice(),
        **values,
    )
    return make_response(text, http_status)


def _notice() -> Notice | None:
    """The note that a redirect asks for by `did`: texts are ours, only numbers and folder names come from the URL."""
    did, number = request.args.get("did", ""), request.args.get("n", 0, type=int)
    some = "1 message" if number == 1 else f"{number} messages"
    target = request.args.get("to", "")
    if did == "move" and target in FOLDERS:
        return Notice(f"Moved {some} to {target.capitalize()}.", _undo_ids(), request.args.get("came", ""))
    texts = {
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
        "added": "Address added.",
        "removed": "Address removed.",
        "forwarded": "Forward added. It counts from the next message on.",
        "unforwarded": "Forward removed.",
        "revoked": "Password revoked.",
        "key": "New key made. Publish its record now.",
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
