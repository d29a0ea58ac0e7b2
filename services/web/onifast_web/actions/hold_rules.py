"""Hold rules, as administrators make and end them: which mail waits for a person before it is sent."""

from __future__ import annotations

from onifast_shared.queue import hold_rules
from onifast_shared.queue.hold_rules import HoldRule, Pattern

from onifast_web.access.caller import Caller
from onifast_web.access.context import Web
from onifast_web.http.problems import Problem
from onifast_web.languages.texts import _


def add(web: Web, caller: Caller, pattern: Pattern, note: str) -> HoldRule:
    """Makes a rule; raises Problem(409) if there is one just like it."""
    made = web.database.write(lambda tx: hold_rules.add(tx, pattern, note, caller.on_record, web.clock()))
    if made is None:
        raise Problem(409, _("There is such a rule already: %(pattern)s.", pattern=pattern))
    return made


def remove(web: Web, rule_id: int, *, release: bool) -> bool:
    """Ends a rule, and lets go what it holds if asked; False if there is none."""
    if not web.database.write(lambda tx: hold_rules.remove(tx, rule_id)):
        return False
    while release and web.database.write(lambda tx: hold_rules.release(tx, rule_id, web.clock())):
        pass
    return True
