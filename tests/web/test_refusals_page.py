"""The page that tells users what was refused, and why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Flask
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.refused import refusals
from onifast_shared.refused.refusals import Refusal

from web.support import Browser, Clock, words

PAGE = "/refusals"
REFUSAL = Refusal(
    client="192.0.2.7",
    helo="mx.remote.example",
    submitted_by="",
    sender="ann@remote.example",
    recipient="demo@example.test",
    owner="demo",
    stage="RCPT",
    code=550,
    enhanced="5.1.1",
    reason="<demo@example.test>: no such mailbox here",
)
CHECKED: dict[str, Any] = {
    "spf": "fail",
    "dkim": "none",
    "dmarc": "fail",
    "details": {"dmarc": {"domain": "bank.example"}},
    "why": ["SPF failed: remote.example does not let 192.0.2.7 send its mail."],
}


def refuse(database: Database, now: float, **fields: Any) -> None:
    refusal = replace(REFUSAL, **fields)
    database.write(lambda tx: refusals.add(tx, refusal, now))


def test_a_refusal_is_told_with_all_that_is_known_of_it(browser: Browser, database: Database, clock: Clock) -> None:
    assert "Nothing was refused" in browser.text_of(PAGE)
    refuse(database, clock.now)
    shown = browser.text_of(PAGE)
    for text in (
        "ann@remote.example",
        "To demo@example.test",
        "192.0.2.7 calls itself mx.remote.example",
        "No such mailbox here.",
        "when the recipient was named (RCPT) , for good",
        "550 5.1.1 <demo@example.test>: no such mailbox here",
    ):
        assert text in shown, shown


def test_the_checks_are_told_in_sentences(browser: Browser, database: Database, clock: Clock) -> None:
    refuse(database, clock.now, stage="DATA", reason="DMARC says no", authentication=CHECKED)
    shown = browser.text_of(PAGE)
    assert "May not be from bank.example" in shown
    assert "SPF failed: remote.example does not let 192.0.2.7 send its mail." in shown


def test_checks_without_sentences_are_named(browser: Browser, database: Database, clock: Clock) -> None:
    refuse(database, clock.now, authentication={"spf": "fail", "dkim": ["odd"], "details": "odd"})
    shown = browser.text_of(PAGE)
    assert "May not be from remote.example" in shown and "SPF failed." in shown


def test_what_may_pass_later_is_told_apart(browser: Browser, database: Database, clock: Clock) -> None:
    refuse(database, clock.now, code=451, enhanced="4.7.1", reason="greylisted: try again in 60 seconds")
    shown = browser.text_of(PAGE)
    assert "Put off" in shown and "tries again by itself" in shown and "for good" not in shown


def test_a_bounce_and_an_early_refusal_have_words_too(browser: Browser, database: Database, clock: Clock) -> None:
    refuse(database, clock.now, sender="", recipient="", stage="MAIL", submitted_by="demo", reason="")
    shown = browser.text_of(PAGE)
    assert "No sender (a bounce)" in shown and "not named yet" in shown and "Sent by demo" in shown


def test_administrators_see_whose_mail_it_was_and_users_their_own(
    app: Flask, browser: Browser, database: Database, clock: Clock
) -> None:
    refuse(database, clock.now, owner="maria", recipient="maria@other.test")
    refuse(database, clock.now, owner=None, recipient="nobody@nowhere.test")
    assert "Nothing was refused" in browser.text_of(PAGE)
    shown = Browser.logged_in(app.test_client(), "root-admin").text_of(PAGE)
    assert "User maria" in shown and "nobody@nowhere.test" in shown


def test_older_refusals_are_on_further_pages(browser: Browser, database: Database, clock: Clock) -> None:
    for number in range(51):
        refuse(database, clock.now, reason=f"reason-{number}-")
    first = browser.get(PAGE).text
    assert "reason-50-" in first and "reason-0-" not in first
    older = first.split('rel="next" href="')[1].split('"')[0]
    second = words(browser.get(older).text)
    assert "Reason-0-" in second and "Newest" in second and "Reason-1-" not in second
    assert browser.get(f"{PAGE}?cursor=x").status_code == 404


def test_a_record_that_is_too_old_is_not_shown(
    browser: Browser, database: Database, clock: Clock, settings: Settings
) -> None:
    refuse(database, clock.now - settings.refusals_kept - 10)
    assert "Nothing was refused" in browser.text_of(PAGE)


def test_what_strangers_say_is_text(browser: Browser, database: Database, clock: Clock) -> None:
    refuse(database, clock.now, helo="<script>alert(1)</script>", reason="<img src=x>", sender="<b>@x")
    page = browser.get(PAGE).text
    assert "<script>alert" not in page and "<img src=x>" not in page and "<b>@x" not in page
