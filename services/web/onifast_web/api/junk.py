"""Junk: what was learned from what the caller moved there, and what they want."""

from __future__ import annotations

from typing import Literal

from onifast_shared.accounts.api_tokens import TokenScope

from onifast_web.access.caller import Who
from onifast_web.actions import junk as actions
from onifast_web.api.endpoint import Call, Endpoint
from onifast_web.http.models import Model
from onifast_web.http.problems import Problem

Digest = Literal["off", "daily", "weekly"]


class JunkSettings(Model):
    """`filters` says whether junk is learned and looked for, `learns_in` where: `own` is the filter of this program.

    `junk` and `good` count the messages that it learned from, `words` what it knows by them; all are 0 where another
    filter learns. `digest` is how often the caller is told by mail of their junk and of refused mail.
    """

    filters: bool
    digest: Digest
    learns_in: Literal["own", "spamd", "rspamd", "off"]
    junk: int
    good: int
    words: int


class JunkBody(Model):
    """What is not given stays as it is."""

    filters: bool | None = None
    digest: Digest | None = None


def show_junk(call: Call) -> JunkSettings:
    """What the caller chose, and what was learned for them."""
    found = actions.standing(call.web, _username(call))
    learned = found.learned.learned
    return JunkSettings.model_validate(
        {
            "filters": found.choice.filters,
            "digest": found.choice.digest,
            "learns_in": found.learns_in,
            "junk": learned.junk,
            "good": learned.good,
            "words": found.learned.words,
        }
    )


def change_junk(call: Call) -> JunkSettings:
    """Sets what the caller wants."""
    body: JunkBody = call.body
    actions.choose(call.web, _username(call), body.filters, body.digest)
    return show_junk(call)


def forget_junk(call: Call) -> None:
    """Forgets all that the caller taught the filter of this program; their mail stays where it lies."""
    actions.forget(call.web, _username(call))


ENDPOINTS = (
    Endpoint(
        "GET", "/api/mail/junk", Who.USER, TokenScope.READ,
        "What was learned of junk, and what the caller wants", show_junk,
        answer=JunkSettings,
    ),
    Endpoint(
        "POST", "/api/mail/junk", Who.USER, TokenScope.MANAGE,
        "Choose whether junk is looked for, and how often to be told", change_junk,
        body=JunkBody, answer=JunkSettings,
    ),
    Endpoint(
        "DELETE", "/api/mail/junk", Who.USER, TokenScope.MANAGE,
        "Forget all that was learned of junk", forget_junk, status=204
    ),
)  # fmt: skip


def _username(call: Call) -> str:
    if call.caller.username is None:
        raise Problem(403, "The service token has no mailbox; name a user.")
    return call.caller.username
