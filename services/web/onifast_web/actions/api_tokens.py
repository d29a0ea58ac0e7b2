"""Personal API tokens, as users, their programs and the panel make and revoke them."""

from __future__ import annotations

from onifast_shared.accounts import api_tokens, audit
from onifast_shared.accounts.api_tokens import ApiToken, TokenRefused, TokenScope
from onifast_shared.accounts.audit import Actor
from onifast_shared.db.database import Connection
from onifast_shared.machine import log
from onifast_shared.machine.log import Secret

from onifast_web.access.caller import Caller
from onifast_web.access.context import Web
from onifast_web.actions import audited

_logger = log.get("web")


def create(
    web: Web, caller: Caller, username: str, name: str, *, scopes: frozenset[TokenScope], expires_ts: int | None
) -> tuple[Secret, ApiToken]:
    """A new token of a user's; raises TokenError.

    No token makes one that may do more than itself, or for longer: that raises TokenRefused.
    """
    if TokenScope.ADMIN in scopes and not caller.is_admin:
        raise TokenRefused("scopes", "only an administrator's token can have admin")
    if caller.token:
        _check_below(caller.token, scopes, expires_ts)

    who = audited.actor(caller)

    def make(tx: Connection) -> tuple[str, ApiToken]:
        text, made = api_tokens.create(tx, username, name, web.clock(), scopes=scopes, expires_ts=expires_ts)
        _note(tx, who, "token.create", made, web.clock())
        return text, made

    text, made = web.database.write(make)
    log.event(_logger, "api-token-created", user=username, id=made.id, name=made.name, by=caller.on_record)
    return Secret(text), made


def revoke(web: Web, caller: Caller, username: str, token_id: int) -> bool:
    """Ends a token at once; False if the user has none of that id."""

    who = audited.actor(caller)

    def end(tx: Connection) -> ApiToken | None:
        ended = api_tokens.revoke(tx, username, token_id)
        if ended:
            _note(tx, who, "token.revoke", ended, web.clock())
        return ended

    ended = web.database.write(end)
    if ended:
        log.event(_logger, "api-token-revoked", user=username, id=token_id, by=caller.on_record)
    return ended is not None


def _check_below(token: ApiToken, scopes: frozenset[TokenScope], expires_ts: int | None) -> None:
    if more := scopes - token.scopes:
        names = ", ".join(sorted(each.value for each in more))
        raise TokenRefused("scopes", f"the token that asks lacks {names} itself")
    if token.expires_ts is not None and (expires_ts is None or expires_ts > token.expires_ts):
        raise TokenRefused("expires_at", "the token that asks ends before")


def _note(tx: Connection, who: Actor, action: str, token: ApiToken, now: float) -> None:
    details = {"name": token.name, "scopes": token.scope_names}
    audit.record(tx, who, action, owner=token.username, object=f"token:{token.id}", details=details, now=now)
