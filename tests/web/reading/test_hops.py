"""The way of a message in words: who gave it to whom, how it was protected, and what is ours to know."""

from __future__ import annotations

import pytest
from onifast_web.reading import hops

OURS = (
    "from mail.remote.example ([192.0.2.7]) by mail.host.test (onifast-mail) with ESMTPS id abc for"
    " <demo@example.test> tls TLS_AES_256_GCM_SHA384 (TLSv1.3); Mon, 30 Nov 2026 10:00:09 +0000"
)
RELAY = (
    "from laptop (unknown [203.0.113.9]) by mail.remote.example (Postfix) with ESMTPSA id 4F;"
    " Mon, 30 Nov 2026 11:00:02 +0100 (CET)"
)
LOCAL = "by laptop.remote.example (Postfix, from userid 1000) id 5F; Mon, 30 Nov 2026 09:12:02 +0000"
GOOGLE = (
    "from mail-x.google.com (mail-x.google.com. [209.85.1.2]) by mx.google.com with ESMTPS id q"
    " (version=TLS1_2 cipher=ECDHE bits=128/128); Mon, 30 Nov 2026 01:00:00 -0800 (PST)"
)
EXIM = "from [10.0.0.1] (helo=x) by a.example with smtp (Exim 4.96) id 1; Mon, 30 Nov 2026 09:00:00 +0000"


def test_the_way_is_told_from_the_first_server_to_ours() -> None:
    found = hops.of([OURS, RELAY, LOCAL], "mail.host.test")
    assert [each.sentence for each in found] == [
        "laptop.remote.example took it in.",
        "laptop (203.0.113.9) gave it to mail.remote.example, protected by TLS.",
        "mail.remote.example (192.0.2.7) gave it to mail.host.test, protected by TLS 1.3.",
    ]
    assert [each.delay_words for each in found] == ["", "48 minutes later", "7 seconds later"]
    assert [each.ours for each in found] == [False, False, True]


@pytest.mark.parametrize(
    ("field", "protection"),
    [
        (GOOGLE, "protected by TLS 1.2"),
        (EXIM, "not encrypted"),
        ("from a by b with HTTP; x", ""),
        ("from a by b with UTF8SMTPS; x", "protected by TLS"),
    ],
)
def test_how_it_was_protected_is_read_in_the_words_of_many(field: str, protection: str) -> None:
    assert hops.of([field], "x")[0].protection == protection


def test_what_stands_below_a_foreign_server_is_not_ours_even_if_it_says_so() -> None:
    found = hops.of([OURS, RELAY, OURS], "mail.host.test")
    assert [each.ours for each in found] == [False, False, True]


def test_clocks_that_differ_are_said_to() -> None:
    late = RELAY.replace("11:00:02", "12:00:00")
    assert hops.of([OURS, late], "mail.host.test")[1].delay_words == "before that, by its clock"


@pytest.mark.parametrize(
    "field", ["", ";", "from", "from ; by ;", "by (((((", "from a" * 5000, "\x00;\xff", "x; Mon, 99 Foo"]
)
def test_anything_may_be_written_there(field: str) -> None:
    assert len(hops.of([field] * 200, "mail.host.test")) == hops.MOST
