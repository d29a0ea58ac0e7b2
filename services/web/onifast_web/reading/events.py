"""What the sender of a calendar object wants, in sentences (RFC 5546 section 3.2)."""

from __future__ import annotations

from onifast_shared.message.calendar import Event

_ANSWERS = {
    "accepted": "{who} accepted {what}.",
    "declined": "{who} declined {what}.",
    "tentative": "{who} may come to {what}.",
}
_METHODS = {
    "COUNTER": "{who} proposes to change {what}.",
    "DECLINECOUNTER": "The change that was proposed for {what} was declined.",
    "REFRESH": "{who} asks for the latest version of {what}.",
    "ADD": "{what} gets further dates.",
}


def sentence(event: Event) -> str:
    """What it is sent for, "" for a first invitation and for what is only told."""
    what = f"“{event.summary}”" if event.summary else "the event"
    if event.occurrence_id:
        what = f"this one of the series {what}" if event.summary else "this one of the series"
    if event.method == "REPLY":
        return _reply(event, what)
    if event.cancelled:
        return "This one of the series is cancelled." if event.occurrence_id else "This event is cancelled."
    who = _who(event, "Somebody")
    if event.method in _METHODS:
        text = _METHODS[event.method].format(who=who, what=what)
        return text[:1].upper() + text[1:]
    if event.method == "REQUEST" and event.sequence:
        return "This changes an event that you were invited to before."
    return ""


def _reply(event: Event, what: str) -> str:
    answer = event.attendees[0].answer if event.attendees else ""
    words = _ANSWERS.get(answer, "{who} has not decided about {what}.")
    return words.format(who=_who(event, "Somebody"), what=what)


def _who(event: Event, otherwise: str) -> str:
    attendee = event.attendees[0] if event.attendees else None
    return (attendee.name or attendee.address if attendee else "") or otherwise
