"""Removes, restores, renames and purges users, for administrators and the panel."""

from __future__ import annotations

from onifast_shared.departed import changes
from onifast_shared.departed.changes import UserChange, UserChangeRequest
from onifast_shared.departed.store import UserChangeError

from onifast_web.access.context import Web
from onifast_web.http.problems import Problem

PATIENCE = 2.0
"""Seconds that a request moves a user's mail; what is left then is outbox's to do."""


def change(web: Web, request: UserChangeRequest) -> UserChange:
    """Does what is asked for; raises Problem."""
    try:
        return changes.done_at_once(web.database, request, web.clock(), PATIENCE)
    except UserChangeError as error:
        raise Problem(error.status, str(error)) from None
