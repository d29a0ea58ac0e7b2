"""A page is one module: its routes, its entries in the menu, its notices and its template, and no list elsewhere."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from flask import Flask, Response
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_web import webmail
from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.app import create_app
from onifast_web.webmail import pages
from onifast_web.webmail.declared import MenuNumber, NavArea, NavEntry, NavGroup, NavTab, Notice, PageRoute
from web.support import Browser, words

ROOM = Path(str(webmail.__file__)).parent
TEMPLATES = ROOM.parent / "templates"
PAGES = pytest.mark.parametrize("module", webmail.PAGES, ids=lambda module: module.__name__.rpartition(".")[2])
FRAMES = {"base.html", "bare.html", "frame.html"}
OF_NO_PAGE = {"problem.html", "api_docs.html"}  # what went wrong anywhere; the API's own page
NOT_IN_THE_FRAME = {"logout", "expired", "password"}  # the login page says it itself


def constants(node: ast.AST) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value


def tree(module: ModuleType) -> ast.AST:
    return ast.parse(Path(str(module.__file__)).read_text())


def templates(file: Path) -> set[str]:
    return {text for text in constants(ast.parse(file.read_text())) if re.fullmatch(r"[\w/-]+\.html", text)} - FRAMES


def entries() -> list[NavEntry | NavTab]:
    return [each for module in webmail.PAGES for each in module.NAV]


def test_who_shows_a_template_is_a_page_and_declares_what_a_page_has() -> None:
    declaring = {Path(str(module.__file__)) for module in webmail.PAGES}
    assert {file for file in ROOM.glob("*.py") if templates(file)} <= declaring
    for module in webmail.PAGES:
        assert module.ROUTES and isinstance(module.NAV, tuple) and isinstance(module.NOTICES, dict), module


@PAGES
def test_its_templates_exist(module: ModuleType) -> None:
    missing = [name for name in templates(Path(str(module.__file__))) if not (TEMPLATES / name).exists()]
    assert not missing


def test_every_template_belongs_to_one_page() -> None:
    shown = Counter(name for module in webmail.PAGES for name in templates(Path(str(module.__file__))))
    whole = {file.name for file in TEMPLATES.glob("[!_]*.html")} - FRAMES - OF_NO_PAGE
    assert shown == Counter(whole)


@PAGES
def test_each_of_its_routes_is_in_the_menu_or_says_why_not(module: ModuleType) -> None:
    reached = {each.view for each in module.NAV}
    for route in module.ROUTES:
        assert (route.view in reached) != bool(route.off_menu), route.path
    assert reached <= {route.view for route in module.ROUTES}


def test_the_keys_places_and_icons_of_the_menu_are_what_they_say() -> None:
    top = [each for each in entries() if isinstance(each, NavEntry)]
    below = [each for each in entries() if isinstance(each, NavTab)]
    assert max(Counter(each.key for each in entries()).values()) == 1
    assert max(Counter((each.group, each.order) for each in top).values()) == 1
    assert max(Counter((each.under, each.order) for each in below).values()) == 1
    assert {each.under for each in below} == {each.key for each in top if each.tabs}
    assert max(Counter(each.icon for each in top).values()) == 1, "two entries with one icon"
    assert {each.icon for each in top} <= {file.stem for file in (TEMPLATES / "icons").iterdir()}


@PAGES
def test_its_views_say_where_in_the_menu_they_are(module: ModuleType) -> None:
    """`page` takes the key as its second argument; what stands there as a text is one of the menu."""
    known = {each.key for each in entries()} | {""}
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "page":
            here = node.args[1]
            assert not isinstance(here, ast.Constant) or here.value in known, node.lineno


def test_every_icon_that_a_template_asks_for_is_there() -> None:
    asked = {
        name
        for file in TEMPLATES.glob("*.html")
        for call in re.findall(r"\b(?:icon|empty)\(([^)]*)\)", file.read_text())
        for name in re.findall(r'^"([\w-]+)"', call)
    }
    assert asked
    assert not {name for name in asked if not (TEMPLATES / f"icons/{name}.html").exists()}


def test_no_two_pages_have_a_notice_of_one_name() -> None:
    named = Counter(did for module in webmail.PAGES for did in module.NOTICES)
    assert max(named.values()) == 1


@PAGES
def test_what_its_redirects_say_was_done_has_a_notice(module: ModuleType) -> None:
    known = {did for each in webmail.PAGES for did in each.NOTICES} | NOT_IN_THE_FRAME
    said = {
        text
        for node in ast.walk(tree(module))
        if isinstance(node, ast.keyword) and node.arg == "did" and not isinstance(node.value, ast.JoinedStr)
        for text in chosen(node.value)
    }
    assert said <= known


def chosen(value: ast.expr) -> Iterator[str]:
    """The texts that an expression may be: itself, or the branches of a choice."""
    if isinstance(value, ast.IfExp):
        yield from (*chosen(value.body), *chosen(value.orelse))
    elif isinstance(value, ast.Constant):
        yield str(value.value)


@pytest.fixture
def with_a_page(settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """The application with one more page for administrators, which is nothing but a module."""

    @allow(Who.ADMINISTRATOR)
    def view() -> Response:
        return pages.page("scheduled.html", "test-page", messages=[], errors={})

    module = ModuleType("onifast_web.webmail.of_the_tests")
    vars(module).update(
        ROUTES=(PageRoute("GET", "/test-page", view),),
        NAV=(
            NavEntry(
                "test-page", "Page of the tests", view, icon="eye", group=NavGroup.DELIVERY, order=15, hint="It rains."
            ),
        ),
        NOTICES={
            "rained": "It rained.",
            "poured": lambda n: f"It poured {n} times.",
            "flooded": Notice("It did not stop.", is_failure=True),
        },
        NUMBERS=lambda _tx, _username, _now: {"test-page": MenuNumber(7)},
    )
    monkeypatch.setattr(webmail, "PAGES", (module, *webmail.PAGES))
    return create_app(settings, database)


def test_a_module_is_all_that_a_page_needs(with_a_page: Flask) -> None:
    browser = Browser.logged_in(with_a_page.test_client(), "root-admin")
    assert re.search(r"Outbox Page of the tests 7 Refused mail", browser.text_of("/outbox"))
    assert re.search(r"Page of the tests It rains\. Refused mail", browser.text_of("/settings"))
    assert "It rained." in browser.text_of("/folders/inbox?did=rained")
    assert "It poured 3 times." in browser.text_of("/folders/inbox?did=poured&n=3")
    assert 'class="notice failure"' in browser.get("/folders/inbox?did=flooded").text
    assert browser.get("/test-page").status_code == 200


def test_the_menu_shows_a_page_to_those_who_may_see_it(with_a_page: Flask) -> None:
    browser = Browser.logged_in(with_a_page.test_client(), "demo")
    assert "Page of the tests" not in browser.text_of("/settings")
    assert browser.get("/test-page").status_code == 403


def menu_of(browser: Browser, path: str) -> list[str]:
    """The entries of the menu on a page, in its order."""
    nav = re.search(r'<nav class="sidebar".*?</nav>', browser.get(path).text, re.DOTALL)
    assert nav
    return [words(name) for name in re.findall(r'<span class="nav-name">(.*?)</span>', nav[0])]


def test_beside_the_mail_the_menu_has_one_entry_for_all_settings_and_one_for_help(app: Flask) -> None:
    mail = {each.title for each in entries() if isinstance(each, NavEntry) and each.group is NavGroup.MAIL}
    found = menu_of(Browser.logged_in(app.test_client(), "demo"), "/folders/inbox")
    assert set(found[:-2]) <= mail and found[-2:] == ["Settings", "Help"]
    administrator = Browser.logged_in(app.test_client(), "root-admin")
    assert menu_of(administrator, "/folders/inbox")[-3:] == ["Settings", "Administration", "Help"]


def test_the_menu_of_settings_has_their_pages_and_the_ways_out(app: Flask) -> None:
    browser = Browser.logged_in(app.test_client(), "root-admin")
    found = menu_of(browser, "/forwards")
    assert found[:3] == ["Back to mail", "Settings", "Administration"]
    assert {"Forwards", "Junk filter", "Outbox"} <= set(found) and not {"Inbox", "Relay"} & set(found)
    assert "Relay" in menu_of(browser, "/source-addresses")
    assert Browser.logged_in(app.test_client(), "demo").get("/administration").status_code == 403


def test_each_page_of_settings_says_what_it_is_for() -> None:
    top = [each for each in entries() if isinstance(each, NavEntry)]
    assert not [each.key for each in top if each.group.area is not NavArea.MAIL and not each.hint.endswith(".")]
    assert not [each.key for each in top if each.group is NavGroup.MAIL and each.hint]


def test_a_notice_that_nobody_has_says_nothing(browser: Browser) -> None:
    assert 'class="notice' not in browser.get("/folders/inbox?did=nonsense").text


def test_tabs_lie_under_the_entry_that_is_marked(app: Flask) -> None:
    browser = Browser.logged_in(app.test_client(), "root-admin")
    text = browser.get("/source-addresses").text
    here = re.findall(r'<a href="([^"]+)" aria-current="page">(.*?)</a>', text, re.DOTALL)
    assert [(url, words(inner)) for url, inner in here] == [
        ("/relay", "Relay"),
        ("/source-addresses", "Source addresses"),
    ]
