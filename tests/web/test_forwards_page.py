"""The page on which users forward their mail."""

from __future__ import annotations

from onifast_shared.db.database import Database
from onifast_shared.recipients import forwards
from onifast_shared.values.address import Address

from web.support import Browser, words

PAGE = "/forwards"


def targets(database: Database) -> list[tuple[str, str]]:
    return [(row.address, row.target) for row in database.read(lambda tx: forwards.list_for(tx, None))]


def add(target: str = "me@remote.test", address: str = "demo@example.test", **more: str) -> dict[str, str]:
    return {"do": "add", "address": address, "target": target, **more}


def test_a_forward_is_made_with_a_copy_and_without(browser: Browser, database: Database) -> None:
    assert "Nothing is forwarded" in browser.text_of(PAGE)
    answer = browser.post(PAGE, add())
    assert "Forward added." in browser.text_of(answer.headers["Location"])
    assert targets(database) == [("demo@example.test", "me@remote.test")]
    browser.post(PAGE, add("you@remote.test", keep="1"))
    browser.post(PAGE, add("she@remote.test", keep="1"))
    assert [target for _, target in targets(database)].count("demo@example.test") == 1
    assert "its own mailbox, as a copy" in browser.text_of(PAGE)


def test_a_forward_is_removed(browser: Browser, database: Database) -> None:
    browser.post(PAGE, add())
    gone = {"do": "remove", "address": "demo@example.test", "target": "me@remote.test"}
    assert "Forward removed." in browser.text_of(browser.post(PAGE, gone).headers["Location"])
    assert targets(database) == []
    assert browser.post(PAGE, gone).status_code == 404


def test_nobody_elses_mail_is_forwarded_shown_or_kept_from_him(browser: Browser, database: Database) -> None:
    answer = browser.post(PAGE, add(address="maria@other.test"))
    assert answer.status_code == 422
    assert "maria@other.test is not one of your addresses." in words(answer.text)
    assert 'value="me@remote.test"' in answer.text
    theirs = Address.parse("maria@other.test")
    database.write(lambda tx: forwards.add(tx, theirs, Address.parse("x@remote.test"), "maria"))
    assert "maria@other.test" not in browser.text_of(PAGE)
    gone = {"do": "remove", "address": "maria@other.test", "target": "x@remote.test"}
    assert browser.post(PAGE, gone).status_code == 404


def test_what_is_wrong_stands_at_its_field(browser: Browser) -> None:
    answer = browser.post(PAGE, add("nowhere"))
    assert answer.status_code == 422
    assert "Address has no @." in words(answer.text)


def test_nothing_is_forwarded_without_the_sessions_token(browser: Browser, database: Database) -> None:
    assert browser.post(PAGE, add(csrf_token="x")).status_code == 403
    assert targets(database) == []
