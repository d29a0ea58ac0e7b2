"""Mail to real sites on loopback: Postfix, Exim and OpenSMTPD, each with STARTTLS."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace

import pytest
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.queue import view as queue_view
from onifast_shared.queue.view import AttemptRow

from fakes.certificates import Authority
from fakes.dns import DnsServer
from peers.exim_site import EximSite
from peers.opensmtpd import OpenSmtpd
from peers.ports import free_port
from peers.postfix import RemotePostfix

from .helpers import MESSAGE, Outbox, start

pytestmark = [pytest.mark.peers, pytest.mark.root]

UMLAUTS = "Grüße aus Köln.\r\n..zwei Punkte\r\n"
EIGHT_BIT = MESSAGE.replace(b"\r\n\r\n", b"\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n", 1)
EIGHT_BIT += UMLAUTS.encode()


@dataclass(frozen=True)
class Peer:
    """A site under test: `wait_for` gives a user's messages as soon as there are so many."""

    domain: str
    wait_for: Callable[[str, int], list[bytes]]
    does_tls: bool
    knows_smtputf8: bool


@pytest.fixture(scope="module")
def port() -> int:
    """The port that all of them listen on, each on an address of its own."""
    return free_port("127.0.0.27")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Vouches for their certificates."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def peers(port: int, authority: Authority) -> Iterator[dict[str, Peer]]:
    """The three, running."""
    names = {name: authority.issue(f"mx.{name}.test") for name in ("postfix", "exim", "opensmtpd")}
    postfix = RemotePostfix(
        "postfix.test",
        host="127.0.0.27",
        port=port,
        certificate=names["postfix"],
        settings={"message_size_limit": "102400"},
    )
    exim = EximSite(names["exim"], domain="exim.test", host="127.0.0.28", port=port)
    opensmtpd = OpenSmtpd(names["opensmtpd"], domain="opensmtpd.test", host="127.0.0.29", port=port)
    with ExitStack() as stack:
        for site in (postfix, exim, opensmtpd):
            stack.enter_context(site)
        yield {
            "postfix": Peer(
                "postfix.test", lambda user, count: [each.raw for each in postfix.wait_for(user, count)], True, True
            ),
            "exim": Peer("exim.test", exim.wait_for, True, True),
            "opensmtpd": Peer("opensmtpd.test", opensmtpd.wait_for, False, False),
        }


@pytest.fixture(params=["postfix", "exim", "opensmtpd"])
def peer(request: pytest.FixtureRequest, peers: dict[str, Peer]) -> Peer:
    """Each of them in turn."""
    return peers[request.param]


@pytest.fixture
async def sender(
    outbox_settings: Settings, database: Database, dns: DnsServer, port: int, authority: Authority
) -> AsyncIterator[Outbox]:
    """A deliverer that finds them by the DNS, and trusts the authority of their certificates."""
    for number, name in enumerate(("postfix", "exim", "opensmtpd"), 27):
        zone = {f"{name}.test": {"MX": f"10 mx.{name}.test"}, f"mx.{name}.test": {"A": f"127.0.0.{number}"}}
        dns.load(zone)
    settings = replace(outbox_settings, outbound_port=port, outbound_tls_ca=authority.issue("any.test").authority)
    running = start(settings, database, dns)
    yield running
    await running.program.connections.close()


def history(outbox: Outbox, row_id: int) -> tuple[AttemptRow, ...]:
    row = outbox.db.read(lambda tx: queue_view.get(tx, None, row_id))
    assert row is not None
    return row.history


def marked(raw: bytes, mark: str) -> bytes:
    return f"X-Mark: {mark}\r\n".encode() + raw


async def test_one_message_reaches_each_recipient_whom_the_site_knows(sender: Outbox, peer: Peer) -> None:
    recipients = [f"{user}@{peer.domain}" for user in ("alice", "stranger", "bob")]
    ids = (await sender.submit(*recipients, raw=marked(MESSAGE, "several"), sender="carol@here.test")).outbox_ids
    await sender.round()
    states = sender.states()
    assert [states[each] for each in recipients] == ["sent", "failed", "sent"], sender.error(recipients[1])
    peer.wait_for("alice", 1), peer.wait_for("bob", 1)
    attempt = history(sender, ids[0])[-1]
    assert attempt.address.startswith("127.0.0.2") and attempt.stages.keys() >= {"connect", "mail", "rcpt", "end"}
    assert history(sender, ids[1])[-1].code in range(500, 600)


async def test_the_connection_is_as_well_protected_as_the_site_lets_it_be(sender: Outbox, peer: Peer) -> None:
    (row_id,) = (await sender.submit(f"alice@{peer.domain}", raw=marked(MESSAGE, "tls"))).outbox_ids
    await sender.round()
    attempts = [(each.outcome, each.tls_level) for each in history(sender, row_id)]
    if peer.does_tls:
        assert attempts == [("delivered", "verified")]
    else:
        assert attempts == [("passed_over", "none"), ("delivered", "none")]


async def test_several_messages_take_one_connection(sender: Outbox, peer: Peer) -> None:
    ids = []
    for number in range(3):
        accepted = await sender.submit(f"bob@{peer.domain}", raw=marked(MESSAGE, f"turn{number}"))
        ids += accepted.outbox_ids
        await sender.round()
    assert ["connect" in history(sender, row_id)[-1].stages for row_id in ids] == [True, False, False]
    peer.wait_for("bob", 3)


async def test_8_bit_text_arrives_as_it_was_written(sender: Outbox, peer: Peer) -> None:
    before = len([each for each in peer.wait_for("alice", 0) if b"X-Mark: eight" in each])
    await sender.submit(f"alice@{peer.domain}", raw=marked(EIGHT_BIT, "eight"))
    await sender.round()
    assert sender.states() == {f"alice@{peer.domain}": "sent"}
    count = before + 1
    messages = [each for each in _until(peer, "alice", b"X-Mark: eight", count) if b"X-Mark: eight" in each]
    assert messages[-1].endswith(UMLAUTS.replace("\r\n", "\n").encode())


async def test_a_sender_in_another_script_goes_where_smtputf8_is_known(sender: Outbox, peer: Peer) -> None:
    recipient = f"alice@{peer.domain}"
    (row_id, *_) = (
        await sender.submit(recipient, sender="jürgen@here.test", raw=marked(MESSAGE, "utf8"), smtputf8=True)
    ).outbox_ids
    await sender.round()
    assert sender.states()[recipient] == ("sent" if peer.knows_smtputf8 else "failed"), sender.error(recipient)
    if not peer.knows_smtputf8:
        assert history(sender, row_id)[-1].enhanced == "5.6.7"


async def test_what_is_larger_than_the_site_takes_is_not_even_sent(sender: Outbox, peer: Peer) -> None:
    raw = MESSAGE + b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 2000
    (row_id,) = (await sender.submit(f"alice@{peer.domain}", raw=raw, sender="")).outbox_ids
    await sender.round()
    attempt = history(sender, row_id)[-1]
    assert (attempt.outcome, attempt.enhanced) == ("failed", "5.3.4")
    assert "mail" not in attempt.stages


def _until(peer: Peer, user: str, mark: bytes, count: int) -> list[bytes]:
    """The user's messages as soon as so many of them have the mark."""
    total = 0
    while True:
        messages = peer.wait_for(user, total)
        if sum(mark in each for each in messages) >= count:
            return messages
        total = len(messages) + 1


@pytest.mark.parametrize("name", ["postfix", "exim"])
async def test_an_address_beside_the_grammar_is_taken_as_it_is_written(
    sender: Outbox, peers: dict[str, Peer], name: str
) -> None:
    peer = peers[name]
    before = len(peer.wait_for("alice", 0))
    sender.sql(
        "INSERT INTO outbox (sender, recipient, subject, body)"
        f" VALUES ('.carol..x@here.test', 'alice@{peer.domain}.', 'odd', 'odd')"
    )
    await sender.deliver_all()
    assert sender.sql("SELECT status FROM outbox") == ["sent"]
    messages = peer.wait_for("alice", before + 1)
    assert any(b"Subject: odd" in each and b'".carol..x"@here.test' in each for each in messages)
