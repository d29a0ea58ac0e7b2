"""Shared mailboxes: who opens them, and what those tell each other of a message."""

from __future__ import annotations

from typing import Annotated, Literal

from onifast_shared.accounts import shared_mailboxes
from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.accounts.mailbox_users import MailboxUserError, MailboxUserFilter, NotTheirAddress
from onifast_shared.accounts.shared_mailboxes import SharedMailbox
from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import counts, team_marks
from onifast_shared.mailboxes.team_marks import TeamMark
from onifast_shared.recipients import addresses
from onifast_shared.values import mailbox_accounts
from pydantic import Field

from onifast_web.access.caller import Who
from onifast_web.actions import mailbox_users as users
from onifast_web.actions import team as actions
from onifast_web.actions.team import KEEP, TeamChange
from onifast_web.api.addresses import AddressText, parsed
from onifast_web.api.chosen import ChosenMessages, the_user
from onifast_web.api.endpoint import Call, Endpoint, Id, Moment, optional_moment
from onifast_web.api.paged import DomainText, NextCursor, OwnerName, PagedQuery, Part, domain_in_field
from onifast_web.http.models import Model
from onifast_web.http.problems import Problem, not_found, unprocessable

_MEMBERS = "Who opens it: the panel user by name, their mailbox users by address."
Members = Annotated[
    list[Annotated[str, Field(max_length=320)]],
    Field(max_length=100, description=_MEMBERS, examples=[["demo", "bob@example.test"]]),
]
NamesSender = Annotated[bool, Field(description="Whether the Sender field of what leaves it says who wrote it.")]
Person = Annotated[
    str | None, Field(description="A member, by user name or address; null for nobody.", examples=[None])
]


class SharedMailboxInfo(Model):
    """A shared mailbox. Seen is seen for all: it has one state of each message."""

    address: str
    owner: str
    members: Members
    names_sender: NamesSender
    unread: Annotated[int, Field(description="Unread messages in its inbox.")]


class SharedMailboxList(Model):
    """The shared mailboxes that the caller opens or owns, by address."""

    shared_mailboxes: Annotated[list[SharedMailboxInfo], Field(description="The shared mailboxes.")]
    next_cursor: NextCursor


class SharedMailboxQuery(PagedQuery):
    """Which shared mailboxes: those of a panel user, of a domain, and those whose address `q` is a part of."""

    owner: OwnerName | None = None
    domain: DomainText | None = None
    q: Part | None = None


class SharedMailboxBody(Model):
    """An address that is to be a shared mailbox."""

    address: AddressText
    members: Members = Field(default_factory=list)  # a form cannot say that a list is empty
    names_sender: NamesSender = False


class SharedMailboxPatchBody(Model):
    """What is to be another: who opens it, and whether it says who writes."""

    address: AddressText
    members: Annotated[
        list[Annotated[str, Field(max_length=320)]] | None, Field(max_length=100, description=_MEMBERS)
    ] = None
    names_sender: Annotated[
        bool | None, Field(description="Whether the Sender field of what leaves it says who wrote it.")
    ] = None


class RemoveSharedMailboxQuery(Model):
    """Which shared mailbox, and what becomes of its mail."""

    address: AddressText
    mail: Annotated[
        Literal["owner", "delete"],
        Field(description="owner: its mail goes to its panel user; delete: it is deleted for good."),
    ]


class TeamQuery(Model):
    """Which message."""

    id: Id


class TeamBody(ChosenMessages):
    """What members tell each other of messages; what is not given stays."""

    assigned_to: Person = None
    done: Annotated[bool | None, Field(description="Whether they are done.")] = None
    answering: Annotated[
        bool | None,
        Field(description="Whether the caller is answering now: shown for half an hour, or until they send."),
    ] = None


class TeamInfo(Model):
    """The marks of a message. Nothing of it shuts anybody out."""

    id: int
    assigned_to: Person
    done_by: Person
    done_at: Annotated[Moment | None, Field(description="Since when it is done.")]
    answering_by: Person
    answering_since: Annotated[Moment | None, Field(description="Since when they are answering.")]
    sent_by: Person


class TeamList(Model):
    """The marks of messages."""

    marks: Annotated[list[TeamInfo], Field(description="The marks, one a message.")]


def list_shared_mailboxes(call: Call) -> SharedMailboxList:
    """The shared mailboxes that the caller opens, or, being a panel user, owns; everybody's for administrators.

    Without `limit` all at once.
    """
    query, caller = call.query, call.caller
    domain = domain_in_field("domain", query.domain) if query.domain is not None else None
    wanted = MailboxUserFilter(query.owner, domain, query.q or "")
    person = caller.member or caller.username
    owned_by = caller.manages if caller.belongs_to is None else None
    opened_by = person if owned_by is not None or caller.belongs_to is not None else None

    def read(tx: Connection) -> SharedMailboxList:
        page = shared_mailboxes.list_page(tx, wanted, query.rows, query.cursor, owned_by=owned_by, opened_by=opened_by)
        return SharedMailboxList(shared_mailboxes=[_info(tx, each) for each in page.rows], next_cursor=page.next_cursor)

    return call.web.database.read(read)


def create_shared_mailbox(call: Call) -> SharedMailboxInfo:
    """Makes an address a shared mailbox: its mail is its members' to read from the next RCPT on."""
    body: SharedMailboxBody = call.body
    address = parsed(body.address)

    def make(tx: Connection) -> SharedMailboxInfo:
        owner = call.caller.manages or next(iter(addresses.owners_of(tx, address)), None)
        if owner is None:
            raise not_found("address")
        made = shared_mailboxes.create(
            tx, address, owner, shared_mailboxes.accounts_named(tx, owner, body.members), call.web.clock()
        )
        shared_mailboxes.set_names_sender(tx, made.account, names=body.names_sender)
        return _info(tx, shared_mailboxes.find(tx, made.account) or made)

    try:
        return call.web.database.write(make)
    except NotTheirAddress:
        raise not_found("address") from None
    except MailboxUserError as error:
        if "already" in str(error) or "catch-all" in str(error):
            raise Problem(409, f"{address} cannot be a shared mailbox: {error}.") from None
        raise Problem(404, f"Among the members, {error}.") from None


def change_shared_mailbox(call: Call) -> SharedMailboxInfo:
    """Changes who opens a shared mailbox, and whether what leaves it says who wrote it."""
    body: SharedMailboxPatchBody = call.body
    address = parsed(body.address)

    def change(tx: Connection) -> SharedMailboxInfo:
        found = shared_mailboxes.by_address(tx, address, call.caller.manages)
        if found is None:
            raise not_found("shared mailbox")
        if body.members is not None:
            shared_mailboxes.set_members(tx, found, shared_mailboxes.accounts_named(tx, found.owner, body.members))
        if body.names_sender is not None:
            shared_mailboxes.set_names_sender(tx, found.account, names=body.names_sender)
        return _info(tx, shared_mailboxes.by_address(tx, address, call.caller.manages) or found)

    try:
        return call.web.database.write(change)
    except MailboxUserError as error:
        raise Problem(404, f"Among the members, {error}.") from None


def remove_shared_mailbox(call: Call) -> None:
    """Ends a shared mailbox at once; what becomes of its mail is asked. The address stays."""
    query: RemoveSharedMailboxQuery = call.query
    address = parsed(query.address)
    if call.web.database.read(lambda tx: shared_mailboxes.by_address(tx, address, call.caller.manages)) is None:
        raise not_found("shared mailbox")
    users.remove(call.web, call.caller, address, query.mail)


def read_team(call: Call) -> TeamInfo:
    """What the members of a shared mailbox tell each other of a message. X-Onifast-Mailbox names the mailbox."""
    the_user(call, "mailbox")

    def read(tx: Connection) -> TeamMark | None:
        account = actions.mailbox_of(tx, call.caller).account
        return team_marks.of(tx, account, [call.query.id], call.web.clock()).get(call.query.id)

    found = call.web.database.read(read)
    if found is None:
        raise not_found()
    return _mark(found)


def change_team(call: Call) -> TeamList:
    """Assigns messages to a member, marks them as done, or says that the caller is answering; all or none.

    X-Onifast-Mailbox names the shared mailbox, as in every call about its mail.
    """
    body: TeamBody = call.body
    the_user(call, "mailbox")
    assigned: str | None = KEEP
    if "assigned_to" in body.model_fields_set:
        assigned = None if body.assigned_to is None else _member(call, body.assigned_to)
    found = actions.change(call.web, call.caller, body.chosen, TeamChange(assigned, body.done, body.answering))
    return TeamList(marks=[_mark(each) for each in found.values()])


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/mail/shared-mailboxes",
        Who.USER,
        TokenScope.READ,
        "The shared mailboxes that the caller opens or owns",
        list_shared_mailboxes,
        SharedMailboxQuery,
        answer=SharedMailboxList,
    ),
    Endpoint(
        "POST",
        "/api/mail/shared-mailboxes",
        Who.PANEL_USER,
        TokenScope.MANAGE,
        "Make an address a shared mailbox",
        create_shared_mailbox,
        body=SharedMailboxBody,
        answer=SharedMailboxInfo,
        status=201,
        failures={
            404: "There is no such address, or no such member.",
            409: "It has a mailbox user already, or is a catch-all.",
        },
    ),
    Endpoint(
        "PATCH",
        "/api/mail/shared-mailboxes",
        Who.PANEL_USER,
        TokenScope.MANAGE,
        "Change who opens a shared mailbox",
        change_shared_mailbox,
        body=SharedMailboxPatchBody,
        answer=SharedMailboxInfo,
        failures={404: "There is no such shared mailbox, or no such member."},
    ),
    Endpoint(
        "DELETE",
        "/api/mail/shared-mailboxes",
        Who.PANEL_USER,
        TokenScope.MANAGE,
        "Remove a shared mailbox",
        remove_shared_mailbox,
        RemoveSharedMailboxQuery,
        status=204,
        failures={404: "There is no such shared mailbox."},
    ),
    Endpoint(
        "GET",
        "/api/mail/team",
        Who.USER,
        TokenScope.READ,
        "Whose task a message of a shared mailbox is, and who answers",
        read_team,
        TeamQuery,
        answer=TeamInfo,
        failures={404: "There is no such message."},
    ),
    Endpoint(
        "POST",
        "/api/mail/team",
        Who.USER,
        TokenScope.MANAGE,
        "Assign messages of a shared mailbox, or mark them as done",
        change_team,
        body=TeamBody,
        answer=TeamList,
        failures={404: "One of the messages does not exist; none was changed."},
    ),
)


def _member(call: Call, name: str) -> str:
    try:
        return actions.member_named(call.web.database.read(lambda tx: actions.mailbox_of(tx, call.caller)), name)
    except ValueError as error:
        raise unprocessable("assigned_to", str(error)) from None


def _info(tx: Connection, found: SharedMailbox) -> SharedMailboxInfo:
    folders = counts.of(tx, found.account)
    return SharedMailboxInfo(
        address=found.address,
        owner=found.owner,
        members=[mailbox_accounts.shown(each) for each in found.members],
        names_sender=found.names_sender,
        unread=folders["inbox"].unread,
    )


def _mark(mark: TeamMark) -> TeamInfo:
    def shown(account: str | None) -> str | None:
        return mailbox_accounts.shown(account) if account else None

    return TeamInfo(
        id=mark.email_id,
        assigned_to=shown(mark.assigned_to),
        done_by=shown(mark.done_by),
        done_at=optional_moment(mark.done_ts),
        answering_by=shown(mark.answering_by),
        answering_since=optional_moment(mark.answering_ts),
        sent_by=shown(mark.sent_by),
    )
