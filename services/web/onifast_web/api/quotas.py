"""Quotas: how much mail may lie here, and how much does."""

from __future__ import annotations

from typing import Annotated, Literal

from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.db.database import Connection
from onifast_shared.recipients import quotas
from onifast_shared.recipients.quotas import Quota
from onifast_shared.values import mailbox_accounts
from onifast_shared.values.address import Address, AddressError
from pydantic import ConfigDict, Field

from onifast_web.access import auth
from onifast_web.access.caller import Who
from onifast_web.access.context import Web
from onifast_web.api.endpoint import Call, Endpoint
from onifast_web.api.formats import ADDRESS, USERNAME
from onifast_web.http.models import Model
from onifast_web.http.problems import unprocessable


class QuotaInfo(Model):
    """`bytes` is the limit, 0 for none; `used` and `messages` are what lies here now."""

    scope: Literal["address", "owner"]
    name: str
    bytes: int
    used: int
    messages: int


class QuotaList(Model):
    """All of them."""

    quotas: list[QuotaInfo]


class QuotaBody(Model):
    """`bytes` 0 lifts the limit; null gives the name back to the settings' default."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"properties": {"scope": {"const": "address"}, "name": {"format": ADDRESS}}},
                {"properties": {"scope": {"const": "owner"}, "name": {"format": USERNAME}}},
            ]
        }
    )

    scope: Literal["address", "owner"]
    name: Annotated[str, Field(max_length=320)]
    bytes: Annotated[int, Field(ge=0, le=2**53)] | None


def list_quotas(call: Call) -> QuotaList:
    """The caller's quotas: for all their mail first, then for each address. Everybody's for administrators."""
    rows = call.web.database.read(lambda tx: quotas.list_for(tx, call.caller.manages, call.web.settings))
    return QuotaList(quotas=[_info(row) for row in rows])


def set_quota(call: Call) -> QuotaInfo:
    """Sets what an address' or a user's mail may take. Mail that lies here already stays."""
    body: QuotaBody = call.body
    name = _name(call.web, body)

    def change(tx: Connection) -> Quota:
        quotas.put(tx, body.scope, name, body.bytes)
        return quotas.of(tx, body.scope, name, call.web.settings)

    return _info(call.web.database.write(change))


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/mail/quotas",
        Who.USER,
        TokenScope.READ,
        "The caller's quotas and what is used of them; all for administrators",
        list_quotas,
        answer=QuotaList,
    ),
    Endpoint(
        "POST",
        "/api/mail/quotas",
        Who.ADMINISTRATOR,
        TokenScope.ADMIN,
        "Set a quota",
        set_quota,
        body=QuotaBody,
        answer=QuotaInfo,
    ),
)


def _name(web: Web, body: QuotaBody) -> str:
    if body.scope == "owner":
        return auth.user_in_field(web, "name", body.name)
    try:
        return str(Address.parse(body.name.strip()))
    except AddressError as error:
        raise unprocessable("name", str(error)) from None


def _info(quota: Quota) -> QuotaInfo:
    name = mailbox_accounts.shown(quota.name)
    return QuotaInfo(scope=quota.scope, name=name, bytes=quota.limit, used=quota.used, messages=quota.messages)
