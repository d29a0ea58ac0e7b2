"""What would become of mail to an address, with nothing sent."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from onifast_shared.accounts.api_tokens import TokenScope
from pydantic import Field

from onifast_web.access.caller import Who
from onifast_web.actions import delivery_check
from onifast_web.api.endpoint import Call, Endpoint
from onifast_web.http.models import Model
from onifast_web.http.problems import unprocessable


class DeliveryCheckQuery(Model):
    """Whom mail would be for, and who would send it: `from` is one of the caller's addresses, else chosen for them."""

    address: Annotated[str, Field(max_length=320, description="The recipient.")]
    sender: Annotated[
        str, Field(alias="from", max_length=320, description="One of the caller's addresses; their first if not given.")
    ] = ""


class FindingInfo(Model):
    """`good`, worth a `note`, or what would `stop` the message. `facts` depend on `about`; `text` says it in words."""

    about: Literal["recipient", "suppression", "hold", "sandbox", "route", "server", "signature", "limits"]
    verdict: Literal["good", "note", "stop"]
    text: str
    facts: dict[str, Any]


class DeliveryCheckResult(Model):
    """`would_go` says whether nothing of what was found stops the message."""

    would_go: bool
    findings: list[FindingInfo]


def check_delivery(call: Call) -> DeliveryCheckResult:
    """Route, servers with their TLS policy, keys that would sign, limits left, suppression: outbox's own view."""
    query: DeliveryCheckQuery = call.query
    try:
        found = delivery_check.check_delivery(call.web, call.caller, query.sender, query.address)
    except delivery_check.WrongAddress as error:
        raise unprocessable(error.field, str(error)) from None
    findings = [FindingInfo.model_validate(finding) for finding in found]
    return DeliveryCheckResult(would_go=all(finding.verdict != "stop" for finding in findings), findings=findings)


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/mail/explain",
        Who.USER,
        TokenScope.READ,
        "What would become of mail to an address, without sending any",
        check_delivery,
        query=DeliveryCheckQuery,
        answer=DeliveryCheckResult,
        failures={
            403: "The sender is not one of the caller's addresses.",
            429: "Earlier questions of the caller wait for their answers.",
            503: "Outbox gave no answer in time, or too many others wait for one.",
        },
    ),
)
