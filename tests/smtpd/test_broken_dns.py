"""DNS that does not answer is neither a door nor a wall: what is no name is no trouble, and what is trouble waits."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
from onifast_shared.mailboxes import mailbox
from onifast_shared.refused import dns_failures

from fakes.dns import DnsServer, Failure

from .conftest import HASTE
from .helpers import OUTSIDE, World
from .signatures import public_record, sealed, signed

Start = Callable[..., Awaitable[World]]

FORGED = b"From: Boss <ceo@bank.test>\r\nTo: alice@here.test\r\nSubject: pay\r\n\r\nNow.\r\n"
DAY = 86_400
HOUR = 3_600
REFUSED = "550 5.7.1 DMARC policy of bank.test"


@pytest.fixture(autouse=True)
def bank(dns: DnsServer) -> None:
    """A domain that asks to reject what it did not sign or send."""
    dns.set("bank.test", "TXT", "v=spf1 ip4:192.0.2.1 -all")
    dns.set("_dmarc.bank.test", "TXT", "v=DMARC1; p=reject; rua=mailto:reports@bank.test")
    dns.set("sel._domainkey.bank.test", "TXT", public_record())
    dns.set("open.test", "TXT", f"v=spf1 ip4:{OUTSIDE} -all")


async def send(
    world: World, message: bytes = FORGED, sender: str = "x@open.test", helo: str = "client.test", options: str = ""
) -> str:
    async with await world.client() as client:
        await client.say(f"EHLO {helo}")
        assert (await client.say(f"MAIL FROM:<{sender}>{options}")).startswith("250 ")
        await client.say("RCPT TO:<alice@here.test>")
        return await client.send_message(message)


def claims(domain: str = "bank.test", selector: str = "sel", message: bytes = FORGED) -> bytes:
    """A message with a signature that says nothing but whose it would be."""
    tags = f"v=1; a=rsa-sha256; c=relaxed/relaxed; d={domain}; s={selector}; h=from:to:subject; bh=YWJj; b=YWJj"
    return f"DKIM-Signature: {tags}\r\n".encode() + message


async def later(world: World, seconds: float) -> None:
    """What was noted so far is written, and so much time passes; nothing is in the resolver's cache."""
    await world.receiver.deferred_writes.settled()
    world.clock.advance(seconds)
    world.receiver.verifier._resolver.sync.cache.flush()


async def clocks(world: World) -> frozenset[str]:
    await world.receiver.deferred_writes.settled()
    return world.database.read(dns_failures.known)


# Names that cannot exist


@pytest.mark.parametrize(
    ("selector", "domain"),
    [
        ("\\9", "bank.test"),
        ("\\", "bank.test"),
        ("\\300", "bank.test"),
        ("x" * 64, "bank.test"),
        ("a..b", "bank.test"),
        (".a", "bank.test"),
        (".".join(["x" * 60] * 5), "bank.test"),
        ("ü" * 70, "bank.test"),
        ("\N{COMBINING ACUTE ACCENT}a", "bank.test"),
        ("xn--\N{LATIN SMALL LETTER U WITH DIAERESIS}", "bank.test"),
        ("a\x7fb", "bank.test"),
        ("a b", "bank.test"),
        ("*", "bank.test"),
        ("sel", "x..bank.test"),
        ("sel", "x" * 64 + ".bank.test"),
        ("sel", "\\9.bank.test"),
        ("sel", ".bank.test"),
    ],
)
async def test_a_key_whose_name_cannot_exist_is_none(world: World, selector: str, domain: str) -> None:
    assert (await send(world, claims(domain, selector))).startswith(REFUSED)


@pytest.mark.parametrize("octets", [b"\xff\xfe", b"\xc3\x28"])
async def test_a_key_whose_name_is_no_text_is_none(world: World, octets: bytes) -> None:
    assert (await send(world, claims().replace(b"s=sel", b"s=" + octets))).startswith(REFUSED)


async def test_a_key_whose_name_is_made_too_long_by_an_alias_is_none(world: World, dns: DnsServer) -> None:
    dns.fail("long._domainkey.bank.test", Failure.YXDOMAIN)
    assert (await send(world, claims(selector="long"))).startswith(REFUSED)


POLICIES = [
    "v=spf1 exists:%{l}.users.bank.test -all",
    "v=spf1 include:%{l}.bank.test -all",
    "v=spf1 redirect=%{l}.bank.test",
    "v=spf1 a:%{s}.bank.test -all",
    "v=spf1 mx:%{l1r-}.bank.test -all",
    "v=spf1 exists:%{L}.bank.test -all",
    "v=spf1 exists:%{h}.bank.test -all",
    "v=spf1 -all exp=%{l}.why.bank.test",
]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(
    "local",
    [r'"\\9"', r'"\\"', r'"a..b"', '"."', "x" * 64, '".x"', r'"\\300"', r'"a\"b"', '"a b"', '"%{l}"', "xn--a"],
)
async def test_a_local_part_that_makes_no_name_in_an_spf_macro_matches_nothing(
    world: World, dns: DnsServer, policy: str, local: str
) -> None:
    dns.set("bank.test", "TXT", policy)
    assert (await send(world, sender=f"{local}@bank.test")).startswith(REFUSED)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("local", ["jürgen", "ü" * 32, "\N{COMBINING ACUTE ACCENT}a", "例"])
async def test_a_local_part_in_another_script_matches_nothing(
    world: World, dns: DnsServer, policy: str, local: str
) -> None:
    dns.set("bank.test", "TXT", policy)
    reply = await send(world, sender=f"{local}@bank.test", options=" SMTPUTF8")
    assert reply.startswith(REFUSED)
    assert not any("xn--" in query.name for query in dns.queries)


@pytest.mark.parametrize("helo", ["\\9.bank.test", "a..bank.test", "x" * 64 + ".bank.test", "\\", "bank.test\\"])
@pytest.mark.parametrize("sender", ["", "x@bank.test"])
async def test_a_helo_name_that_cannot_exist_matches_nothing(
    world: World, dns: DnsServer, helo: str, sender: str
) -> None:
    dns.set("bank.test", "TXT", "v=spf1 a:%{h} include:%{h} -all")
    assert (await send(world, helo=helo, sender=sender)).startswith(REFUSED)


async def test_names_are_asked_as_they_are_without_the_escapes_of_zone_files(world: World, dns: DnsServer) -> None:
    dns.set("A.users.bank.test", "A", "127.0.0.2")
    dns.set("bank.test", "TXT", "v=spf1 exists:%{l}.users.bank.test -all")
    assert (await send(world, sender=r'"\\065"@bank.test')).startswith(REFUSED)
    assert any("065" in query.name and query.name.endswith(".users.bank.test") for query in dns.queries)


@pytest.mark.parametrize("name", [r"a\.b.open.test", r"a\009b.open.test", r"\255.open.test", "a." + "b." * 100 + "t"])
async def test_a_client_with_a_strange_name_is_checked_all_the_same(world: World, dns: DnsServer, name: str) -> None:
    dns.set("9.0.0.127.in-addr.arpa", "PTR", name)
    dns.set("bank.test", "TXT", "v=spf1 ptr ptr:%{p}.bank.test -all")
    assert (await send(world, sender="x@bank.test")).startswith(REFUSED)


@pytest.mark.parametrize(
    "domain", ["x..bank.test", "x" * 64 + ".bank.test", r"\9.bank.test", "ü\N{ZERO WIDTH JOINER}.test"]
)
async def test_an_author_whose_domain_cannot_exist_does_not_come_into_the_inbox(world: World, domain: str) -> None:
    reply = await send(world, FORGED.replace(b"bank.test", domain.encode()))
    assert reply.startswith(("250 ", "550 "))
    assert world.inbox("alice") == []


async def test_a_check_that_fails_for_a_bug_of_ours_excuses_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("onifast_smtpd.authentication.verify.check_dkim", fail)
    monkeypatch.setattr("onifast_smtpd.authentication.verify.check_spf", fail)
    assert (await send(world, signed(FORGED), sender="x@bank.test")).startswith(REFUSED)
    assert "a check of a message failed" in caplog.text


# Trouble that stands between a message and a refusal


@pytest.mark.parametrize("policy", ["reject", "quarantine"])
@pytest.mark.parametrize("failure", [Failure.SERVFAIL, Failure.REFUSED, Failure.SILENT])
async def test_a_key_that_dns_does_not_answer_about_puts_the_message_off(
    hasty: World, dns: DnsServer, failure: Failure, policy: str
) -> None:
    dns.set("_dmarc.bank.test", "TXT", f"v=DMARC1; p={policy}")
    dns.fail("broken._domainkey.bank.test", failure)
    assert await send(hasty, claims(selector="broken")) == (
        "451 4.4.3 whether this is from bank.test cannot be told, since DNS does not answer about"
        " broken._domainkey.bank.test TXT; try again later"
    )
    assert hasty.inbox("alice") == hasty.inbox("alice", "junk") == []


@pytest.mark.parametrize(
    ("spf", "name", "sender"),
    [
        ("v=spf1 include:vendor.test -all", "vendor.test", "x@bank.test"),
        ("v=spf1 a:%{l}.bank.test -all", "any.bank.test", "any@bank.test"),
        ("v=spf1 redirect=vendor.test", "vendor.test", "x@bank.test"),
        ("v=spf1 mx -all", "mx.bank.test", "x@bank.test"),
        ("v=spf1 exists:%{h}.bank.test -all", "client.test.bank.test", "x@bank.test"),
    ],
)
async def test_an_aligned_spf_check_that_dns_stops_puts_the_message_off(
    world: World, dns: DnsServer, spf: str, name: str, sender: str
) -> None:
    dns.set("bank.test", "TXT", spf)
    dns.set("bank.test", "MX", "10 mx.bank.test")
    dns.fail(name, Failure.SERVFAIL)
    assert f"since DNS does not answer about {name} " in await send(world, sender=sender)


async def test_a_truncated_answer_is_asked_for_over_tcp(world: World, dns: DnsServer) -> None:
    dns.fail("sel._domainkey.bank.test", Failure.TRUNCATED)
    assert (await send(world, signed(FORGED))).startswith("250 ")
    assert len(world.inbox("alice")) == 1


async def test_trouble_of_somebody_else_puts_nothing_off(world: World, dns: DnsServer) -> None:
    dns.fail("sel._domainkey.evil.test", Failure.SERVFAIL)
    dns.fail("evil.test", Failure.SERVFAIL)
    assert (await send(world, claims("evil.test"), sender="x@evil.test")).startswith(REFUSED)
    assert await clocks(world) == frozenset()


async def test_genuine_mail_does_not_wait_for_what_it_does_not_need(hasty: World, dns: DnsServer) -> None:
    dns.fail("bank.test", Failure.SERVFAIL)
    dns.fail("broken._domainkey.bank.test", Failure.SILENT)
    message = claims(selector="broken", message=signed(FORGED))
    assert (await send(hasty, message, sender="x@bank.test")).startswith("250 ")
    assert len(hasty.inbox("alice")) == 1


async def test_a_policy_that_asks_for_nothing_puts_nothing_off(world: World, dns: DnsServer) -> None:
    dns.set("_dmarc.bank.test", "TXT", "v=DMARC1; p=none")
    dns.fail("broken._domainkey.bank.test", Failure.SERVFAIL)
    assert (await send(world, claims(selector="broken"))).startswith("250 ")
    assert len(world.inbox("alice")) == 1


async def test_nor_does_a_host_that_only_notes(start: Start, dns: DnsServer) -> None:
    world = await start(dmarc_reject="note")
    dns.fail("broken._domainkey.bank.test", Failure.SERVFAIL)
    assert (await send(world, claims(selector="broken"))).startswith("250 ")


async def test_another_author_does_not_turn_a_delay_into_junk(world: World, dns: DnsServer) -> None:
    dns.set("_dmarc.evil.test", "TXT", "v=DMARC1; p=quarantine")
    dns.fail("broken._domainkey.bank.test", Failure.SERVFAIL)
    both = FORGED.replace(b"From: Boss", b"From: me@evil.test, Boss")
    assert (await send(world, claims(selector="broken", message=both))).startswith("451 4.4.3 ")


async def test_a_host_that_refuses_spf_failures_waits_for_spf(start: Start, dns: DnsServer) -> None:
    world = await start(spf_fail="reject")
    dns.set("remote.test", "TXT", "v=spf1 include:vendor.test -all")
    dns.fail("vendor.test", Failure.SERVFAIL)
    assert (await send(world, sender="x@remote.test")).startswith("451 4.4.3 whether this is from remote.test ")


async def test_nothing_is_reported_of_a_message_that_is_put_off(world: World, dns: DnsServer) -> None:
    dns.fail("broken._domainkey.bank.test", Failure.SERVFAIL)
    await send(world, claims(selector="broken"))
    await world.receiver.deferred_writes.settled()
    count = world.database.read(lambda tx: tx.execute("SELECT count(*) FROM dmarc_aggregates").get)
    assert count == 0


@pytest.mark.parametrize("failure", [Failure.SERVFAIL, Failure.SILENT])
async def test_mail_of_an_author_whose_policy_cannot_be_had_goes_to_junk(
    hasty: World, dns: DnsServer, failure: Failure
) -> None:
    dns.fail("_dmarc.bank.test", failure)
    assert (await send(hasty)).startswith("250 ")
    row = hasty.database.read(lambda tx: mailbox.list_page(tx, "alice", "junk").rows[0])
    assert row.authentication["dmarc"] == "temperror"
    assert row.authentication["why"][0] == (
        "It is in junk because the DMARC policy of bank.test could not be looked up."
    )


async def test_a_subdomain_whose_servers_are_broken_is_no_way_around_the_policy_above(
    world: World, dns: DnsServer
) -> None:
    dns.fail("_dmarc.broken.bank.test", Failure.SERVFAIL)
    below = FORGED.replace(b"ceo@", b"ceo@broken.")
    for _ in range(4):
        assert "_dmarc.broken.bank.test TXT; try again later" in await send(world, below)
        await later(world, 6 * HOUR)
    assert (await send(world, below)).startswith("550 5.7.1 DMARC policy of broken.bank.test")


async def test_a_signature_of_the_very_domain_needs_no_policy(world: World, dns: DnsServer) -> None:
    dns.fail("_dmarc.bank.test", Failure.SERVFAIL)
    assert (await send(world, signed(FORGED))).startswith("250 ")
    assert len(world.inbox("alice")) == 1


async def test_a_trusted_sealer_whose_key_cannot_be_had_is_waited_for(start: Start, dns: DnsServer) -> None:
    world = await start(trusted_arc_sealers=("list.test",))
    dns.fail("sel._domainkey.list.test", Failure.SERVFAIL)
    dns.fail("sel._domainkey.evil.test", Failure.SERVFAIL)
    claim = "dmarc=pass header.from=bank.test"
    assert (await send(world, sealed(FORGED, "evil.test", claim))).startswith(REFUSED)
    for _ in range(3):
        assert (await send(world, sealed(FORGED, "list.test", claim))).startswith("451 4.4.3 ")
        await later(world, 8 * HOUR)
    assert (await send(world, sealed(FORGED, "list.test", claim))).startswith(REFUSED)


# The clock of each look-up


async def attempt(world: World, selector: str = "broken") -> str:
    return (await send(world, claims(selector=selector)))[:3]


async def test_after_a_day_the_look_up_counts_as_nothing_and_the_policy_decides(world: World, dns: DnsServer) -> None:
    dns.fail("broken._domainkey.bank.test", Failure.SERVFAIL)
    for _ in range(4):
        assert await attempt(world) == "451"
        await later(world, 6 * HOUR)
    assert (await send(world, claims(selector="broken"))).startswith(REFUSED)
    dns.set("_dmarc.bank.test", "TXT", "v=DMARC1; p=quarantine")
    await later(world, HOUR)
    assert await attempt(world) == "250"
    assert len(world.inbox("alice", "junk")) == 1


async def test_a_policy_goes_on_without_the_term_that_failed_for_a_day(world: World, dns: DnsServer) -> None:
    dns.set("bank.test", "TXT", f"v=spf1 a:gone.bank.test a:lost.bank.test ip4:{OUTSIDE} -all")
    dns.fail("gone.bank.test", Failure.SERVFAIL)
    dns.fail("lost.bank.test", Failure.SERVFAIL)
    genuine = partial(send, world, sender="x@bank.test")
    for _ in range(8):
        assert (await genuine()).startswith("451 ")
        await later(world, 6 * HOUR)
    assert (await genuine()).startswith("250 ")
    assert len(world.inbox("alice")) == 1


async def test_an_answer_stops_the_clock(world: World, dns: DnsServer) -> None:
    dns.fail("broken._domainkey.bank.test", Failure.SERVFAIL)
    for _ in range(3):
        assert await attempt(world) == "451"
        await later(world, 7 * HOUR)
    dns.fail("broken._domainkey.bank.test", None)
    dns.set("broken._domainkey.bank.test", "TXT", public_record())
    assert await attempt(world) == "550"
    assert await clocks(world) == frozenset()
    dns.fail("broken._domainkey.bank.test", Failure.SERVFAIL)
    await later(world, 3 * HOUR)
    assert await attempt(world) == "451"


async def test_so_does_a_long_time_in_which_nobody_asked(world: World, dns: DnsServer) -> None:
    dns.fail("broken._domainkey.bank.test", Failure.SERVFAIL)
    assert await attempt(world) == "451"
    await later(world, 25 * HOUR)
    assert await attempt(world) == "451"


async def test_each_look_up_has_a_clock_of_its_own(world: World, dns: DnsServer) -> None:
    for name in ("broken", "other"):
        dns.fail(f"{name}._domainkey.bank.test", Failure.SERVFAIL)
    for _ in range(4):
        assert await attempt(world) == "451"
        await later(world, 6 * HOUR)
    assert await attempt(world, "other") == "451"
    assert await attempt(world) == "550"


async def test_a_clock_goes_on_in_the_next_process(start: Start, dns: DnsServer) -> None:
    dns.fail("broken._domainkey.bank.test", Failure.SERVFAIL)
    first, second = await start(), await start()
    for _ in range(3):
        assert await attempt(first) == "451"
        await later(first, 8 * HOUR)
        second.clock.advance(8 * HOUR)
    assert await attempt(second) == "550"


async def test_made_up_names_take_a_bounded_room(world: World, dns: DnsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns_failures, "MOST_EACH", 3)
    for number in range(5):
        dns.fail(f"s{number}._domainkey.bank.test", Failure.SERVFAIL)
        assert await attempt(world, f"s{number}") == "451"
    assert len(await clocks(world)) == 3


# Our own resolver


@pytest.fixture
async def deaf(start: Start, dns: DnsServer, monkeypatch: pytest.MonkeyPatch) -> World:
    """A receiver whose own resolver does not say a word."""
    monkeypatch.setattr("onifast_smtpd.authentication.outage.PROBE_TIME", 0.2)
    monkeypatch.setattr("onifast_smtpd.authentication.outage.PROBE_EVERY", 0.05)
    dns.silent = True
    return await start(dns_timeout=HASTE / 4)


async def test_our_own_resolver_being_down_defers_and_is_told_of_once(
    deaf: World, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        assert await send(deaf, signed(FORGED)) == "451 4.4.3 our DNS resolver does not answer, try again later"
    assert caplog.text.count("resolver-down") == 1
    assert deaf.inbox("alice") == deaf.inbox("alice", "junk") == []
    assert await clocks(deaf) == frozenset()


async def test_mail_comes_in_when_it_answers_again(deaf: World, dns: DnsServer) -> None:
    assert (await send(deaf, signed(FORGED))).startswith("451 ")
    dns.silent = False
    end = time.monotonic() + 60
    while not (await send(deaf, signed(FORGED))).startswith("250 "):
        assert time.monotonic() < end


async def test_while_it_is_down_no_look_up_holds_a_thread(deaf: World, dns: DnsServer) -> None:
    await send(deaf, signed(FORGED))
    await send(deaf, claims(selector="other"))
    assert dns.asked("sel._domainkey.bank.test", "TXT")
    assert not dns.asked("other._domainkey.bank.test", "TXT")


async def test_a_resolver_that_knows_nothing_of_anybody_is_down_too(
    world: World, dns: DnsServer, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("open.test", "_dmarc.bank.test", "sel._domainkey.bank.test", "_dmarc.test", "9.0.0.127.in-addr.arpa"):
        dns.fail(name, Failure.SERVFAIL)
    assert (await send(world, signed(FORGED))).startswith("451 4.4.3 our DNS resolver ")
    assert "resolver-down" in caplog.text
    assert await clocks(world) == frozenset()


async def test_no_client_passes_a_block_list_while_it_is_down(start: Start, dns: DnsServer) -> None:
    world = await start(dns_timeout=HASTE / 4, dnsbl_zones=("block.test",))
    dns.silent = True
    async with await world.client() as client:
        answer = await client.say("EHLO client.test", "MAIL FROM:<x@open.test>", "RCPT TO:<alice@here.test>")
    assert answer.startswith("451 4.4.3 ")
