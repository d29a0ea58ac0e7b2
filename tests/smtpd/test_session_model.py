"""Sessions in any order: whatever a client says, the reply's class is what a small model of RFC 5321 expects."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from onifast_shared.db.database import Connection, Database
from onifast_shared.machine.config import Settings
from onifast_shared.recipients import addresses
from onifast_shared.values.address import Address
from onifast_smtpd.clients.client import Service

from .conftest import write_user
from .helpers import HERE, SmtpClient, World, encoded, plain, start_world

T = TypeVar("T")
MAX_ERRORS = 20

GOOD_PATHS = ["<>", "<alice@remote.test>", "<@relay.test:alice@remote.test>", '<"a b"@remote.test>']
BAD_PATHS = [
    "",
    "<alice@remote.test",
    "<alice@>",
    "<@remote.test>",
    "<a b@remote.test>",
    "<a@b@c>",
]
GOOD_PARAMETERS = ["", " SIZE=100", " BODY=8BITMIME", " SIZE=0 BODY=7BIT RET=HDRS ENVID=1", " SMTPUTF8", " AUTH=<>"]
BAD_PARAMETERS = [" SIZE=x", " BODY=9BIT", " COLOUR=blue", " SIZE=1 SIZE=1", " RET=ALL"]
MESSAGES = [b"", b"Subject: x\r\n\r\nText.\r\n", b"..stuffed\r\n", b"From: a@remote.test\r\n\r\n" + b"line\r\n" * 100]
BODIES = st.sampled_from(MESSAGES)


class Sessions(RuleBasedStateMachine):
    """A live receiver and one client of another machine's address; the attributes without underscore are the model."""

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._folder = TemporaryDirectory(prefix="onifast-model-")
        self._root = Path(self._folder.name)
        self._world: World
        self._client: SmtpClient
        self.stored = 0
        self.guessed = False
        self._begin_anew()

    @initialize(local=st.booleans())
    def connect(self, local: bool) -> None:
        """A server that offers AUTH and no TLS. A client of this machine may relay; one from outside may not."""
        for name in ("users", "certs", "config"):
            (self._root / name).mkdir()
        write_user(self._root / "users", "alice", "secret")
        base = Settings(root=self._root, home_root=self._root, hostname="mail.host.test")
        networks = (ip_network(f"{HERE}/32"),)
        chosen = replace(
            base,
            allow_insecure_auth="always",
            smtp_auth="always",
            auth_mechanisms=("PLAIN", "LOGIN"),
            loopback_networks=networks if local else (),
            dns_servers=((HERE, 9),),
            dns_timeout=0.1,
            login_delay=0.0,
            max_recipients=100,
        )
        self.local = local
        self._database = Database.open(base.database, timeout=10)
        self._database.write(_fill)
        self._world = self._run(start_world(chosen, self._database))
        self._client = self._run(self._world.client(HERE, Service.MX))

    @precondition(lambda self: self.over)
    @rule()
    def connect_again(self) -> None:
        """Nothing of the session before is left, but the messages, and how often somebody guessed wrong."""
        self._client.close()
        self._begin_anew()
        self._client = self._run(self._world.client(HERE, Service.MX))

    def _begin_anew(self) -> None:
        self.greeted = self.extended = self.mail = self.logged_in = self.chunking = self.over = False
        self.recipients = self.errors = 0

    def teardown(self) -> None:
        if hasattr(self, "_world"):
            self._client.close()
            self._run(self._world.stop())
            self._database.close()
        self._runner.close()
        self._folder.cleanup()

    def _run(self, awaitable: Awaitable[T]) -> T:
        async def wait() -> T:
            return await awaitable

        return self._runner.run(wait())

    def _say(self, command: str) -> str:
        return self._run(self._client.say(command))

    def _expect(self, reply: str, *allowed: str) -> None:
        """The reply's last line begins with one of those; 5xx is counted, and too many end the session."""
        last = reply.splitlines()[-1] if reply else ""
        assert last.startswith(allowed), f"{reply!r} is none of {allowed}"
        if last.startswith("421"):
            self.over = True
        if last.startswith("5"):
            self.errors += 1
            if self.errors == MAX_ERRORS:
                assert self._run(self._client.line()).startswith("421 4.7.0")
                self.over = True

    def _forget(self) -> None:
        self.mail = self.chunking = False
        self.recipients = 0

    # Greeting

    @precondition(lambda self: not self.over)
    @rule(verb=st.sampled_from(["EHLO", "HELO", "ehlo"]), name=st.sampled_from(["client.test", "[127.0.0.1]", "x_y"]))
    def greet(self, verb: str, name: str) -> None:
        reply = self._say(f"{verb} {name}")
        self._expect(reply, "250 ")
        self.greeted, self.extended = True, verb.upper() == "EHLO"
        assert ("PIPELINING" in reply) == self.extended
        assert ("AUTH PLAIN" in reply) == (self.extended and not self.logged_in)
        assert "STARTTLS" not in reply
        self._forget()

    @precondition(lambda self: not self.over)
    @rule(line=st.sampled_from(["EHLO", "HELO", "EHLO two words", "EHLO <x>"]))
    def greet_badly(self, line: str) -> None:
        self._expect(self._say(line), "501 5.5.4")

    # Transactions

    @precondition(lambda self: not self.over)
    @rule(path=st.sampled_from(GOOD_PATHS), parameters=st.sampled_from(GOOD_PARAMETERS))
    def begin(self, path: str, parameters: str) -> None:
        reply = self._say(f"MAIL FROM:{path}{parameters}")
        if not self.greeted or self.mail:
            self._expect(reply, "503 5.5.1")
        elif parameters and not self.extended:
            self._expect(reply, "555 5.5.4")
        elif self.logged_in and path != "<>":
            self._expect(reply, "553 5.7.1")  # not alice's own address
        else:
            self._expect(reply, "250 2.1.0")
            self.mail = True

    @precondition(lambda self: not self.over)
    @rule(path=st.sampled_from(BAD_PATHS), parameters=st.sampled_from(GOOD_PARAMETERS))
    def begin_with_a_bad_path(self, path: str, parameters: str) -> None:
        ordered = self.greeted and not self.mail
        self._expect(self._say(f"MAIL FROM:{path}{parameters}"), "501 5." if ordered else "503 5.5.1")

    @precondition(lambda self: not self.over)
    @rule(parameters=st.sampled_from(BAD_PARAMETERS))
    def begin_with_bad_parameters(self, parameters: str) -> None:
        ordered = self.greeted and not self.mail
        self._expect(
            self._say(f"MAIL FROM:<>{parameters}"), *(("501 5.5.4", "555 5.5.4") if ordered else ("503 5.5.1",))
        )

    @precondition(lambda self: not self.over)
    @rule(path=st.sampled_from(["<alice@here.test>", "<Postmaster>", "<alice@elsewhere.test>", "<nobody@here.test>"]))
    def add(self, path: str) -> None:
        reply = self._say(f"RCPT TO:{path}")
        if not self.mail or self.chunking:
            self._expect(reply, "503 5.5.1")
        elif path == "<nobody@here.test>":
            self._expect(reply, "550 5.1.1")
        elif path == "<alice@elsewhere.test>" and not (self.local or self.logged_in):
            self._expect(reply, "554 5.7.1")
        else:
            self._expect(reply, "250 2.1.5")
            self.recipients += 1

    @precondition(lambda self: not self.over)
    @rule(path=st.sampled_from([*BAD_PATHS, "<>", "<alice@here.test> COLOUR=blue", "<alice@here.test> NOTIFY=MAYBE"]))
    def add_badly(self, path: str) -> None:
        if self.mail and not self.chunking:
            self._expect(self._say(f"RCPT TO:{path}"), "501 5.", "555 5.5.4")
        else:
            self._expect(self._say(f"RCPT TO:{path}"), "503 5.5.1")

    @precondition(lambda self: not self.over)
    @rule(message=BODIES)
    def send(self, message: bytes) -> None:
        reply = self._say("DATA")
        if not self.mail or self.chunking:
            self._expect(reply, "503 5.5.1")
        elif not self.recipients:
            self._expect(reply, "554 5.5.1")
        else:
            self._expect(reply, "354 ")
            self._client.send(message + b".\r\n")
            self._expect("\n".join(self._run(self._client.reply())), "250 2.0.0")
            self._stored()

    @precondition(lambda self: not self.over)
    @rule(message=BODIES, last=st.booleans())
    def send_a_chunk(self, message: bytes, last: bool) -> None:
        # Whatever the answer, the octets that were announced are not taken for commands.
        self._client.send(f"BDAT {len(message)}{' LAST' if last else ''}\r\n".encode() + message)
        reply = "\n".join(self._run(self._client.reply()))
        if not self.mail:
            self._expect(reply, "503 5.5.1")
        elif not self.recipients:
            self._expect(reply, "554 5.5.1")
        else:
            self._expect(reply, "250 2.0.0")
            self.chunking = True
            if last:
                self._stored()

    def _stored(self) -> None:
        self.stored += 1
        self._forget()

    # Login

    @precondition(lambda self: not self.over)
    @rule(good=st.booleans(), step_by_step=st.booleans())
    def log_in(self, good: bool, step_by_step: bool) -> None:
        """Whoever guessed wrong a few times is slowed down, then shut out for a while, even if now right."""
        password = "secret" if good else "wrong"
        if not self._may_log_in:
            self._expect(self._say("AUTH PLAIN " + plain("alice", password)), "503 5.5.1")
            return
        if step_by_step:
            self._expect(self._say("AUTH LOGIN"), "334 ")
            self._expect(self._say(encoded("alice")), "334 ")
            reply = self._say(encoded(password))
        else:
            reply = self._say("AUTH PLAIN " + plain("alice", password))
        if good:
            self._expect(reply, "235 2.7.0", *(("4",) if self.guessed else ()))
            self.logged_in = reply.startswith("235")
            return
        self.guessed = True
        self._expect(reply, "535 5.7.8", "4")

    @precondition(lambda self: not self.over)
    @rule(line=st.sampled_from(["AUTH", "AUTH NOTHING", "AUTH PLAIN !!!", "AUTH PLAIN AGE= AGE="]))
    def log_in_badly(self, line: str) -> None:
        self._expect(self._say(line), *(("501 5.5.", "504 5.5.4") if self._may_log_in else ("503 5.5.1",)))

    @precondition(lambda self: not self.over and self._may_log_in)
    @rule()
    def give_up_a_login(self) -> None:
        self._expect(self._say("AUTH PLAIN"), "334")
        self._expect(self._say("*"), "501 5.7.0")

    @property
    def _may_log_in(self) -> bool:
        return self.greeted and self.extended and not self.mail and not self.logged_in

    # The rest

    @precondition(lambda self: not self.over)
    @rule()
    def reset(self) -> None:
        self._expect(self._say("RSET"), "250 2.0.0")
        self._forget()

    @precondition(lambda self: not self.over)
    @rule(line=st.sampled_from(["NOOP", "noop with words", "VRFY alice", "HELP"]))
    def do_nothing(self, line: str) -> None:
        self._expect(self._say(line), "25", "214 2.0.0")

    @precondition(lambda self: not self.over)
    @rule(
        line=st.sampled_from(["VRFY", "EXPN list", "RSET now", "QUIT now", "DATA now", "STARTTLS now", "NONSENSE", ""])
    )
    def say_nonsense(self, line: str) -> None:
        self._expect(self._say(line), "500 5.5.", "501 5.5.4", "502 5.5.1")

    @precondition(lambda self: not self.over)
    @rule()
    def start_tls(self) -> None:
        self._expect(self._say("STARTTLS"), "454 4.7.0")

    @precondition(lambda self: not self.over)
    @rule(size=st.integers(2_050, 200_000))
    def say_too_much(self, size: int) -> None:
        self._expect(self._say("NOOP " + "x" * size), "500 5.5.2")

    @precondition(lambda self: not self.over and self.stored > 1)
    @rule()
    def leave(self) -> None:
        self._expect(self._say("QUIT"), "221 2.0.0")
        self.over = True

    # What must hold at any time

    @invariant()
    def what_was_accepted_is_stored_and_nothing_else(self) -> None:
        if hasattr(self, "_database"):
            assert self._database.read(_messages) == self.stored

    @invariant()
    def a_session_that_is_over_is_closed(self) -> None:
        if self.over:
            assert self._run(self._client.hung_up())


def _fill(tx: Connection) -> None:
    addresses.add(tx, Address.parse("alice@here.test"), "alice")
    addresses.add(tx, Address.parse("postmaster@mail.host.test"), "alice")


def _messages(tx: Connection) -> int:
    """How many messages there are; the copies for several recipients share their content."""
    row = tx.execute(
        "SELECT count(DISTINCT content_id) FROM (SELECT content_id FROM emails UNION SELECT content_id FROM outbox)"
    )
    return int(str(row.fetchone()[0]))  # type: ignore[index]


TestSessions = Sessions.TestCase
TestSessions.settings = settings(
    max_examples=20,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
