"""DKIM keys: the records to publish, what DNS has, new keys, and their rotation."""

from __future__ import annotations

from typing import Annotated, Literal

from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.dkim.report import DomainKeyReport, KeyReport
from onifast_shared.dkim.selectors import PUBLISHING
from pydantic import Field

from onifast_web.access.caller import Who
from onifast_web.actions import dkim
from onifast_web.api.endpoint import Call, Endpoint, Moment, optional_moment
from onifast_web.http.models import Model
from onifast_web.http.problems import Problem


class DkimQuery(Model):
    """Which domain."""

    domain: Annotated[str, Field(max_length=255)]


class DkimBody(Model):
    """`force` switches to a new key though DNS does not show its record."""

    domain: Annotated[str, Field(max_length=255)]
    action: Literal["generate", "rotate", "switch", "abort", "retire"]
    force: bool = False


class DkimKey(Model):
    """One key and its record; `zone_line` is the record as a zone file has it, in strings of 255 octets at most.

    `state` is `publishing` (waits for DNS), `active` (signs), `retiring` (signs no more, its record is still needed
    until `retire_at`) or `retired` (its record may go). `published` is null where DNS did not answer, and
    `problem` says what is wrong with what it answered. `published_at` is since when DNS has shown a key that waits.
    """

    selector: str
    algorithm: Literal["rsa-sha256", "ed25519-sha256"]
    state: Literal["publishing", "active", "retiring", "retired"]
    dns_name: str
    dns_value: str
    zone_line: str
    published: bool | None
    problem: str
    created_at: Moment | None
    published_at: Moment | None
    switched_at: Moment | None
    retire_at: Moment | None


class DkimInfo(Model):
    """The key that signs: `dns_value` is null without one; `published` is null where DNS did not answer.

    `keys` has every key of the domain that DNS matters for, `advice` says what to do next.
    """

    domain: str
    selector: str
    exists: bool
    dns_name: str
    dns_value: str | None
    published: bool | None
    rotating: bool
    keys: list[DkimKey]
    advice: str


def get_dkim(call: Call) -> DkimInfo:
    """A domain's keys as DNS should have them, and what it has."""
    return _info(call, dkim.visible_domain(call.web, call.caller, call.query.domain))


def change_dkim(call: Call) -> DkimInfo:
    """Makes the first key (generate), or takes a step of a rotation.

    `rotate` makes a new key, to be published; mail goes on to be signed with the old one. The switch to the new key
    follows by itself once DNS has shown it for a while, or at once with `switch`, which is refused while DNS does not.
    The old record is needed for some days; `retire` ends that early. `abort` gives a rotation up before the switch.
    """
    body: DkimBody = call.body
    domain = dkim.visible_domain(call.web, call.caller, body.domain)
    if not call.web.database.read(lambda tx: dkim.may_change(tx, call.caller, domain)):
        raise Problem(403, f"Only the owner of {domain} and administrators may change its key.")
    dkim.change(call.web, domain, body.action, force=body.force)
    return _info(call, domain)


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/mail/dkim",
        Who.PANEL_USER,
        TokenScope.READ,
        "A domain's DKIM records",
        get_dkim,
        DkimQuery,
        answer=DkimInfo,
        failures={
            404: "The domain is not the caller's.",
            409: "There is a key that cannot be used.",
            503: "Too many others ask the DNS.",
        },
    ),
    Endpoint(
        "POST",
        "/api/mail/dkim",
        Who.PANEL_USER,
        TokenScope.MANAGE,
        "Make or rotate a DKIM key",
        change_dkim,
        body=DkimBody,
        answer=DkimInfo,
        failures={
            403: "The caller does not own the domain.",
            404: "The domain is not the caller's.",
            409: "The action does not apply: there is a key already (generate), none (rotate), a rotation is under way"
            " or is not, or DNS does not show the new key (switch).",
            503: "The files of the keys cannot be written by this program, or too many others ask the DNS.",
        },
    ),
)


def _info(call: Call, domain: str) -> DkimInfo:
    found: DomainKeyReport = dkim.state(call.web, domain, ask_dns=True)
    main = found.main
    selector = main.selector if main else call.web.settings.dkim_selector
    return DkimInfo(
        domain=domain,
        selector=selector,
        exists=main is not None,
        dns_name=main.record.name if main else f"{selector}._domainkey.{domain}",
        dns_value=main.record.value if main else None,
        published=main.published if main else None,
        rotating=bool(found.in_state(PUBLISHING)),
        keys=[_key(key) for key in found.keys],
        advice=dkim.advice(call.web, found),
    )


def _key(key: KeyReport) -> DkimKey:
    return DkimKey.model_validate(
        {
            "selector": key.selector,
            "algorithm": key.algorithm,
            "state": key.state,
            "dns_name": key.record.name,
            "dns_value": key.record.value,
            "zone_line": key.record.zone_line,
            "published": key.published,
            "problem": key.check.problem if key.check else "",
            "created_at": optional_moment(key.created_ts),
            "published_at": optional_moment(key.published_ts),
            "switched_at": optional_moment(key.switched_ts),
            "retire_at": optional_moment(key.retire_ts),
        }
    )
