"""Mail from outside is judged: DMARC obeyed, ARC heard, and every verdict kept in words."""

from __future__ import annotations

import base64
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import mailbox
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.refused import dmarc_reports, refusals
from onifast_shared.refused.refusals import Refusal

from fakes.dns import DnsServer, Failure

from .helpers import OUTSIDE, World
from .signatures import pem, public_record, signed

Start = Callable[..., Awaitable[World]]

FORGED = b"From: Boss <boss@bank.test>\r\nTo: alice@here.test\r\nSubject: pay\r\n\r\nNow.\r\n"


@pytest.fixture(autouse=True)
def bank(dns: DnsServer) -> None:
    """A domain that asks to reject what it did not sign or send, and one that nobody protects."""
    for domain in ("bank.test", "list.test", "news.bank.test"):
        dns.set(f"sel._domainkey.{domain}", "TXT", public_record())
    dns.set("bank.test", "TXT", "v=spf1 ip4:192.0.2.1 -all")
    dns.set("_dmarc.bank.test", "TXT", "v=DMARC1; p=reject; rua=mailto:reports@bank.test")
    dns.set("open.test", "TXT", "v=spf1 ip4:127.0.0.9 -all")


async def send(world: World, message: bytes, sender: str = "someone@open.test") -> str:
    async with await world.client() as client:
        if b"\0" not in message:
            return await client.deliver(sender, "alice@here.test", message=message)
        # Only a binary message may hold one (RFC 3030).
        await client.say("EHLO x", f"MAIL FROM:<{sender}> BODY=BINARYMIME", "RCPT TO:<alice@here.test>")
        client.send(b"BDAT %d LAST\r\n" % len(message) + message)
        return (await client.reply())[0]


async def stored(world: World, message: bytes, sender: str = "someone@open.test") -> tuple[str, dict[str, Any], str]:
    """The folder that a message comes into, what is stored of its origin, and its bytes unfolded."""
    reply = await send(world, message, sender)
    assert reply.startswith("250 "), reply
    for folder in ("inbox", "junk"):
        if messages := world.inbox("alice", folder):
            row = world.database.read(partial(newest, folder=folder))
            return folder, row.authentication, re.sub(r"\r\n[ \t]+", " ", messages[-1].decode())
    raise AssertionError("it is nowhere")


def newest(tx: Connection, folder: str) -> EmailRow:
    return mailbox.list_page(tx, "alice", folder).rows[0]


async def kept(world: World) -> list[Refusal]:
    """The refusals that are on record, newest first."""
    await world.receiver.deferred_writes.settled()
    page = world.database.read(lambda tx: refusals.list_page(tx, None))
    return [row.refusal for row in page.rows]


async def aggregates(world: World) -> list[dmarc_reports.AggregateRow]:
    await world.receiver.deferred_writes.settled()
    return world.database.read(lambda tx: dmarc_reports.of_day(tx, datetime.now(UTC).strftime("%Y-%m-%d")))


async def test_mail_that_its_author_asks_to_reject_is_refused_with_what_failed(world: World) -> None:
    reply = await send(world, FORGED)
    assert reply == (
        "550 5.7.1 DMARC policy of bank.test asks to refuse this: SPF pass for open.test, no DKIM signature;"
        " none shows that it is from bank.test"
    )
    assert world.inbox("alice") == world.inbox("alice", "junk") == []


async def test_a_refused_message_is_on_record_with_its_reason(world: World) -> None:
    await send(world, FORGED)
    [refusal] = await kept(world)
    assert (refusal.client, refusal.stage, refusal.code, refusal.enhanced) == (OUTSIDE, "DATA", 550, "5.7.1")
    assert (refusal.sender, refusal.recipient, refusal.owner) == ("someone@open.test", "alice@here.test", "alice")
    assert refusal.authentication
    assert refusal.authentication["dmarc"] == "fail"
    assert refusal.authentication["why"][0] == "Refused, as bank.test asks."


async def test_refused_recipients_and_senders_are_on_record_too(world: World) -> None:
    async with await world.client() as client:
        await client.say("EHLO client.test", "MAIL FROM:<local>", "MAIL FROM:<a@open.test>")
        await client.say("RCPT TO:<nobody@here.test>", "RCPT TO:<x@elsewhere.test>")
    found = [(item.stage, item.sender, item.recipient, item.enhanced) for item in await kept(world)]
    assert found == [
        ("RCPT", "a@open.test", "x@elsewhere.test", "5.7.1"),
        ("RCPT", "a@open.test", "nobody@here.test", "5.1.1"),
        ("MAIL", "local", "", "5.1.7"),
    ]


async def test_a_valid_signature_of_the_author_passes(world: World) -> None:
    folder, found, raw = await stored(world, signed(FORGED))
    assert (folder, found["dmarc"], found["dkim"]) == ("inbox", "pass", "pass")
    assert "dmarc=pass (p=reject dis=none) header.from=bank.test" in raw
    assert found["why"][0] == "DMARC passed: DKIM shows that the message is from bank.test."
    assert "DKIM passed: bank.test signed the message (2048-bit key)." in found["why"]


async def test_the_authors_own_host_passes_by_spf(world: World, dns: DnsServer) -> None:
    dns.set("bank.test", "TXT", f"v=spf1 ip4:{OUTSIDE} -all")
    _, found, _ = await stored(world, FORGED, sender="bounces@bank.test")
    assert found["dmarc"] == "pass"
    assert "SPF passed: bank.test lets 127.0.0.9 send its mail." in found["why"]


async def test_a_null_sender_passes_by_the_name_in_ehlo(world: World, dns: DnsServer) -> None:
    dns.set("mail.bank.test", "TXT", f"v=spf1 ip4:{OUTSIDE} -all")
    async with await world.client() as client:
        await client.say("EHLO mail.bank.test", "MAIL FROM:<>", "RCPT TO:<alice@here.test>")
        assert (await client.send_message(FORGED)).startswith("250 ")


async def test_a_signature_of_somebody_else_does_not_pass(world: World) -> None:
    assert (await send(world, signed(FORGED, "list.test"))).startswith("550 5.7.1 DMARC policy of bank.test")


async def test_quarantine_goes_to_junk_and_says_so(world: World, dns: DnsServer) -> None:
    dns.set("_dmarc.bank.test", "TXT", "v=DMARC1; p=quarantine")
    folder, found, raw = await stored(world, FORGED)
    assert (folder, found["dmarc"]) == ("junk", "fail")
    assert found["why"][0] == "It is in junk because it could not be shown to be from bank.test."
    assert "dmarc=fail (p=quarantine dis=quarantine) header.from=bank.test" in raw


async def test_a_policy_of_none_only_makes_a_note(world: World, dns: DnsServer) -> None:
    dns.set("_dmarc.bank.test", "TXT", "v=DMARC1; p=none")
    folder, found, _ = await stored(world, FORGED)
    assert (folder, found["dmarc"]) == ("inbox", "fail")


@pytest.mark.parametrize(("setting", "folder"), [("junk", "junk"), ("note", "inbox")])
async def test_the_setting_can_be_milder_than_the_author(start: Start, setting: str, folder: str) -> None:
    world = await start(dmarc_reject=setting)
    found, _, _ = await stored(world, FORGED)
    assert found == folder


async def test_a_subdomain_follows_its_organisation(world: World, dns: DnsServer) -> None:
    dns.set("_dmarc.bank.test", "TXT", "v=DMARC1; p=none; sp=reject; np=quarantine")
    dns.set("news.bank.test", "A", "192.0.2.7")
    assert (await send(world, FORGED.replace(b"boss@", b"boss@news."))).startswith("550 5.7.1")


async def test_a_subdomain_that_does_not_exist_has_a_policy_of_its_own(world: World, dns: DnsServer) -> None:
    dns.set("_dmarc.bank.test", "TXT", "v=DMARC1; p=none; sp=none; np=reject")
    assert (await send(world, FORGED.replace(b"boss@", b"boss@made.up."))).startswith("550 5.7.1")


async def test_a_registry_can_protect_what_nobody_registered(world: World, dns: DnsServer) -> None:
    dns.set("_dmarc.gov.uk", "TXT", "v=DMARC1; p=reject")
    assert (await send(world, FORGED.replace(b"bank.test", b"taxes.gov.uk"))).startswith("550 5.7.1")


async def test_two_records_at_a_domain_are_none_and_end_the_search(world: World, dns: DnsServer) -> None:
    dns.set("_dmarc.news.bank.test", "TXT", "v=DMARC1; p=reject", "v=DMARC1; p=none")
    folder, found, _ = await stored(world, FORGED.replace(b"boss@", b"boss@news."))
    assert (folder, found["dmarc"]) == ("inbox", "none")
    assert found["why"][0] == "DMARC does not apply: news.bank.test has several DMARC records."


async def test_a_policy_that_is_being_tested_is_not_refused(world: World, dns: DnsServer) -> None:
    dns.set("_dmarc.bank.test", "TXT", "v=DMARC1; p=reject; t=y; rua=mailto:reports@bank.test")
    folder, found, _ = await stored(world, FORGED)
    assert (folder, found["dmarc"]) == ("junk", "fail")
    [row] = await aggregates(world)
    assert (row.observation.disposition, row.observation.reason) == ("quarantine", "policy_test_mode")


@pytest.mark.parametrize("signer", ["bank.test", "mail.bank.test", "a.mail.bank.test"])
@pytest.mark.parametrize("author", ["bank.test", "news.bank.test", "b.news.bank.test"])
async def test_the_domains_of_an_organisation_speak_for_each_other(
    world: World, dns: DnsServer, signer: str, author: str
) -> None:
    dns.set(f"sel._domainkey.{signer}", "TXT", public_record())
    message = signed(FORGED.replace(b"boss@bank.test", f"boss@{author}".encode()), signer)
    folder, found, _ = await stored(world, message)
    assert (folder, found["dmarc"]) == ("inbox", "pass")


@pytest.mark.parametrize(
    ("name", "record"),
    [("news.bank.test", "p=reject; psd=n"), ("bank.test", "p=reject; psd=y"), ("mail.bank.test", "p=none; psd=n")],
)
async def test_a_domain_that_stands_for_itself_is_spoken_for_by_no_other(
    world: World, dns: DnsServer, name: str, record: str
) -> None:
    dns.set(f"_dmarc.{name}", "TXT", f"v=DMARC1; {record}")
    for domain in ("news.bank.test", "mail.bank.test"):
        dns.set(f"sel._domainkey.{domain}", "TXT", public_record())
    forged = FORGED.replace(b"boss@", b"boss@news.")
    assert (await send(world, signed(forged, "mail.bank.test"))).startswith("550 5.7.1 DMARC policy of news.bank.test")
    assert (await send(world, signed(forged, "news.bank.test"))).startswith("250 ")


async def test_a_second_author_does_not_hide_the_first(world: World) -> None:
    both = FORGED.replace(b"From: Boss", b"From: me@open.test, Boss")
    assert (await send(world, both)).startswith("550 5.7.1 DMARC policy of bank.test")
    twice = b"From: me@open.test\r\n" + FORGED
    assert (await send(world, twice)).startswith("550 5.7.1 DMARC policy of bank.test")


async def test_an_author_that_nobody_can_read_goes_to_junk(world: World) -> None:
    folder, found, _ = await stored(world, FORGED.replace(b"<boss@bank.test>", b"<>"))
    assert (folder, found["dmarc"]) == ("junk", "permerror")
    assert found["why"][0] == "It is in junk because the From header has no valid address."


@pytest.mark.parametrize(
    ("head", "problem"),
    [
        (b"", "the message has no From header"),
        (b"Sender: boss@bank.test\r\n", "the message has no From header"),
        (b"From: boss@open.test\0\r\n", "the From header has a control character"),
        (b'From: "Boss\0" <boss@open.test>\r\n', "the From header has a control character"),
        (b"From: Boss\x0b <boss@open.test>\r\n", "the From header has a control character"),
        (b"From: boss@open.test\x7f\r\n", "the From header has a control character"),
        (b"From\0: boss@bank.test\r\nFrom: boss@open.test\r\n", "the From header has a control character"),
        (b"From: nobody\r\n", "the From header has no valid address"),
        (b"\r\nFrom: boss@open.test\r\n", "the message has no From header"),
        (b"no field\r\nFrom: boss@open.test\r\n", "the message has no From header where it belongs"),
    ],
)
async def test_a_message_that_is_from_nobody_goes_to_junk_and_says_so(world: World, head: bytes, problem: str) -> None:
    folder, found, raw = await stored(world, head + b"Subject: pay\r\n\r\nNow.\r\n", "boss@open.test")
    assert (folder, found["dmarc"], found["why"][0]) == ("junk", "permerror", f"It is in junk because {problem}.")
    assert f"dmarc=permerror ({problem})" in raw


async def test_a_folded_from_holds_no_control_character(world: World) -> None:
    folder, found, _ = await stored(world, b"From: Boss\r\n\t<boss@open.test>\r\n\r\nNow.\r\n")
    assert (folder, found["dmarc"]) == ("inbox", "none")


async def test_a_signature_that_leaves_from_out_is_worth_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # dkimpy does not make such a one, so its signature is made over a header whose From has another name.
    renamed = FORGED.replace(b"From:", b"Fr0m:")
    signer = dkim.DKIM(b"From: x\r\n" + renamed)
    monkeypatch.setattr(signer, "should_sign", {b"subject"})
    names = [b"from", b"subject", b"to"]
    header = signer.sign(b"sel", b"bank.test", pem(), include_headers=names)
    assert (await send(world, header.replace(b"h=from :", b"h=") + FORGED)).startswith("550 5.7.1")


async def test_text_below_what_was_signed_is_not_vouched_for(world: World) -> None:
    message = signed(FORGED, length=True) + b"And send it to me instead.\r\n"
    assert "DKIM policy for bank.test" in await send(world, message)


async def test_ed25519_signatures_are_verified(world: World, dns: DnsServer) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    seed = base64.b64encode(key.private_bytes_raw())
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    dns.set("ed._domainkey.bank.test", "TXT", f"v=DKIM1; k=ed25519; p={public}")
    header = dkim.sign(FORGED, b"ed", b"bank.test", seed, signature_algorithm=b"ed25519-sha256")
    _, found, _ = await stored(world, header + FORGED)
    assert (found["dkim"], found["dmarc"]) == ("pass", "pass")


async def test_a_weak_key_is_named(world: World, dns: DnsServer) -> None:
    key = rsa.generate_private_key(65537, 1024)
    dns.set("weak._domainkey.bank.test", "TXT", public_record(key))
    _, found, _ = await stored(world, dkim.sign(FORGED, b"weak", b"bank.test", pem(key)) + FORGED)
    assert "DKIM passed: bank.test signed the message (1024-bit key, which is weak)." in found["why"]


async def test_the_clients_name_is_looked_up_both_ways(world: World, dns: DnsServer) -> None:
    _, found, raw = await stored(world, signed(FORGED))
    assert (found["iprev"], found["why"][-1]) == ("permerror", "The sending host 127.0.0.9 has no name in DNS.")
    dns.set("9.0.0.127.in-addr.arpa", "PTR", "mx.open.test")
    dns.set("mx.open.test", "A", OUTSIDE)
    # A resolver keeps a negative answer for a while.
    world.receiver.verifier._resolver.sync.cache.flush()
    await send(world, signed(FORGED))
    raw = re.sub(r"\r\n[ \t]+", " ", world.inbox("alice")[-1].decode())
    assert "iprev=pass (mx.open.test) policy.iprev=127.0.0.9" in raw


async def test_reports_count_what_is_alike_once(world: World) -> None:
    await send(world, FORGED)
    await send(world, FORGED)
    await send(world, signed(FORGED))
    rows = sorted(await aggregates(world), key=lambda row: row.messages)
    assert [(row.messages, row.observation.disposition, row.observation.dkim_aligned) for row in rows] == [
        (1, "none", True),
        (2, "reject", False),
    ]
    forged = rows[1].observation
    assert (forged.policy_domain, forged.source_ip, forged.envelope_from) == ("bank.test", OUTSIDE, "open.test")
    assert forged.results["spf"] == {"domain": "open.test", "result": "pass", "scope": "mailfrom"}


async def test_nothing_is_counted_for_who_wants_no_reports(world: World, dns: DnsServer) -> None:
    dns.set("_dmarc.bank.test", "TXT", "v=DMARC1; p=none")
    await send(world, FORGED)
    assert await aggregates(world) == []


# Ways around DMARC, all of them by name servers of the forger's that say nothing


async def test_a_silent_signer_does_not_excuse_a_forged_signature(hasty: World, dns: DnsServer) -> None:
    dns.fail("sel._domainkey.evil.test", Failure.SILENT)
    forged = signed(FORGED).replace(b"Now.", b"Never.")
    message = signed(forged, "evil.test")
    assert (await send(hasty, message)).startswith("550 5.7.1 DMARC policy of bank.test")


async def test_signatures_of_others_do_not_crowd_the_authors_out(world: World) -> None:
    message = signed(FORGED)
    for _ in range(6):
        message = signed(message, "list.test")
    folder, found, _ = await stored(world, message)
    assert (folder, found["dmarc"]) == ("inbox", "pass")


async def test_a_silent_author_does_not_excuse_another_one(hasty: World, dns: DnsServer) -> None:
    dns.fail("_dmarc.evil.test", Failure.SILENT)
    both = FORGED.replace(b"From: Boss", b"From: me@evil.test, Boss")
    assert (await send(hasty, both)).startswith("550 5.7.1 DMARC policy of bank.test")


async def test_a_silent_reverse_zone_does_not_excuse_a_forged_envelope(hasty: World, dns: DnsServer) -> None:
    dns.set("bank.test", "TXT", "v=spf1 ptr include:more.bank.test -all")
    dns.set("more.bank.test", "TXT", "v=spf1 ip4:192.0.2.1 -all")
    dns.fail("9.0.0.127.in-addr.arpa", Failure.SILENT)
    assert (await send(hasty, FORGED, sender="boss@bank.test")).startswith("550 5.7.1 DMARC policy of bank.test")


async def test_an_author_below_a_broken_header_line_counts(world: World) -> None:
    assert (await send(world, b"Subject: x\r\nno header field\r\n" + FORGED)).startswith("550 5.7.1")
