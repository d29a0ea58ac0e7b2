"""What servers answer, as they answer it, and the sentence that people read for it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_outbox.reasons import describe, explain
from onifast_outbox.reasons.explaining import MAX_READ
from onifast_outbox.reasons.providers import provider_of
from onifast_outbox.reasons.rules import RULES
from onifast_shared.values.reply import Delivered, Failed, Reply, Trail

GMAIL = "gmail-smtp-in.l.google.com[192.0.2.26]:25"
OUTLOOK = "hotmail-com.olc.protection.outlook.com[192.0.2.27]:25"
YAHOO = "mta5.am0.yahoodns.net[192.0.2.29]:25"
OTHER = "mx.remote.test[192.0.2.30]:25"


def said(host: str, *lines: str) -> str:
    """The sentence for a reply as it came over the wire."""
    return str(explain(Reply.parse(lines), host))


def kind(host: str, *lines: str) -> str:
    return explain(Reply.parse(lines), host).kind


def test_a_missing_spf_entry_names_the_address_and_what_to_add() -> None:
    assert said(
        GMAIL,
        "550-5.7.26 This mail has been blocked because the sender is unauthenticated.",
        "550-5.7.26 Gmail requires all senders to authenticate with either SPF or DKIM.",
        "550-5.7.26",
        "550-5.7.26  Authentication results:",
        "550-5.7.26  DKIM = did not pass",
        "550-5.7.26  SPF [example.com] with ip: [203.0.113.5] = did not pass",
        "550 5.7.26  https://support.google.com/mail/answer/81126#authentication x1-2002 - gsmtp",
    ) == (
        "Gmail refused this because neither SPF nor DKIM proves that the message comes from example.com. "
        "Add ip4:203.0.113.5 to the SPF record of example.com, and publish its DKIM record."
    )
    assert said(OTHER, "550 5.7.23 SPF validation failed for example.com, 203.0.113.5 is not allowed") == (
        "The recipient's server refused this because your domain's SPF record does not list 203.0.113.5. "
        "Add ip4:203.0.113.5 to it: a TXT record of your domain that begins with v=spf1."
    )


def test_an_ipv6_address_makes_an_ip6_mechanism() -> None:
    assert "Add ip6:2001:db8::5 to it" in said(OTHER, "550 5.7.23 SPF fail: 2001:db8::5 may not send")


def known_answers() -> list[tuple[str, str, str]]:
    lines = Path(__file__).with_name("replies.txt").read_text(encoding="utf-8").splitlines()
    return [tuple(line.split("\t")) for line in lines if not line.startswith("#")]  # type: ignore[misc]


@pytest.mark.parametrize(("expected", "host", "line"), known_answers())
def test_known_answers(expected: str, host: str, line: str) -> None:
    assert kind(host, line) == expected


def test_a_block_list_is_named_with_its_page() -> None:
    text = said(OTHER, "554 5.7.1 Client host [203.0.113.5] blocked using zen.spamhaus.org; listed")
    assert "203.0.113.5 or a domain in the message is on Spamhaus" in text
    assert "https://check.spamhaus.org/" in text


def test_what_will_pass_by_itself_is_said_to() -> None:
    greylisted = said(OTHER, "450 4.2.0 Greylisting in action, please come back later")
    assert greylisted.startswith("The recipient's server put this off because")
    assert greylisted.endswith("Nothing need be done: it is tried again by itself.")
    assert said(OTHER, "452 4.2.2 Over quota").endswith("It is tried again by itself.")


def test_what_this_server_says_itself_is_not_taken_for_anothers_words() -> None:
    own = explain(Reply(550, "5.1.1", "there is no mailbox ann@here.test here"))
    assert own.what == "There is no such mailbox."
    assert own.kind == "unknown-user"


def test_an_unknown_answer_says_so_plainly() -> None:
    assert said(OTHER, "554 computer says no") == "The recipient's server refused the message. Read its answer below."


def test_a_message_that_was_given_up_tells_the_last_answer_and_promises_nothing() -> None:
    reply = Reply(554, "5.4.7", "given up after 120 hours; the last answer was: 450 4.2.0 Greylisted, come back")
    explanation = explain(reply, OTHER)
    assert explanation.kind == "greylisted"
    assert explanation.what.startswith("The message could not be delivered in time. The last answer: The recipient's")
    assert "tried again by itself" not in explanation.advice


def test_what_was_delivered_is_described_with_its_protection() -> None:
    google = Trail("aspmx.l.google.com", "192.0.2.1", 25, "TLSv1.3", "mta-sts")
    assert describe(Delivered(Reply(250, "2.0.0", "OK"), google)) == (
        "Gmail took the message, over an encrypted connection to a server that proved its name, as its domain asks for"
        " (MTA-STS)."
    )
    assert describe(Delivered(Reply(250, "2.1.5", "delivered to a mailbox here"))) == (
        "It was delivered to a mailbox here."
    )
    assert describe(Failed(Reply(550, "5.1.1", "no"), google)).startswith("Gmail refused this because there is no such")


def test_providers_are_known_by_the_end_of_the_host_name() -> None:
    assert provider_of("alt1.gmail-smtp-in.l.google.com[192.0.2.1]:25") == "Gmail"
    assert provider_of("smtpin.rzone.de") == "STRATO"
    assert provider_of("cxr.mx.a.cloudfilter.net") == "the recipient's Cloudmark filter"
    assert provider_of("smtp.sendgrid.net[192.0.2.1]:587") == "SendGrid"
    assert provider_of("google.com.evil.test") == ""
    assert provider_of("notgoogle.com") == ""
    assert provider_of("") == ""


def test_each_rule_fills_its_sentences() -> None:
    for rule in RULES:
        words = dict.fromkeys(("who", "server", "mechanism", "domain", "list", "removal", "page"), "x")
        assert "{" not in rule.because.format_map(words) + rule.advice.format_map(words)


@given(st.sampled_from((GMAIL, OUTLOOK, YAHOO, OTHER, "")), st.integers(400, 599), st.text(max_size=300))
def test_any_answer_is_explained(host: str, code: int, text: str) -> None:
    explanation = explain(Reply(code, "", text), host)
    assert explanation.what.endswith(".")
    assert explanation.advice


@pytest.mark.parametrize(
    "hostile", ["user " * 2000, "SPF " * 2000, "a" * 10_000, "mailbox not " * 900, "1.2.3." * 1700, ":" * 9000]
)
def test_hostile_answers_cost_little(hostile: str) -> None:
    began = time.process_time()
    explain(Reply(550, "", hostile), OTHER)
    assert time.process_time() - began < 2
    assert MAX_READ <= 1000
