"""Links are put together once, and are the same as Flask's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, url_for
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_web.app import create_app, views_of
from onifast_web.http.links import numbered
from werkzeug.routing import BuildError, Rule


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


@pytest.mark.parametrize("values", [{}, {"place": "label:7"}, {"place": None}])
def test_a_numbered_link_is_the_link(app: Flask, values: dict[str, Any]) -> None:
    for prefix in ("", "/mail", ""):
        with app.test_request_context("/", environ_overrides={"SCRIPT_NAME": prefix}):
            for number in (1, 2**63 - 1):
                wanted = url_for("webmail.conversation", conversation_id=number, **values)
                assert numbered("webmail.conversation", "conversation_id", number, **values) == wanted


def test_an_anchor_is_flasks_business(app: Flask) -> None:
    assert made(app, "", "webmail.folder", folder="inbox", _anchor="nav") == "/folders/inbox#nav"


def test_a_link_without_what_its_rule_has_a_place_for_is_refused(app: Flask) -> None:
    with pytest.raises(BuildError, match="email_id"):
        made(app, "", "webmail.message")


def test_an_application_compiles_no_link_before_it_makes_one(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[str] = []
    compile_builder = Rule._compile_builder

    def noted(rule: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        compiled.append(rule.rule)
        return compile_builder(rule, append_unknown)

    monkeypatch.setattr(Rule, "_compile_builder", noted)
    views_of.cache_clear()
    app = create_app(settings, database)
    assert compiled == []
    assert [made(app, "", "webmail.message", email_id=number) for number in (7, 8)] == ["/messages/7", "/messages/8"]
    assert compiled == ["/messages/<int:email_id>"]
