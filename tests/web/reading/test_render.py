"""HTML and text of strangers, made safe to show."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_web.reading import render, safe_html


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<svg><script>alert(1)</script></svg>",
        "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></table></mtext></math>",
        "<iframe src='javascript:alert(1)'></iframe>",
        "<a href='javascript:alert(1)'>x</a>",
        "<a href='JaVa&#9;ScRiPt:alert(1)'>x</a>",
        "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
        "<form action='https://evil.example'><input name=p></form>",
        "<meta http-equiv=refresh content='0;url=https://evil.example'>",
        "<base href='https://evil.example/'>",
        "<object data='https://evil.example/x.swf'></object>",
        "<style>body{background:url(https://evil.example/x)}</style>",
        "<link rel=stylesheet href='https://evil.example/x.css'>",
        "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
    ],
)
def test_nothing_that_runs_loads_or_submits_survives(hostile: str) -> None:
    clean = safe_html.sanitise(hostile).html.lower()
    assert not any(bad in clean for bad in ("<script", "onerror", "javascript:", "evil.example", "<form", "<iframe"))


@pytest.mark.parametrize(
    "style",
    [
        "background:url(https://t.example/x)",
        "background-image:URL ('https://t.example/x')",
        "background:u\\72l(https://t.example/x)",
        "background:image-set('https://t.example/x' 1x)",
        "background:-webkit-cross-fade('https://t.example/x', 'y')",
        "position:fixed;top:0",
        "z-index:9999",
    ],
)
def test_a_style_neither_loads_nor_covers_anything(style: str) -> None:
    clean = safe_html.sanitise(f'<p style="{style}">x</p>').html
    assert "t.example" not in clean and "position" not in clean and "z-index" not in clean


def test_harmless_styles_stay() -> None:
    assert 'style="color:red;padding:4px"' in safe_html.sanitise('<p style="color:red;padding:4px">x</p>').html


@pytest.mark.parametrize(
    "text",
    [
        "http://a.test/" + "]" * 500_000,
        "http://a.test/" + "." * 500_000,
        ">\n>\n>\n>\n\n" * 20_000,
        "> x\n> x\n> x\n> x\n \n" * 20_000,
        "www." * 100_000,
        "a@" * 200_000,
    ],
)
def test_hostile_text_takes_linear_time(text: str) -> None:
    started = time.process_time()
    render.text_to_html(text)
    assert time.process_time() - started < 3


@pytest.mark.parametrize("subject", ["re" + " " * 60_000 + "x", "fwd" + " " * 60_000 + "x", "re[" + "1" * 60_000])
def test_a_hostile_subject_takes_linear_time(subject: str) -> None:
    started = time.process_time()
    render.reply_subject(subject)
    render.forward_subject(subject)
    assert time.process_time() - started < 0.5


def test_remote_images_are_left_out_and_counted() -> None:
    safe = safe_html.sanitise('<img src="https://t.example/a.png"><img src="http://t.example/b.png" alt="b">')
    assert safe.blocked_images == 2 and "t.example" not in safe.html


def test_remote_images_come_when_asked_for() -> None:
    safe = safe_html.sanitise('<img src="https://t.example/a.png">', images=True)
    assert safe.blocked_images == 0 and 'src="https://t.example/a.png"' in safe.html


def test_a_cid_image_becomes_what_the_message_brought() -> None:
    data = "data:image/png;base64,AAAA"
    assert f'src="{data}"' in safe_html.sanitise('<img src="cid:logo@x">', inline={"cid:logo@x": data}).html


def test_a_cid_image_that_is_not_there_leaves_its_description() -> None:
    assert safe_html.sanitise('<img src="cid:gone" alt="Logo">').html == '<span class="no-image">Logo</span>'


@pytest.mark.parametrize("words", ["", "  "])
def test_an_image_that_is_not_loaded_and_has_no_words_leaves_nothing(words: str) -> None:
    assert safe_html.sanitise(f'a<img src="https://t.example/a.png" alt="{words}" width=600>b').html == "ab"


def test_the_words_of_an_image_stay_words() -> None:
    source = '<img src="https://t.example/a.png" alt="&lt;script&gt;alert(1)&lt;/script&gt;&quot; onload=x" id="a b">'
    html = safe_html.sanitise(source).html
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_links_open_elsewhere_and_tell_nobody_where_they_were() -> None:
    clean = safe_html.sanitise('<a href="https://x.example/">x</a>').html
    assert 'target="_blank"' in clean and "noopener noreferrer" in clean


def test_a_huge_body_becomes_text() -> None:
    safe = safe_html.sanitise("<b>" + "x" * (safe_html.MAX_HTML + 1) + "</b>")
    assert "<b>" not in safe.html


@pytest.mark.parametrize("tags", ["<div>", "<font>", "<b><p>", "<a><table>"])
def test_tags_without_end_take_no_long_time(tags: str) -> None:
    started = time.process_time()
    safe_html.sanitise(tags * 100_000 + "x")
    assert time.process_time() - started < 5


@given(st.text())
def test_text_is_escaped_whatever_it_is(text: str) -> None:
    shown = render.text_to_html(f"<script>{text}")
    assert "<script" not in shown


@pytest.mark.parametrize(
    ("line", "target"),
    [
        ("see https://a.example/b.", "https://a.example/b"),
        ("(https://a.example/b_(c))", "https://a.example/b_(c)"),
        ("www.a.example/x!", "http://www.a.example/x"),
        ("<https://a.example/?q=1&r=2>", "https://a.example/?q=1&amp;r=2"),
        ("ask bob@a.example, please", "mailto:bob@a.example"),
    ],
)
def test_addresses_in_text_can_be_followed(line: str, target: str) -> None:
    assert f'href="{target}"' in render.linkify(line)


def test_a_long_quote_at_the_end_is_folded_away() -> None:
    shown = render.text_to_html("Yes.\n\nAnn wrote:\n> a\n> b\n> c\n> d\n")
    assert "<details><summary>Quoted text</summary><blockquote>a\nb\nc\nd" in shown


def test_a_quote_that_is_answered_below_stays_open() -> None:
    shown = render.text_to_html("> a\n> b\n> c\n> d\nNo!\n")
    assert "<details>" not in shown and "<blockquote>a" in shown


def test_a_reply_quotes_every_line() -> None:
    assert render.quote("a\n> b\n\nc", "Ann wrote:") == "\n\nAnn wrote:\n> a\n>> b\n>\n> c\n"


@pytest.mark.parametrize("subject", ["Lunch", "Re: Lunch", "RE: AW: Lunch", "Re[2]: Lunch", "sv: Lunch"])
def test_a_reply_is_marked_once(subject: str) -> None:
    assert render.reply_subject(subject) == "Re: Lunch"


def test_a_forward_is_marked_once() -> None:
    assert render.forward_subject("Fwd: FW: Lunch") == "Fwd: Lunch"


@pytest.mark.parametrize(
    ("size", "shown"), [(0, "0 bytes"), (1, "1 byte"), (1023, "1023 bytes"), (1024, "1.0 kB"), (52428800, "50 MB")]
)
def test_sizes_are_shown_as_people_read_them(size: int, shown: str) -> None:
    assert render.byte_size(size) == shown


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "etc_passwd"),
        ("a\r\nSet-Cookie: x", "a_Set-Cookie_ x"),
        ("invoice\u202efdp.exe", "invoice_fdp.exe"),
        ("", "attachment"),
        (None, "attachment"),
        ("x" * 300 + ".pdf", "x" * 146 + ".pdf"),
    ],
)
def test_a_file_name_is_a_name_and_nothing_else(name: str | None, safe: str) -> None:
    assert render.file_name(name, "attachment") == safe


@pytest.mark.parametrize(
    ("clause", "sentence"),
    [
        ("address has no @", "Address has no @."),
        ("the name BOB is taken", "The name BOB is taken."),
        ("is it running?", "Is it running?"),
        (ValueError("too long"), "Too long."),
        ("", ""),
    ],
)
def test_an_errors_clause_becomes_a_sentence(clause: object, sentence: str) -> None:
    assert render.sentence(clause) == sentence
