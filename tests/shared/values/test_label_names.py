"""Names of labels: any language, nested, one name in one form only, and nothing that misleads."""

from __future__ import annotations

import pytest
from onifast_shared.values import label_names
from onifast_shared.values.label_names import LabelNameError


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Work", "Work"),
        ("  Clients /  Acme   Ltd ", "Clients/Acme Ltd"),
        ("Rechnungen/März", "Rechnungen/März"),
        ("請求書", "請求書"),
        ("فواتير/٢٠٢٦", "فواتير/٢٠٢٦"),
        ("Cafe\u0301", "Café"),
        ("👩‍💻 code", "👩‍💻 code"),
        ("Work/Inbox", "Work/Inbox"),
    ],
)
def test_names_in_any_language_are_kept_in_one_form(text: str, name: str) -> None:
    assert label_names.parse(text) == name
    assert label_names.parse(name) == name


@pytest.mark.parametrize(
    ("one", "other"),
    [("Work", "wORK"), ("Straße", "STRASSE"), ("Cafe\u0301", "CAFÉ"), ("Σίσυφος", "ΣΊΣΥΦΟΣ"), ("ǅ", "ǆ")],
)
def test_names_are_compared_without_case(one: str, other: str) -> None:
    assert label_names.key(label_names.parse(one)) == label_names.key(label_names.parse(other))


@pytest.mark.parametrize("text", ["Work", "Wörk", "work/a"], ids=ascii)
def test_names_that_differ_differ(text: str) -> None:
    assert label_names.key(text) != label_names.key("Works")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a name is needed"),
        (" \t ", "a name is needed"),
        ("/a", "each side"),
        ("a//b", "each side"),
        ("a/ /b", "each side"),
        ("a\x00b", "control characters"),
        ("a\ud800", "control characters"),
        ("a\u202eb", "nobody can see"),
        ("Inv\u200boices", "nobody can see"),
        ("Inbox", "folder of its own"),
        ("TRASH/old", "folder of its own"),
        ("a" * 201, "200 characters"),
        ("a/b/c/d/e/f/g/h/i", "8 deep"),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_what_is_no_name_is_refused_with_what_is_allowed(text: str, words: str) -> None:
    with pytest.raises(LabelNameError, match=words):
        label_names.parse(text)


def test_what_a_name_lies_in() -> None:
    assert label_names.ancestors("a/b/c") == ["a", "a/b"]
    assert (label_names.parent("a/b/c"), label_names.leaf("a/b/c"), label_names.parent("a")) == ("a/b", "c", "")
