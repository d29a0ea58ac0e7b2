"""The second factor as users set it up, use it and turn it off, and administrators reset it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import request
from onifast_shared.accounts import audit, panel_users, second_factor, throttle
from onifast_shared.accounts.audit import Actor
from onifast_shared.accounts.panel_users import PanelUser
from onifast_shared.accounts.second_factor import CodeKind, SecondFactor
from onifast_shared.db.database import Connection
from onifast_shared.machine import log
from onifast_shared.machine.config import Settings
from onifast_shared.machine.log import Secret

from onifast_web.access import totp
from onifast_web.access.caller import Caller
from onifast_web.access.context import Web
from onifast_web.access.guessing import Guesser
from onifast_web.actions import audited
from onifast_web.http.forwarded import CLIENT
from onifast_web.http.problems import Problem, not_found
from onifast_web.languages.texts import _, ngettext

_logger = log.get("web")
_LONGEST_PASSWORD = 1024
_MOMENT = 1  # seconds to wait while other guesses of the same client are judged


class NotProved(Exception):
    """A password or code that is wrong, or not heard for `wait` seconds. The text is a sentence for who typed it."""

    def __init__(self, field: str, text: str, wait: int = 0) -> None:
        super().__init__(text)
        self.field = field
        self.wait = wait


@dataclass(frozen=True)
class _Judged:
    kind: CodeKind | None
    wait: int


def is_required(settings: Settings, user: PanelUser) -> bool:
    """Whether the administrator wants that user to have a second factor."""
    return settings.totp_required == "everybody" or (settings.totp_required == "administrators" and user.is_admin)


def of(web: Web, username: str) -> SecondFactor:
    """What a user has."""
    return web.database.read(lambda tx: second_factor.find(tx, username))


def guesser(username: str) -> Guesser:
    """Who makes this request, as somebody who says they are that user."""
    return Guesser(str(request.environ.get(CLIENT)), username)


def check_code(web: Web, username: str, code: str) -> CodeKind:
    """Uses a code up; raises NotProved.

    Looked at, judged and counted in one transaction: however many come at once, each sees those before it.
    """
    who, now = guesser(username), web.clock()
    where = request.remote_addr or ""

    def wait(tx: Connection) -> int:
        return throttle.blocked_for(tx, [who.code_key(tx, now)], now)

    def judge(tx: Connection) -> _Judged:
        if seconds := wait(tx):
            return _Judged(None, seconds)
        kind, key = second_factor.redeem(tx, username, code, now, totp.step_of), who.code_key(tx, now)
        if kind is None:
            throttle.record_failure(tx, [key], now)
            if throttle.blocked_for(tx, [key], now):
                audit.record(tx, Actor("", "totp", where), "login.lockout", owner=username, now=now)
            return _Judged(None, 0)
        throttle.clear(tx, [key])
        if kind is CodeKind.RECOVERY:
            user = Actor(f"user:{username}", "recovery", where)
            audit.record(tx, user, "totp.recovery", owner=username, now=now)
        return _Judged(kind, 0)

    # Who is not heard costs no write.
    seconds = web.database.read(wait)
    judged = _Judged(None, seconds) if seconds else web.database.write(judge)
    if judged.kind is None:
        log.event(_logger, "code-refused", user=username, client=who.client, seconds=judged.wait)
        raise NotProved(
            "code", _waiting(judged.wait) if judged.wait else _("The code is wrong, or was used before."), judged.wait
        )
    return judged.kind


def check_password(web: Web, username: str, password: str) -> PanelUser:
    """The user, who has shown their password once more; raises NotProved, and Problem(503)."""
    who = guesser(username)
    with web.guesses.take(who.key) as heard:
        wait = who.blocked_for(web.database, web.clock()) if heard else _MOMENT
        if wait:
            raise NotProved("password", _waiting(wait), wait)
        try:
            with web.password_checks:
                user = web.directory.authenticate(username, password[:_LONGEST_PASSWORD])
        except panel_users.AccountError as error:
            log.event(_logger, "user-directory-trouble", 40, user=username, reason=error)
            raise Problem(
                503, _("The panel's account data cannot be read just now. Tell your administrator.")
            ) from None
        if user is None:
            who.failed(web.database, web.clock())
            log.event(_logger, "password-refused", user=username, client=who.client)
            raise NotProved("password", _("The password is wrong."))
    return user


def prove(web: Web, username: str, password: str, code: str) -> None:
    """Whether who asks is the user: their password, and a code where they have a second factor; raises NotProved."""
    check_password(web, username, password)
    if of(web, username).is_on:
        check_code(web, username, code)


def begin(web: Web, username: str) -> None:
    """A new secret to be set up."""
    web.database.write(lambda tx: second_factor.begin(tx, username, web.clock()))


def begun(web: Web, username: str) -> Secret | None:
    """The secret that is being set up."""
    return web.database.read(lambda tx: second_factor.begun(tx, username, web.clock()))


def give_up(web: Web, username: str) -> None:
    """Ends setting up."""
    web.database.write(lambda tx: second_factor.give_up(tx, username))


def confirm(web: Web, who: Actor, username: str, code: str) -> Sequence[Secret]:
    """Turns the second factor on, by a code of the new secret; the recovery codes. Raises NotProved."""

    def write(tx: Connection) -> tuple[Secret, ...]:
        codes = second_factor.confirm(tx, username, code, web.clock(), totp.step_of)
        if codes:
            audit.record(tx, who, "totp.enable", owner=username, now=web.clock())
        return codes

    codes = web.database.write(write)
    if not codes:
        raise NotProved("code", _("The code does not fit. Enter the one that the authenticator shows now."))
    log.event(_logger, "totp-enabled", user=username)
    return codes


def renew_recovery(web: Web, caller: Caller, username: str) -> Sequence[Secret]:
    """New recovery codes in place of those of before."""
    who = audited.actor(caller)

    def write(tx: Connection) -> tuple[Secret, ...]:
        audit.record(tx, who, "totp.recovery-codes", owner=username, now=web.clock())
        return second_factor.renew_recovery(tx, username)

    return web.database.write(write)


def remove(web: Web, caller: Caller, username: str, action: str) -> bool:
    """Takes a second factor away: `totp.disable` by its user, `totp.reset` by others; False where there was none."""
    who = audited.actor(caller)

    def write(tx: Connection) -> bool:
        removed = second_factor.remove(tx, username)
        if removed:
            audit.record(tx, who, action, owner=username, now=web.clock())
        return removed

    removed = web.database.write(write)
    if removed:
        log.event(_logger, action.replace(".", "-"), user=username, by=caller.on_record)
    return removed


def account_of(web: Web, caller: Caller, typed: str) -> str:
    """The account of who is named, by user name or address: the caller, a mailbox user of theirs, or anybody for an
    administrator. Raises Problem(404), and Problem(503).
    """
    try:
        account = web.directory.named(typed.strip()).account
        user = web.directory.get(account)
    except panel_users.AccountError as error:
        log.event(_logger, "user-directory-trouble", 40, user=typed, reason=error)
        raise Problem(503, _("The panel's account data cannot be read just now.")) from None
    if user is None or not (caller.is_admin or caller.username in {account, user.belongs_to}):
        raise not_found("user")
    return account


def reset(web: Web, caller: Caller, typed: str) -> None:
    """Takes somebody else's second factor away, for who lost authenticator and recovery codes; raises Problem."""
    account = account_of(web, caller, typed)
    if account == caller.username:
        # Else a session left open would be enough to be rid of it.
        raise Problem(403, _("Turn your own off in the webmail, with your password and a code."))
    if not remove(web, caller, account, "totp.reset"):
        raise not_found("second factor")


def _waiting(seconds: int) -> str:
    if seconds < 90:
        return ngettext(
            "Too many failed attempts. Try again in %(n)s second.",
            "Too many failed attempts. Try again in %(n)s seconds.",
            seconds,
        )
    return ngettext(
        "Too many failed attempts. Try again in %(n)s minute.",
        "Too many failed attempts. Try again in %(n)s minutes.",
        -(-seconds // 60),
    )
