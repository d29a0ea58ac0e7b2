"""The language and time zone that whoever makes a request chose for themselves."""

from __future__ import annotations

from flask import g
from onifast_shared.db.errors import DatabaseError
from onifast_shared.mailboxes import preferences

from onifast_web.access.caller import Caller
from onifast_web.access.context import current
from onifast_web.languages.current import Own


def own_language() -> Own:
    """As the person chose who is logged in; in a mailbox that is not theirs, too."""
    caller: Caller | None = g.get("caller")
    person = (caller.visited_by or caller.member or caller.username) if caller else None
    if person is None:
        return Own()
    try:
        chosen = current().database.read(lambda tx: preferences.regional(tx, person))
    except DatabaseError:  # A page that says so is shown all the same.
        return Own()
    return Own(chosen.language, chosen.time_zone)
