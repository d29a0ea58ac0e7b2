"""Invitations are answered from the address that was invited, and answers are told in sentences."""

from __future__ import annotations

import email
import email.policy
import re

import pytest
from onifast_shared.db.database import Database
from onifast_shared.mailboxes import mailbox
from onifast_shared.message import calendar, parsing
from onifast_shared.message.compose import OutgoingAttachment
from playwright.sync_api import Browser as Chrome
from playwright.sync_api import expect

from peers.browser import PHONE, ColorScheme
from web.browsing import fits, opened
from web.support import Browser, Live, Panel, deliver, give_address, index


def invitation(
    *,
    method: str = "REQUEST",
    attendee: str = "ATTENDEE;CN=Demo User:mailto:demo@example.test",
    organizer: str = "ann@remote.example",
    more: str = "",
    uid: str = "7",
) -> list[OutgoingAttachment]:
    text = (
        f"BEGIN:VCALENDAR\r\nMETHOD:{method}\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTART:20261201T100000Z\r\n"
        f"DURATION:PT1H\r\nSUMMARY:Plan\r\nORGANIZER;CN=Ann:mailto:{organizer}\r\n{attendee}\r\n{more}"
        "END:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    return [OutgoingAttachment("invite.ics", "text/calendar", text.encode())]


def raw_of(database: Database, email_id: int) -> bytes:
    return database.read(lambda tx: mailbox.raw(tx, email_id))


def newest(database: Database) -> int:
    return int(database.read(lambda tx: tx.execute("SELECT max(id) FROM emails").get))


@pytest.mark.parametrize(
    ("answer", "button", "subject"),
    [
        ("accepted", "Accept", "Accepted: Plan"),
        ("tentative", "Maybe", "Tentative: Plan"),
        ("declined", "Decline", "Declined: Plan"),
    ],
)
def test_a_button_sends_the_answer_and_the_page_remembers_it(
    browser: Browser, database: Database, answer: str, button: str, subject: str
) -> None:
    email_id = deliver(database, attachments=invitation())
    page = browser.get(f"/messages/{email_id}").text
    assert f'value="{answer}">{button}</button>' in page
    done = browser.post(f"/messages/{email_id}/invitation", {"answer": answer, "comment": "See you."})
    assert done.status_code == 303
    parsed = parsing.parse(raw_of(database, newest(database)))
    assert (parsed.subject, parsed.to, str(parsed.sender)) == (subject, "ann@remote.example", "demo@example.test")
    assert parsed.event is not None
    assert (parsed.event.method, parsed.event.comment) == ("REPLY", "See you.")
    assert [(each.address, each.answer) for each in parsed.event.attendees] == [("demo@example.test", answer)]
    text = browser.text_of(done.headers["Location"])
    assert "The organizer is told." in text
    assert re.search(r"You (accepted|declined|answered “maybe”) ", text)


def test_the_answer_is_imip_as_others_read_it(browser: Browser, database: Database) -> None:
    email_id = deliver(database, attachments=invitation())
    browser.post(f"/messages/{email_id}/invitation", {"answer": "accepted"})
    message = email.message_from_bytes(raw_of(database, newest(database)), policy=email.policy.default)
    assert message.get_content_type() == "multipart/alternative"
    plain, reply = message.iter_parts()
    assert plain.get_content().strip() == "Demo User has accepted this invitation."
    assert (reply.get_content_type(), reply["Content-Type"].params["method"]) == ("text/calendar", "REPLY")
    assert message["In-Reply-To"] == parsing.parse(raw_of(database, email_id)).message_id


def test_the_address_that_was_invited_answers(browser: Browser, database: Database) -> None:
    give_address(database, "sales@example.test", "demo")
    email_id = deliver(database, attachments=invitation(attendee="ATTENDEE:MAILTO:Sales@Example.test"))
    browser.post(f"/messages/{email_id}/invitation", {"answer": "accepted"})
    parsed = parsing.parse(raw_of(database, newest(database)))
    assert str(parsed.sender).lower() == "sales@example.test"
    assert database.read(lambda tx: tx.execute("SELECT lower(sender) FROM outbox").get) == "sales@example.test"


def test_who_got_it_by_a_list_answers_from_where_it_came(browser: Browser, database: Database) -> None:
    email_id = deliver(database, attachments=invitation(attendee="ATTENDEE:mailto:everybody@list.example"))
    browser.post(f"/messages/{email_id}/invitation", {"answer": "accepted"})
    parsed = parsing.parse(raw_of(database, newest(database)))
    assert str(parsed.sender) == "demo@example.test"
    assert parsed.event is not None and parsed.event.attendees[0].address == "demo@example.test"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"method": "PUBLISH"}, "published"),
        ({"method": "CANCEL"}, "cancelled"),
        ({"method": "REPLY"}, "an answer"),
        ({"organizer": "demo@example.test"}, "one's own"),
        ({"organizer": "nonsense"}, "nobody's"),
        ({"uid": ""}, "of no identifier"),
        ({"more": "STATUS:CANCELLED\r\n"}, "called off"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_needs_no_answer_has_no_buttons(
    browser: Browser, database: Database, changes: dict[str, str], why: str
) -> None:
    email_id = deliver(database, attachments=invitation(**changes))
    assert "Accept</button>" not in browser.get(f"/messages/{email_id}").text
    assert browser.post(f"/messages/{email_id}/invitation", {"answer": "accepted"}).status_code == 409
    assert why and newest(database) == email_id


def test_a_changed_event_asks_again(browser: Browser, database: Database) -> None:
    first = deliver(database, attachments=invitation())
    browser.post(f"/messages/{first}/invitation", {"answer": "accepted"})
    changed = deliver(database, attachments=invitation(more="SEQUENCE:2\r\n"))
    text = browser.text_of(f"/messages/{changed}")
    assert "This changes an event that you were invited to before." in text
    assert "The event was changed since you answered." in text
    browser.post(f"/messages/{changed}/invitation", {"answer": "declined"})
    assert "You declined" in browser.text_of(f"/messages/{changed}")


def test_one_of_a_series_is_answered_alone(browser: Browser, database: Database) -> None:
    series = deliver(database, attachments=invitation(more="RRULE:FREQ=WEEKLY;BYDAY=TU\r\n"))
    assert "every week on Tuesday" in browser.text_of(f"/messages/{series}")
    browser.post(f"/messages/{series}/invitation", {"answer": "accepted"})
    moved = deliver(database, attachments=invitation(more="RECURRENCE-ID:20261208T100000Z\r\nSEQUENCE:1\r\n"))
    assert "In place of" in browser.text_of(f"/messages/{moved}")
    browser.post(f"/messages/{moved}/invitation", {"answer": "declined"})
    assert "You declined" in browser.text_of(f"/messages/{moved}")
    assert "You accepted" in browser.text_of(f"/messages/{series}")
    reply = parsing.parse(raw_of(database, newest(database))).event
    assert reply is not None and reply.occurrence_id == "20261208T100000Z"


BOB = "CN=Bob:mailto:bob@x.test"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"method": "REPLY", "attendee": f"ATTENDEE;PARTSTAT=ACCEPTED;{BOB}"}, "Bob accepted “Plan”."),
        ({"method": "REPLY", "attendee": "ATTENDEE;PARTSTAT=DECLINED:mailto:b@x.test"}, "b@x.test declined “Plan”."),
        ({"method": "REPLY", "attendee": f"ATTENDEE;PARTSTAT=TENTATIVE;{BOB}"}, "Bob may come to “Plan”."),
        ({"method": "REPLY", "attendee": f"ATTENDEE;{BOB}"}, "Bob has not decided about “Plan”."),
        ({"method": "COUNTER", "attendee": f"ATTENDEE;{BOB}"}, "Bob proposes to change “Plan”."),
        ({"method": "CANCEL"}, "This event is cancelled."),
        ({"method": "CANCEL", "more": "RECURRENCE-ID:20261201T100000Z\r\n"}, "This one of the series is cancelled."),
        ({"method": "REPLY", "more": "COMMENT:I come late\r\n"}, "I come late"),
    ],
    ids=["accepted", "declined", "tentative", "undecided", "counter", "cancelled", "one cancelled", "comment"],
)
def test_other_calendar_mail_is_a_sentence(
    browser: Browser, database: Database, changes: dict[str, str], said: str
) -> None:
    assert said in browser.text_of(f"/messages/{deliver(database, attachments=invitation(**changes))}")


def test_an_unknown_answer_is_refused(browser: Browser, database: Database) -> None:
    email_id = deliver(database, attachments=invitation())
    assert browser.post(f"/messages/{email_id}/invitation", {"answer": "perhaps"}).status_code == 400
    assert browser.client.post(f"/messages/{email_id}/invitation", data={"answer": "accepted"}).status_code == 403


def test_nobody_answers_anothers_invitation(browser: Browser, panel: Panel, database: Database) -> None:
    email_id = deliver(database, owner="other", recipient="other@example.test", attachments=invitation())
    assert browser.post(f"/messages/{email_id}/invitation", {"answer": "accepted"}).status_code == 404
    body = {"id": email_id, "answer": "accepted"}
    assert panel.acting_for("demo").post("/api/mail/invitations", body).status_code == 404


def test_the_api_answers_and_tells_it(panel: Panel, database: Database) -> None:
    demo = panel.acting_for("demo")
    email_id = deliver(database, attachments=invitation(more="RRULE:FREQ=DAILY\r\n"))
    before = demo.get("/api/mail/read", id=email_id).json["event"]  # type: ignore[index]
    assert (before["can_answer"], before["my_answer"], before["recurrence"]) == (True, None, "every day")
    done = demo.post("/api/mail/invitations", {"id": email_id, "answer": "tentative", "comment": "Perhaps."})
    assert done.status_code == 202 and done.json is not None
    assert (done.json["from"], done.json["to"]) == ("demo@example.test", "ann@remote.example")
    reply = calendar.event(parsing.parse(raw_of(database, done.json["email_id"])).attachments[0].text)
    assert reply is not None and reply.attendees[0].answer == "tentative"
    after = demo.get("/api/mail/read", id=email_id).json["event"]  # type: ignore[index]
    assert (after["my_answer"], after["answered_earlier"]) == ("tentative", False)
    missing = demo.post("/api/mail/invitations", {"id": deliver(database), "answer": "accepted"})
    assert missing.status_code == 409
    assert demo.post("/api/mail/invitations", {"id": email_id, "answer": "perhaps"}).status_code == 422


@pytest.mark.peers
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_buttons_work_without_scripts_and_fit(
    scheme: ColorScheme, chrome: Chrome, live: Live, database: Database
) -> None:
    email_id = deliver(database, subject="Come", attachments=invitation())
    index(database)
    with opened(chrome, live, viewport=PHONE, scheme=scheme) as page:
        page.goto(f"{live.url}/messages/{email_id}")
        fits(page)
        page.get_by_role("button", name="Accept").click()
        expect(page.get_by_text("You accepted")).to_be_visible()
        expect(page.get_by_role("button", name="Accept")).to_have_attribute("aria-pressed", "true")
