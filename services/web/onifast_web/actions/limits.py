"""What administrators change about how much may be sent."""

from __future__ import annotations

from onifast_shared.db.database import Connection
from onifast_shared.limits import standings as limit_standings
from onifast_shared.limits import store as sending_limits
from onifast_shared.limits.standings import SubjectStanding
from onifast_shared.limits.subjects import Subject

from onifast_web.access.context import Web


def change(web: Web, subject: Subject, limits: dict[str, int | None], *, reset: bool) -> SubjectStanding:
    """Gives a subject the limits that are named (None: the settings' again); `reset` forgets what it has used."""

    def store(tx: Connection) -> SubjectStanding:
        sending_limits.put(tx, subject, limits)
        if reset:
            sending_limits.reset(tx, subject)
        return limit_standings.standing(tx, subject, web.settings)

    return web.database.write(store)
