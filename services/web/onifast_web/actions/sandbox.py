"""Which domains are in the sandbox, as their owners and administrators see and change it."""

from __future__ import annotations

from dataclasses import dataclass

from onifast_shared.db.database import Connection
from onifast_shared.machine import log
from onifast_shared.queue import sandbox
from onifast_shared.queue.sandbox import SandboxedDomain

from onifast_web.access.caller import Caller
from onifast_web.access.context import Web
from onifast_web.actions import dkim
from onifast_web.http.problems import Problem
from onifast_web.languages.texts import _

_logger = log.get("web")


@dataclass(frozen=True)
class DomainState:
    """A domain; `since_ts` is None unless it is in the sandbox. Who has just an address in it may not change it."""

    domain: str
    since_ts: int | None
    captured: int
    may_change: bool


def states(web: Web, caller: Caller) -> list[DomainState]:
    """The caller's domains; for administrators every domain that is known here."""

    def read(tx: Connection) -> list[DomainState]:
        found = _found(tx)
        names = set(dkim.domains_of(tx, caller)) | (set(found) if caller.is_admin else set())
        return [_state(tx, caller, name, found.get(name)) for name in sorted(names)]

    return web.database.read(read)


def switch(web: Web, caller: Caller, text: str, *, on: bool) -> DomainState:
    """Puts a domain into the sandbox or takes it out; raises Problem(403, 404 or 422)."""
    domain = dkim.visible_domain(web, caller, text)

    def write(tx: Connection) -> bool:
        if not dkim.may_change(tx, caller, domain):
            raise Problem(403, _("Only the owner of %(domain)s and administrators may do this.", domain=domain))
        return sandbox.put(tx, domain, caller.username or "", web.clock()) if on else sandbox.remove(tx, domain)

    if web.database.write(write):
        log.event(_logger, "sandbox", domain=domain, on=on, by=caller.username or "panel")
    return web.database.read(lambda tx: _state(tx, caller, domain, _found(tx).get(domain)))


def _found(tx: Connection) -> dict[str, SandboxedDomain]:
    return {each.domain: each for each in sandbox.list_all(tx)}


def _state(tx: Connection, caller: Caller, domain: str, found: SandboxedDomain | None) -> DomainState:
    since, captured = (found.since_ts, found.captured) if found else (None, sandbox.captured(tx, domain))
    return DomainState(domain, since, captured, dkim.may_change(tx, caller, domain))
