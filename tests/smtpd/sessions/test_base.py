"""aiosmtpd is what sessions are built on: what it finds, holds and hands on is what answers the client."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from smtpd.conftest import PASSWORDS
from smtpd.helpers import HERE, MESSAGE, OUTSIDE, World
from typing import Any

import pytest
from aiosmtpd import proxy_protocol, smtp
from onifast_smtpd.clients.client import Service
from onifast_smtpd.clients.session import ClientSession
from onifast_smtpd.protocol import proxy
from onifast_smtpd.sessions.commands import SmtpCommands
from onifast_smtpd.sessions.handler import MailHandler
from onifast_smtpd.transaction import MailTransaction

Start = Callable[..., Awaitable[World]]

COMMANDS = sorted("EHLO HELO MAIL RCPT DATA BDAT RSET NOOP QUIT VRFY EXPN HELP AUTH STARTTLS XCLIENT".split())  # noqa: SIM905
HOOKS = sorted("EHLO HELO MAIL RCPT DATA RSET NOOP QUIT VRFY XCLIENT PROXY".split())  # noqa: SIM905
INHERITED = (
    "smtp_NOOP",
    "smtp_RSET",
    "smtp_EXPN",
    "_set_rset_state",
    "_call_handler_hook",
    "_syntax_available",
)


class Hooks:
    """What aiosmtpd's `_call_handler_hook` handed on, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.called: list[tuple[str, Any, Any]] = []
        call = smtp.SMTP._call_handler_hook

        async def noted(server: smtp.SMTP, command: str, *args: Any) -> Any:
            self.called.append((command, server.session, server.envelope))
            return await call(server, command, *args)

        monkeypatch.setattr(smtp.SMTP, "_call_handler_hook", noted)

    @property
    def names(self) -> list[str]:
        return [command for command, _, _ in self.called]


async def test_aiosmtpds_constructor_finds_the_commands_hooks_and_mechanisms(world: World) -> None:
    protocol = SmtpCommands(world.receiver, Service.MX, asyncio.get_running_loop())
    assert sorted(protocol._smtp_methods) == COMMANDS
    assert sorted(protocol._handle_hooks) == HOOKS
    mechanisms = {name for name, found in protocol._auth_methods.items() if not found.is_builtin}
    assert mechanisms == {"PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}
    assert isinstance(protocol.event_handler, MailHandler)
    assert protocol.hostname == world.settings.hostname


@pytest.mark.parametrize("name", INHERITED)
def test_what_costs_nothing_is_inherited(name: str) -> None:
    inherited = getattr(SmtpCommands, name)
    own = getattr(smtp.SMTP, name)
    assert inherited is own


async def test_a_connections_session_and_envelope_are_its_own(world: World) -> None:
    pattern = SmtpCommands(world.receiver, Service.MX, asyncio.get_running_loop())
    one, other = pattern.fresh(), pattern.fresh()
    assert isinstance(one.session, smtp.Session)
    assert isinstance(one.envelope, smtp.Envelope)
    assert one.session is not other.session
    assert one.envelope is not other.envelope
    assert one._handle_hooks is other._handle_hooks


async def test_each_command_that_decides_something_goes_through_a_hook(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = Hooks(monkeypatch)
    async with await world.client() as client:
        await client.deliver("a@remote.test", "alice@here.test")
        await client.say("NOOP", "RSET", "HELO client.test", "VRFY alice", "QUIT")
    assert hooks.names == ["EHLO", "MAIL", "RCPT", "DATA", "NOOP", "RSET", "HELO", "VRFY", "QUIT"]
    assert {type(session) for _, session, _ in hooks.called} == {ClientSession}
    assert {type(envelope) for _, _, envelope in hooks.called} == {MailTransaction}
    assert len({id(session) for _, session, _ in hooks.called}) == 1


async def test_the_envelope_has_what_aiosmtpds_would_have(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    hooks = Hooks(monkeypatch)
    async with await world.client() as client:
        await client.say("EHLO client.test", "MAIL FROM:<> SMTPUTF8", "RCPT TO:<alice@here.test>")
        await client.say("RCPT TO:<Alice@here.test>", "RCPT TO:<alice+tag@here.test>")
        await client.send_message(MESSAGE)
    [(_, session, envelope)] = [call for call in hooks.called if call[0] == "DATA"]
    assert (session.host_name, session.extended_smtp, session.peer[0]) == ("client.test", True, OUTSIDE)
    assert (envelope.mail_from, envelope.smtp_utf8, envelope.content) == ("", True, MESSAGE)
    assert envelope.rcpt_tos == ["alice@here.test", "alice+tag@here.test"]


async def test_a_mechanism_of_the_handlers_logs_in(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[str] = []
    log_in = MailHandler.auth_PLAIN

    async def noted(handler: MailHandler, server: Any, args: list[str]) -> smtp.AuthResult:
        used.append(args[0])
        result: smtp.AuthResult = await log_in(handler, server, args)
        assert result.success
        return result

    noted.__auth_mechanism_name__ = "PLAIN"  # type: ignore[attr-defined]
    monkeypatch.setattr(MailHandler, "auth_PLAIN", noted)
    world = await start(allow_insecure_auth="always")
    async with await world.client(HERE, Service.SUBMISSION) as client:
        await client.say("EHLO client.test")
        assert (await client.log_in("alice", PASSWORDS["alice"])).startswith("235 ")
    assert used == ["PLAIN"]


def test_the_proxy_protocol_is_read_by_aiosmtpd() -> None:
    assert proxy.__dict__["get_proxy"] is proxy_protocol.get_proxy


async def test_help_tells_the_syntax_that_the_decorator_holds(world: World) -> None:
    async with await world.client() as client:
        assert await client.say("HELP MAIL") == "214 2.0.0 syntax: MAIL FROM:<address>"
        await client.say("EHLO client.test")
        assert await client.say("HELP mail") == "214 2.0.0 syntax: MAIL FROM:<address> [parameters]"
        assert await client.say("HELP noop") == "214 2.0.0 syntax: NOOP [ignored]"
        assert (await client.say("HELP BREW")).startswith("504 5.5.4 ")


async def test_help_names_the_commands_that_this_client_could_give(world: World) -> None:
    async with await world.client() as client:
        verbs = (await client.say("HELP")).removeprefix("214 2.0.0 commands: ").split()
    # It has no certificate and is no proxy, and nobody logs in here.
    assert verbs == sorted(set(COMMANDS) - {"AUTH", "EXPN", "STARTTLS", "XCLIENT"})
