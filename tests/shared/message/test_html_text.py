"""HTML as readable text, and no hostile markup that takes more than linear time."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_shared.message.html_text import to_text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("hello", "hello"),
        ("<p>a<p>b", "a\n\nb"),
        ("a<br>b<br/>c", "a\nb\nc"),
        ("<div>a</div><div>b</div>", "a\nb"),
        ("a  \n\t b", "a b"),
        ("a&nbsp;&amp;&lt;b&gt; &#8364;", "a &<b> €"),
        ("<ul><li>a</li><li>b</li></ul>", "- a\n- b"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
        ('<a href="https://x.y/?a=1&amp;b=2">here</a>', "here <https://x.y/?a=1&b=2>"),
        ("<a href='https://x.y'>https://x.y</a>", "https://x.y"),
        ("<a href=mailto:a@b>a@b</a>", "a@b"),
        ('<a href="javascript:alert(1)">x</a>', "x"),
        ('<img src="x" alt="a picture">', "a picture"),
        ("<style>p{}</style>a<script>if (1<2) b</script>c", "ac"),
        ("<STYLE>x</STYLE>a", "a"),
        ("<style>x", ""),
        ("<!-- hidden <p> -->a<!doctype html>", "a"),
        ("<!-- never closed", ""),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("a<b", "a"),
        ("<title>t</title>a", "a"),
        ("a<hr>b", "a\n---\nb"),
        ("&#" + "9" * 5000 + ";", "&#" + "9" * 5000 + ";"),
    ],
)
def test_html_reads_as_a_reader_would_see_it(source: str, text: str) -> None:
    lines = [line for line in to_text(source).split("\n") if line or "\n\n" in text]
    assert "\n".join(lines) == text


@given(st.text(max_size=100) | st.text("<>!-/ap=\"'&#x; \n", max_size=100))
def test_any_text_is_taken(source: str) -> None:
    to_text(source)


@pytest.mark.parametrize(
    "unit", ["<", "<!--", "<a", "<style>", "&", "<a href='", "<p>", "</", "<a href=x>y", "y</a>", "\n"]
)
def test_hostile_markup_takes_linear_time(unit: str) -> None:
    started = time.process_time()
    to_text(unit * (1_000_000 // len(unit)))
    assert time.process_time() - started < 5
