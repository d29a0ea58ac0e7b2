"""A tag with too many attributes is found wherever a parser might see one, and honest mail has none."""

from __future__ import annotations

import base64

import pytest
from onifast_web.reading import safe_html
from onifast_web.reading.tag_sizes import MAX_SEPARATORS, has_huge_tag

MANY = range(MAX_SEPARATORS + 10)
SPACED = " ".join(f"a{n}" for n in MANY)
SOLIDI = "/".join(f"a{n}" for n in MANY)
QUOTED = "".join(f'a{n}="b"' for n in range(MAX_SEPARATORS // 2 + 10))
CLOSING = " ".join(f"a{n}='>' b{n}=\">\"" for n in MANY)


@pytest.mark.parametrize(
    "html",
    [
        f"<p {SPACED}>",
        f"<p\t{SPACED.replace(' ', chr(10))}",
        f"<p/{SOLIDI}>",
        f"<p {QUOTED}>",
        f"<p {CLOSING}>",
        f'<p title=">" {SPACED}>',
        f'<p title = \n ">>>" {SPACED}>',
        f'<!-- <a b=" --><p {SPACED}>"',
        f'<!-- <a b=" --><svg><style><p {SPACED}></style></svg>">',
        f'<style><a b="</style><p {SPACED}>"',
        f"<a title='{'x' * 300}'{' ' * 300}{SPACED}>",
        f'{"<b>x</b>" * 1000}<i a=b"c=" {SPACED} ">',
    ],
    ids=range(12),
)
def test_a_huge_tag_is_found(html: str) -> None:
    assert has_huge_tag(html)
    assert not safe_html.fits(html)


WORDS = 'It\'s 5 > 4, and "so" on/off = fine. ' * 40_000
IMAGE = base64.b64encode(bytes(range(256)) * 8000).decode()


@pytest.mark.parametrize(
    "html",
    [
        f"<p>{WORDS}</p>",
        f"<pre>{WORDS}</pre><p title='a > b'>{WORDS}</p>",
        f'<img alt="a = > b" src="data:image/png;base64,{IMAGE}"><p class="x">{WORDS}</p>',
        "<p class=\"a b c\" style='color: red'>Word word</p>\n" * 15_000,
        f"<!-- {WORDS} --><p>Hello</p>",
    ],
    ids=range(5),
)
def test_honest_mail_has_none(html: str) -> None:
    assert not has_huge_tag(html)
