"""Answers to invitations repeat what the organizer's calendar knows the event by."""

from __future__ import annotations

import pytest
from onifast_shared.message import calendar, itip, recurrence
from onifast_shared.message.calendar import ANSWERS, Attendee
from onifast_shared.message.content_lines import lines

INVITATION = """BEGIN:VCALENDAR
METHOD:REQUEST
VERSION:2.0
BEGIN:VTIMEZONE
TZID:Bureau
BEGIN:STANDARD
DTSTART:19701025T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
END:STANDARD
END:VTIMEZONE
BEGIN:VTIMEZONE
TZID:Elsewhere
BEGIN:STANDARD
DTSTART:19701025T030000
TZOFFSETTO:+0900
END:STANDARD
END:VTIMEZONE
BEGIN:VEVENT
UID:7@remote.test
SEQUENCE:3
DTSTART;TZID=Bureau:20261201T100000
DTEND;TZID=Bureau:20261201T110000
RECURRENCE-ID;TZID=Bureau:20261201T090000
RRULE:FREQ=WEEKLY;BYDAY=TU
SUMMARY:Plan\\, and review: größer
ORGANIZER;CN="Taylor, Ann":mailto:ann@remote.test
ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:demo@example.test
ATTENDEE:mailto:carl@remote.test
BEGIN:VALARM
TRIGGER:-PT5M
SUMMARY:Alarm
END:VALARM
END:VEVENT
END:VCALENDAR
"""
DEMO = Attendee("Demo, the User", "demo@example.test")
NOW = 1_795_000_000


def replied(answer: str = "accepted", text: str = INVITATION, comment: str = "") -> str:
    found = itip.reply(text, DEMO, answer, NOW, comment)
    assert found is not None
    return found


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_is_read_as_what_it_is(answer: str) -> None:
    found = calendar.event(replied(answer))
    assert found is not None
    assert (found.method, found.uid, found.sequence) == ("REPLY", "7@remote.test", 3)
    assert [(each.name, each.address, each.answer) for each in found.attendees] == [
        ("Demo, the User", "demo@example.test", answer)
    ]
    assert found.organizer == Attendee("Taylor, Ann", "ann@remote.test")
    assert found.summary == "Plan, and review: größer"


def test_times_are_taken_over_with_their_zone_and_no_other_one() -> None:
    asked, told = calendar.event(INVITATION), calendar.event(replied())
    assert asked is not None and told is not None
    assert (told.start, told.end, told.occurrence) == (asked.start, asked.end, asked.occurrence)
    assert told.occurrence_id == "20261201T090000"
    assert [line.value for line in lines(replied()) if line.name == "TZID"] == ["Bureau"]


def test_lines_are_folded_and_nothing_breaks_out_of_one() -> None:
    text = replied(comment="Late;\nATTENDEE:mailto:eve@evil.test, " + "ü" * 100)
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    assert "\n" not in text.replace("\r\n", "")
    found = calendar.event(text)
    assert found is not None
    assert len(found.attendees) == 1
    assert found.comment == "Late;\nATTENDEE:mailto:eve@evil.test, " + "ü" * 100


@pytest.mark.parametrize(
    "text",
    [
        "",
        "BEGIN:VCALENDAR\nEND:VCALENDAR",
        INVITATION.replace("UID:", "X:"),
        INVITATION.replace("ORGANIZER", "X-NOBODY"),
    ],
    ids=["nothing", "no event", "no identifier", "no organizer"],
)
def test_what_cannot_be_known_again_is_not_answered(text: str) -> None:
    assert itip.reply(text, DEMO, "accepted", NOW) is None


def test_there_are_three_answers() -> None:
    with pytest.raises(ValueError, match="perhaps"):
        itip.reply(INVITATION, DEMO, "perhaps", NOW)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("FREQ=DAILY", "every day"),
        ("FREQ=WEEKLY;BYDAY=MO,FR;INTERVAL=2", "every 2 weeks on Monday and Friday"),
        ("FREQ=MONTHLY;BYDAY=-1TU;COUNT=10", "every month on the last Tuesday, 10 times"),
        ("FREQ=YEARLY;UNTIL=20270503T100000Z", "every year, until 3 May 2027"),
        ("FREQ=MONTHLY;BYMONTHDAY=13", "repeated"),
        ("FREQ=WEEKLY;BYDAY=XX", "repeated"),
        ("FREQ=WEEKLY;COUNT=0", "repeated"),
        ("FREQ=WEEKLY;UNTIL=20279999", "repeated"),
        ("nonsense", "repeated"),
    ],
)
def test_a_rule_is_told_in_words_where_they_can_say_it(rule: str, words: str) -> None:
    assert recurrence.in_words(rule) == words
