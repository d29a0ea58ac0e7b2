"""The ways off a mailing list that its messages name, and what must be signed before one click is made."""

from __future__ import annotations

import pytest
from onifast_shared.message import mailing_list
from onifast_shared.message.mailing_list import UnsubscribeMail, UnsubscribeWays
from onifast_shared.values.address import Address

POST = ["List-Unsubscribe=One-Click"]
BOTH = "<mailto:leave@list.example?subject=stop%20it&body=please>, <https://list.example/u?x=1>"
MAIL = UnsubscribeMail(Address.parse("leave@list.example"), "stop it", "please")


def test_one_click_needs_a_signature_the_post_field_and_https() -> None:
    url = "https://list.example/u?x=1"
    ways = mailing_list.unsubscribe_ways
    assert ways([BOTH], POST, is_signed=True) == UnsubscribeWays(url, MAIL, url)
    assert ways([BOTH], POST, is_signed=False) == UnsubscribeWays("", MAIL, url)
    assert ways([BOTH], [], is_signed=True).one_click == ""
    assert ways([BOTH], ["List-Unsubscribe=Two"], is_signed=True).one_click == ""
    plain = ways(["<http://list.example/u>"], POST, is_signed=True)
    assert plain == UnsubscribeWays("", None, "http://list.example/u")


def test_several_fields_are_no_way_for_one_of_them_may_be_anybodys() -> None:
    assert mailing_list.unsubscribe_ways([BOTH, BOTH], POST, is_signed=True) == UnsubscribeWays()
    assert mailing_list.unsubscribe_ways([BOTH], [*POST, *POST], is_signed=True).one_click == ""


@pytest.mark.parametrize(
    "field",
    [
        "",
        "<javascript:alert(1)>",
        "<https://user:password@list.example/>",
        "<https://[broken/>",
        "<file:///etc/passwd>",
        "<mailto:>",
        "<mailto:a@b,c@d>",
        f"<https://list.example/{'x' * 3000}>",
        "https://list.example/ without brackets",
    ],
)
def test_what_is_no_way_is_none(field: str) -> None:
    assert mailing_list.unsubscribe_ways([field], POST, is_signed=True) == UnsubscribeWays()


def test_what_a_mail_says_cannot_break_its_header() -> None:
    found = mailing_list.unsubscribe_ways(
        ["<mailto:a@list.example?subject=x%0d%0aBcc:%20victim@b.example>"], [], is_signed=False
    )
    assert found.mail
    assert found.mail.subject == "x Bcc: victim@b.example"


GOOD = "v=1; a=rsa-sha256; d=List.example; h=From:List-Unsubscribe:\r\n List-Unsubscribe-Post; b=x"


def test_both_fields_must_be_covered_by_each_signature_of_a_domain_that_passed() -> None:
    assert mailing_list.are_covered([GOOD], {"list.example"})
    assert not mailing_list.are_covered([GOOD], {"other.example"})
    assert not mailing_list.are_covered([GOOD.replace("-Post", "")], {"list.example"})
    assert not mailing_list.are_covered([GOOD, "d=list.example; h=from"], {"list.example"})
    assert mailing_list.are_covered([GOOD, "d=other.example; h=from"], {"list.example", "other.example"})
    assert not mailing_list.are_covered([], {""})
