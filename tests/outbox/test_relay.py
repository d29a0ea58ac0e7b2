"""All foreign mail by way of a smart host: login, encryption, and what its refusals mean."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from onifast_shared.machine.config import Listen
from onifast_shared.machine.log import Secret
from onifast_shared.tracing import store
from onifast_shared.tracing.flag import TraceFlag
from onifast_shared.tracing.store import Watched
from onifast_shared.transport import relay
from onifast_shared.transport.relay import Relay, RelayTls

from fakes.certificates import Authority
from fakes.smtp_server import ScriptedSmtpServer

from .helpers import Outbox

LOGINS = {"host": "relay secret"}


@pytest.fixture
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that the deliverer trusts where a test says so."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def use_relay(outbox: Outbox) -> Callable[..., None]:
    """Writes the relay's settings as the webmail does."""

    def put(
        server: ScriptedSmtpServer, tls: RelayTls, host: str = "", user: str = "host", password: str = "relay secret"
    ) -> None:
        chosen = Relay(host or server.host, server.port, user, Secret(password), tls)
        outbox.db.write(lambda tx: relay.put(tx, chosen))

    return put


async def deliver(outbox: Outbox) -> str:
    """One message through the relay: the row's state."""
    await outbox.submit("bob@anywhere.test")
    await outbox.round()
    return outbox.states()["bob@anywhere.test"]


async def test_login_and_starttls(outbox: Outbox, authority: Authority, use_relay: Callable[..., None]) -> None:
    context = authority.issue("relay.test").server_context()
    with ScriptedSmtpServer(tls=context, logins=LOGINS) as server:
        use_relay(server, "starttls")
        assert await deliver(outbox) == "sent"
        (session,) = server.sessions
        assert (session.tls, session.login) == (True, ("host", "relay secret"))
        assert "AUTH" in session.commands[session.commands.index("STARTTLS") + 2]


async def test_a_watched_dialogue_is_written_down_without_the_password(
    outbox: Outbox, authority: Authority, use_relay: Callable[..., None]
) -> None:
    now = time.time()
    flag = TraceFlag(outbox.db.path)
    flag.raise_until(now + 600)
    flag.close()
    outbox.db.write(
        lambda tx: store.watch(tx, Watched(address="bob@anywhere", direction="out"), "test", now, now + 600)
    )
    context = authority.issue("relay.test").server_context()
    with ScriptedSmtpServer(tls=context, logins=LOGINS) as server:
        use_relay(server, "starttls")
        assert await deliver(outbox) == "sent"
    await outbox.program.connections.close()
    outbox.program.tracer.close()
    (session,) = outbox.db.read(lambda tx: store.sessions(tx, Watched(), time.time()))
    said = [f"{line.who}: {line.text}" for line in outbox.db.read(lambda tx: store.lines(tx, session.id))]
    assert "client: AUTH PLAIN ***" in said
    assert any(line.startswith("note: TLS: TLSv1") for line in said)
    assert any(line.startswith("client: RCPT TO:<bob@anywhere.test>") for line in said)
    assert said[-1] == "note: connection closed"


async def test_login_and_implicit_tls(outbox: Outbox, authority: Authority, use_relay: Callable[..., None]) -> None:
    context = authority.issue("relay.test").server_context()
    with ScriptedSmtpServer(tls=context, implicit_tls=True, logins=LOGINS) as server:
        use_relay(server, "tls")
        assert await deliver(outbox) == "sent"
        assert server.sessions[0].login == ("host", "relay secret")


async def test_auth_login_where_plain_is_not_offered(outbox: Outbox, use_relay: Callable[..., None]) -> None:
    with ScriptedSmtpServer({"EHLO": "250-relay.test\r\n250 AUTH LOGIN"}, logins=LOGINS) as server:
        use_relay(server, "none")
        assert await deliver(outbox) == "sent"
        assert server.sessions[0].login == ("host", "relay secret")


async def test_a_wrong_password_defers_with_a_reason_that_does_not_show_it(
    outbox: Outbox, use_relay: Callable[..., None]
) -> None:
    with ScriptedSmtpServer(logins=LOGINS) as server:
        use_relay(server, "none", password="guessed")
        assert await deliver(outbox) == "deferred"
    error = outbox.error("bob@anywhere.test")
    assert "refused our user name and password" in error
    assert "535 5.7.8" in error
    assert "guessed" not in error


async def test_a_relay_without_starttls_gets_nothing_where_it_is_asked_for(
    outbox: Outbox, use_relay: Callable[..., None]
) -> None:
    with ScriptedSmtpServer(logins=LOGINS) as server:
        use_relay(server, "starttls")
        assert await deliver(outbox) == "deferred"
        assert server.sessions[0].login is None
    assert "does not offer STARTTLS" in outbox.error("bob@anywhere.test")


@pytest.mark.parametrize(("name", "state"), [("relay.test", "sent"), ("other.test", "deferred")])
async def test_a_named_relays_certificate_has_to_be_good_for_its_name(
    outbox: Outbox, authority: Authority, use_relay: Callable[..., None], name: str, state: str
) -> None:
    outbox.dns.set("relay.test", "A", "127.0.0.1")
    certificate = authority.issue(name)
    outbox.reassemble(outbound_tls_ca=certificate.authority)
    with ScriptedSmtpServer(tls=certificate.server_context(), logins=LOGINS) as server:
        use_relay(server, "starttls", host="relay.test")
        assert await deliver(outbox) == state
        assert (server.sessions[0].login is not None) == (state == "sent")
    if state == "deferred":
        assert "certificate does not verify" in outbox.error("bob@anywhere.test")


async def test_a_relay_that_refuses_us_altogether_defers(outbox: Outbox, use_relay: Callable[..., None]) -> None:
    with ScriptedSmtpServer({"CONNECT": "554 5.7.1 go away"}) as server:
        use_relay(server, "none", user="")
        assert await deliver(outbox) == "deferred"
    assert "554 5.7.1 go away" in outbox.error("bob@anywhere.test")


async def test_a_relay_that_is_this_server_defers(outbox: Outbox, use_relay: Callable[..., None]) -> None:
    with ScriptedSmtpServer() as server:
        use_relay(server, "none", user="")
        outbox.reassemble(smtp_listen=(Listen("127.0.0.1", server.port),))
        assert await deliver(outbox) == "deferred"
        assert server.sessions == []
    assert "this server itself" in outbox.error("bob@anywhere.test")


async def test_settings_that_make_no_relay_defer(outbox: Outbox) -> None:
    outbox.sql("INSERT INTO mail_config VALUES ('relay_host', 'relay.test'), ('relay_port', 'smtp')")
    assert await deliver(outbox) == "deferred"
    assert "relay_port is 'smtp'" in outbox.error("bob@anywhere.test")


async def test_a_relay_of_our_own_name_is_no_loop(outbox: Outbox, use_relay: Callable[..., None]) -> None:
    with ScriptedSmtpServer(hostname=outbox.settings.hostname) as server:
        use_relay(server, "none", user="")
        assert await deliver(outbox) == "sent"


async def test_the_next_message_goes_to_the_relay_as_soon_as_it_is_set(
    outbox: Outbox, use_relay: Callable[..., None]
) -> None:
    with (
        ScriptedSmtpServer(host="127.0.0.25", port=outbox.settings.outbound_port) as exchanger,
        ScriptedSmtpServer() as server,
    ):
        await outbox.submit("bob@remote.test")
        await outbox.round()
        use_relay(server, "none", user="")
        await outbox.submit("bob@remote.test")
        await outbox.round()
        assert (len(exchanger.messages), len(server.messages)) == (1, 1)
