"""Pages whose lists grow with the installation: they show the first hundred rows, say so, and are searched."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from onifast_shared.db.database import Connection, Database
from onifast_shared.limits import store as sending_limits
from onifast_shared.limits.subjects import Subject
from onifast_shared.queue import destinations
from onifast_shared.queue.destinations import StoredState
from onifast_shared.recipients import addresses, forwards
from onifast_shared.tls import history as tls_history
from onifast_shared.values.address import Address

from web.support import Browser, Clock, words

MANY = 130
PAGES = ("/addresses", "/forwards", "/dkim", "/limits", "/sending")


@pytest.fixture
def crowd(database: Database) -> Database:
    """The database of an installation with many domains, each with an address, a forward and a limit."""

    def write(tx: Connection) -> None:
        for number in range(MANY):
            domain = f"d{number:03}.test"
            addresses.add(tx, Address.parse(f"info@{domain}"), "maria")
            forwards.add(tx, Address.parse(f"info@{domain}"), Address.parse("far@remote.test"), "maria")
            sending_limits.put(tx, Subject("domain", domain), {"messages_per_hour": 7})

    database.write(write)
    return database


@pytest.fixture
def admin(app: Flask, crowd: Database) -> Browser:
    """An administrator who has logged in."""
    return Browser.logged_in(app.test_client(), "root-admin")


def domains(page: str) -> set[str]:
    return set(re.findall(r"d\d\d\d\.test", page))


@pytest.mark.parametrize("path", PAGES)
def test_a_long_list_shows_its_beginning_and_says_so(admin: Browser, path: str) -> None:
    page = admin.get(path).text
    assert 90 <= len(domains(page)) <= 100
    assert re.search(r"The first 100 of 1\d\d are shown\. Search for the others\.", words(page))


@pytest.mark.parametrize("path", PAGES)
def test_a_long_list_is_searched(admin: Browser, path: str) -> None:
    page = admin.get(f"{path}?q=D129.").text
    assert domains(page) == {"d129.test"} and "are shown. Search" not in page
    assert "matches “nowhere”." in admin.text_of(f"{path}?q=nowhere")


def test_who_searched_stays_with_what_he_found(admin: Browser) -> None:
    page = admin.get("/dkim?q=d129").text
    assert 'action="/dkim?q=d129"' in page
    answer = admin.post("/dkim?q=d129", {"action": "generate", "domain": "d129.test"})
    assert answer.status_code == 303 and "q=d129" in answer.headers["Location"]
    assert "New key made. Publish its record now." in admin.text_of(answer.headers["Location"])


def test_a_domain_is_shown_and_found_in_its_own_script(admin: Browser, database: Database) -> None:
    database.write(lambda tx: addresses.add(tx, Address.parse("info@bücher.test"), "root-admin"))
    for path, shown in (("/addresses", "info@bücher.test"), ("/dkim", "bücher.test"), ("/sending", "bücher.test")):
        for q in ("bücher", "xn--bcher"):
            assert shown in admin.text_of(f"{path}?q={q}")
    assert '<option value="info@xn--bcher-kva.test">info@bücher.test</option>' in admin.get("/compose").text


def test_many_destinations_are_searched(admin: Browser, crowd: Database, clock: Clock) -> None:
    states = [StoredState(f"d{number:03}.test", "1", 1, 5, None, None, "") for number in range(MANY)]
    crowd.write(lambda tx: destinations.publish(tx, "1", states, clock()))
    assert "The first 100 of 130 are shown." in admin.text_of("/destinations")
    assert domains(admin.get("/destinations?q=d129").text) == {"d129.test"}
    assert "Nothing here matches “nowhere”." in admin.text_of("/destinations?q=nowhere")


def test_many_domains_with_tls_are_not_cut_off_in_silence(admin: Browser, crowd: Database) -> None:
    def write(tx: Connection, many: int) -> None:
        for number in range(many):
            tls_history.note_good(tx, f"d{number:03}.test", "dane", "mx.test", 1_800_000_000)

    crowd.write(lambda tx: write(tx, 100))
    assert "has the rest" not in admin.text_of("/tls")
    crowd.write(lambda tx: write(tx, MANY))
    page = admin.get("/tls").text
    assert len(domains(page)) == 100
    assert "The first 100 are shown; onifast-mailctl tls list has the rest." in words(page)


def test_a_short_list_has_no_search(browser: Browser) -> None:
    for path in PAGES:
        assert 'role="search"' not in browser.get(path).text
