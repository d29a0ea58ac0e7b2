"""DKIM keys: the record to publish, whether DNS has it, and new keys."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from onifast_web import signing_keys
from onifast_web.api.endpoint import Call, Endpoint, Model
from onifast_web.auth import Who
from onifast_web.problems import Problem
from onifast_web.signing_keys import KeyState


class DkimQuery(Model):
    domain: Annotated[str, Field(max_length=255)]


class DkimBody(Model):
    domain: Annotated[str, Field(max_length=255)]
    action: Literal["generate", "rotate"]


class DkimInfo(Model):
    """`dns_value` is null without a key; `published` is null where DNS did not answer."""

    domain: str
    selector: str
    exists: bool
    dns_name: str
    dns_value: str | None
    published: bool | None


def get_dkim(call: Call) -> DkimInfo:
    """A domain's key as DNS should have it."""
    domain = signing_keys.visible_domain(call.web, call.caller, call.query.domain)
    return _info(call, signing_keys.state(call.web.settings, domain))


def change_dkim(call: Call) -> DkimInfo:
    """Makes the first key, or a new one in its place."""
    body: DkimBody = call.body
    domain = signing_keys.visible_domain(call.web, call.caller, body.domain)
    if not call.web.database.read(lambda tx: signing_keys.may_change(tx, call.caller, domain)):
        raise Problem(403, f"Only the owner of {domain} and administrators may change its key.")
    change = signing_keys.generate if body.action == "generate" else signing_keys.rotate
    return _info(call, change(call.web, domain))


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/mail/dkim",
        Who.USER,
        "A domain's DKIM record",
        get_dkim,
        DkimQuery,
        answer=DkimInfo,
        failures={404: "The domain is not the caller's.", 409: "There is a key that cannot be used."},
    ),
    Endpoint(
        "POST",
        "/api/mail/dkim",
        Who.USER,
        "Make a DKIM key",
        change_dkim,
        body=DkimBody,
        answer=DkimInfo,
        failures={
            403: "The caller does not own the domain.",
            404: "The domain is not the caller's.",
            409: "There is a key already (generate), or none (rotate).",
        },
    ),
)


def _info(call: Call, key: KeyState) -> DkimInfo:
    if key.problem:
        raise Problem(409, key.problem)
    return DkimInfo(
        domain=key.domain,
        selector=key.selector,
        exists=key.exists,
        dns_name=key.dns_name,
        dns_value=key.dns_value or None,
        published=signing_keys.is_published(call.web.settings, key),
    )
