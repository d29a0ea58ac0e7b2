"""The webmail's catalogues hold what its code says, and its templates say nothing beside them (docs/translating.md)."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message

from tools import translations, visible_text
from tools.environment import CATALOGUES

TEMPLATES = sorted((translations.WEB / "templates").glob("*.html"))
ENGLISH = {"api_docs.html"}
"""What is for those who write programs."""
# Keys of the keyboard, types of content, and names.
NO_WORDS = re.compile(r"[a-z] [a-z]|Ctrl Enter|light dark|SpamAssassin")
_PLACE = re.compile(r"%\(\w+\)s|\{\w+\}|</?\w+|%%")


@lru_cache(maxsize=1)
def template() -> Catalog:
    return translations.extracted()


def messages(tag: str) -> list[Message]:
    return [each for each in translations.catalogues()[tag] if each.id]


def forms(message: Message) -> list[str]:
    found = [message.string] if isinstance(message.string, str) else list(message.string or ())
    return [str(each) for each in found]


@pytest.mark.parametrize("tag", sorted(translations.catalogues()))
def test_a_catalogue_is_that_of_todays_code(tag: str) -> None:
    """`make translations` brings it up to date."""
    written = (CATALOGUES / f"{tag}.po").read_bytes()
    assert translations.updated(tag, translations.catalogues()[tag], template()) == written


def test_german_lacks_nothing() -> None:
    lacking = [each.id for each in messages("de") if each.fuzzy or not forms(each) or not all(forms(each))]
    assert not lacking


@pytest.mark.parametrize("tag", sorted(translations.catalogues()))
def test_what_is_put_in_and_tags_are_those_of_the_text(tag: str) -> None:
    wrong = []
    for each in messages(tag):
        plural = not isinstance(each.id, str)
        wanted = Counter(_PLACE.findall(str(each.id[-1] if plural else each.id)))
        for number, form in enumerate(filter(None, forms(each))):
            lacks = wanted - Counter(_PLACE.findall(form))
            more = Counter(_PLACE.findall(form)) - wanted
            if more or (lacks and not (plural and number == 0)):
                wrong.append((each.id, form))
    assert not wrong


@pytest.mark.parametrize("tag", sorted(translations.catalogues()))
def test_no_translation_ends_an_attribute(tag: str) -> None:
    wrong = [form for each in messages(tag) for form in forms(each) if '"' in re.sub(r"<[^>]*>", "", form)]
    assert not wrong


@pytest.mark.parametrize("file", [each for each in TEMPLATES if each.name not in ENGLISH], ids=lambda each: each.name)
def test_what_a_template_says_is_written_for_gettext(file: Path) -> None:
    found = [each for each in visible_text.plain(file.read_text()) if not NO_WORDS.fullmatch(each[1])]
    assert not found, "write it as _(…) or {% trans %}: docs/translating.md"


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        ("<p>Hello</p>", ["Hello"]),
        ('<a title="Go there" href="x">{{ name }}</a>', ["Go there"]),
        ('{{ empty("Nothing here") }}', ["Nothing here"]),
        ('<p title="{{ _("Hello") }}">{{ _("All") }} {% trans n=n %}{{ n }} mails{% endtrans %}</p>', []),
        ("<code>plain text</code>{# a note #}{{ url_for('webmail.compose') }}", []),
    ],
)
def test_what_people_see_is_told_from_what_they_do_not(source: str, texts: list[str]) -> None:
    assert [text for _line, text in visible_text.plain(source)] == texts
