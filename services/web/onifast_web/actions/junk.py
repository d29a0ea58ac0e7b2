"""Junk as its readers manage it: what was learned for them, what they want, and refused mail that they fetch back."""

from __future__ import annotations

from dataclasses import dataclass

from onifast_shared.accepting import rescue as store
from onifast_shared.accepting.rescue import RescueError
from onifast_shared.db.database import Connection
from onifast_shared.junk import judging, lessons, model
from onifast_shared.junk.judging import FEWEST_LEARNED
from onifast_shared.junk.model import JunkModel
from onifast_shared.mailboxes import preferences
from onifast_shared.mailboxes.preferences import Digest, JunkChoice
from onifast_shared.refused import refusals
from onifast_shared.refused.refusals import RefusalRow

from onifast_web.access.caller import Caller
from onifast_web.access.context import Web
from onifast_web.http.problems import Problem, not_found


@dataclass(frozen=True)
class JunkStanding:
    """How junk is looked for in a user's mail, and from what. `learns_in`: own, spamd, rspamd, or off."""

    choice: JunkChoice
    learns_in: str
    learned: JunkModel

    @property
    def missing(self) -> int:
        """How many messages have still to be moved to junk before words count."""
        return max(0, FEWEST_LEARNED - self.learned.learned.junk)


def standing(web: Web, username: str) -> JunkStanding:
    """What a user chose, and what was learned for them."""
    elsewhere = judging.learns_elsewhere(web.settings)
    learns_in = elsewhere.protocol if elsewhere else "own" if judging.has_own_filter(web.settings) else "off"
    return web.database.read(lambda tx: JunkStanding(preferences.junk(tx, username), learns_in, model.of(tx, username)))


def choose(web: Web, username: str, filters: bool | None, digest: Digest | None) -> None:
    """Sets what a user wants; None leaves it as it is."""

    def write(tx: Connection) -> None:
        now = preferences.junk(tx, username)
        wanted = JunkChoice(now.filters if filters is None else filters, digest or now.digest)
        preferences.put_junk(tx, username, wanted, web.clock())

    web.database.write(write)


def forget(web: Web, username: str) -> bool:
    """Forgets all that a user taught the filter of our own; whether there was anything."""
    return web.database.write(lambda tx: lessons.forget_all(tx, username))


def find_refusal(tx: Connection, web: Web, caller: Caller, refusal_id: int) -> RefusalRow:
    """A record of refused mail that the caller may see; raises Problem(404) for any other number."""
    row = refusals.get(tx, caller.manages, refusal_id) if 0 < refusal_id < 2**63 else None
    if row is None or row.refused_ts < web.clock() - web.settings.refusals_kept:
        raise not_found("record of refused mail")
    return row


def rescue(web: Web, caller: Caller, refusal_id: int) -> tuple[int, str]:
    """Puts a refused message into its recipient's inbox; its number there, and whose it is.

    Raises Problem: 404 where there is no such record, 410 where the message is not kept any more, 409 without room.
    """

    def write(tx: Connection) -> tuple[int, str]:
        row = find_refusal(tx, web, caller, refusal_id)
        return store.rescue(tx, row, web.settings, web.clock()), row.refusal.owner or ""

    try:
        return web.database.write(write)
    except RescueError as error:
        raise Problem(410 if error.is_gone else 409, str(error)) from None


def kept_until(web: Web, row: RefusalRow) -> int | None:
    """Until when a refused message can be fetched back, in epoch seconds; None where it cannot."""
    if row.kept is None:
        return None
    return row.kept.kept_ts + int(min(web.settings.refused_kept_whole, web.settings.refusals_kept))
