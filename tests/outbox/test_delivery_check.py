"""What outbox answers to those who ask what would become of mail to an address."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest
from onifast_outbox.delivery_check import respondent
from onifast_shared.delivery_check import store
from onifast_shared.dkim import keys as dkim_keys
from onifast_shared.limits import store as sending_limits
from onifast_shared.limits.subjects import Subject
from onifast_shared.machine.log import Secret
from onifast_shared.queue import hold_rules, sandbox, suppressions
from onifast_shared.queue.hold_rules import Pattern
from onifast_shared.recipients import addresses
from onifast_shared.transport import routes
from onifast_shared.transport.relay import Relay
from onifast_shared.transport.routes import StoredRoute
from onifast_shared.values.address import Address

from fakes.dns import DnsServer, Failure

from .helpers import Outbox

ALICE, BOB = Address.parse("alice@here.test"), Address.parse("bob@remote.test")


async def asked(outbox: Outbox, recipient: Address = BOB, sender: Address = ALICE) -> list[dict[str, Any]]:
    """The findings about mail of alice, whose address is alice@here.test."""
    number = await outbox.db.awrite(lambda tx: store.ask(tx, "alice", sender, recipient, time.time()))
    assert await outbox.program.respondent.run_once() == 1
    await outbox.program.respondent.finish()
    answer = await outbox.db.aread(lambda tx: store.answer_to(tx, number))
    assert answer is not None
    assert answer["problem"] == ""
    return list(answer["findings"])


def about(findings: list[dict[str, Any]], what: str) -> list[str]:
    return [finding["text"] for finding in findings if finding["about"] == what]


def stops(findings: list[dict[str, Any]]) -> set[str]:
    return {finding["about"] for finding in findings if finding["verdict"] == "stop"}


async def give_address(outbox: Outbox) -> None:
    await outbox.db.awrite(lambda tx: addresses.add(tx, ALICE, "alice"))


async def test_the_way_to_another_site_is_told_with_its_servers(outbox: Outbox) -> None:
    await give_address(outbox)
    findings = await asked(outbox)
    assert about(findings, "recipient") == ["remote.test is not of this server: the message goes out."]
    assert about(findings, "route") == ["It goes straight to the domain's mail servers."]
    assert about(findings, "server") == [
        "mx.remote.test (127.0.0.25): an encrypted connection if the server offers one."
    ]
    assert about(findings, "signature") == ["The message would not be signed: here.test has no DKIM key."]
    assert not stops(findings)


async def test_nobody_is_connected_to_and_nothing_is_sent(outbox: Outbox) -> None:
    await give_address(outbox)
    await asked(outbox)
    assert await outbox.db.aread(lambda tx: tx.execute("SELECT count(*) FROM outbox").get) == 0


async def test_the_key_that_would_sign_is_named(outbox: Outbox) -> None:
    await give_address(outbox)
    dkim_keys.generate(outbox.settings.certs_dir, "here.test")
    assert about(await asked(outbox), "signature") == ["It is signed with mail._domainkey.here.test (rsa-sha256)."]


async def test_a_route_is_told_with_what_decided_it(outbox: Outbox) -> None:
    await give_address(outbox)
    server = Relay("127.0.0.30", 2525, "", Secret(""), "none")
    await outbox.db.awrite(lambda tx: routes.put(tx, StoredRoute("recipient_domain", "remote.test", server)))
    findings = await asked(outbox)
    assert about(findings, "route") == [
        "It goes by way of 127.0.0.30:2525 (TLS: none): the route for mail to remote.test."
    ]
    assert about(findings, "server")[0].startswith("127.0.0.30")


async def test_a_domain_that_does_not_exist_stops_the_message(outbox: Outbox) -> None:
    await give_address(outbox)
    findings = await asked(outbox, Address.parse("bob@nowhere.test"))
    assert stops(findings) == {"route"}
    assert about(findings, "route")[-1] == (
        "The domain nowhere.test does not exist. The message would be returned to you."
    )


async def test_trouble_of_the_dns_is_told_as_what_passes(outbox: Outbox, dns: DnsServer) -> None:
    await give_address(outbox)
    dns.fail("remote.test", Failure.SERVFAIL)
    assert about(await asked(outbox), "route")[-1].endswith("The message would be tried again later.")


async def test_a_suppressed_recipient_stops_the_message(outbox: Outbox) -> None:
    await give_address(outbox)
    await outbox.db.awrite(lambda tx: suppressions.add(tx, "alice", BOB, "asked to be left alone", time.time()))
    findings = await asked(outbox)
    assert stops(findings) == {"suppression"}
    assert "asked to be left alone" in about(findings, "suppression")[0]


async def test_a_hold_rule_stops_the_message_and_keeps_its_note_to_itself(outbox: Outbox) -> None:
    await give_address(outbox)
    pattern = Pattern.parse("here.test")
    rule = await outbox.db.awrite(lambda tx: hold_rules.add(tx, pattern, "password stolen?", "panel", time.time()))
    findings = await asked(outbox)
    assert rule and stops(findings) == {"hold"}
    assert about(findings, "hold") == [
        f"The message would wait for an administrator: held by rule {rule.id} (mail from @here.test)."
    ]
    assert [finding["facts"] for finding in findings if finding["about"] == "hold"] == [{"rule": rule.id}]


async def test_a_sandbox_stops_the_message(outbox: Outbox) -> None:
    await give_address(outbox)
    await outbox.db.awrite(lambda tx: sandbox.put(tx, "here.test", "alice", time.time()))
    assert stops(await asked(outbox)) == {"sandbox"}


async def test_limits_that_are_used_up_stop_the_message(outbox: Outbox) -> None:
    await give_address(outbox)
    alice = Subject("user", "alice")
    await outbox.db.awrite(lambda tx: sending_limits.put(tx, alice, {"messages_per_hour": 1}))
    assert "The user alice may send 1 more messages to " in about(await asked(outbox), "limits")[0]
    await outbox.db.awrite(lambda tx: sending_limits.admit(tx, [alice], 1, outbox.settings, time.time()))
    findings = await asked(outbox)
    assert stops(findings) == {"limits"}
    assert "there is room again at 20" in about(findings, "limits")[0]


async def test_recipients_of_this_server_are_told_apart(outbox: Outbox) -> None:
    await give_address(outbox)
    findings = await asked(outbox, ALICE)
    assert about(findings, "recipient") == [
        "The recipient is of this server: the message is delivered to a mailbox here."
    ]
    assert not about(findings, "route")
    findings = await asked(outbox, replace(ALICE, local="nobody-at-all"))
    assert stops(findings) == {"recipient"}


async def test_answers_wait_for_nobody_for_ever(outbox: Outbox) -> None:
    long_ago = time.time() - store.KEPT - 1
    await outbox.db.awrite(lambda tx: store.ask(tx, "alice", ALICE, BOB, long_ago))
    assert await outbox.program.respondent.run_once() == 0
    await asked(outbox)
    assert await outbox.db.aread(lambda tx: tx.execute("SELECT count(*) FROM inquiries").get) == 1


async def test_an_answer_that_takes_long_holds_up_nobody_and_is_given_up(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox.reassemble(dns_timeout=60.0)
    outbox.dns.fail("slow.test", Failure.SILENT)
    slow = Address.parse("bob@slow.test")
    monkeypatch.setattr(respondent, "LONGEST", 1.0)
    number = await outbox.db.awrite(lambda tx: store.ask(tx, "carol", ALICE, slow, time.time()))
    answers = outbox.program.respondent
    assert (await answers.run_once(), await answers.run_once()) == (1, 0)
    quick = await outbox.db.awrite(lambda tx: store.ask(tx, "alice", ALICE, BOB, time.time()))
    assert await answers.run_once() == 1
    await asyncio.wait(list(answers._under_way.values()), return_when=asyncio.FIRST_COMPLETED)
    assert await outbox.db.aread(lambda tx: store.answer_to(tx, quick))
    assert await outbox.db.aread(lambda tx: store.answer_to(tx, number)) is None
    await answers.finish()
    answer = await outbox.db.aread(lambda tx: store.answer_to(tx, number))
    assert answer is not None
    assert "gives no answer" in answer["problem"]


async def test_a_policy_that_is_announced_and_cannot_be_had_is_told(outbox: Outbox) -> None:
    outbox.dns.set("_mta-sts.remote.test", "TXT", "v=STSv1; id=1;")
    text, server = about(await asked(outbox), "server")
    assert text.startswith("The MTA-STS policy that remote.test announces cannot be had, so that none counts: https://")
    assert text.endswith("mta-sts.remote.test has no address.")
    assert server == "mx.remote.test (127.0.0.25): an encrypted connection if the server offers one."
