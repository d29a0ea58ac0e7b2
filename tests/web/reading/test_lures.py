"""What leads a reader to somebody else than the message says, and what only looks so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.message import parsing
from onifast_shared.recipients.correspondents import Correspondent
from onifast_shared.values.well_known import WELL_KNOWN
from onifast_web.reading import bodies, lures
from onifast_web.reading.impostors import Reader

ROW = EmailRow(
    1, "demo", "x@shop.example", "", "demo@example.test", "", "", 1000, False, "inbox", 1, False, "x@shop.example",
    '{"spf": "none"}', 1, False,
)  # fmt: skip


def reader(*known: Correspondent) -> Reader:
    return Reader(known, frozenset(("example.test",)), frozenset(WELL_KNOWN))


def answers(head: str, who: Reader | None = None, *, is_proven: bool = False, **row: Any) -> list[str]:
    message = parsing.parse(f"{head}\r\n\r\nx\r\n".encode())
    return lures.answers(who or reader(), replace(ROW, **row), message, {"me@example.test"}, is_proven=is_proven)


def links(html: str, head: str = "From: x@shop.example", *, is_proven: bool = False) -> list[str]:
    message = parsing.parse(f"{head}\r\nContent-Type: text/html\r\n\r\n{html}\r\n".encode())
    safe = bodies.safe_html(message)
    assert safe
    return lures.links(reader(), ROW, message, safe.lies, is_proven=is_proven)


FORGED = "From: Boss <boss@shop.example>\r\nReply-To: boss.shop@gmail.com"


def test_answers_that_go_elsewhere_are_told_of() -> None:
    sentence = "Answers go to boss.shop@gmail.com, at gmail.com and not at shop.example."
    assert answers(FORGED) == [sentence]
    assert answers(FORGED, is_proven=True) == [sentence]


@pytest.mark.parametrize(
    "head",
    [
        "From: boss@shop.example",
        "From: boss@shop.example\r\nReply-To: help@mail.shop.example",
        f"{FORGED}\r\nList-Unsubscribe: <mailto:x@shop.example>",
        f"{FORGED}\r\nList-Id: <x.shop.example>",
        f"{FORGED}\r\nPrecedence: bulk",
        "From: form@example.test\r\nReply-To: customer@gmail.com",
        "From: boss@shop.example\r\nReply-To: me@example.test",
        "Subject: nobody",
    ],
)
def test_answers_that_go_where_one_expects_are_not(head: str) -> None:
    assert answers(head) == []


def test_whom_the_reader_knows_may_answer_for_somebody() -> None:
    friend = Correspondent("boss.shop@gmail.com", "gmail.com", "Boss", 10, None)
    assert answers(FORGED, reader(friend)) == []
    assert answers(FORGED, folder="sent") == []
    assert answers(FORGED, stored_authentication=None) == []


def test_who_proves_to_be_its_author_may_have_several_domains() -> None:
    head = "From: boss@shop.example\r\nReply-To: help@shop-support.example"
    assert answers(head) != []
    assert answers(head, is_proven=True) == []


LIE = "<a href='http://evil.example/x'>https://www.paypal.com/login</a>"


def test_a_link_that_names_a_site_that_everybody_knows_is_told_of() -> None:
    assert links(LIE) == ["A link that reads paypal.com leads to evil.example."]
    assert links(LIE.replace("paypal.com", "example.test")) == ["A link that reads example.test leads to evil.example."]


@pytest.mark.parametrize(
    ("html", "head"),
    [
        ("<a href='http://evil.example/x'>https://www.nobody.example/</a>", "From: x@shop.example"),
        ("<a href='https://paypal.com/x'>www.paypal.com</a>", "From: x@shop.example"),
        (LIE, "From: x@shop.example\r\nList-Unsubscribe: <https://x.example/>"),
    ],
)
def test_other_links_are_only_marked_in_the_text(html: str, head: str) -> None:
    assert links(html, head) == []


def test_a_site_may_count_the_clicks_on_its_own_links() -> None:
    assert links(LIE, "From: service@paypal.com", is_proven=True) == []
    assert links(LIE, "From: service@paypal.com") != []


def test_three_links_are_enough() -> None:
    html = "".join(f"<a href='http://evil{n}.example/'>www.paypal.com</a>" for n in range(9))
    assert len(links(html)) == 3
