"""ARC: a chain of seals is validated, and a trusted handler's word counts where DMARC fails."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import pytest
from onifast_shared.mailboxes import mailbox
from onifast_shared.message.authentication_results import parse
from onifast_shared.message.headers import fields, unfold
from onifast_smtpd.authentication.arc_check import Seal, vouched

from fakes.dns import DnsServer, Failure

from .helpers import World
from .signatures import public_record, sealed, sealed_as_it_is

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


NAMES = ("ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results")
ONE = sealed(MESSAGE, "list.test", PASSED)
TWO = sealed(ONE, "second.list.test", f"arc=pass; {PASSED}")


def field(name: str, number: int, message: bytes = TWO) -> bytes:
    """A field of a set, with its line end."""
    pattern = rb"^%b: ?i=%d;.*\r\n(?:[ \t].*\r\n)*" % (name.encode(), number)
    match = re.search(pattern, message, re.MULTILINE)
    assert match
    return match[0]


def damaged(name: str, number: int, *, by: bytes, message: bytes = TWO) -> bytes:
    whole = field(name, number, message)
    return message.replace(whole, whole.replace(b"i=%d" % number, by, 1))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("number", [1, 2])
async def test_a_chain_that_lacks_any_field_fails(lenient: World, name: str, number: int) -> None:
    assert (await result(lenient, TWO.replace(field(name, number), b""))).startswith("fail (Incomplete ARC set")


@pytest.mark.parametrize("name", NAMES)
async def test_a_single_set_that_lacks_any_field_fails(lenient: World, name: str) -> None:
    assert (await result(lenient, ONE.replace(field(name, 1, ONE), b""))).startswith("fail (Incomplete ARC set")


@pytest.mark.parametrize("name", NAMES)
async def test_a_single_field_of_arc_is_a_chain_that_fails(lenient: World, name: str) -> None:
    assert (await result(lenient, field(name, 1) + MESSAGE)).startswith("fail (Incomplete ARC set")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "by", [b"x=1", b"i=", b"i=x", b"", b"i=1x", b"i=0", b"i=51", b"i=-1", b"i=3", "i=ü".encode(), b"I"]
)
@pytest.mark.parametrize("number", [1, 2])
async def test_a_chain_with_a_damaged_number_fails(lenient: World, name: str, by: bytes, number: int) -> None:
    assert (await result(lenient, damaged(name, number, by=by))).startswith("fail (")


@pytest.mark.parametrize("by", [b"x=1", b"i=", b"i=0"])
async def test_a_set_whose_numbers_are_all_damaged_fails(lenient: World, by: bytes) -> None:
    message = ONE
    for name in NAMES:
        message = damaged(name, 1, by=by, message=message)
    assert (await result(lenient, message)).startswith("fail (")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("number", [1, 2])
async def test_a_chain_with_a_field_twice_fails(lenient: World, name: str, number: int) -> None:
    assert (await result(lenient, field(name, number) + TWO)).startswith("fail (chain has two")


async def test_a_chain_with_a_gap_fails(lenient: World) -> None:
    message = TWO
    for name in NAMES:
        message = damaged(name, 2, by=b"i=3", message=message)
    assert (await result(lenient, message)).startswith("fail (Incomplete ARC set 2")


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("name", ["ARC-Message-Signature", "ARC-Seal"])
@pytest.mark.parametrize("space", [b"\r\n\t", b"", b"  ", b"\r\n "])
async def test_white_space_before_a_sets_number_does_not_matter(
    lenient: World, name: str, number: int, space: bytes
) -> None:
    whole = field(name, number)
    message = TWO.replace(whole, whole.replace(b": i=", b":" + space + b"i=", 1))
    assert await result(lenient, message) == "pass (sealed by second.list.test, list.test)"


async def test_what_looks_like_a_number_elsewhere_in_a_signature_does_not_matter(lenient: World) -> None:
    message = sealed(sealed(MESSAGE, "list.test", f"{PASSED} policy.i=2"), "second.list.test", f"arc=pass; {PASSED}")
    assert await result(lenient, message) == "pass (sealed by second.list.test, list.test)"


async def test_the_order_of_sets_in_the_header_does_not_matter(lenient: World) -> None:
    fields_of_first = b"".join(field(name, 1) for name in NAMES)
    rest = TWO
    for name in NAMES:
        rest = rest.replace(field(name, 1), b"")
    assert await result(lenient, fields_of_first + rest) == "pass (sealed by second.list.test, list.test)"


@pytest.mark.parametrize("added", [b"From: ceo@bank.test\r\n", b"Subject: pay now\r\n", b"Reply-To: x@evil.test\r\n"])
async def test_a_field_that_was_put_above_a_sealed_one_fails_the_chain(lenient: World, added: bytes) -> None:
    message = sealed(b"Reply-To: a@bank.test\r\n" + MESSAGE, "list.test", PASSED)
    assert (await result(lenient, added + message)).startswith("fail (")


@pytest.mark.parametrize(
    ("number", "cv"), [(1, b"cv=pass"), (1, b"cv=fail"), (2, b"cv=none"), (2, b"cv=fail"), (2, b"cv="), (1, b"x=y")]
)
async def test_a_chain_whose_seals_do_not_fit_together_fails(lenient: World, number: int, cv: bytes) -> None:
    seal = field("ARC-Seal", number)
    message = TWO.replace(seal, re.sub(rb"cv=\w+", cv, seal))
    assert (await result(lenient, message)).startswith("fail (ARC-Seal")


async def test_a_broken_first_seal_fails_the_chain(lenient: World) -> None:
    seal = field("ARC-Seal", 1)
    assert (await result(lenient, TWO.replace(seal, seal.replace(b"d=list.test", b"d=evil.test")))).startswith("fail (")


@pytest.mark.parametrize("name", ["arc-seal", "ARC-SEAL", "Arc-Message-Signature"])
async def test_the_names_of_fields_are_those_in_any_case(lenient: World, name: str) -> None:
    assert (await result(lenient, f"{name}: i=1; nonsense\r\n".encode() + MESSAGE)).startswith("fail (")


@pytest.mark.parametrize(
    "head", [b"X-ARC-Seal: i=1\r\n", b"ARC-Sealed: i=1\r\n", b"X: ARC-Seal: i=1\r\n arc-seal: i=1\r\n"]
)
async def test_what_only_looks_like_a_field_of_arc_makes_no_chain(lenient: World, head: bytes) -> None:
    assert await result(lenient, head + MESSAGE) == "none"


FORGER = "spf=pass {}; dmarc=fail (p=reject dis=reject) header.from=bank.test"


@pytest.mark.parametrize(
    "results",
    [
        FORGER.format(r'smtp.mailfrom="\"; dmarc=pass header.from=bank.test; x=\"@evil.test"'),
        FORGER.format('smtp.mailfrom="; dmarc=pass header.from=bank.test"@evil.test'),
        FORGER.format("(; dmarc=pass header.from=bank.test) smtp.mailfrom=evil.test"),
        FORGER.format('reason="; dmarc=pass header.from=bank.test" smtp.mailfrom=evil.test'),
        # By a handler that loses quotes, as dkimpy does
        FORGER.format(r"smtp.mailfrom=\"; dmarc=pass header.from=bank.test; x=\"@evil.test"),
        FORGER.format("smtp.mailfrom=evil.test; dmarc=pass header.from=bank.test"),
        'dmarc=pass header.from=evil.test policy.x="header.from=bank.test"',
        "dmarc=pass header.from=evil.test header.from=bank.test",
        "dmarc=pass (header.from=bank.test)",
        "dmarc=pass header.from=bank.test (",
        "dmarc=pass header.from=bank.test; dmarc=fail header.from=bank.test",
        "dmarc=pass smtp.mailfrom=x header.from",
        "x-dmarc=pass header.from=bank.test",
        "dmarc/2=pass header.from=bank.test",
        "dmarc=passed header.from=bank.test",
        "none",
    ],
)
async def test_a_trusted_handler_vouches_for_nothing_that_it_did_not_say(start: Start, results: str) -> None:
    world = await start(trusted_arc_sealers=("list.test",))
    assert (await send(world, sealed_as_it_is(MESSAGE, "list.test", results))).startswith("550 5.7.1 DMARC")


@pytest.mark.parametrize(
    "results",
    [
        "dmarc=pass header.from=bank.test",
        'spf=fail smtp.mailfrom=x; DMARC = Pass (p=reject\r\n dis=none) Header.From="Bank.Test"',
        'dmarc=pass reason="a; b" header.from=bank.test.; arc=none',
        "dmarc=pass action=none header.from=bank.test;dkim=pass header.d=x header.b=ab/+c==;arc=none",
        'spf=pass smtp.mailfrom="; dmarc=fail header.from=bank.test"@x.test; dmarc=pass header.from=ceo@bank.test',
    ],
)
async def test_a_trusted_handler_is_heard_however_it_writes(start: Start, results: str) -> None:
    world = await start(trusted_arc_sealers=("list.test",))
    assert (await send(world, sealed_as_it_is(MESSAGE, "list.test", results))).startswith("250 ")
    assert len(world.inbox("alice")) == 1


@pytest.mark.parametrize(
    "sender",
    [
        '"; dmarc=pass header.from=bank.test"@evil.test',
        r'"\"; dmarc=pass header.from=bank.test; x=\""@evil.test',
        r'"\\"@evil.test',
        '"(; dmarc=pass header.from=bank.test)"@evil.test',
        '"ü; dmarc=pass header.from=bank.test"@evil.test',
    ],
)
async def test_our_own_results_say_the_same_whatever_the_sender_is_called(lenient: World, sender: str) -> None:
    async with await lenient.client() as client:
        await client.say("EHLO client.test")
        assert (await client.say(f"MAIL FROM:<{sender}> SMTPUTF8")).startswith("250 ")
        await client.say("RCPT TO:<alice@here.test>")
        assert (await client.send_message(MESSAGE)).startswith("250 ")
    [value] = [value for name, value in fields(lenient.inbox("alice")[0]) if name == "Authentication-Results"]
    found = {item.method: item for item in parse(unfold(value)).results}
    assert (found["dmarc"].result, found["dmarc"].values("header.from")) == ("fail", ["bank.test"])
    assert found["spf"].values("smtp.mailfrom") == [sender]


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


async def test_who_vouches_for_one_author_does_not_vouch_for_the_others(start: Start, dns: DnsServer) -> None:
    world = await start(trusted_arc_sealers=("list.test",))
    dns.set("_dmarc.evil.test", "TXT", "v=DMARC1; p=reject")
    claim = "dmarc=pass header.from=evil.test"
    alone, both = (
        MESSAGE.replace(b"Boss <boss@bank.test>", who) for who in (b"x@evil.test", b"x@evil.test, c@bank.test")
    )
    assert (await send(world, sealed(alone, "list.test", claim))).startswith("250 ")
    assert (await send(world, sealed(both, "list.test", claim))).startswith("550 5.7.1 DMARC")


def test_everybody_after_the_one_who_vouches_must_be_trusted() -> None:
    chain = [Seal("b.test", "fail", "bank.test"), Seal("a.test", "pass", "bank.test")]
    assert vouched(chain, ["A.test", "b.test"], "bank.test") == "a.test"
    assert vouched(chain, ["a.test"], "bank.test") is None
    assert vouched([], ["a.test"], "bank.test") is None
