"""What the sender of a calendar object wants, in sentences (RFC 5546 section 3.2)."""

from __future__ import annotations

from onifast_shared.message.calendar import Event

from onifast_web.languages.texts import _


def sentence(event: Event) -> str:
    """What it is sent for, "" for a first invitation and for what is only told."""
    if event.method == "REPLY":
        return _reply(event)
    if event.cancelled:
        return _("This one of the series is cancelled.") if event.occurrence_id else _("This event is cancelled.")
    known = {"who": _who(event), "what": _what(event)}
    match event.method:
        case "COUNTER":
            return _("%(who)s proposes to change %(what)s.", **known)
        case "DECLINECOUNTER":
            return _("The change that was proposed for %(what)s was declined.", **known)
        case "REFRESH":
            return _("%(who)s asks for the latest version of %(what)s.", **known)
        case "ADD":
            text = _("%(what)s gets further dates.", **known)
            return text[:1].upper() + text[1:]
        case "REQUEST" if event.sequence:
            return _("This changes an event that you were invited to before.")
    return ""


def _reply(event: Event) -> str:
    known = {"who": _who(event), "what": _what(event)}
    match event.attendees[0].answer if event.attendees else "":
        case "accepted":
            return _("%(who)s accepted %(what)s.", **known)
        case "declined":
            return _("%(who)s declined %(what)s.", **known)
        case "tentative":
            return _("%(who)s may come to %(what)s.", **known)
    return _("%(who)s has not decided about %(what)s.", **known)


def _what(event: Event) -> str:
    if event.occurrence_id:
        named = _("this one of the series “%(summary)s”", summary=event.summary)
        return named if event.summary else _("this one of the series")
    return _("“%(summary)s”", summary=event.summary) if event.summary else _("the event")


def _who(event: Event) -> str:
    attendee = event.attendees[0] if event.attendees else None
    return (attendee.name or attendee.address if attendee else "") or _("Somebody")
