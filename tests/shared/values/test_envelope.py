"""Envelopes: what a recipient wants to be told, and splitting a transaction."""

from __future__ import annotations

from onifast_shared.values.address import Address
from onifast_shared.values.envelope import Envelope, Recipient

ANN = Address("ann", "example.org")
BOB = Address("bob", "example.net")


def test_without_notify_failures_and_delays_are_told() -> None:
    recipient = Recipient(ANN)
    assert recipient.wants("FAILURE")
    assert recipient.wants("DELAY")
    assert not recipient.wants("SUCCESS")


def test_notify_says_exactly_what_is_told() -> None:
    recipient = Recipient(ANN, notify="success,Delay")
    assert recipient.wants("SUCCESS")
    assert recipient.wants("DELAY")
    assert not recipient.wants("FAILURE")


def test_never_means_never() -> None:
    assert not any(Recipient(ANN, notify="NEVER").wants(event) for event in ("SUCCESS", "FAILURE", "DELAY"))


def test_a_part_of_the_recipients_keeps_the_rest_of_the_envelope() -> None:
    envelope = Envelope(None, (Recipient(ANN), Recipient(BOB)), smtputf8=True, envid="x")
    assert envelope.only(Recipient(BOB)) == Envelope(None, (Recipient(BOB),), smtputf8=True, envid="x")
