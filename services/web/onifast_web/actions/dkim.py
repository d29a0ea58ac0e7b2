"""DKIM keys as their owners see them: the DNS records to publish, what DNS has, and the steps of a rotation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from onifast_shared.db.database import Connection
from onifast_shared.dkim import keys as dkim_keys
from onifast_shared.dkim import published, report
from onifast_shared.dkim.keys import DkimKeyError
from onifast_shared.dkim.published import RecordCheck
from onifast_shared.dkim.report import DomainKeyReport
from onifast_shared.dkim.rotation import DomainKeys, RotationError, Rotations
from onifast_shared.dkim.selectors import PUBLISHING
from onifast_shared.machine import log
from onifast_shared.recipients import addresses
from onifast_shared.values.address import AddressError, parse_domain

from onifast_web.access.caller import Caller
from onifast_web.access.context import Web
from onifast_web.http.problems import Problem, not_found, waiting_for_others
from onifast_web.languages.texts import _

Action = Literal["generate", "rotate", "switch", "abort", "retire"]

_logger = log.get("web")


def domains_of(tx: Connection, caller: Caller) -> list[str]:
    """The domains whose keys the caller may see: those they own or have an address in; all for administrators."""
    owner = caller.manages
    found = set(addresses.domains_of(tx, owner))
    for row in addresses.list_for(tx, owner):
        found.add(row.domain or row.address.rpartition("@")[2])
    return sorted(filter(None, (_domain(text) for text in found)))


def visible_domain(web: Web, caller: Caller, text: str) -> str:
    """The domain that a request names; raises Problem(404) for one that is not the caller's."""
    domain = _domain(text.strip())
    if domain is None:
        raise Problem(
            422, _("domain: not a domain name"), errors=[{"field": "domain", "message": _("not a domain name")}]
        )
    if caller.is_admin or domain in web.database.read(lambda tx: domains_of(tx, caller)):
        return domain
    raise not_found("domain")


def may_change(tx: Connection, caller: Caller, domain: str) -> bool:
    """Whether the caller may make keys for a domain: its owner and administrators may."""
    return caller.is_admin or addresses.domain_owner(tx, domain) == caller.username


def state(web: Web, domain: str, *, ask_dns: bool) -> DomainKeyReport:
    """A domain's keys, with what DNS says of each if it is asked.

    Raises Problem(409) for a key of no use, Problem(503) while too many ask.
    """
    try:
        standing = _rotations(web).standing(domain)
    except DkimKeyError as error:
        raise Problem(409, _for_users(web, error)) from None
    return report.of(standing, _look(web, standing) if ask_dns else None)


def advice(web: Web, found: DomainKeyReport) -> str:
    """What to do next about a domain's keys."""
    return report.advice(found, web.settings.dkim_publish_wait)


def change(web: Web, domain: str, action: Action, *, force: bool = False) -> None:
    """Makes a first key, or takes one step of a rotation.

    Raises Problem(409) for a step that does not apply, among them a switch to a key that DNS does not show, unless
    `force`; Problem(503) for files that cannot be written.
    """
    steps: dict[Action, Callable[[], object]] = {
        "generate": lambda: _generate(web, domain),
        "rotate": lambda: _rotations(web).begin(domain, web.clock()),
        "switch": lambda: _switch(web, domain, force=force),
        "abort": lambda: _rotations(web).abort(domain, web.clock()),
        "retire": lambda: _rotations(web).retire(domain, web.clock()),
    }
    try:
        steps[action]()
    except RotationError as error:
        raise Problem(409, str(error)) from None
    except DkimKeyError as error:
        log.event(_logger, "dkim-key-trouble", 40, domain=domain, action=action, reason=error)
        detail = _(
            "%(web)s An administrator can run `onifast-mailctl dkim %(action)s %(domain)s`.",
            web=_for_users(web, error),
            action=action,
            domain=domain,
        )
        raise Problem(503, detail) from None
    log.event(_logger, "dkim-key-changed", domain=domain, action=action)


def _generate(web: Web, domain: str) -> None:
    try:
        dkim_keys.generate(web.settings.certs_dir, domain, web.settings.dkim_selector)
    except dkim_keys.DkimKeyExists:
        raise Problem(409, _("%(domain)s has a key already; rotate replaces it.", domain=domain)) from None


def _switch(web: Web, domain: str, *, force: bool) -> None:
    rotations = _rotations(web)
    standing = rotations.standing(domain)
    if standing.in_state(PUBLISHING) and not force:
        found = report.of(standing, _look(web, standing)).in_state(PUBLISHING)
        wrong = [key for key in found if not key.published]
        if wrong:
            problem = wrong[0].check.problem if wrong[0].check else ""
            raise Problem(
                409, _("Mail signed with the new key could not be verified yet. %(problem)s", problem=problem).strip()
            )
    rotations.switch(domain, web.clock())


def _look(web: Web, standing: DomainKeys) -> dict[str, RecordCheck]:
    with waiting_for_others(web.places_to_wait):
        return published.look_now(web.settings, report.records(standing))


def _rotations(web: Web) -> Rotations:
    return Rotations(web.database, web.settings)


def _for_users(web: Web, error: Exception) -> str:
    """The error without where the file lies."""
    return str(error).replace(f"{web.settings.certs_dir}/", "") + "."


def _domain(text: str) -> str | None:
    try:
        domain = parse_domain(text)
    except AddressError:
        return None
    return None if domain.startswith("[") else domain
