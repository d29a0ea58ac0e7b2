"""Senders that mean nothing elsewhere, and what they become."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_shared.message.sections import HeaderSection
from onifast_shared.recipients.addresses import ROLES
from onifast_shared.values.address import Address
from onifast_smtpd.protocol.command import Bare
from onifast_smtpd.submission.senders import Rewriter

NOBODY = Rewriter(None, ROLES, "mail.host.test")
ALICE = Rewriter(Address("alice", "here.test"), ROLES, "mail.host.test")


def header(text: str, rewriter: Rewriter = NOBODY) -> str:
    return rewriter.header(HeaderSection(text.encode("latin-1"))).octets.decode("latin-1")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, None),
        (Bare("root"), Address("root", "mail.host.test")),
        (Bare("WWW-Data"), Address("www-data", "mail.host.test")),
        (Bare("site7"), Address("webmaster", "mail.host.test")),
        (Address("root", "localhost"), Address("root", "mail.host.test")),
        (Address("root", "localhost.localdomain"), Address("root", "mail.host.test")),
        (Address("root", "localhost.test"), Address("root", "localhost.test")),
    ],
)
def test_envelope(before: Address | Bare | None, after: Address | None) -> None:
    assert NOBODY.envelope(before) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("webmaster@localhost", "webmaster@mail.host.test"),
        ("<webmaster@localhost>", "<webmaster@mail.host.test>"),
        ("webmaster", "webmaster@mail.host.test"),
        ("Webshop", "Webshop"),
        ("=?utf-8?q?J=C3=B6rg?=", "=?utf-8?q?J=C3=B6rg?="),
        ("root (Cron Daemon)", "root@mail.host.test (Cron Daemon)"),
        ('"root" <root>', '"root" <root@mail.host.test>'),
        ('"<root@localhost>" <a@b.test>', '"<root@localhost>" <a@b.test>'),
        ("(<root@localhost>) <root>", "(<root@localhost>) <root@mail.host.test>"),
        ("=?utf-8?q?J=C3=B6rg?= <www-data@localhost>", "=?utf-8?q?J=C3=B6rg?= <www-data@mail.host.test>"),
        ("J\xf6rg\r\n <nobody@LOCALHOST>", "J\xf6rg\r\n <nobody@mail.host.test>"),
        ("A <a@b.test>, B <b@localhost>", "A <a@b.test>, B <webmaster@mail.host.test>"),
        ("a@b.test", "a@b.test"),
        ("just some words", "just some words"),
        ("", ""),
        ("<>", "<>"),
    ],
)
def test_header(before: str, after: str) -> None:
    assert header(f"From: {before}\r\n") == f"From: {after}\r\n"


def test_only_from_and_sender_are_touched() -> None:
    text = "To: root@localhost\r\nX-From: root@localhost\r\nsender : root@localhost\r\n"
    assert header(text, ALICE) == text.replace("sender : root@localhost", "sender : alice@here.test")


@given(st.binary(max_size=300))
def test_any_octets_can_be_a_header(head: bytes) -> None:
    assert isinstance(ALICE.header(HeaderSection(b"From:" + head)).octets, bytes)


def test_a_hostile_field_takes_no_long_time() -> None:
    started = time.process_time()
    for text in ('"' * 20_000, "<" * 20_000, "(" * 20_000, "a " * 20_000, "\\" * 20_000, " " * 40_000 + "x y"):
        ALICE.header(HeaderSection(b"From: " + text.encode()))
    for text in ('"' + '\\"' * 4000, "(" + "\\(" * 4000, "a" * 1_000_000):
        ALICE.header(HeaderSection(b"From: " + text.encode()))
    assert time.process_time() - started < 0.5
