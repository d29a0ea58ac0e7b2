"""Which language a page is in, and what stands in it."""

from __future__ import annotations

import dataclasses

import pytest
from flask import Flask
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_web.app import create_app
from onifast_web.languages import current, dates, pseudo
from onifast_web.languages.texts import gettext, ngettext
from web.support import Browser

from tools import translations


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    """The catalogues as they are written today."""
    translations.compile_all()


@pytest.fixture
def app(settings: Settings, database: Database) -> Flask:
    """With the pseudo languages, too."""
    return create_app(dataclasses.replace(settings, pseudo_languages=True), database)


@pytest.mark.parametrize(
    ("asked", "tag"),
    [
        ("de-AT, en;q=0.5", "de"),
        ("fr, de;q=0.3", "de"),
        ("en;q=0.2, de;q=0.9", "de"),
        ("en-GB, de", "en"),
        ("tlh", "en"),
        ("ar-XB", "ar-XB"),
        ("", "en"),
    ],
)
def test_the_login_page_is_in_a_language_that_the_browser_asks_for(app: Flask, asked: str, tag: str) -> None:
    page = app.test_client().get("/login", headers={"Accept-Language": asked}).text
    assert f'<html lang="{tag}" dir="{"rtl" if tag == "ar-XB" else "ltr"}"' in page


def test_nobody_is_offered_what_is_for_developers(settings: Settings, database: Database) -> None:
    page = create_app(settings, database).test_client().get("/login", headers={"Accept-Language": "en-XA"}).text
    assert '<html lang="en" ' in page


def test_the_setting_is_for_who_asks_for_nothing_that_there_is(settings: Settings, database: Database) -> None:
    app = create_app(dataclasses.replace(settings, default_language="de"), database)
    assert 'lang="de"' in app.test_client().get("/login", headers={"Accept-Language": "tlh"}).text
    assert 'lang="en"' in app.test_client().get("/login", headers={"Accept-Language": "en"}).text


def test_what_a_user_chose_comes_first_and_for_them_alone(app: Flask) -> None:
    browser = Browser.logged_in(app.test_client(), "demo")
    asked = {"language": "de", "time_zone": "Asia/Tokyo"}
    assert browser.post("/regional", asked).headers["Location"] == "/regional?did=regional-saved"
    page = browser.get("/regional", headers={"Accept-Language": "en"}).text
    assert '<html lang="de" dir="ltr" data-zone="Asia/Tokyo"' in page and "<h1>Sprache und Zeit</h1>" in page
    assert "texts/de.js" in page
    other = Browser.logged_in(app.test_client(), "maria").get("/regional").text
    assert '<html lang="en" dir="ltr">' in other and "texts/" not in other.replace("texts.js", "")


@pytest.mark.parametrize(
    "form", [{"language": "xx"}, {"time_zone": "Europe/Atlantis"}, {"time_zone": "../../etc/passwd"}]
)
def test_only_what_there_is_can_be_chosen(app: Flask, form: dict[str, str]) -> None:
    assert Browser.logged_in(app.test_client(), "demo").post("/regional", form).status_code == 400


def test_programs_are_answered_in_english(app: Flask) -> None:
    browser = Browser.logged_in(app.test_client(), "demo")
    browser.post("/regional", {"language": "de"})
    answer = browser.get("/api/mail/message?id=99", headers={"Accept": "application/json"})
    assert answer.json is not None and answer.json["detail"].startswith("There is no")


def test_times_are_those_of_the_zone_that_was_chosen_and_written_as_the_language_has_them(app: Flask) -> None:
    browser = Browser.logged_in(app.test_client(), "demo")
    with app.test_request_context():
        assert dates.moment(1_800_000_000) == "Fri, 15 Jan 2027, 08:00 UTC"
    browser.post("/regional", {"language": "de", "time_zone": "Europe/Berlin"})
    with browser.client:
        browser.get("/regional")
        assert dates.moment(1_800_000_000) == "Fr., 15. Jan. 2027, 09:00"
        assert dates.number(1_234_567) == "1.234.567"


def test_what_is_put_in_is_escaped_on_pages_and_plain_elsewhere(app: Flask) -> None:
    with app.test_request_context():
        shown = app.jinja_env.from_string('{% trans x=x %}To {{ x }}{% endtrans %} {{ _("100%% %(x)s", x=x) }}')
        assert shown.render(x="<b>") == "To &lt;b&gt; 100% &lt;b&gt;"
        assert gettext("To %(x)s", x="<b>") == "To <b>"
        assert ngettext("%(n)s mail", "%(n)s mails", 2) == "2 mails"


def test_pseudo_languages_keep_what_is_put_in() -> None:
    assert pseudo.accented("Move %(n)s to <b>{x}</b>").startswith("Ṁöṽé %(n)s ţö <b>{x}</b>")
    assert pseudo.mirrored("a %(n)s") == "\u202eå \u202c%(n)s"


def test_a_language_is_found_without_its_region_or_script() -> None:
    assert current.asked_for(["zh-Hant-TW", "DE-ch"], ("en", "de")) == "de"
    assert current.asked_for(["*"], ("en", "de")) == ""
