"""A domain's DNS: every record that its mail needs, with what to publish and what is there now."""

from __future__ import annotations

from typing import Annotated

from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.domain_dns.records import RecordKind, RecordStanding, RecordState
from pydantic import Field

from onifast_web.access.caller import Who
from onifast_web.actions import dkim, domain_dns
from onifast_web.api.endpoint import Call, Endpoint
from onifast_web.api.paged import DomainText
from onifast_web.http.models import Model


class DomainDnsQuery(Model):
    """Which domain."""

    domain: DomainText


class RecordInfo(Model):
    """A record of a domain."""

    kind: Annotated[RecordKind, Field(description="What it is for.", examples=["spf"])]
    type: Annotated[str, Field(description="Its type in DNS.", examples=["TXT"])]
    name: Annotated[str, Field(description="Where it stands, without the final dot.", examples=["shop.example"])]
    value: Annotated[
        str,
        Field(
            description="What to publish; empty where that is not known.", examples=["v=spf1 a:mail.shop.example ~all"]
        ),
    ]
    zone_line: Annotated[str, Field(description="The same as a zone file has it; empty where it is not known.")]
    state: Annotated[
        RecordStanding, Field(description="What DNS says of it: `unknown` where it gave no answer.", examples=["good"])
    ]
    found: Annotated[list[str], Field(description="What is there now.", examples=[["v=spf1 a:mail.shop.example ~all"]])]
    problem: Annotated[str, Field(description="What is wrong, or worth knowing, in a sentence; empty for nothing.")]
    is_needed: Annotated[bool, Field(description="Whether mail is refused, or taken for junk, elsewhere without it.")]
    note: Annotated[str, Field(description="What else belongs to it; empty for nothing.")]


class DomainDnsInfo(Model):
    """A domain's records. `is_ready`: all that are needed are good."""

    domain: str
    is_ready: Annotated[bool, Field(description="Whether every record that is needed is good.")]
    records: Annotated[list[RecordInfo], Field(description="The records, as they are to be shown.")]


def get_domain_dns(call: Call) -> DomainDnsInfo:
    """Asks DNS, which takes seconds where it does not answer.

    `mx`, `host`, `spf`, `dkim`, `dmarc` and `ptr` are needed; `mta-sts`, `tls-rpt` and `autoconfig` make mail safer and
    mail programs find the server. Whoever owns the domain, or has an address in it, may ask.
    """
    domain = dkim.visible_domain(call.web, call.caller, call.query.domain)
    found = domain_dns.look(call.web, domain)
    return DomainDnsInfo(
        domain=domain,
        is_ready=all(record.state == "good" for record in found if record.is_needed),
        records=[_info(record) for record in found],
    )


def _info(record: RecordState) -> RecordInfo:
    return RecordInfo(
        kind=record.kind,
        type=record.type,
        name=record.name,
        value=record.value,
        zone_line=record.zone_line,
        state=record.state,
        found=list(record.found),
        problem=record.problem,
        is_needed=record.is_needed,
        note=record.note,
    )


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/mail/domains/dns",
        Who.PANEL_USER,
        TokenScope.READ,
        "What a domain should have in DNS, and has",
        get_domain_dns,
        DomainDnsQuery,
        answer=DomainDnsInfo,
        failures={
            404: "The domain is not the caller's.",
            409: "There is a DKIM key that cannot be used.",
            503: "Too many others ask the DNS.",
        },
    ),
)
