"""Hostile clients against the running program: it answers or hangs up by the rules, keeps its memory, serves others."""

from __future__ import annotations

import contextlib
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakes.certificates import Authority
from fakes.dns import DnsServer

from .hostile import HERE, MIB, OUTSIDE, Client, Hostess, Siege

pytestmark = pytest.mark.slow

SILENCE = 3  # seconds that a client may be silent
MAX_SESSIONS = 500
LARGEST = 16 * MIB
EVIL = b"MAIL FROM:<boss@here.test>\r\nRCPT TO:<alice@here.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nEvil.\r\n"

# What some servers take for the end of a message, and a good one does not (RFC 5321 section 4.1.1.4).
ALMOST_ENDS = [
    *(b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n", b"\r.\r\n", b"\r\n.\r", b"\n.\r", b"\r.\n", b"\r\n.\r\r\n"),
    *(b"\n\n.\n\n", b"\r\r.\r\r", b"\r\n.\x00\r\n", b"\r\n\x00.\r\n", b"\r\n.\n\r\n", b"\n\r.\n\r", b"\r\n .\r\n"),
]
BARE_IN_HEADER = [
    b"Subject: one\rX-Evil: two\r\n\r\nText.",
    b"Subject: one\nX-Evil: two\r\n\r\nText.",
    b"Subject: one\r\r\n\r\nText.",
    b"Subject: one\r\n\n\r\nText.",
    b"\nSubject: one\r\n\r\nText.",
]


def has_bare(octets: bytes) -> bool:
    rest = octets.replace(b"\r\n", b"")
    return b"\r" in rest or b"\n" in rest


@pytest.fixture(scope="module")
def hostess(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostess]:
    folder = tmp_path_factory.mktemp("hostile")
    with DnsServer({"remote.test": {"TXT": "v=spf1 -all"}}) as dns:
        server = Hostess(
            folder,
            dns_servers=dns.address,
            dns_timeout="1s",
            session_timeout=f"{SILENCE}s",
            min_data_rate="1 KiB",
            max_connections=str(MAX_SESSIONS),
            max_message_size=str(LARGEST),
            bytes_in_flight="144 MiB",
        )
        Authority(folder / "onifast/certs").issue("mail.host.test")
        with server:
            yield server


@pytest.fixture
def siege(hostess: Hostess, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> Iterator[Siege]:
    """What is to be held while a test attacks; its figures go to the test's output."""
    attack = Siege(hostess)
    yield attack
    with capsys.disabled():
        print(f"\n  {request.node.name}: {attack.report}")


# Smuggling


def verdict_on(text: bytes) -> str:
    """How the reply to a message with such a text begins: bare line ends, and NUL, do not come in."""
    if has_bare(text):
        return "550 5.6.11"
    return "550 5.6.0" if b"\0" in text else "250 2.0.0"


@pytest.mark.parametrize("almost", ALMOST_ENDS, ids=repr)
def test_nothing_but_crlf_dot_crlf_ends_a_message(hostess: Hostess, almost: bytes) -> None:
    before = hostess.messages()
    with hostess.client() as client:
        client.begin_data()
        client.send(b"Subject: outer\r\n\r\nText." + almost + EVIL + b".\r\n")
        reply = client.reply()
        # One message, one reply, and then the server waits for a command.
        assert client.say("NOOP").startswith("250 2.0.0")
    assert reply.startswith(verdict_on(almost))
    assert hostess.messages() == before + reply.startswith("250")


@pytest.mark.parametrize("message", BARE_IN_HEADER, ids=repr)
def test_bare_line_ends_in_a_header_are_refused(hostess: Hostess, message: bytes) -> None:
    before = hostess.messages()
    with hostess.client() as client:
        client.begin_data()
        client.send(message + b"\r\n.\r\n")
        assert client.reply().startswith("550 5.6.11")
    assert hostess.messages() == before


@pytest.mark.parametrize("almost", ALMOST_ENDS, ids=repr)
def test_chunks_smuggle_no_better(hostess: Hostess, almost: bytes) -> None:
    message = b"Subject: chunk\r\n\r\nText." + almost + EVIL
    with hostess.client() as client:
        client.say("EHLO client.test", "MAIL FROM:<someone@remote.test>", "RCPT TO:<alice@here.test>")
        client.send(b"BDAT %d LAST\r\n" % len(message) + message + b"NOOP\r\n")
        assert client.reply().startswith(verdict_on(almost))
        assert client.reply().startswith("250 2.0.0")


@pytest.mark.parametrize(
    "command",
    [b"NOOP\n", b"NOOP\r", b"NO\rOP\r\n", b"MAIL FROM:<a@remote.test>\rRCPT TO:<alice@here.test>\r\n", b"NOOP\x00\r\n"],
    ids=repr,
)
def test_a_command_ends_with_crlf_alone(hostess: Hostess, command: bytes) -> None:
    with hostess.client() as client:
        client.say("EHLO client.test")
        client.send(command + b"QUIT\r\n")
        replies = client.rest()
    assert replies[0].startswith("500 5.5.2")
    assert len(replies) <= 2


# STARTTLS


def test_commands_behind_starttls_in_the_clear_end_the_session(hostess: Hostess) -> None:
    with hostess.client() as client:
        client.say("EHLO client.test")
        client.send(b"STARTTLS\r\nRSET\r\n" + EVIL)
        replies = client.rest()
    assert [reply[:9] for reply in replies] == ["554 5.5.0"]


def test_what_follows_starttls_in_a_packet_of_its_own_is_a_broken_handshake(hostess: Hostess) -> None:
    with hostess.client() as client:
        client.say("EHLO client.test")
        assert client.say("STARTTLS").startswith("220 2.0.0")
        client.try_to_send(b"RSET\r\n" + EVIL)
        assert not any(reply[:3].isdigit() for reply in _undecoded(client))


def test_the_session_before_starttls_is_forgotten(hostess: Hostess) -> None:
    with hostess.client() as client:
        client.say("EHLO client.test", "MAIL FROM:<someone@remote.test>", "RCPT TO:<alice@here.test>")
        assert client.say("STARTTLS").startswith("220 2.0.0")
        client.start_tls()
        assert client.say("DATA").startswith("503 5.5.1")
        assert client.say("MAIL FROM:<>").startswith("503 5.5.1")


def test_a_handshake_that_comes_at_once_is_heard(hostess: Hostess) -> None:
    for _ in range(40):
        client = Client(hostess.submissions_port)
        client.start_tls()
        assert client.reply().startswith("220 ")
        client.close()


def test_a_handshake_that_never_comes_is_given_up(hostess: Hostess, siege: Siege) -> None:
    with siege:
        clients = [Client(hostess.submissions_port, f"127.0.2.{number}") for number in range(1, 51)]
        clients[0].send(b"EHLO client.test\r\n")
        assert _undecoded(clients[0])[:1] in ([], [""])
        for client in clients:
            client.close()


# Time


def test_a_command_that_trickles_in_is_not_waited_for(hostess: Hostess, siege: Siege) -> None:
    with siege, hostess.client() as client:
        took = _trickle(client, b"N")
        assert client.line().startswith("421 4.4.2")
    assert SILENCE - 0.5 < took < SILENCE + 3


def test_a_message_that_trickles_in_is_not_waited_for(hostess: Hostess, siege: Siege) -> None:
    with siege, hostess.client() as client:
        client.begin_data()
        took = _trickle(client, b"x")
        assert client.line().startswith("421 4.4.2")
    assert SILENCE - 0.5 < took < SILENCE + 3


def test_a_silent_client_is_sent_away(hostess: Hostess) -> None:
    with hostess.client() as client:
        assert client.line().startswith("421 4.4.2")
        assert client.line() == ""


# Amounts


def test_a_hundred_thousand_recipients(hostess: Hostess, siege: Siege) -> None:
    count, most, errors = 100_000, 1000, 20
    with siege, hostess.client() as client:
        client.say("EHLO client.test", "MAIL FROM:<>")
        commands = b"".join(b"RCPT TO:<alice+%d@here.test>\r\n" % number for number in range(count))
        sender = threading.Thread(target=client.try_to_send, args=(commands + b"RSET\r\n",))
        sender.start()
        replies = [reply[:9] for reply in client.rest()]
        sender.join()
    # What is still on its way when we hang up may cost the client our last replies.
    expected = ["250 2.1.5"] * most + ["452 4.5.3"] * (most + errors) + ["421 4.7.0"]
    assert replies == expected[: len(replies)]
    assert len(replies) > most


@pytest.mark.parametrize(
    ("commands", "most"),
    [
        (b"MAIL FROM:<> SIZE=1\r\nRSET\r\n", 2 * 100),
        (b"STARTTLS\r\n", 1),
        (b"EHLO client.test\r\n", 1),
        (b"RCPT TO:<alice@here.test>\r\n", 1000 + 20 + 2),
        (b"BDAT 0\r\n", 100),
        (b"BDAT 1\r\nx", 20),
        (b"VRFY alice\r\n", 100),
        (b"HELP\r\n", 100),
        (b"EXPN list\r\n", 20),
        (b"MAIL FROM:<>\r\n", 1 + 20),
        (b"MAIL FROM:<> SIZE=99999999\r\n", 20),
        (b"DATA\r\n", 1),
    ],
    ids=repr,
)
def test_whatever_is_repeated_for_ever_ends_the_session(hostess: Hostess, commands: bytes, most: int) -> None:
    with hostess.client() as client:
        client.say("EHLO client.test")
        if commands.startswith((b"RCPT", b"BDAT 0")):
            client.say("MAIL FROM:<>", "RCPT TO:<alice@here.test>")
        client.try_to_send(commands * 3000)
        replies = [reply for reply in client.rest() if reply[3] == " "]
    assert len(replies) <= most + 1


def test_a_command_line_of_ten_megabytes(hostess: Hostess, siege: Siege) -> None:
    with siege, hostess.client() as client:
        client.try_to_send(b"NOOP " + b"x" * (10 * MIB) + b"\r\nNOOP\r\n")
        assert client.rest() in ([], ["500 5.5.2 command line too long"])


def test_a_long_command_line_is_refused_whole(hostess: Hostess) -> None:
    with hostess.client() as client:
        client.say("EHLO client.test")
        client.send(b"NOOP " + b"x" * 500_000 + b"\r\nNOOP\r\n")
        assert client.reply().startswith("500 5.5.2")
        assert client.reply().startswith("250 2.0.0")


def test_a_header_line_of_ten_megabytes(hostess: Hostess, siege: Siege) -> None:
    with siege, hostess.client() as client:
        client.begin_data()
        client.send(b"Subject: " + b"x" * (10 * MIB) + b"\r\n\r\nText.\r\n.\r\n")
        assert client.reply().startswith("5")
        assert client.say("NOOP").startswith("250 ")


def test_a_body_line_of_ten_megabytes(hostess: Hostess, siege: Siege) -> None:
    with siege.of(128 * MIB), hostess.client() as client:
        client.begin_data()
        client.send(b"Subject: long\r\n\r\n" + b"x" * (10 * MIB) + b"\r\n.\r\n")
        assert client.reply()[:3] in ("250", "550", "552", "554")
        assert client.say("NOOP").startswith("250 ")


def test_a_hundred_thousand_header_fields(hostess: Hostess, siege: Siege) -> None:
    with siege, hostess.client() as client:
        client.begin_data()
        client.send(b"".join(b"X-%d: y\r\n" % number for number in range(100_000)) + b"\r\nText.\r\n.\r\n")
        assert client.reply()[:3] in ("250", "550", "552", "554")
        assert client.say("NOOP").startswith("250 ")


def test_a_message_without_end_takes_no_memory(hostess: Hostess, siege: Siege) -> None:
    with siege, hostess.client() as client:
        client.begin_data()
        for _ in range(10):
            client.send(b"x" * LARGEST)
        client.send(b"\r\n.\r\n")
        assert client.reply().startswith("552 5.3.4")
        assert client.say("NOOP").startswith("250 ")


def test_many_large_messages_at_once_share_what_memory_there_is(hostess: Hostess, siege: Siege) -> None:
    replies: list[str] = []

    def attack(number: int) -> None:
        with hostess.client(f"127.0.3.{number}") as client:
            client.begin_data(ehlo="large.test")
            client.try_to_send(b"Subject: large\r\n\r\n" + (b"x" * 998 + b"\r\n") * 12_000 + b".\r\n")
            replies.append(client.reply()[:9])

    # bytes_in_flight counts each message three times; the allocator keeps some of what is free again.
    with siege.of(240 * MIB):
        _together(attack, 16)
    # The last: whom a busy machine lets send no faster than the least rate is asked to come again.
    assert set(replies) <= {"250 2.0.0", "452 4.3.1", "421 4.4.2"}
    assert len(replies) == 16 and "250 2.0.0" in replies


def test_a_thousand_commands_in_one_packet_are_answered_in_order(hostess: Hostess, siege: Siege) -> None:
    with siege, hostess.client() as client:
        client.say("EHLO client.test")
        recipients = [b"nobody" if number % 100 == 50 else b"alice+%d" % number for number in range(997)]
        rcpt = b"".join(b"RCPT TO:<%s@here.test>\r\n" % recipient for recipient in recipients)
        client.send(b"MAIL FROM:<>\r\n" + rcpt + b"RSET\r\nQUIT\r\n")
        replies = [reply[:9] for reply in client.rest()]
    taken = ["550 5.1.1" if recipient == b"nobody" else "250 2.1.5" for recipient in recipients]
    assert replies == ["250 2.1.0", *taken, "250 2.0.0", "221 2.0.0"]


def test_a_thousand_idle_commands_in_one_packet_end_the_session(hostess: Hostess, siege: Siege) -> None:
    with siege, hostess.client() as client:
        client.say("EHLO client.test")
        client.try_to_send(b"NOOP\r\nVRFY someone\r\nRSET\r\nHELP\r\n" * 250 + b"QUIT\r\n")
        replies = [reply[:3] for reply in client.rest()]
    assert 50 < len(replies) < 200
    assert replies[:-1] == (["250", "252", "250", "214"] * 50)[: len(replies) - 1]
    assert replies[-1] == "421"


def test_whole_transactions_in_one_packet_are_answered_in_order(hostess: Hostess) -> None:
    one = (
        b"MAIL FROM:<>\r\nRCPT TO:<alice@here.test>\r\nRCPT TO:<nobody@here.test>\r\nBDAT 19\r\nSubject: packet\r\n\r\n"
    )
    one += b"BDAT 7 LAST\r\nText.\r\n"
    before = hostess.messages()
    with hostess.client() as client:
        client.say("EHLO client.test")
        client.send(one * 15 + b"QUIT\r\n")
        replies = [reply[:3] for reply in client.rest()]
    assert replies == ["250", "250", "550", "250", "250"] * 15 + ["221"]
    assert hostess.messages() == before + 15


def test_clients_that_read_no_reply_take_no_memory(hostess: Hostess, siege: Siege) -> None:
    commands = b"EHLO client.test\r\nMAIL FROM:<>\r\n" + b"RCPT TO:<alice@here.test>\r\n" * 150_000

    def attack(number: int) -> None:
        with hostess.client(f"127.0.4.{number}") as client:
            client.socket.settimeout(0.5)
            try:
                client.socket.sendall(commands)
            except (TimeoutError, OSError):
                time.sleep(SILENCE + 1)

    with siege:
        _together(attack, 40)


@pytest.mark.parametrize("seed", range(5))
def test_random_octets_end_in_421(hostess: Hostess, siege: Siege, seed: int) -> None:
    noise = random.Random(seed).randbytes(MIB)
    with siege, hostess.client() as client:
        client.try_to_send(noise)
        replies = _undecoded(client)
    assert all(reply[:3] in ("500", "421") for reply in replies)
    assert len(replies) <= 21


def test_random_octets_in_a_message_are_refused_or_taken(hostess: Hostess, siege: Siege) -> None:
    noise = random.Random(7).randbytes(MIB).replace(b"\r\n.\r\n", b"")
    with siege, hostess.client() as client:
        client.begin_data()
        client.send(noise + b"\r\n.\r\n")
        assert client.reply().startswith("550 5.6.11")
        client.say("MAIL FROM:<>", "RCPT TO:<alice@here.test>", "DATA")
        client.send(noise.replace(b"\r", b"").replace(b"\n", b"") + b"\r\n.\r\n")
        assert client.reply()[:3] in ("250", "550", "552", "554")
        assert client.say("NOOP").startswith("250 ")


# Connections


def test_what_came_before_a_half_closed_socket_is_answered(hostess: Hostess) -> None:
    with hostess.client() as client:
        client.say("EHLO client.test")
        client.send(b"MAIL FROM:<>\r\nRCPT TO:<alice@here.test>\r\nRSET\r\n")
        client.socket.shutdown(socket.SHUT_WR)
        replies = [reply[:3] for reply in client.rest() if reply[3] == " "]
    assert replies == ["250"] * 3


def test_half_a_message_is_no_message(hostess: Hostess, siege: Siege) -> None:
    with siege, hostess.client() as client:
        client.begin_data()
        client.send(b"Subject: half\r\n\r\nText.\r\n.\r")
        client.socket.shutdown(socket.SHUT_WR)
        assert client.rest() == []
    assert hostess.sql("SELECT count(*) FROM emails WHERE subject = 'half';") == ["0"]


def test_half_closed_sockets_are_not_kept(hostess: Hostess, siege: Siege) -> None:
    with siege:
        clients = [hostess.client(f"127.0.5.{number}") for number in range(1, 101)]
        for client in clients:
            client.socket.shutdown(socket.SHUT_WR)
        assert [client.rest() for client in clients] == [[]] * 100
        for client in clients:
            client.close()


@pytest.mark.parametrize("source", ["127.0.{}.{}", HERE], ids=["from many addresses", "from one program"])
@pytest.mark.parametrize("port", ["port", "submissions_port"])
def test_newcomers_are_served_while_a_thousand_idle_clients_hold_on(
    hostess: Hostess, siege: Siege, source: str, port: str
) -> None:
    with siege, contextlib.ExitStack() as clients:
        for number in range(1000):
            with contextlib.suppress(ConnectionError):
                address = source.format(20 + number // 200, 1 + number % 200)
                clients.enter_context(Client(getattr(hostess, port), address))
        for address in (OUTSIDE, HERE):
            with _as_soon_as_there_is_room(hostess, address) as client:
                assert client.say("EHLO client.test", "NOOP").startswith("250 ")
        with _as_soon_as_there_is_room(hostess, "127.0.0.11", tls=True) as client:
            assert client.say("EHLO client.test", "NOOP").startswith("250 ")


def test_with_few_descriptors_there_are_fewer_sessions_and_no_less_room_for_newcomers(tmp_path: Path) -> None:
    with Hostess(tmp_path, descriptors=128) as hostess, contextlib.ExitStack() as clients:
        for number in range(300):
            with contextlib.suppress(ConnectionError):
                clients.enter_context(Client(hostess.port, f"127.0.30.{1 + number % 200}"))
        for source in (OUTSIDE, HERE):
            with _as_soon_as_there_is_room(hostess, source) as client:
                client.begin_data()
                client.send(b"From: a@remote.test\r\n\r\nText.\r\n.\r\n")
                assert client.reply().startswith("250 ")
        assert "few-descriptors sessions=32 max_connections=500" in hostess.log.read_text()


def test_a_client_that_connects_over_and_over(hostess: Hostess, siege: Siege) -> None:
    def attack(number: int) -> None:
        for _ in range(200):
            Client(hostess.port, f"127.0.10.{number}").close()

    with siege:
        _together(attack, 4)


# The loopback's clients, which get their line ends repaired, and so smuggle nothing outwards


@pytest.mark.parametrize("almost", ALMOST_ENDS, ids=repr)
def test_what_a_local_program_sends_is_one_message_with_crlf_alone(hostess: Hostess, almost: bytes) -> None:
    before = hostess.messages()
    with hostess.client(HERE) as client:
        client.begin_data(["someone@elsewhere.test"])
        client.send(b"Subject: local\r\n\r\nText." + almost + EVIL + b".\r\n")
        assert client.reply().startswith("250 2.0.0")
        assert client.say("NOOP").startswith("250 2.0.0")
    assert hostess.messages() == before + 1


def _trickle(client: Client, octet: bytes) -> float:
    """Sends an octet now and then until the server hangs up; how long that took."""
    begin = time.monotonic()
    client.socket.settimeout(0.2)
    while time.monotonic() < begin + 3 * SILENCE:
        try:
            client.send(octet)
            if client.socket.recv(1, socket.MSG_PEEK):
                break
        except TimeoutError:
            continue
        except OSError:
            break
    client.socket.settimeout(60)
    return time.monotonic() - begin


def _undecoded(client: Client) -> list[str]:
    """What the server says until it hangs up, TLS alerts included."""
    heard = b""
    try:
        while octets := client.socket.recv(65536):
            heard += octets
    except ConnectionResetError:
        pass
    return heard.decode("latin-1").removesuffix("\r\n").split("\r\n") if heard else []


def _together(attack: Callable[[int], None], count: int) -> None:
    attackers = [threading.Thread(target=attack, args=(number,)) for number in range(1, count + 1)]
    for attacker in attackers:
        attacker.start()
    for attacker in attackers:
        attacker.join()


def _as_soon_as_there_is_room(hostess: Hostess, source: str, *, tls: bool = False) -> Client:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        client = Client(hostess.submissions_port if tls else hostess.port, source)
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            if tls:
                client.start_tls()
            if client.line().startswith("220 "):
                return client
        client.close()
        time.sleep(0.05)
    raise AssertionError("no room for a newcomer")
