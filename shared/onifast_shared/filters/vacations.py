"""Vacation notes: what a user's account, or one of their addresses, answers while they are away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from onifast_shared.db.database import Connection
from onifast_shared.filters import answers
from onifast_shared.filters.answers import DAY, AnswerableMessage, AnswerText, Occasion
from onifast_shared.filters.rules import FilterError, address_of
from onifast_shared.recipients import addresses, contacts, correspondents
from onifast_shared.values.address import Address, AddressError

WHOLE = ""
"""Stands for the whole account in the place of an address."""
MOST_DAYS = 30
LONGEST_TEXT = 50_000
LONGEST_SUBJECT = 200
LATEST = 253_402_300_799  # the end of the year 9999

Audience = Literal["everybody", "known"]
"""Who is answered: everybody, or those alone whom the user has written to."""


@dataclass(frozen=True)
class VacationNote:
    """What is answered, from when until when (epoch seconds, None for no end), and how often to one sender, in days.

    `html` is the text with looks, made safe before it is kept. Contacts, and whom the user has written
    to, get `known_text` where there is one. `zone` is the time zone in which the user sees the times.
    """

    address: str = WHOLE
    is_on: bool = False
    from_ts: int | None = None
    until_ts: int | None = None
    subject: str = ""
    text: str = ""
    html: str = ""
    known_text: str = ""
    known_html: str = ""
    audience: Audience = "everybody"
    days: int = 7
    zone: str = "UTC"

    def answers_at(self, now: float) -> bool:
        """Whether it answers at that time."""
        return self.is_on and (self.from_ts or 0) <= now < (self.until_ts or LATEST)

    def awaits(self, now: float) -> bool:
        """Whether it will answer, later."""
        return self.is_on and self.from_ts is not None and now < self.from_ts


def get(tx: Connection, owner: str, address: str = WHOLE) -> VacationNote | None:
    """The note of an account, or of one of its addresses; None where there is none."""
    row = tx.execute(f"{_SELECT} WHERE owner = ? AND address = ?", (owner, address)).fetchone()
    return None if row is None else _note(row)


def list_all(tx: Connection, owner: str) -> list[VacationNote]:
    """An owner's notes: that of the account, and then those of addresses."""
    return [_note(row) for row in tx.execute(f"{_SELECT} WHERE owner = ? ORDER BY address", (owner,))]


def now_on(tx: Connection, owner: str, now: float) -> list[VacationNote]:
    """Those of them that answer now."""
    sql = f"{_SELECT} WHERE owner = ? AND is_on = 1 ORDER BY address"
    return [note for row in tx.execute(sql, (owner,)) if (note := _note(row)).answers_at(now)]


def put(tx: Connection, owner: str, note: VacationNote) -> VacationNote:
    """Keeps a note. Where it says something new, or is turned on, everybody gets it anew. Raises FilterError."""
    note = checked(tx, owner, note)
    before = get(tx, owner, note.address)
    columns = {name: value for name, value in vars(note).items() if name != "address"}
    columns["is_on"] = int(note.is_on)
    names = ", ".join(columns)
    tx.execute(
        f"INSERT INTO vacations (owner, address, {names}) VALUES (?, ?, {', '.join('?' * len(columns))})"
        f" ON CONFLICT DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in columns)}",
        (owner, note.address, *columns.values()),
    )
    if before is None or not before.is_on or _said(before) != _said(note):
        answers.forget(tx, owner, _kind(note))
    return note


def remove(tx: Connection, owner: str, address: str = WHOLE) -> bool:
    """Ends a note; False where there was none."""
    tx.execute("DELETE FROM vacations WHERE owner = ? AND address = ?", (owner, address))
    ended = tx.changes() > 0
    answers.forget(tx, owner, _kind(VacationNote(address)))
    return ended


def checked(tx: Connection, owner: str, note: VacationNote) -> VacationNote:
    """The note as it is kept; raises FilterError for what cannot be."""
    if note.address:
        own = address_of(note.address, "address")
        if not addresses.owns(tx, owner, own):
            raise FilterError("address", "not one of your addresses")
        note = VacationNote(**{**vars(note), "address": own.key})
    if note.is_on and not note.text.strip():
        raise FilterError("text", "say what is answered")
    for name in ("text", "html", "known_text", "known_html"):
        if len(getattr(note, name)) > LONGEST_TEXT:
            raise FilterError(name, f"{LONGEST_TEXT} characters at the most")
    if len(note.subject) > LONGEST_SUBJECT or not note.subject.isprintable():
        raise FilterError("subject", f"{LONGEST_SUBJECT} characters in one line at the most")
    if not 1 <= note.days <= MOST_DAYS:
        raise FilterError("days", f"from 1 to {MOST_DAYS}")
    if note.audience not in get_args(Audience):
        raise FilterError("audience", f"one of {', '.join(get_args(Audience))}")
    for name in ("from_ts", "until_ts"):
        if not 0 <= (getattr(note, name) or 0) <= LATEST:
            raise FilterError(name.removesuffix("_ts"), "not a time")
    if time_zone(note.zone) is None:
        raise FilterError("zone", "not a time zone such as Europe/Berlin")
    if note.until_ts is not None and note.until_ts <= (note.from_ts or 0):
        raise FilterError("until", "later than the first day")
    return note


def time_zone(name: str) -> ZoneInfo | None:
    """The time zone of that name; None where there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def answer(occasion: Occasion, message: AnswerableMessage, *, owner: str, recipient: str) -> str | None:
    """Answers a message if the user is away: None if they are not, else why there is no answer, "" where there is."""
    tx = occasion.tx
    note = _for(tx, owner, recipient, occasion.now)
    if note is None:
        return None
    is_known = message.sender is not None and _is_known(tx, owner, message.sender)
    if note.audience == "known" and not is_known:
        return "its sender is neither in your contacts nor anybody whom you have written to"
    to_known = is_known and bool(note.known_text.strip())
    text = AnswerText(
        note.known_text if to_known else note.text, note.subject, note.known_html if to_known else note.html
    )
    return answers.answer(
        occasion, message, text, owner=owner, kind=_kind(note), recipient=recipient, every=note.days * DAY
    )


def answered(tx: Connection, owner: str, address: str = WHOLE) -> list[tuple[str, int]]:
    """Who was answered last, and when."""
    return answers.last(tx, owner, _kind(VacationNote(address)))


def _for(tx: Connection, owner: str, recipient: str, now: float) -> VacationNote | None:
    """The note for mail to an address: its own, or else the account's."""
    found = {each.address: each for each in now_on(tx, owner, now)}
    if not found:
        return None
    try:
        key = Address.parse(recipient).key
    except AddressError:
        key = ""
    return found.get(key) or found.get(WHOLE)


def _is_known(tx: Connection, owner: str, sender: Address) -> bool:
    """Whether the sender stands in the owner's address book, or the owner has written to them."""
    if contacts.of_address(tx, owner, sender) is not None:
        return True
    found = correspondents.find(tx, owner, sender)
    return found is not None and found.written_ts is not None


def _kind(note: VacationNote) -> str:
    return f"vacation:{note.address}" if note.address else "vacation"


def _said(note: VacationNote) -> tuple[Any, ...]:
    return note.subject, note.text, note.html, note.known_text, note.known_html, note.from_ts


_SELECT = (
    "SELECT address, is_on, from_ts, until_ts, subject, text, html, known_text, known_html, audience, days, zone"
    " FROM vacations"
)


def _note(row: tuple[Any, ...]) -> VacationNote:
    address, is_on, *others = row
    return VacationNote(address, bool(is_on), *others)
