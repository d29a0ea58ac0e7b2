"""Which failures suppress a recipient: those that are about the recipient."""

from __future__ import annotations

import pytest
from onifast_outbox.delivering.hard_bounces import is_hard
from onifast_shared.values.reply import Failed, Reply, Trail

UNKNOWN = [
    (550, "5.1.1", "<bob@remote.test>: Recipient address rejected: User unknown in virtual mailbox table"),
    (550, "5.1.1", "The account that you tried to reach does not exist. https://support.google.com/sender NoSuchUser"),
    (550, "5.2.1", "The email account that you tried to reach is disabled."),
    (550, "5.1.6", "mailbox has moved"),
    (550, "5.1.10", "RESOLVER.ADR.RecipientNotFound; Recipient bob@remote.test not found by SMTP address lookup"),
    (550, "5.4.1", "Recipient address rejected: Access denied. [mx.outlook.com]"),
    (550, "5.5.0", "Requested action not taken: mailbox unavailable (S2017062302)."),
    (550, "", "Requested action not taken: mailbox unavailable"),
    (550, "", "No such user here"),
    (554, "", "delivery error: dd This user doesn't have a yahoo.com account (bob@yahoo.com) [0]"),
    (550, "", "Unknown recipient <policy@remote.test>"),
    (550, "5.5.0", "Adresse destinataire invalide. Invalid recipient. LPN007_416"),
    (550, "5.1.0", "Address rejected: unknown user bob@remote.test"),
]
OTHERS = [
    (550, "5.7.1", "Recipient address rejected: user unknown by policy"),
    (550, "5.7.26", "unauthenticated email from here.test is not accepted due to domain's DMARC policy"),
    (550, "5.1.1", "rejected: your address is listed, blocked using zen.spamhaus.org"),
    (550, "5.1.1", "your message looks like spam"),
    (550, "5.1.7", "sender address rejected: user unknown"),
    (550, "5.1.8", "domain of sender not found"),
    (552, "5.2.2", "mailbox full"),
    (550, "5.6.0", "content rejected"),
    (554, "5.4.6", "too many hops"),
    (554, "", "Transaction failed"),
    (550, "", "Sender verify failed: no such user"),
    (550, "5.5.0", "command rejected"),
    (550, "5.1.2", "no such domain"),
    (550, "5.2.0", "Mail rejete. Mail rejected. ofr_506 [506]"),
    (550, "5.2.0", "Message Filtered"),
    (550, "5.1.0", "Refused. AUP#CDRBL"),
    (550, "5.1.0", "Not today."),
    (550, "5.1.1", "bob@remote.test - 192.0.2.1 has sent to too many recipients this hour. IB607"),
    (550, "5.1.1", "RCP-P2 Refused due to recipient preferences"),
    (550, "5.2.1", "The user you are trying to contact is receiving mail at a rate that prevents additional messages"),
]


def failed(code: int, enhanced: str, text: str, stage: str = "rcpt", host: str = "mx.remote.test") -> Failed:
    return Failed(Reply(code, enhanced, text), Trail(host, "127.0.0.25", 25, stages=((stage, 3),)))


@pytest.mark.parametrize("reply", UNKNOWN)
def test_a_recipient_that_is_unknown_or_switched_off_is_a_hard_bounce(reply: tuple[int, str, str]) -> None:
    assert is_hard(failed(*reply))


@pytest.mark.parametrize("reply", OTHERS)
def test_what_is_about_the_message_or_its_sender_is_none(reply: tuple[int, str, str]) -> None:
    assert not is_hard(failed(*reply))


def test_nothing_said_before_the_recipient_was_named_counts() -> None:
    assert not is_hard(failed(550, "5.1.1", "no such user", stage="mail"))


def test_what_this_server_says_itself_counts_only_for_a_domain_without_mail() -> None:
    assert not is_hard(failed(550, "5.1.1", "there is no mailbox bob@here.test here", host=""))
    assert is_hard(Failed(Reply(556, "5.1.10", "remote.test takes no mail")))


@pytest.mark.parametrize("word", ["x", "<", "<x", "x>", "@", "https://", "x@"])
def test_hundreds_of_replies_without_a_blank_are_read_in_no_time(word: str) -> None:
    """One server can answer so for each of a message's hundred recipients, and everybody else's mail waits."""
    reply = (550, "5.1.1", word * (4096 // len(word)))
    assert all(is_hard(failed(*reply)) for _ in range(100))
