"""Mail by way of a domain's own smart host, and from the addresses that are configured."""

from __future__ import annotations

import pytest
from onifast_shared.accepting import accept
from onifast_shared.machine.log import Secret
from onifast_shared.machine.setting_types import Source
from onifast_shared.queue.store import QueuedRecipient, Submission
from onifast_shared.transport import relay, routes, sources
from onifast_shared.transport.relay import Relay
from onifast_shared.transport.routes import Scope, StoredRoute
from onifast_shared.transport.sources import StoredSource

from fakes.smtp_server import ScriptedSmtpServer

from .helpers import MESSAGE, Outbox

HIS = "user:alice"


def use(outbox: Outbox, scope: Scope, name: str, server: ScriptedSmtpServer | None, user: str = "") -> None:
    chosen = Relay(server.host, server.port, user, Secret("secret" if user else ""), "none") if server else None
    outbox.db.write(lambda tx: routes.put(tx, StoredRoute(scope, name, chosen)))


async def send(outbox: Outbox, *recipients: str, sender: str = "alice@here.test", by: str | None = HIS) -> None:
    """One message, delivered as far as it goes."""
    submission = Submission(sender=sender, origin="smtp", submitted_by=by)
    await accept.asubmit(outbox.db, MESSAGE, submission, [QueuedRecipient(each) for each in recipients])
    await outbox.round()


def exchanger(outbox: Outbox) -> ScriptedSmtpServer:
    return ScriptedSmtpServer(host="127.0.0.25", port=outbox.settings.outbound_port)


async def test_a_recipients_domain_and_the_rest_each_go_their_way(outbox: Outbox) -> None:
    with ScriptedSmtpServer() as partner, ScriptedSmtpServer() as smart, exchanger(outbox) as mx:
        use(outbox, "recipient_domain", "*.partner.test", partner)
        use(outbox, "sender_domain", "here.test", smart)
        use(outbox, "recipient_domain", "remote.test", None)
        await send(outbox, "ann@mail.partner.test", "bob@else.test", "bob@remote.test")
        assert [message.rcpt_to for message in partner.messages] == [("ann@mail.partner.test",)]
        assert [message.rcpt_to for message in smart.messages] == [("bob@else.test",)]
        assert [message.rcpt_to for message in mx.messages] == [("bob@remote.test",)]
    assert set(outbox.states().values()) == {"sent"}


async def test_a_direct_route_passes_the_relay(outbox: Outbox) -> None:
    with ScriptedSmtpServer() as smart, exchanger(outbox) as mx:
        outbox.db.write(lambda tx: relay.put(tx, Relay(smart.host, smart.port, "", Secret(""), "none")))
        use(outbox, "recipient_domain", "remote.test", None)
        await send(outbox, "bob@remote.test")
        assert (len(mx.messages), len(smart.messages)) == (1, 0)


async def test_nobody_logs_in_with_the_password_of_a_domain_that_is_not_his(outbox: Outbox) -> None:
    with ScriptedSmtpServer(logins={"alice": "secret"}) as smart, exchanger(outbox) as mx:
        use(outbox, "sender_domain", "here.test", smart, user="alice")
        await send(outbox, "bob@remote.test", by="unix:www-data")
        assert (len(mx.messages), smart.sessions) == (1, [])
        await send(outbox, "bob@remote.test")
        assert [session.login for session in smart.sessions] == [("alice", "secret")]


async def test_two_passwords_of_one_name_share_no_connection(outbox: Outbox) -> None:
    with ScriptedSmtpServer(logins={"alice": "secret"}) as smart:
        use(outbox, "recipient_domain", "a.test", smart, user="alice")
        wrong = Relay(smart.host, smart.port, "alice", Secret("guessed"), "none")
        outbox.db.write(lambda tx: routes.put(tx, StoredRoute("recipient_domain", "b.test", wrong)))
        await send(outbox, "ann@a.test")
        await send(outbox, "bob@b.test")
    assert outbox.states() == {"ann@a.test": "sent", "bob@b.test": "deferred"}


async def test_a_changed_route_counts_from_the_next_attempt_on(outbox: Outbox) -> None:
    with ScriptedSmtpServer({"RCPT": "451 4.7.1 later"}) as first, ScriptedSmtpServer() as second:
        use(outbox, "recipient_domain", "remote.test", first)
        await send(outbox, "bob@remote.test")
        assert outbox.states() == {"bob@remote.test": "deferred"}
        use(outbox, "recipient_domain", "remote.test", second)
        outbox.sql("UPDATE outbox SET status = 'pending'")
        await outbox.round()
        assert len(second.messages) == 1
    assert outbox.states() == {"bob@remote.test": "sent"}


# Source addresses


async def test_mail_leaves_from_the_settings_address_with_its_name(outbox: Outbox) -> None:
    outbox.reassemble(source_addresses=(Source("127.0.0.31", "out.here.test"),))
    with exchanger(outbox) as mx:
        await send(outbox, "bob@remote.test", by=None)
        (session,) = mx.sessions
    assert session.peer[0] == "127.0.0.31"
    assert session.commands[0] == "EHLO out.here.test"


async def test_a_sending_domains_address_is_its_own_and_so_is_the_connection(outbox: Outbox) -> None:
    outbox.db.write(lambda tx: sources.put(tx, StoredSource("here.test", "127.0.0.32", "shop.here.test")))
    with exchanger(outbox) as mx:
        await send(outbox, "bob@remote.test")
        await send(outbox, "bob@remote.test", sender="carol@other.test", by="user:carol")
        await send(outbox, "bob@remote.test")
        assert [(session.peer[0], len(session.messages)) for session in mx.sessions] == [
            ("127.0.0.32", 2),
            ("127.0.0.1", 1),
        ]
        assert [session.commands[0] for session in mx.sessions] == [
            "EHLO shop.here.test",
            f"EHLO {outbox.settings.hostname}",
        ]


async def test_an_address_that_this_machine_lost_defers_and_says_so(outbox: Outbox) -> None:
    outbox.reassemble(source_addresses=(Source("192.0.2.1"),))
    with exchanger(outbox):
        await send(outbox, "bob@remote.test")
    assert outbox.states() == {"bob@remote.test": "deferred"}
    assert "this machine does not have the address 192.0.2.1" in outbox.error("bob@remote.test")


@pytest.mark.parametrize(("source", "reached"), [("127.0.0.31", "127.0.0.25"), ("::1", "::1")])
async def test_a_server_is_reached_in_the_family_that_there_is_a_source_for(
    outbox: Outbox, source: str, reached: str
) -> None:
    outbox.dns.set("mx.remote.test", "AAAA", "::1")
    outbox.reassemble(source_addresses=(Source(source),))
    with ScriptedSmtpServer(host=reached, port=outbox.settings.outbound_port) as mx:
        await send(outbox, "bob@remote.test")
        assert mx.sessions[0].peer[0] == source
    assert outbox.sql("SELECT outcome, address FROM delivery_attempts") == [f"delivered|{reached}"]


async def test_a_server_of_the_other_family_alone_defers_and_says_why(outbox: Outbox) -> None:
    outbox.reassemble(source_addresses=(Source("::1"),))
    await send(outbox, "bob@remote.test")
    assert outbox.states() == {"bob@remote.test": "deferred"}
    expected = "the mail server mx.remote.test has IPv4 addresses alone, and this mail leaves from ::1"
    assert expected in outbox.error("bob@remote.test")
