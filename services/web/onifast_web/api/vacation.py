"""Vacation notes: what is answered while the caller is away."""

from __future__ import annotations

from typing import Annotated

from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.db.database import Connection
from onifast_shared.filters import vacations
from onifast_shared.filters.vacations import Audience, VacationNote
from onifast_shared.values import times
from pydantic import AfterValidator, ConfigDict, Field

from onifast_web.access.caller import Who
from onifast_web.actions import vacation as actions
from onifast_web.api.chosen import any_of, the_user
from onifast_web.api.endpoint import Call, Endpoint, Moment, checked_moment, optional_moment
from onifast_web.http.models import Model

Text = Annotated[str, Field(max_length=vacations.LONGEST_TEXT)]
OptionalMoment = Annotated[Moment | None, AfterValidator(checked_moment)]
OneAddress = Annotated[
    str, Field(max_length=400, description="One of the caller's addresses; empty for the whole account.")
]


class VacationFields(Model):
    """A note: for the whole account, or for one `address`, whose own note counts there.

    It answers people who wrote to one of the caller's addresses, once in `days`: never lists, programs, junk, or who
    may be forged. Where there is HTML and no text, the text is made of it. Contacts of the caller's, and whom they
    have written to, get `known_text` where there is one; with the `audience` known nobody else is answered.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                any_of("text", "html", more={"pattern": r"\S"}),
                {"required": ["is_on"], "properties": {"is_on": {"const": False}}},
            ]
        }
    )

    address: OneAddress = ""
    is_on: Annotated[bool, Field(description="Whether it answers, within its days.")] = True
    from_at: Annotated[OptionalMoment, Field(description="From when on it answers; null for at once.")] = None
    until_at: Annotated[OptionalMoment, Field(description="Until when it answers; null for no end.")] = None
    subject: Annotated[
        str, Field(max_length=vacations.LONGEST_SUBJECT, description="Empty for that of the message, after “Auto:”.")
    ] = ""
    text: Annotated[Text, Field(description="What is answered, as plain text.")] = ""
    html: Annotated[Text, Field(description="The same as HTML; made safe as it is kept.")] = ""
    known_text: Annotated[
        Text, Field(description="The text for contacts of the caller's, and for whom they have written to.")
    ] = ""
    known_html: Annotated[Text, Field(description="The same as HTML.")] = ""
    audience: Annotated[Audience, Field(description="Who is answered.")] = "everybody"
    days: Annotated[
        int, Field(ge=1, le=vacations.MOST_DAYS, description="After how many days one sender is answered again.")
    ] = 7
    zone: Annotated[
        str, Field(max_length=64, description="In which time zone pages show the times.", examples=["Europe/Berlin"])
    ] = "UTC"


class AnsweredSender(Model):
    """Who was answered, and when."""

    sender: str
    at: Moment


class VacationInfo(VacationFields):
    """A note as it is kept, whether it answers now, and whom it answered last."""

    is_answering: Annotated[bool, Field(description="Whether it answers now.")]
    answered: Annotated[list[AnsweredSender], Field(description="Who was answered last.")]


class VacationList(Model):
    """The caller's notes."""

    notes: Annotated[list[VacationInfo], Field(description="The notes: that of the account, then those of addresses.")]


class VacationQuery(Model):
    """Whose note."""

    address: OneAddress = ""


def list_notes(call: Call) -> VacationList:
    """The caller's notes: that of the account, and those of single addresses."""
    owner = the_user(call, "vacation note")

    def read(tx: Connection) -> list[tuple[VacationNote, list[tuple[str, int]]]]:
        return [(each, vacations.answered(tx, owner, each.address)) for each in vacations.list_all(tx, owner)]

    now = call.web.clock()
    return VacationList(notes=[_info(note, answered, now) for note, answered in call.web.database.read(read)])


def put_note(call: Call) -> VacationInfo:
    """Keeps a note, in the place of the one that there is. What says something new goes to everybody again."""
    owner, body = the_user(call, "vacation note"), call.body
    others = {name: value for name, value in body.model_dump().items() if name not in ("from_at", "until_at")}
    wanted = VacationNote(**others, from_ts=_seconds(body.from_at), until_ts=_seconds(body.until_at))
    note = actions.put(call.web, owner, wanted)
    answered = call.web.database.read(lambda tx: vacations.answered(tx, owner, note.address))
    return _info(note, answered, call.web.clock())


def delete_note(call: Call) -> None:
    """Ends a note, and forgets whom it answered."""
    actions.remove(call.web, the_user(call, "vacation note"), call.query.address)


ENDPOINTS = (
    Endpoint(
        "GET", "/api/mail/vacation", Who.USER, TokenScope.READ, "What is answered while the caller is away",
        list_notes, answer=VacationList,
    ),
    Endpoint(
        "POST", "/api/mail/vacation", Who.USER, TokenScope.MANAGE, "Write a vacation note, or turn it on or off",
        put_note, body=VacationFields, answer=VacationInfo,
    ),
    Endpoint(
        "DELETE", "/api/mail/vacation", Who.USER, TokenScope.MANAGE, "End a vacation note", delete_note, VacationQuery,
        status=204, failures={404: "The caller has no such note."},
    ),
)  # fmt: skip


def _seconds(moment: str | None) -> int | None:
    return None if moment is None else times.parse_rfc3339(moment)


def _info(note: VacationNote, answered: list[tuple[str, int]], now: float) -> VacationInfo:
    values = {name: value for name, value in vars(note).items() if name not in ("from_ts", "until_ts")}
    return VacationInfo(
        **values,
        from_at=optional_moment(note.from_ts),
        until_at=optional_moment(note.until_ts),
        is_answering=note.answers_at(now),
        answered=[AnsweredSender(sender=sender, at=times.rfc3339(at)) for sender, at in answered],
    )
