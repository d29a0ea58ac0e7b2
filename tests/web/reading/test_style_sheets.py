"""Style sheets and style attributes of strangers: what stays of them, and how much they may cost."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onifast_web.reading.style_sheets import MOST_CSS, MOST_RULES, StyleFilter


def nothing(_: str) -> str:
    return ""


def sheet(css: str, **options: object) -> str:
    return StyleFilter(nothing, **options).sheet(css).strip()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("css", "kept"),
    [
        ("p{color:red}", "p{color:red}"),
        (".A > td , #x a:hover{ padding : 0 1px !important }", ".m-A > td,#m-x a:hover{padding:0 1px !important}"),
        ("p{position:fixed;top:0;z-index:9;color:red}", "p{color:red}"),
        ("p{transform:scale(9);animation:x 1s;filter:blur(9px)}", ""),
        ("p{width:calc(100% - (2 * 10px))}", "p{width:calc(100% - (2 * 10px))}"),
        ("p{background:#fff url(http://x.test/a.png) no-repeat center}", "p{background:#fff none no-repeat center}"),
        ("p{background:url(//x.test/a),linear-gradient(red,blue)}", "p{background:none,linear-gradient(red,blue)}"),
        ("p{width:expression(alert(1));color:red}", "p{color:red}"),
        ("p{font-family:'Open Sans',Arial}", 'p{font-family:"Open\\20 Sans",Arial}'),
        ("p{content:'<\\2f style>'}", 'p{content:"\\3c \\2f style\\3e "}'),
        ("p{mso-line-height-rule:exactly;color:#0F0}", "p{color:#0F0}"),
        ("td[class=\"box wide\"]{color:red}", 'td[class="m-box\\20 m-wide"]{color:red}'),
        ("td[class*=box]{color:red}", 'td[class*="box"]{color:red}'),
        ("li:nth-child(2n + 1):not(.a, .b){color:red}", "li:nth-child(2n + 1):not(.m-a, .m-b){color:red}"),
        ("p, a:unknown(x), b{color:red}", "p,b{color:red}"),
        ("svg|p{color:red} p{color:blue}", "p{color:blue}"),
        (".md\\:wide{color:red}", ".m-md\\3a wide{color:red}"),
        ("@import 'x.css';@font-face{font-family:x;src:url(x)}p{color:red}", "p{color:red}"),
        ("@media (max-width:600px){p{width:100%}}", "@media (max-width:600px){p{width:100%}\n}"),
        ("@media screen and (width:1em){p{top:0;width:1px}}", "@media screen and (width:1em){p{width:1px}\n}"),
        ("@media (400px<=width<=600px){p{width:9px}}", "@media (400px<=width<=600px){p{width:9px}\n}"),
        ("@media (prefers-color-scheme:dark){p{color:#fff}}", "@media (prefers-color-scheme:dark){p{color:#fff}\n}"),
        ("@media (x:url(y)){p{color:red}}", ""),
        ("@media screen{@media (width:1px){@media print{@media all{p{color:red}}}}}", ""),
        ("p{color:red", "p{color:red}"),
        ("p{color:red}}}b{color:blue}", "p{color:red}"),
        ("<!-- p{color:red} -->", "p{color:red}"),
        ("p{--x:url(y);color:var(--x)}", ""),
        ("p{color:red;& b{color:blue}}", "p{color:red}"),
    ],
)  # fmt: skip
def test_what_stays(css: str, kept: str) -> None:
    assert sheet(css) == kept


@pytest.mark.parametrize(
    ("css", "kept"),
    [
        ("p{color:red}", ".s p{color:red}"),
        ("body{color:red}", ".s{color:red}"),
        ("html, body.a > p{color:red}", ".s,.s.m-a > p{color:red}"),
        ("html > body p, :root{color:red}", ".s p,.s{color:red}"),
        ("* {color:red}", ".s *{color:red}"),
        (".s .m-a{color:red}", ".s .m-a{color:red}"),
        (".s.m-a > b + i{color:red}", ".s.m-a > b + i{color:red}"),
        (
            "body ~ p, body + p, html~p, :root + p, .s ~ *, .s+*, .s:hover ~ p, body.a:not(i) + p, b + i{color:red}",
            ".s b + i{color:red}",
        ),
        ("@media print{p{color:red}}", "@media print{.s p{color:red}\n}"),
    ],
)
def test_with_a_scope_nothing_outside_matches(css: str, kept: str) -> None:
    assert sheet(css, scope="s") == kept


@pytest.mark.parametrize("digits", [999, 4301, 100_000])
def test_a_number_of_any_length_is_one(digits: int) -> None:
    number = "1" * digits
    assert sheet(f"p{{width:{number}px;color:red}}b{{color:blue}}").endswith("b{color:blue}")
    assert StyleFilter(nothing).attribute(f"width:{number};color:red").endswith("color:red")
    assert StyleFilter(nothing).sheet("p{color:red}", media=f"(min-width:{number}px)")


def test_made_anew_from_what_was_made_it_stays_the_same() -> None:
    css = ".a p, body, #b, [class~=c]{color:red}@media print{p{width:1px}}"
    assert sheet(sheet(css, scope="s"), scope="s") == sheet(css, scope="s")


def test_a_rule_that_waits_for_the_reader_loads_nothing() -> None:
    css = "a:hover{background:url(http://x.test/h)}p{background:url(http://x.test/p)}a:visited{background:url(http://x.test/v)}"
    assert re.findall("x.test/.", StyleFilter(str).sheet(css).replace("\\2f ", "/").replace("\\2e ", ".")) == [
        "x.test/p"
    ]


def test_an_images_new_address_takes_its_place() -> None:
    shown = StyleFilter(lambda url: f"/i?{url}").attribute("background:red url(a.png);list-style:url('b.png') inside")
    assert shown == 'background:red url("\\2f i\\3f a\\2e png");list-style:url("\\2f i\\3f b\\2e png") inside'


def test_what_is_for_dark_pages_can_be_left_out() -> None:
    css = "@media (prefers-color-scheme:dark){p{color:#fff}}@media (prefers-color-scheme:light){p{color:#000}}"
    assert sheet(css, is_light=True) == "@media (prefers-color-scheme:light){p{color:#000}\n}"


@pytest.mark.parametrize(
    ("css", "coloured", "adapts"),
    [
        ("p{color:red}", True, False),
        ("p{background:none;color:inherit;background-color:transparent}", False, False),
        ("p{border-color:red;padding:1px}", False, False),
        ("@media (prefers-color-scheme:dark){p{color:red}}", False, True),
        ("@media print{p{color:red}}", True, False),
        ("p{background:#FFF}@media (prefers-color-scheme:dark){p{background:#000}}", True, True),
    ],
)
def test_it_is_told_whether_there_are_colours(css: str, coloured: bool, adapts: bool) -> None:
    styles = StyleFilter(nothing)
    styles.sheet(css)
    assert (styles.coloured, styles.adapts) == (coloured, adapts)


HOSTILE = {
    "rules": "p{color:red}\n",
    "declarations": "color:red;",
    "selectors": "p,",
    "opened": "p{",
    "parentheses": "p{width:(",
    "functions": "p{width:calc(",
    "brackets": "[",
    "strings": "p{content:'",
    "comments": "/*",
    "escapes": "\\",
    "urls": "p{background:url(",
    "rules-with-url": "p{background:url(a)}",
    "media": "@media all{",
    "at-rules": "@x y;",
    "not": "p:not(",
    "attributes": "[a=b]",
    "numbers": "1e9",
    "hashes": "#a",
    "commas-in-media": "@media all,",
    "names": ".a.b.c",
}


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE)
def test_five_megabytes_of_anything_take_a_few_seconds_at_most(piece: str) -> None:
    css = piece * (5 * 1024 * 1024 // len(piece))
    started = time.process_time()
    kept = StyleFilter(nothing).sheet(css)
    StyleFilter(nothing).attribute(css)
    StyleFilter(nothing).sheet("p{color:red}", media=css)
    assert time.process_time() - started < 6
    assert len(kept) <= 4 * MOST_CSS


def test_of_a_million_rules_the_first_stay() -> None:
    kept = StyleFilter(nothing).sheet("p{top:0;margin:0}" * 1_000_000)
    assert kept.count("p{") == MOST_RULES


def test_many_different_style_attributes_have_a_bound_together() -> None:
    styles = StyleFilter(nothing)
    found = [styles.attribute(f"width:{number}px;margin:{'0 ' * 500}") for number in range(2000)]
    assert found[0] and not found[-1]


@given(st.text(alphabet=st.sampled_from("<>/\\\"'{}()[];:,.#@!*-_ \n\0aps1\u2028é&")))
def test_no_style_can_end_its_element_or_its_attribute(text: str) -> None:
    for css in (
        text,
        f"p{{content:'{text}'}}",
        f"[a='{text}']{{color:red}}",
        f"p{{font-family:{text}}}",
        f".{text}{{color:red}}",
    ):
        kept = StyleFilter(str).sheet(css) + StyleFilter(str).attribute(css)
        assert "</" not in kept and "'" not in kept and "&" not in kept and "@import" not in kept
