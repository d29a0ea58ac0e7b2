"""Hold rules: which mail waits for a person before it is sent."""

from __future__ import annotations

from typing import Annotated

from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.queue import hold_rules
from onifast_shared.queue.hold_rules import HoldRule, Pattern, RuleError
from onifast_shared.values import times
from pydantic import ConfigDict, Field

from onifast_web.access.caller import Who
from onifast_web.actions import hold_rules as actions
from onifast_web.api.chosen import any_of
from onifast_web.api.endpoint import Call, Endpoint, Id, Moment
from onifast_web.http.models import Model
from onifast_web.http.problems import not_found, unprocessable

Text = Annotated[str, Field(max_length=320)]


class RuleInfo(Model):
    """A rule. A domain is written `@example.com`; "" stands for any. `held` is how many messages wait because of it."""

    id: int
    sender: str
    recipient: str
    owner: str
    note: str
    held: int
    created_by: str
    created_at: Moment


class RuleList(Model):
    """All of them, newest first."""

    hold_rules: list[RuleInfo]


class RuleBody(Model):
    """All that is given has to fit. `sender` (of the envelope) and `recipient` are an address or a domain."""

    model_config = ConfigDict(json_schema_extra=any_of("sender", "recipient", "owner", more={"minLength": 1}))

    sender: Text = ""
    recipient: Text = ""
    owner: Text = ""
    note: Annotated[str, Field(max_length=500)] = ""


class RemoveRuleQuery(Model):
    """With `release` what the rule holds is sent; without it that waits until it is released."""

    id: Id
    release: bool = False


def list_rules(call: Call) -> RuleList:
    """Every rule, newest first."""
    rules, held = call.web.database.read(lambda tx: (hold_rules.list_all(tx), hold_rules.count_held(tx)))
    return RuleList(hold_rules=[_info(rule, held.get(rule.id, 0)) for rule in rules])


def add_rule(call: Call) -> RuleInfo:
    """Holds mail from now on, what waits already too, before it is tried (again)."""
    body: RuleBody = call.body
    try:
        pattern = Pattern.parse(body.sender, body.recipient, body.owner)
    except RuleError as error:
        raise unprocessable(error.field, str(error)) from None
    return _info(actions.add(call.web, call.caller, pattern, body.note), 0)


def remove_rule(call: Call) -> None:
    """Ends a rule."""
    query: RemoveRuleQuery = call.query
    if not actions.remove(call.web, query.id, release=query.release):
        raise not_found("hold rule")


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/mail/hold-rules",
        Who.ADMINISTRATOR,
        TokenScope.ADMIN,
        "The rules by which mail waits for a person",
        list_rules,
        answer=RuleList,
    ),
    Endpoint(
        "POST",
        "/api/mail/hold-rules",
        Who.ADMINISTRATOR,
        TokenScope.ADMIN,
        "Hold mail by sender, recipient or owner",
        add_rule,
        body=RuleBody,
        answer=RuleInfo,
        status=201,
        failures={409: "There is such a rule already."},
    ),
    Endpoint(
        "DELETE",
        "/api/mail/hold-rules",
        Who.ADMINISTRATOR,
        TokenScope.ADMIN,
        "End a rule, and release what it holds if asked",
        remove_rule,
        RemoveRuleQuery,
        status=204,
        failures={404: "There is no such rule."},
    ),
)


def _info(rule: HoldRule, held: int) -> RuleInfo:
    return RuleInfo(
        id=rule.id,
        sender=rule.pattern.sender,
        recipient=rule.pattern.recipient,
        owner=rule.pattern.owner,
        note=rule.note,
        held=held,
        created_by=rule.created_by,
        created_at=times.rfc3339(rule.created_ts),
    )
