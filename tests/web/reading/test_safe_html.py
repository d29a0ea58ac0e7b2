"""HTML of strangers as it is shown: its page's own attributes, its links, and what it looks like on a dark page."""

from __future__ import annotations

import re
import time

import pytest
from onifast_web.reading import looks
from onifast_web.reading.safe_html import SafeHtml, sanitise


def test_the_bodys_own_colours_stay() -> None:
    safe = sanitise('<html><body bgcolor="#111111" text="white" style="background:#111;margin:0" class="a"><p>x')
    assert safe.body_attributes == ' class="m-a" style="background:#111;margin:0" bgcolor="#111111" text="white"'
    assert safe.coloured


def test_a_body_is_found_behind_comments_and_styles_that_speak_of_one() -> None:
    safe = sanitise(
        "<!-- <body class=no> --><style>/* <body class=no> */</style><title><body class=no></title><body class=yes>x"
    )
    assert safe.body == {"class": "m-yes"}


@pytest.mark.parametrize(
    "source", ["<body " * 300_000, "<!--" * 300_000, "<body a='" * 100_000, "<style>" * 19_000, "<title>" * 19_000]
)
def test_a_page_without_end_is_read_in_linear_time(source: str) -> None:
    assert sanitise(source) is not None


def test_style_sheets_of_head_and_body_stay_in_their_order() -> None:
    safe = sanitise("<head><style>p{color:red}</style></head><body><p>x</p><style media='print'>b{color:blue}</style>")
    assert safe.css == "p{color:red}\n@media print{b{color:blue}\n}\n"


def test_style_sheets_within_comments_and_pictures_are_none() -> None:
    safe = sanitise("<!--[if mso]><style>p{color:red}</style><![endif]--><svg><style>p{color:red}</style></svg><p>x")
    assert safe.css == ""


def test_names_of_classes_and_ids_are_the_messages_own() -> None:
    safe = sanitise('<style>.a,#b{color:red}</style><p class="a c" id=b>x</p><a name=d>y</a>')
    assert safe.css == ".m-a,#m-b{color:red}\n"
    assert safe.html == '<p class="m-a m-c" id="m-b">x</p><a name="m-d">y</a>'


def test_a_fragment_for_another_page_reaches_nothing_beside_it() -> None:
    safe = sanitise("<style>p,body{color:red}</style><body bgcolor=#eee dir=rtl><p>x</p>", scope="s")
    assert safe.fragment("s") == (
        '<style>.s p,.s{color:red}\n</style><div dir="rtl" class="s" style="background-color:#eee"><p>x</p></div>'
    )


def test_a_fragment_without_styles_is_its_html_alone() -> None:
    assert sanitise("<body><p>x</p>", scope="s").fragment("s") == "<p>x</p>"


def test_links_within_the_message_stay_there() -> None:
    clean = sanitise('<a href="#news">News</a><h2 id="news">x</h2>').html
    assert clean == '<a href="#m-news" target="_self">News</a><h2 id="m-news">x</h2>'


def test_a_links_title_is_where_it_leads() -> None:
    assert 'title="https://x.example/a"' in sanitise('<a href="//x.example/a" title="https://bank.example">x</a>').html


@pytest.mark.parametrize(
    ("text", "target", "told"),
    [
        ("https://www.paypal.com/login", "http://evil.example/", "evil.example"),
        ("www.paypal.com", "http://evil.example/", "evil.example"),
        ("paypal.com", "http://evil.example/", "evil.example"),
        ("Log in at <b>https://pay</b>pal.com now", "http://evil.example/", "evil.example"),
        ("paypal.com", "http://paypal.com.evil.example/", "evil.example"),
        ("boss@bank.example.com", "mailto:boss@evil.example", "evil.example"),
        ("paypal.com", "http://paypal.com@evil.example/", "evil.example"),
        ("paypal.com", "http://xn--pypal-4ve.com/", "xn--pypal-4ve.com"),
        ("paypal.com", "https://www.paypal.com/", ""),
        ("www.paypal.com/de", "https://paypal.com/", ""),
        ("news.bbc.co.uk", "https://www.bbc.co.uk/", ""),
        ("Click here", "http://evil.example/", ""),
        ("setup.py", "http://github.com/x", ""),
        ("Version 2.0.1", "http://a.example/", ""),
        ("Hello, www", "http://a.example/", ""),
    ],
)
def test_a_link_whose_text_names_another_domain_tells_its_own(text: str, target: str, told: str) -> None:
    clean = sanitise(f'<a href="{target}">{text}</a>').html
    assert re.findall("leads to <bdi>(.*?)</bdi>", clean) == ([told] if told else [])


def test_what_a_link_tells_cannot_be_hidden_by_a_style_sheet() -> None:
    safe = sanitise("<style>span,bdi{display:none !important}</style><a href='http://evil.example'>paypal.com</a>")
    assert "display:inline !important" in safe.html


def test_images_without_a_protocol_and_backgrounds_are_loaded_when_images_are_shown() -> None:
    source = (
        '<body background="//i.example/b.png"><table background="http://i.example/t.png"><tr><td'
        ' style="background:#fff url(http://i.example/c.png) no-repeat"><img src="//i.example/i.png">'
    )
    blocked, shown = sanitise(source), sanitise(source, images=True)
    assert blocked.blocked_images == 4
    assert "i.example" not in blocked.html + blocked.body_attributes
    assert "background:#fff none no-repeat" in blocked.html
    assert shown.loaded == (
        "http://i.example/t.png",
        "http://i.example/c.png",
        "https://i.example/i.png",
        "https://i.example/b.png",
    )


def test_images_in_style_sheets_may_be_those_that_the_message_brings_along() -> None:
    data = "data:image/png;base64,AAAA"
    safe = sanitise("<style>p{background:url(cid:a@x)}</style><p>x", inline={"cid:a@x": data})
    assert "AAAA" in safe.css and safe.embedded == {"cid:a@x"}


def test_images_by_way_of_a_proxy_have_its_address_everywhere() -> None:
    source = "<style>p{background:url(http://i.example/c.png)}</style><p><img src='http://i.example/i.png'>"
    safe = sanitise(source, images=True, remote=lambda url: f"/proxy?{len(url)}")
    assert "i.example" not in safe.html + safe.css and safe.html.count("/proxy?") == 1
    assert len(safe.loaded) == 2


@pytest.mark.parametrize(
    ("source", "theme", "look"),
    [
        ("<p>Hello</p>", None, looks.FOLLOWS),
        ("<style>p{margin:0}</style><p style='padding:1px'>Hello</p>", None, looks.FOLLOWS),
        ("<p style='color:red'>Hello</p>", None, looks.PAPER),
        ("<p><font color=red>Hello</font></p>", None, looks.PAPER),
        ("<body bgcolor=white><p>Hello</p>", None, looks.PAPER),
        ("<table><tr><td bgcolor=white>Hello</table>", None, looks.PAPER),
        ("<p style='color:red'>Hello</p>", "dark", looks.INVERTED),
        ("<style>@media(prefers-color-scheme:dark){p{color:#fff}}</style><p style='color:red'>x", None, looks.ADAPTS),
        ("<style>@media(prefers-color-scheme:dark){p{color:#fff}}</style><p style='color:red'>x", "light", looks.PAPER),
        (
            "<meta name=color-scheme content='light dark'><style>@media(prefers-color-scheme:dark){p{top:0;color:red}}"
            "</style><p>x",
            None,
            looks.ADAPTS_WHOLE,
        ),
    ],
)
def test_what_page_it_is_shown_on(source: str, theme: str | None, look: str) -> None:
    safe = sanitise(source, is_light=theme == "light")
    assert looks.of(safe, theme) == look


def test_who_reads_in_the_dark_can_choose_another_look() -> None:
    paper, plain = sanitise("<p style='color:red'>x"), sanitise("<p>x")
    assert _other(paper, None) == ("Show with dark colours", "dark")
    assert _other(paper, "dark") == ("Show as it was made", None)
    assert looks.other(plain, None) is None


def _other(safe: SafeHtml, theme: str | None) -> tuple[str, str | None]:
    found = looks.other(safe, theme)
    assert found
    return found.title, found.theme


@pytest.mark.parametrize(
    ("doctype", "is_strict"),
    [
        ("<!doctype html>", True),
        ("\n<!DOCTYPE HTML PUBLIC '-//W3C//DTD HTML 4.01//EN' 'x'>", True),
        ("<!DOCTYPE html PUBLIC '-//W3C//DTD XHTML 1.0 Transitional//EN' 'x'>", False),
        ("", False),
    ],
)
def test_old_pages_are_laid_out_by_old_rules(doctype: str, is_strict: bool) -> None:
    assert sanitise(f"{doctype}<html><body><p>x").is_strict is is_strict


@pytest.mark.parametrize("tag", ["<meta ", "<html a ", "<meta a=b c=d ", "<meta name=color-scheme content='dark '"])
def test_tags_that_never_end_cost_what_they_are_long(tag: str) -> None:
    started = time.process_time()
    sanitise(tag * 19_000)
    assert time.process_time() - started < 6


@pytest.mark.parametrize("piece", ["&", "\xa0", "&nbsp;", f"&{'x' * 99}"], ids=["sign", "space", "name", "few"])
def test_megabytes_of_what_is_written_as_references_are_shown_as_text(piece: str) -> None:
    started = time.process_time()
    safe = sanitise(f"<b>{piece * (4_000_000 // len(piece.encode()))}</b>")
    assert time.process_time() - started < 10
    assert "<b>" not in safe.html
    assert "<b>" in sanitise(f"<b>{piece * 5_000}</b>").html


@pytest.mark.parametrize("prefix", ["", "data-", "DATA-"])
@pytest.mark.parametrize("element", ["a", "div", "table", "td", "img", "body", "form", "button"])
def test_nothing_that_htmx_obeys_stays(element: str, prefix: str) -> None:
    names = ("get", "post", "on:click", "vals", "trigger", "target", "swap-oob", "ext", "headers", "disable")
    attributes = " ".join(f'{prefix}hx-{name}="/compose"' for name in names)
    source = f'<{element} {attributes} {prefix}ws-connect="/x">x</{element}>'
    for safe in (sanitise(source), sanitise(source, images=True, scope="any")):
        shown = safe.html + safe.body_attributes + safe.css
        assert not re.search(r"hx-|ws-connect", shown, re.IGNORECASE)
