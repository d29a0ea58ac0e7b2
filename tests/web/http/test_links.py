"""Links are put together once, and are the same as Flask's own."""

from __future__ import annotations

from flask import Flask, url_for


def made(app: Flask, prefix: str, endpoint: str, **values: object) -> str:
    with app.test_request_context("/", environ_overrides={"SCRIPT_NAME": prefix}):
        return url_for(endpoint, **values)  # type: ignore[arg-type]


def test_a_link_lies_below_the_prefix_of_its_request(app: Flask) -> None:
    for prefix in ("", "/mail", "", "/other"):
        assert made(app, prefix, "webmail.message", email_id=7) == f"{prefix}/messages/7"


def test_values_that_python_takes_for_equal_are_kept_apart(app: Flask) -> None:
    links = [made(app, "", "webmail.message", email_id=7, images=value) for value in (1, True, "1", None, 1.0)]
    assert links == [
        "/messages/7?images=1",
        "/messages/7?images=True",
        "/messages/7?images=1",
        "/messages/7",
        "/messages/7?images=1.0",
    ]


def test_values_that_cannot_be_remembered_are_written_all_the_same(app: Flask) -> None:
    assert made(app, "", "webmail.folder", folder="inbox", ids=[1, 2]) == "/folders/inbox?ids=1&ids=2"


def test_an_anchor_is_flasks_business(app: Flask) -> None:
    assert made(app, "", "webmail.folder", folder="inbox", _anchor="nav") == "/folders/inbox#nav"
