"""What came back of sent mail stands beside its recipient, and above the notification that says so."""

from __future__ import annotations

import pytest
from onifast_shared.db.database import Database
from onifast_shared.queue import returns
from onifast_shared.queue import store as queue_store
from onifast_shared.queue.returns import NewReport, SentRow
from onifast_shared.queue.store import DeliveryAttempt
from onifast_shared.values.reply import Reply
from onifast_web.reading.returns import after

from web.support import Browser, Panel, deliver, queue, words

FULL = Reply(552, "5.2.2", "Mailbox full")
TAKEN_TS = 1_790_000_000


class Letter:
    """A message to ann@remote.example that another site has taken, and its copy in sent."""

    def __init__(self, database: Database) -> None:
        self.database = database
        (self.outbox_id,) = queue(database, "ann@remote.example", subject="Plans")
        database.write(lambda tx: tx.execute("UPDATE outbox SET status = 'sent'"))
        self.note("delivered", TAKEN_TS, "mx.remote.example[192.0.2.1]:25", Reply(250, "2.0.0", "ok"))
        self.sent_id = database.read(lambda tx: tx.execute("SELECT email_id FROM outbox").get)

    def note(self, outcome: str, at: int, host: str = "mx.remote.example", reply: Reply = FULL, why: str = "") -> None:
        attempt = DeliveryAttempt(at, 0, outcome, host, reply=reply, explanation=why)
        self.database.write(lambda tx: queue_store.record(tx, self.outbox_id, attempt))

    def come_back(self) -> None:
        self.note("returned", TAKEN_TS + 2450, why="The recipient's mailbox is full.")
        self.database.write(lambda tx: returns.mark_returned(tx, self.outbox_id, str(FULL)))

    def notification(
        self, *, believed: bool = True, tied: bool = True, kind: str = "bounce", action: str = "failed"
    ) -> int:
        email_id = deliver(self.database, subject="Undelivered Mail", text="I am sorry.")
        row = SentRow(self.outbox_id, "", "", "sent", "demo", "", None, "", 1, "", 0) if tied else None
        why = "The recipient's mailbox is full." if action in ("failed", "delayed") else ""
        report = NewReport(kind, action, "ann@remote.example", "mx.remote.example", FULL, why)  # type: ignore[arg-type]
        self.database.write(lambda tx: returns.add(tx, email_id, report, row, believed=believed))
        return email_id


@pytest.fixture
def letter(database: Database) -> Letter:
    return Letter(database)


def test_a_fate_tells_who_took_it_and_when_it_came_back(browser: Browser, letter: Letter) -> None:
    path = f"/messages/{letter.sent_id}"
    assert "Taken by mx.remote.example[192.0.2.1]:25." in browser.text_of(path)
    letter.come_back()
    text = browser.text_of(path)
    assert "Failed ann@remote.example" in text
    assert "Taken by mx.remote.example, and returned 40 minutes later: The recipient's mailbox is full." in text
    assert "Arrived" not in text
    assert "Try again" in text


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        ("delayed", "It has not reached the mailbox yet"),
        ("confirmed", "A notice confirmed that it arrived."),
        ("complained", "The recipient complained about it."),
        ("answered", "An automatic answer came back."),
        ("read", "A read receipt came back."),
        ("unproven", "nothing proves that they can know"),
    ],
)
def test_what_else_is_told_later_stands_beside_the_delivery(
    browser: Browser, letter: Letter, outcome: str, said: str
) -> None:
    letter.note(outcome, TAKEN_TS + 60)
    text = browser.text_of(f"/messages/{letter.sent_id}")
    assert "Delivered ann@remote.example" in text
    assert said in text


def test_a_notification_is_a_sentence_with_the_original_beside_it(browser: Browser, letter: Letter) -> None:
    page = browser.get(f"/messages/{letter.notification()}").text
    sentence = "Your message “Plans” to ann@remote.example came back: The recipient's mailbox is full."
    assert sentence in words(page)
    assert f'href="/messages/{letter.sent_id}"' in page


@pytest.mark.parametrize(
    ("kind", "action", "said"),
    [
        ("bounce", "delayed", "has not arrived yet: The recipient's mailbox is full. It is being tried again."),
        ("bounce", "delivered", "to ann@remote.example arrived."),
        ("complaint", "failed", "drew a complaint"),
        ("auto-reply", "delivered", "was answered by a program."),
        ("read-receipt", "delivered", "was opened, as its recipient lets you know."),
    ],
)
def test_other_notifications_are_sentences_too(
    browser: Browser, letter: Letter, kind: str, action: str, said: str
) -> None:
    assert said in browser.text_of(f"/messages/{letter.notification(kind=kind, action=action)}")


def test_one_that_proves_nothing_says_so(browser: Browser, letter: Letter) -> None:
    text = browser.text_of(f"/messages/{letter.notification(believed=False)}")
    assert "This says: Your message “Plans” to ann@remote.example came back" in text
    assert "Nothing proves that it comes from the recipient’s side, so it changes nothing." in text


def test_one_about_nothing_that_is_known_says_so(browser: Browser, letter: Letter) -> None:
    text = browser.text_of(f"/messages/{letter.notification(believed=False, tied=False)}")
    assert "No such message is known here." in text


def test_the_api_tells_the_same(panel: Panel, letter: Letter) -> None:
    found = panel.acting_for("demo").get("/api/mail/read", id=letter.notification()).json
    assert found is not None
    assert found["delivery_reports"] == [
        {
            "kind": "bounce",
            "action": "failed",
            "recipient": "ann@remote.example",
            "host": "mx.remote.example",
            "code": 552,
            "enhanced": "5.2.2",
            "reply": "Mailbox full",
            "explanation": "The recipient's mailbox is full.",
            "believed": True,
            "outbox_id": letter.outbox_id,
            "sent_id": letter.sent_id,
        }
    ]


def test_the_copy_of_another_user_is_not_led_to(panel: Panel, letter: Letter, database: Database) -> None:
    database.write(lambda tx: tx.execute("UPDATE emails SET owner = 'other' WHERE id = ?", (letter.sent_id,)))
    found = panel.acting_for("demo").get("/api/mail/read", id=letter.notification()).json
    assert found is not None and found["delivery_reports"][0]["sent_id"] is None


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "at once"), (60, "1 minute later"), (7300, "2 hours later"), (90_000, "1 day later")],
)
def test_how_much_later_is_told_in_the_largest_unit(seconds: int, said: str) -> None:
    assert after(seconds) == said
