"""Where answers to a mailing list go."""

from __future__ import annotations

import pytest
from onifast_shared.message.mailing_list import posting_address


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("<mailto:list@lists.test>", "list@lists.test"),
        ("<MAILTO:list@lists.test?subject=[list]>", "list@lists.test"),
        ("(post <mailto:x@evil.test> here) <mailto:list@lists.test>", "list@lists.test"),
        ("<https://lists.test/post>, <mailto:list@lists.test>", "list@lists.test"),
        ("<mailto:a%2Bb@lists.test>", "a+b@lists.test"),
        ("<mailto:\tlist@ lists.test>", "list@lists.test"),
        ("NO", None),
        ("NO (posting not allowed on this list)", None),
        ("no, <mailto:list@lists.test>", None),
        ("(moderated) NO", None),
        ("<mailto:a@lists.test,b@lists.test>", None),
        ("<mailto:a@lists.test%2Cb@evil.test>", None),
        ("<mailto:%ff@lists.test>", None),
        ("<mailto:norway@lists.test>", "norway@lists.test"),
        ("list@lists.test", None),
        ("", None),
    ],
)
def test_a_list_is_answered_where_it_says(value: str, expected: str | None) -> None:
    found = posting_address(value)
    assert (str(found) if found else None) == expected
