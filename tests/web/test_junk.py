"""Junk in the webmail, the API and the command: what was learned, what users want, and refused mail fetched back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from onifast_shared.accepting import rescue
from onifast_shared.ctl import main as ctl
from onifast_shared.db.database import Connection, Database
from onifast_shared.junk import judging, model
from onifast_shared.junk.judging import JunkVerdict
from onifast_shared.junk.model import Learnable
from onifast_shared.junk.words import Feature
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import contents, mailbox, preferences
from onifast_shared.refused import refusals
from onifast_shared.refused.kept import RefusedCopy
from onifast_shared.refused.refusals import Refusal
from playwright.sync_api import Browser as Chrome
from playwright.sync_api import Page

from web.support import Browser, Clock, Live, Panel, deliver, index

RAW = b"From: Bank <boss@bank.example>\r\nSubject: Your contract\r\n\r\nText of the contract.\r\n"
CHECKED = {"spf": "fail", "dmarc": "fail", "why": ["DMARC failed."]}
FORGED = Refusal(
    "192.0.2.7", "mx", "", "x@bank.example", "demo@example.test", "demo", "DATA", 550, "5.7.1", "DMARC says no", CHECKED
)

pytestmark = pytest.mark.usefixtures("keeping")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Refused mail is kept for a week."""
    return replace(settings, refused_kept_whole=7 * 86400.0)


@pytest.fixture
def keeping(settings: Settings) -> None:
    """The command reads the same settings as the programs."""
    (settings.root / "config" / "onifast-mail.toml").write_text('refused_kept_whole = "7d"\n')


def refuse(database: Database, clock: Clock, owner: str = "demo", whole: bool = True) -> int:
    """A message is refused, as smtpd does it; the record's number."""
    ref = contents.store(database, RAW)

    def write(tx: Connection) -> int:
        copy = RefusedCopy(
            owner, f"{owner}@example.test", "x@bank.example", b"Return-Path: <x@bank.example>\r\n", "192.0.2.7",
            "Bank <boss@bank.example>", "Your contract", "Q1",
        )  # fmt: skip
        kept = rescue.keep(tx, ref, [copy], Settings(), clock.now) if whole else {}
        refusals.add(tx, replace(FORGED, owner=owner), clock.now, kept.get(copy.recipient))
        return tx.last_insert_rowid()

    return database.write(write)


def teach(database: Database, owner: str = "demo", junk: int = 2) -> None:
    def learn(tx: Connection) -> None:
        for number in range(junk):
            model.learn(tx, owner, "junk", Learnable([Feature(number), Feature(-1)]), 0)

    database.write(learn)


def inbox(database: Database, owner: str = "demo") -> list[bytes]:
    return database.read(lambda tx: [mailbox.raw(tx, row.id) for row in mailbox.list_page(tx, owner, "inbox").rows])


# Refused mail


def test_a_refused_message_is_fetched_back_by_a_button(browser: Browser, database: Database, clock: Clock) -> None:
    number = refuse(database, clock)
    assert "Your contract : DMARC says no." in browser.text_of("/refusals")
    page = browser.get(f"/refusals/{number}")
    assert "Bank &lt;boss@bank.example&gt;" in page.text
    assert f'action="/refusals/{number}/rescue"' in page.text
    assert inbox(database) == []
    answer = browser.post(f"/refusals/{number}/rescue")
    assert answer.status_code == 303
    (raw,) = inbox(database)
    assert raw == b"Return-Path: <x@bank.example>\r\n" + RAW
    shown = browser.text_of(answer.location)
    assert "Fetched back. It lies in your inbox now" in shown
    assert "May not be from bank.example" in shown
    assert "It was fetched back" in browser.text_of(f"/refusals/{number}")
    assert browser.post(f"/refusals/{number}/rescue").status_code == 410


@pytest.mark.parametrize("method", ["get", "head"])
def test_following_a_link_changes_nothing(browser: Browser, database: Database, clock: Clock, method: str) -> None:
    number = refuse(database, clock)
    for path in (f"/refusals/{number}", f"/refusals/{number}/rescue"):
        getattr(browser.client, method)(path)
    assert inbox(database) == []


def test_a_button_of_another_site_does_nothing(browser: Browser, database: Database, clock: Clock) -> None:
    number = refuse(database, clock)
    assert browser.client.post(f"/refusals/{number}/rescue").status_code == 403
    assert inbox(database) == []


def test_nobody_fetches_back_what_was_for_another(
    app: Flask, browser: Browser, panel: Panel, database: Database, clock: Clock
) -> None:
    number = refuse(database, clock, "maria")
    assert browser.get(f"/refusals/{number}").status_code == 404
    assert browser.post(f"/refusals/{number}/rescue").status_code == 404
    assert panel.acting_for("demo").post("/api/mail/refusals/rescue", {"id": number}).status_code == 404
    assert inbox(database, "maria") == []
    administrator = Browser.logged_in(app.test_client(), "root-admin")
    answer = administrator.post(f"/refusals/{number}/rescue")
    assert "Fetched back into its recipient’s inbox." in administrator.text_of(answer.location)
    assert (len(inbox(database, "maria")), inbox(database, "root-admin")) == (1, [])


@pytest.mark.parametrize("number", ["0", "99", str(2**63)])
def test_a_record_that_is_not_there(browser: Browser, number: str) -> None:
    assert browser.get(f"/refusals/{number}").status_code == 404
    assert browser.post(f"/refusals/{number}/rescue").status_code == 404


def test_what_was_not_kept_has_no_button(browser: Browser, database: Database, clock: Clock) -> None:
    number = refuse(database, clock, whole=False)
    assert "Fetch it back" not in browser.text_of(f"/refusals/{number}")
    assert browser.post(f"/refusals/{number}/rescue").status_code == 410


def test_the_api_tells_of_what_is_kept_and_fetches_it_back(panel: Panel, database: Database, clock: Clock) -> None:
    number = refuse(database, clock)
    demo = panel.acting_for("demo")
    (row,) = demo.get("/api/mail/refusals").json["refusals"]  # type: ignore[index]
    assert (row["author"], row["subject"]) == ("Bank <boss@bank.example>", "Your contract")
    assert row["kept_until"] > row["refused_at"]
    answer = demo.post("/api/mail/refusals/rescue", {"id": number})
    found = demo.get("/api/mail/read", id=answer.json["email_id"]).json  # type: ignore[index]
    assert (found["subject"], found["folder"]) == ("Your contract", "inbox")  # type: ignore[index]
    (row,) = demo.get("/api/mail/refusals").json["refusals"]  # type: ignore[index]
    assert "rescued_at" in row and "kept_until" not in row
    assert demo.post("/api/mail/refusals/rescue", {"id": number}).status_code == 410


def test_a_full_mailbox_is_a_conflict(panel: Panel, database: Database, clock: Clock) -> None:
    number = refuse(database, clock)
    sql = "INSERT INTO mail_quotas (scope, name, bytes) VALUES ('owner', 'demo', 10)"
    database.write(lambda tx: tx.execute(sql))
    answer = panel.acting_for("demo").post("/api/mail/refusals/rescue", {"id": number})
    assert (answer.status_code, answer.json["detail"]) == (409, "The mailbox is full: delete something first.")  # type: ignore[index]


# The filter


def test_the_page_says_what_was_learned_and_forgets_it(browser: Browser, database: Database) -> None:
    assert "Nothing yet. Move messages to junk, and it begins." in browser.text_of("/junk")
    teach(database)
    teach(database, "maria", 7)
    shown = browser.text_of("/junk")
    assert "Junk 2 messages that you moved there" in shown
    assert f"Words count when you have moved {judging.FEWEST_LEARNED - 2} more messages to junk." in shown
    assert browser.post("/junk", {"do": "forget"}).status_code == 303
    assert "Nothing yet." in browser.text_of("/junk")
    assert database.read(lambda tx: model.of(tx, "maria")).learned.junk == 7


def test_choices_are_kept(browser: Browser, database: Database) -> None:
    answer = browser.post("/junk", {"do": "save", "digest": "weekly"})
    assert "Saved." in browser.text_of(answer.location)
    choice = database.read(lambda tx: preferences.junk(tx, "demo"))
    assert (choice.filters, choice.digest) == (False, "weekly")
    page = browser.get("/junk").text
    assert re.search(r'value="weekly" checked', page)
    assert 'name="filters" value="1">' in page


@pytest.mark.parametrize("form", [{"do": "save", "digest": "hourly"}, {"do": "dance"}, {}])
def test_what_is_no_choice_is_refused(browser: Browser, form: dict[str, str]) -> None:
    assert browser.post("/junk", form).status_code == 400


def test_the_api_has_the_same(panel: Panel, database: Database) -> None:
    demo = panel.acting_for("demo")
    teach(database)
    wanted = {"filters": True, "digest": "off", "learns_in": "own", "junk": 2, "good": 0, "words": 3}
    assert demo.get("/api/mail/junk").json == wanted
    assert demo.post("/api/mail/junk", {"digest": "daily"}).json == wanted | {"digest": "daily"}
    assert demo.post("/api/mail/junk", {"filters": False}).json == wanted | {"digest": "daily", "filters": False}
    assert demo.post("/api/mail/junk", {"digest": "hourly"}).status_code == 422
    assert demo.delete("/api/mail/junk").status_code == 204
    assert demo.get("/api/mail/junk").json["words"] == 0  # type: ignore[index]
    assert panel.get("/api/mail/junk").status_code == 403


def judge(database: Database, email_id: int, verdict: JunkVerdict) -> None:
    def write(tx: Connection) -> None:
        tx.execute("UPDATE emails SET judged = 0 WHERE id = ?", (email_id,))
        arrived = judging.look(tx, email_id)
        assert arrived is not None
        judging.settle(tx, arrived, verdict)

    database.write(write)


def test_a_message_says_why_it_is_junk_and_that_its_sender_is_new(
    browser: Browser, panel: Panel, database: Database
) -> None:
    email_id = deliver(database)
    reason = "It is in junk because it is like 14 messages that you moved to junk: “casino”."
    judge(database, email_id, JunkVerdict("junk", reason, 0.991234, "first"))
    shown = browser.text_of(f"/messages/{email_id}")
    assert reason in shown
    assert "This is the first message that you have from ann@remote.example" in shown
    (row,) = panel.acting_for("demo").get("/api/mail/list", folder="junk").json["emails"]  # type: ignore[index]
    assert row["correspondent"] == "first"
    full: Any = panel.acting_for("demo").get("/api/mail/read", id=email_id).json
    assert full["junk"] == {"score": 0.9912, "reason": reason}
    browser.post("/messages", {"ids": email_id, "action": "move:inbox", "back": "junk"})
    assert reason not in browser.text_of(f"/messages/{email_id}")


def test_a_correspondents_message_says_why_it_is_not_in_junk(browser: Browser, database: Database) -> None:
    email_id = deliver(database, folder="junk")
    judge(database, email_id, JunkVerdict("inbox", "You have written to ann@remote.example.", None, "written"))
    shown = browser.text_of(f"/messages/{email_id}")
    assert "You have written to ann@remote.example." in shown
    assert "first message" not in shown


def test_what_was_never_judged_says_nothing(panel: Panel, database: Database) -> None:
    email_id = deliver(database)
    full: Any = panel.acting_for("demo").get("/api/mail/read", id=email_id).json
    assert "junk" not in full and "correspondent" not in full


def test_moving_by_the_webmail_and_its_undo_teach_and_take_back(browser: Browser, database: Database) -> None:
    email_id = deliver(database)
    index(database)
    lessons = "SELECT wanted FROM junk_lessons"
    browser.post("/messages", {"ids": email_id, "action": "move:junk", "back": "inbox"})
    assert database.read(lambda tx: tx.execute(lessons).fetchall()) == [("junk",)]
    browser.post("/messages", {"ids": email_id, "action": "move:inbox", "back": "junk"})
    assert database.read(lambda tx: tx.execute(lessons).fetchall()) == [("",)]


# The command


@pytest.fixture
def run(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Runs the command on the test's tree; its status, and what it printed."""

    def call(*arguments: str) -> tuple[int, str]:
        environ = {"ONIFAST_MAIL_ROOT": str(settings.root), "ONIFAST_MAIL_HOME_ROOT": str(settings.home_root)}
        status = ctl.main(arguments, environ)
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    return call


Run = Callable[..., tuple[int, str]]


def test_the_command_shows_sets_and_forgets(run: Run, database: Database) -> None:
    teach(database)
    assert run("junk", "set", "demo", "--digest", "daily", "--filters", "off") == (0, "")
    assert run("junk", "show", "demo") == (0, "filter off\tdigest daily\tlearned 2 junk, 0 good, 3 words\n")
    shown = json.loads(run("junk", "show", "demo", "--json")[1])
    assert shown == {"username": "demo", "filters": False, "digest": "daily", "junk": 2, "good": 0, "words": 3}
    assert run("junk", "forget", "demo") == (0, "")
    assert run("junk", "forget", "demo") == (1, "onifast-mailctl: nothing was learned for demo\n")
    assert run("junk", "set", "demo")[0] == 2
    assert run("junk", "show", "nobody")[0] == 2


def test_the_command_fetches_back(run: Run, database: Database, clock: Clock) -> None:
    number = refuse(database, clock)
    assert run("refusals", "list")[1].rstrip().endswith(f"\t{number}")
    assert run("refusals", "rescue", str(number)) == (0, "1\n")
    assert len(inbox(database)) == 1
    assert run("refusals", "rescue", str(number))[0] == 1
    assert run("refusals", "rescue", "99")[0] == 1


# As it looks


@pytest.mark.parametrize("width", [390, 1280])
def test_pages_fit_the_screen(chrome: Chrome, live: Live, database: Database, clock: Clock, width: int) -> None:
    email_id = deliver(database)
    judge(database, email_id, JunkVerdict("junk", "It is in junk because " + "longword" * 20, 0.99, "first"))
    number = refuse(database, clock)
    teach(database)
    context = chrome.new_context(base_url=live.url, viewport={"width": width, "height": 800})
    page = context.new_page()
    log_in(page)
    for path in ("/junk", "/refusals", f"/refusals/{number}", f"/messages/{email_id}"):
        page.goto(path)
        fits = page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        assert fits, path
    context.close()


def log_in(page: Page) -> None:
    page.goto("/login")
    page.get_by_label("User name").fill("demo")
    page.get_by_label("Password").fill("demo password")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Inbox", exact=True).wait_for()


def test_a_user_fetches_back_in_a_browser(chrome: Chrome, live: Live, database: Database, clock: Clock) -> None:
    number = refuse(database, clock)
    context = chrome.new_context(base_url=live.url)
    page = context.new_page()
    log_in(page)
    page.goto(f"/refusals/{number}")
    page.get_by_role("button", name="Fetch it back").click()
    page.get_by_role("heading", name="Your contract").wait_for()
    assert len(inbox(database)) == 1
    context.close()
