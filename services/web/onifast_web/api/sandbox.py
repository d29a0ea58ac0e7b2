"""Domains in the sandbox: their mail is captured and shown, and not sent."""

from __future__ import annotations

from typing import Annotated

from onifast_shared.accounts.api_tokens import TokenScope
from pydantic import Field

from onifast_web.access.caller import Who
from onifast_web.actions import sandbox
from onifast_web.actions.sandbox import DomainState
from onifast_web.api.endpoint import Call, Endpoint, Moment, optional_moment
from onifast_web.http.models import Model


class SandboxBody(Model):
    """Which domain, and whether its mail is captured from now on."""

    domain: Annotated[str, Field(max_length=255)]
    on: bool


class SandboxDomain(Model):
    """A domain; `since` is null unless it is in the sandbox, `captured` counts what was captured and not let out."""

    domain: str
    on: bool
    since: Moment | None
    captured: int
    may_change: bool


class Sandbox(Model):
    """`everything` says that this server captures all mail to foreign domains, whatever the domains say."""

    everything: bool
    domains: list[SandboxDomain]


def get_sandbox(call: Call) -> Sandbox:
    """The caller's domains, and which of them are in the sandbox; every domain for administrators."""
    states = sandbox.states(call.web, call.caller)
    return Sandbox(everything=call.web.settings.delivery == "sandbox", domains=[_domain(state) for state in states])


def change_sandbox(call: Call) -> SandboxDomain:
    """Puts a domain into the sandbox, or takes it out; what was captured stays captured."""
    body: SandboxBody = call.body
    return _domain(sandbox.switch(call.web, call.caller, body.domain, on=body.on))


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/mail/sandbox",
        Who.PANEL_USER,
        TokenScope.READ,
        "Domains in the sandbox",
        get_sandbox,
        answer=Sandbox,
    ),
    Endpoint(
        "POST",
        "/api/mail/sandbox",
        Who.PANEL_USER,
        TokenScope.MANAGE,
        "Put a domain into the sandbox, or take it out",
        change_sandbox,
        body=SandboxBody,
        answer=SandboxDomain,
        failures={403: "The caller does not own the domain.", 404: "The domain is not the caller's."},
    ),
)


def _domain(state: DomainState) -> SandboxDomain:
    return SandboxDomain(
        domain=state.domain,
        on=state.since_ts is not None,
        since=optional_moment(state.since_ts),
        captured=state.captured,
        may_change=state.may_change,
    )
