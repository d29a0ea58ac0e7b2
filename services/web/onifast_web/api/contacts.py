"""Contacts: the caller's address book, its files, and whom completion offers."""

from __future__ import annotations

import re
from typing import Annotated, cast

from flask import Response
from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.message.vcard import MOST_IMPORTED, Card
from onifast_shared.recipients import contacts as store
from onifast_shared.recipients.contacts import LONGEST_NAME, LONGEST_NOTE, Contact
from onifast_shared.values import times
from onifast_shared.values.paging import CursorError
from pydantic import ConfigDict, Field

from onifast_web.access.caller import Who
from onifast_web.actions import contacts as actions
from onifast_web.actions import downloads
from onifast_web.actions.contacts import ContactFormat
from onifast_web.api.chosen import any_of, the_user
from onifast_web.api.endpoint import Call, Endpoint, Id, Moment
from onifast_web.http.models import Model
from onifast_web.http.problems import not_found

ContactName = Annotated[str, Field(max_length=LONGEST_NAME)]
Texts = Annotated[list[Annotated[str, Field(max_length=400)]], Field(max_length=MOST_IMPORTED)]


class AddressBookEntry(Model):
    """Somebody in the address book; the first of `emails` is the one that they are written to by."""

    id: int
    name: str
    organisation: str
    emails: Annotated[list[str], Field(description="Their addresses, the preferred one first.")]
    phones: list[str]
    groups: list[str]
    note: Annotated[str, Field(description="What the user noted.")]
    changed_at: Moment


class ContactList(Model):
    """A page of contacts by name; `next_cursor` is null at the end."""

    contacts: Annotated[list[AddressBookEntry], Field(description="The contacts of this page.")]
    next_cursor: str | None


class ContactQuery(Model):
    """`q` are beginnings of words of names, organisations and addresses; `group` the name of a group."""

    q: Annotated[str, Field(max_length=200)] = ""
    group: Annotated[str, Field(max_length=100)] = ""
    limit: Annotated[int, Field(ge=1, le=1000)] = 200
    cursor: Annotated[str, Field(max_length=64)] = ""


class ContactBody(Model):
    """A name, an organisation or an address is needed."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                any_of("name", "organisation", more={"pattern": r"\S"}),
                any_of("emails", more={"contains": {"pattern": r"\S"}}),
            ]
        }
    )

    name: ContactName = ""
    organisation: ContactName = ""
    emails: Texts = Field(default_factory=list, description="Their addresses, the preferred one first.")
    phones: Texts = Field(default_factory=list)
    groups: Texts = Field(default_factory=list)
    note: Annotated[Annotated[str, Field(max_length=LONGEST_NOTE)], Field(description="What the user notes.")] = ""


class ContactChanges(Model):
    """Which contact, and what of it changes; the rest stays."""

    id: Id
    name: ContactName | None = None
    organisation: ContactName | None = None
    emails: Annotated[Texts | None, Field(description="Their addresses, the preferred one first.")] = None
    phones: Texts | None = None
    groups: Texts | None = None
    note: Annotated[
        Annotated[str, Field(max_length=LONGEST_NOTE)] | None, Field(description="What the user notes.")
    ] = None


class ContactIdQuery(Model):
    """Which contact."""

    id: Id


class ExportQuery(Model):
    """Which file: vCard 3.0 or 4.0, or CSV with the headings of Google or Outlook."""

    format: ContactFormat = "vcard3"


class ImportBody(Model):
    """The file's text. vCard or CSV is found out by looking."""

    content: Annotated[
        Annotated[str, Field(min_length=1, max_length=actions.MOST_OCTETS)], Field(description="The file's text.")
    ]


class ImportAnswer(Model):
    """How many contacts are new, were merged into known ones, and had nothing new or no name and address."""

    added: int
    merged: int
    skipped: int


class MergeAnswer(Model):
    """How many contacts are gone, since others hold what they held."""

    merged: int


class SuggestQuery(Model):
    """What was typed: beginnings of words of names and addresses."""

    q: Annotated[str, Field(max_length=200)] = ""
    limit: Annotated[int, Field(ge=1, le=50)] = actions.MOST_OFFERED


class Suggested(Model):
    """Somebody, or a group; `recipients` are as `to` takes them."""

    name: str
    recipients: Annotated[list[str], Field(description="Entries for the fields of recipients.")]
    is_group: bool
    is_contact: bool


class SuggestAnswer(Model):
    """Who is meant most probably stands first."""

    suggestions: list[Suggested]


def list_contacts(call: Call) -> ContactList:
    """The caller's contacts. Raises CursorError."""
    owner, query = the_user(call, "contacts"), cast(ContactQuery, call.query)
    if not re.fullmatch(r"\d{0,9}", query.cursor):
        raise CursorError(query.cursor)
    start = int(query.cursor or 0)
    found = call.web.database.read(lambda tx: store.list_all(tx, owner, query.q, query.group))
    end = start + query.limit
    return ContactList(
        contacts=[_info(each) for each in found[start:end]], next_cursor=str(end) if end < len(found) else None
    )


def create_contact(call: Call) -> AddressBookEntry:
    """A new contact."""
    body = cast(ContactBody, call.body)
    card = Card(body.name, body.organisation, body.emails, body.phones, note=body.note, groups=body.groups)
    return _info(actions.put(call.web, the_user(call, "contacts"), None, card))


def change_contact(call: Call) -> AddressBookEntry:
    """Changes what the request says."""
    owner, body = the_user(call, "contacts"), cast(ContactChanges, call.body)
    before = call.web.database.read(lambda tx: store.get(tx, owner, body.id))
    if before is None:
        raise not_found("contact")
    said = body.model_dump(exclude_none=True, exclude={"id"})
    known = before.card
    card = Card(
        said.get("name", known.name),
        said.get("organisation", known.organisation),
        said.get("emails", known.emails),
        said.get("phones", known.phones),
        note=said.get("note", known.note),
        groups=said.get("groups", known.groups),
        uid=known.uid,
        others=known.others,
    )
    return _info(actions.put(call.web, owner, body.id, card))


def delete_contact(call: Call) -> None:
    """Takes a contact away."""
    if not actions.remove(call.web, the_user(call, "contacts"), [call.query.id]):
        raise not_found("contact")


def export_contacts(call: Call) -> Response:
    """All contacts as a file."""
    query = cast(ExportQuery, call.query)
    return downloads.file(*actions.file_of(call.web, the_user(call, "contacts"), query.format))


def import_contacts(call: Call) -> ImportAnswer:
    """Takes a file in. Who shares an address, or the UID, with a contact becomes one with them."""
    found = actions.take_in(call.web, the_user(call, "contacts"), call.body.content.encode("utf-8", "replace"))
    return ImportAnswer(added=found.added, merged=found.merged, skipped=found.skipped)


def merge_contacts(call: Call) -> MergeAnswer:
    """Makes one of contacts that share an address or a name."""
    owner = the_user(call, "contacts")
    return MergeAnswer(merged=call.web.database.write(lambda tx: store.merge_duplicates(tx, owner, call.web.clock())))


def suggest(call: Call) -> SuggestAnswer:
    """Whom the caller may mean: whom they wrote to and got mail from, by use and recency, and their contacts."""
    query = cast(SuggestQuery, call.query)
    found = actions.offers(call.web, the_user(call, "contacts"), query.q, query.limit)
    return SuggestAnswer(
        suggestions=[
            Suggested(name=each.name, recipients=each.entries, is_group=each.is_group, is_contact=each.is_contact)
            for each in found
        ]
    )


_NOBODY = {404: "There is no such contact."}
ENDPOINTS = (
    Endpoint(
        "GET", "/api/mail/contacts", Who.USER, TokenScope.READ, "The address book", list_contacts,
        query=ContactQuery, answer=ContactList,
    ),
    Endpoint(
        "POST", "/api/mail/contacts", Who.USER, TokenScope.MANAGE, "Add a contact", create_contact,
        body=ContactBody, answer=AddressBookEntry, status=201,
    ),
    Endpoint(
        "PATCH", "/api/mail/contacts", Who.USER, TokenScope.MANAGE, "Change a contact", change_contact,
        body=ContactChanges, answer=AddressBookEntry, failures=_NOBODY,
    ),
    Endpoint(
        "DELETE", "/api/mail/contacts", Who.USER, TokenScope.MANAGE, "Delete a contact", delete_contact,
        query=ContactIdQuery, status=204, failures=_NOBODY,
    ),
    Endpoint(
        "GET", "/api/mail/contacts/export", Who.USER, TokenScope.READ, "The address book as a file", export_contacts,
        query=ExportQuery, gives_file=True,
    ),
    Endpoint(
        "POST", "/api/mail/contacts/import", Who.USER, TokenScope.MANAGE, "Take in a file of contacts", import_contacts,
        body=ImportBody, answer=ImportAnswer, failures={413: "The file is too large."},
    ),
    Endpoint(
        "POST", "/api/mail/contacts/merge", Who.USER, TokenScope.MANAGE, "Make duplicates one", merge_contacts,
        answer=MergeAnswer,
    ),
    Endpoint(
        "GET", "/api/mail/contacts/suggest", Who.USER, TokenScope.READ, "Whom the caller may mean", suggest,
        query=SuggestQuery, answer=SuggestAnswer,
    ),
)  # fmt: skip


def _info(contact: Contact) -> AddressBookEntry:
    card = contact.card
    return AddressBookEntry(
        id=contact.id, name=card.name, organisation=card.organisation, emails=list(card.emails),
        phones=list(card.phones), groups=list(card.groups), note=card.note,
        changed_at=times.rfc3339(contact.changed_ts),
    )  # fmt: skip
