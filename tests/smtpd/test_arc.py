"""ARC: a chain of seals is validated, and a trusted handler's word counts where DMARC fails."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import pytest
from onifast_shared import mailbox
from onifast_smtpd.genuine.arc_check import Seal, vouched

from fakes.dns import DnsServer, Failure

from .helpers import World
from .signatures import public_record, sealed

Start = Callable[..., Awaitable[World]]

MESSAGE = b"From: Boss <boss@bank.test>\r\nTo: alice@here.test\r\nSubject: [list] pay\r\n\r\nNow.\r\n"
PASSED = "dmarc=pass header.from=bank.test"


@pytest.fixture(autouse=True)
def zone(dns: DnsServer) -> None:
    """A domain that asks to reject what it did not sign, and two handlers that break its signatures."""
    dns.set("_dmarc.bank.test", "TXT", "v=DMARC1; p=reject; rua=mailto:reports@bank.test")
    for domain in ("list.test", "second.list.test", "evil.test"):
        dns.set(f"sel._domainkey.{domain}", "TXT", public_record())


async def send(world: World, message: bytes) -> str:
    async with await world.client() as client:
        return await client.deliver("bounces@list.test", "alice@here.test", message=message)


async def result(world: World, message: bytes) -> str:
    """Our result for the chain, with what stands behind it."""
    reply = await send(world, message)
    assert reply.startswith("250 "), reply
    raw = re.sub(r"\r\n[ \t]+", " ", world.inbox("alice")[-1].decode())
    found = re.search(r"\barc=([^;]*)", raw)
    assert found
    return found[1].strip()


@pytest.fixture
async def lenient(start: Start) -> World:
    """A receiver that obeys no DMARC policy, for looking at the chain alone."""
    return await start(dmarc_reject="note")


async def test_a_message_that_nobody_sealed_has_no_result(lenient: World) -> None:
    assert await result(lenient, MESSAGE) == "none"


async def test_a_chain_of_two_passes(lenient: World) -> None:
    message = sealed(sealed(MESSAGE, "list.test", PASSED), "second.list.test", f"arc=pass; {PASSED}")
    assert await result(lenient, message) == "pass (sealed by second.list.test, list.test)"


async def test_the_chain_is_told_of_in_words(lenient: World) -> None:
    await send(lenient, sealed(MESSAGE, "list.test", PASSED))
    row = lenient.database.read(lambda tx: mailbox.list_page(tx, "alice", "inbox").rows[0])
    assert row.authentication["arc"] == "pass"
    assert "ARC passed: the message came by way of list.test, unchanged since." in row.authentication["why"]


async def test_a_message_changed_after_it_was_sealed_fails(lenient: World) -> None:
    assert (await result(lenient, sealed(MESSAGE, "list.test", PASSED) + b"P.S.\r\n")).startswith("fail (Most recent")


async def test_a_seal_over_changed_results_fails(lenient: World) -> None:
    message = sealed(MESSAGE, "list.test", "dmarc=fail header.from=bank.test").replace(b"dmarc=fail", b"dmarc=pass", 1)
    assert (await result(lenient, message)).startswith("fail")


async def test_a_chain_with_a_set_missing_fails(lenient: World) -> None:
    message = sealed(MESSAGE, "list.test", PASSED).replace(b"i=1;", b"i=2;")
    assert (await result(lenient, message)).startswith("fail (Incomplete ARC set")


@pytest.mark.parametrize("number", [b"0", b"51", b"999999999999"])
async def test_a_set_with_a_number_out_of_range_fails(lenient: World, number: bytes) -> None:
    message = sealed(MESSAGE, "list.test", PASSED).replace(b"i=1;", b"i=" + number + b";")
    assert (await result(lenient, message)).startswith("fail (chain has a set with the number")


async def test_a_malformed_set_fails(lenient: World) -> None:
    nonsense = b"ARC-Seal: i=1; nonsense\r\nARC-Message-Signature: i=1;=\r\nARC-Authentication-Results: i=1\r\n"
    assert (await result(lenient, nonsense + MESSAGE)).startswith("fail")


async def test_a_chain_that_was_sealed_with_sha1_fails(lenient: World) -> None:
    assert (await result(lenient, sealed(MESSAGE, "list.test", PASSED, "rsa-sha1"))).startswith("fail")


@pytest.mark.parametrize("tags", ["h=sha1; ", "s=tlsrpt; ", "k=ed25519; ", "v=DKIM2; "])
async def test_a_sealers_key_is_judged_as_an_authors(lenient: World, dns: DnsServer, tags: str) -> None:
    dns.set("sel._domainkey.list.test", "TXT", public_record().replace("v=DKIM1; k=rsa; ", tags))
    assert (await result(lenient, sealed(MESSAGE, "list.test", PASSED))).startswith("fail")


async def test_a_sealers_key_is_found_among_other_records(lenient: World, dns: DnsServer) -> None:
    dns.set("sel._domainkey.list.test", "TXT", "v=spf1 -all", public_record(), "v=DKIM1; p=")
    assert await result(lenient, sealed(MESSAGE, "list.test", PASSED)) == "pass (sealed by list.test)"


async def test_dns_trouble_is_a_temporary_error(lenient: World, dns: DnsServer) -> None:
    dns.fail("sel._domainkey.list.test", Failure.SERVFAIL)
    assert (await result(lenient, sealed(MESSAGE, "list.test", PASSED))).startswith("temperror")


async def test_a_trusted_handlers_word_counts_where_dmarc_fails(start: Start) -> None:
    world = await start(trusted_arc_sealers=("list.test",))
    assert (await send(world, sealed(MESSAGE, "list.test", PASSED))).startswith("250 ")
    row = world.database.read(lambda tx: mailbox.list_page(tx, "alice", "inbox").rows[0])
    assert row.authentication["dmarc"] == "fail"
    assert row.authentication["why"][0] == (
        "It was let in because list.test, which you trust, saw it pass DMARC before passing it on."
    )


@pytest.mark.parametrize(
    "message",
    [
        sealed(MESSAGE, "list.test", "dmarc=fail header.from=bank.test"),
        sealed(MESSAGE, "list.test", "dmarc=pass header.from=other.test"),
        sealed(MESSAGE, "evil.test", PASSED),
        sealed(sealed(MESSAGE, "list.test", PASSED), "evil.test", f"arc=pass; {PASSED}"),
        sealed(MESSAGE, "list.test", PASSED) + b"P.S.\r\n",
    ],
    ids=["it failed there", "it was another author", "a stranger's seal", "a stranger since", "changed since"],
)
async def test_no_other_word_does(start: Start, message: bytes) -> None:
    world = await start(trusted_arc_sealers=("list.test",))
    assert (await send(world, message)).startswith("550 5.7.1 DMARC")


def test_everybody_after_the_one_who_vouches_must_be_trusted() -> None:
    chain = [Seal("b.test", "fail", "bank.test"), Seal("a.test", "pass", "bank.test")]
    assert vouched(chain, ["A.test", "b.test"], "bank.test") == "a.test"
    assert vouched(chain, ["a.test"], "bank.test") is None
    assert vouched([], ["a.test"], "bank.test") is None
