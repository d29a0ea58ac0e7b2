"""Mailbox users: those who read an address of a panel user's in their place, with a password of their own."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from onifast_shared.accounts import app_passwords, mailbox_users, passwords
from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.accounts.mailbox_users import MailboxUser, MailboxUserError, MailboxUserFilter, NotTheirAddress
from onifast_shared.db.database import Connection
from onifast_shared.limits import consumption
from onifast_shared.limits import store as sending_limits
from onifast_shared.limits.subjects import LARGEST, PERIODS, Subject
from onifast_shared.recipients import mailbox_changes, quotas
from onifast_shared.recipients.mailbox_changes import Change
from onifast_shared.values import times
from onifast_shared.values.address import Address, AddressError
from pydantic import ConfigDict, Field, model_validator

from onifast_web.access import auth
from onifast_web.access.caller import Caller, Who
from onifast_web.actions import mailbox_users as actions
from onifast_web.api.addresses import AddressText, parsed
from onifast_web.api.endpoint import Call, Endpoint, Moment
from onifast_web.api.paged import DomainText, NextCursor, OwnerName, PagedQuery, Part, domain_in_field
from onifast_web.http.models import Model
from onifast_web.http.problems import Problem, not_found, unprocessable

_AND_ALL_SCOPES = (TokenScope.READ, TokenScope.SEND)
_STATE = "Why they may or may not log in; address_gone: the address is not their panel user's any more."
State = Annotated[Literal["active", "disabled", "address_gone"], Field(description=_STATE)]
PasswordText = Annotated[
    str,
    Field(
        min_length=passwords.SHORTEST_PASSWORD,
        max_length=passwords.MAX_PASSWORD // 4,
        description="A password of their own; for none, they have app passwords alone.",
        examples=["correct horse battery"],
        json_schema_extra={"format": "line"},
    ),
]
SendAs = Annotated[
    list[AddressText],
    Field(max_length=100, description="Further addresses of the panel user's that they may send from."),
]
Limit = Annotated[int | None, Field(ge=0, le=LARGEST, examples=[50])]


_GIVEN = {"password": {"type": "string"}, "generate_password": {"const": True}, "no_password": {"const": True}}


def _never_both(one: str, other: str) -> dict[str, Any]:
    """What a schema says of two fields of which one at the most is to be given."""
    return {"not": {"required": [one, other], "properties": {one: _GIVEN[one], other: _GIVEN[other]}}}


class MailboxUserInfo(Model):
    """A mailbox user, who logs in by their address. `bytes` and `messages` are what lies in their mailbox, of `quota`
    octets (0: no limit); it counts for their panel user too, as what they send does."""

    address: str
    owner: str
    state: State
    has_password: Annotated[bool, Field(description="Whether there is a password besides app passwords.")]
    app_passwords: Annotated[int, Field(description="How many app passwords there are.")]
    send_as: SendAs
    created_at: Moment
    quota: int
    bytes: int
    messages: int
    sent_today: Annotated[int, Field(description="Messages sent today (UTC).")]


class NewMailboxUser(MailboxUserInfo):
    """A mailbox user as they were made or changed."""

    password: Annotated[str | None, Field(description="The password, if it was made here: shown now and never again.")]
    moved: Annotated[int, Field(description="How many messages that came before went to their mailbox.")]


class MailboxUserQuery(PagedQuery):
    """Which mailbox users: those of a panel user, of a domain, and those whose address `q` is a part of."""

    owner: OwnerName | None = None
    domain: DomainText | None = None
    q: Part | None = None


class MailboxUserList(Model):
    """Mailbox users, by address."""

    mailbox_users: Annotated[list[MailboxUserInfo], Field(description="The mailbox users.")]
    next_cursor: NextCursor


class MailboxUserBody(Model):
    """An address that is to be a mailbox user. Without a password they have app passwords alone, and single sign-on."""

    model_config = ConfigDict(json_schema_extra=_never_both("password", "generate_password"))

    address: AddressText
    password: PasswordText | None = None
    generate_password: Annotated[bool, Field(description="Whether a password is made, and shown in the answer.")] = (
        False
    )
    move_mail: Annotated[
        bool, Field(description="Whether mail that came to the address before goes to their mailbox.")
    ] = False

    @model_validator(mode="after")
    def _one_password(self) -> MailboxUserBody:
        if self.password is not None and self.generate_password:
            raise ValueError("give password or generate_password")
        return self


class MailboxUserPatchBody(MailboxUserBody):
    """What is to be another. Another password, or none, ends all their logins, app passwords and tokens."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                _never_both("password", "generate_password"),
                _never_both("password", "no_password"),
                _never_both("generate_password", "no_password"),
            ],
        }
    )

    no_password: Annotated[bool, Field(description="Whether they have app passwords alone from now on.")] = False
    disabled: Annotated[bool | None, Field(description="Whether they may not log in. Mail comes in all the same.")] = (
        None
    )
    quota: Annotated[int | None, Field(ge=0, le=2**53, examples=[1073741824])] = None
    send_as: Annotated[
        list[AddressText] | None,
        Field(max_length=100, description="Further addresses of the panel user's that they may send from."),
    ] = None
    messages_per_hour: Limit = None
    messages_per_day: Limit = None
    recipients_per_hour: Limit = None
    recipients_per_day: Limit = None

    @model_validator(mode="after")
    def _password_or_none(self) -> MailboxUserPatchBody:
        if self.no_password and (self.password is not None or self.generate_password):
            raise ValueError("give a password or no_password")
        return self


class RemoveMailboxUserQuery(Model):
    """Which mailbox user, and what becomes of their mail."""

    address: AddressText
    mail: Annotated[
        Literal["owner", "delete"],
        Field(description="owner: their mail goes to their panel user; delete: it is deleted for good."),
    ]


class PasswordBody(Model):
    """The caller's password, "" where they have none yet, and the one that they want."""

    current_password: Annotated[
        str,
        Field(
            max_length=1024,
            description="The password until now.",
            examples=[""],
            json_schema_extra={"format": "line"},
        ),
    ] = ""
    new_password: PasswordText


def list_mailbox_users(call: Call) -> MailboxUserList:
    """The caller's mailbox users; everybody's for administrators. Without `limit` all at once."""
    query: MailboxUserQuery = call.query
    domain = domain_in_field("domain", query.domain) if query.domain is not None else None
    wanted = MailboxUserFilter(query.owner, domain, query.q or "")

    def read(tx: Connection) -> MailboxUserList:
        page = mailbox_users.list_page(tx, call.caller.manages, wanted, query.rows, query.cursor)
        return MailboxUserList(
            mailbox_users=[_info(tx, call, each) for each in page.rows], next_cursor=page.next_cursor
        )

    return call.web.database.read(read)


def create_mailbox_user(call: Call) -> NewMailboxUser:
    """Makes an address a mailbox user: its mail is theirs from the next RCPT on. Mail that came before stays with the
    panel user, unless `move_mail` says otherwise."""
    body: MailboxUserBody = call.body
    address, password = parsed(body.address), _password(call.caller, body)
    try:
        made, moved = actions.create(call.web, call.caller, address, password, move_mail=body.move_mail)
    except NotTheirAddress:
        raise not_found("address") from None
    except MailboxUserError as error:
        raise Problem(409, _sentence(error)) from None
    except ValueError as error:
        raise unprocessable("password", str(error)) from None
    return _changed(call, made, password if body.generate_password else None, moved)


def change_mailbox_user(call: Call) -> NewMailboxUser:
    """Changes a mailbox user: password, whether they may log in, quota, limits on sending, addresses to send from."""
    body: MailboxUserPatchBody = call.body
    address, password = parsed(body.address), _password(call.caller, body)
    senders = None if body.send_as is None else [_sender(text) for text in body.send_as]
    try:
        hashed = actions.hash_of(call.web, password)
    except ValueError as error:
        raise unprocessable("password", str(error)) from None

    def change(tx: Connection, made: Change, user: MailboxUser) -> None:
        if password is not None or body.no_password:
            mailbox_changes.reset_password(tx, made, user, hashed)
        if body.disabled is not None:
            mailbox_changes.set_disabled(tx, made, user, disabled=body.disabled)
        if senders is not None:
            mailbox_changes.set_senders(tx, made, user, senders)
        if "quota" in body.model_fields_set:
            quotas.put(tx, "owner", user.account, body.quota)
        if limits := {name: getattr(body, name) for name in PERIODS if name in body.model_fields_set}:
            sending_limits.put(tx, Subject("user", user.account), limits)

    try:
        found = actions.change(call.web, call.caller, address, change)
    except NotTheirAddress as error:
        raise Problem(404, _sentence(error)) from None
    moved = mailbox_changes.move_earlier_mail(call.web.database, found) if body.move_mail else 0
    return _changed(call, found, password if body.generate_password else None, moved)


def remove_mailbox_user(call: Call) -> None:
    """Ends a mailbox user at once; what becomes of their mail is asked. The address stays, its panel user's again."""
    query: RemoveMailboxUserQuery = call.query
    actions.remove(call.web, call.caller, parsed(query.address), query.mail)


def choose_password(call: Call) -> None:
    """Another password of the caller's own choice, if they are a mailbox user; their other logins end."""
    body: PasswordBody = call.body
    if call.caller.acts_with != "session":
        raise Problem(403, "A password is chosen by who is signed in.")
    try:
        actions.choose_password(call.web, call.caller, body.current_password, body.new_password)
    except ValueError as error:
        field = "current_password" if "not your" in str(error) else "new_password"
        raise unprocessable(field, str(error)) from None


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/mail/mailbox-users",
        Who.PANEL_USER,
        TokenScope.READ,
        "The caller's mailbox users; all for administrators",
        list_mailbox_users,
        MailboxUserQuery,
        answer=MailboxUserList,
    ),
    Endpoint(
        "POST",
        "/api/mail/mailbox-users",
        Who.PANEL_USER,
        TokenScope.MANAGE,
        "Make an address a mailbox user",
        create_mailbox_user,
        body=MailboxUserBody,
        answer=NewMailboxUser,
        status=201,
        failures={404: "There is no such address.", 409: "The address has a mailbox user already, or is a catch-all."},
    ),
    Endpoint(
        "PATCH",
        "/api/mail/mailbox-users",
        Who.PANEL_USER,
        TokenScope.MANAGE,
        "Change a mailbox user",
        change_mailbox_user,
        body=MailboxUserPatchBody,
        answer=NewMailboxUser,
        failures={404: "There is no such mailbox user, or no such address to send from."},
    ),
    Endpoint(
        "DELETE",
        "/api/mail/mailbox-users",
        Who.PANEL_USER,
        TokenScope.MANAGE,
        "Remove a mailbox user",
        remove_mailbox_user,
        RemoveMailboxUserQuery,
        status=204,
        failures={404: "There is no such mailbox user."},
    ),
    Endpoint(
        "POST",
        "/api/mail/password",
        Who.MAILBOX_USER,
        TokenScope.MANAGE,
        "Choose another password, as a mailbox user",
        choose_password,
        body=PasswordBody,
        status=204,
    ),
)


def _password(caller: Caller, body: MailboxUserBody) -> str | None:
    """The password that a request gives or has made; raises Problem(403) where its token may not."""
    if body.password is None and not body.generate_password:
        return None
    # Who has the password may do more than manage, and for longer than a token that ends.
    for scope in _AND_ALL_SCOPES:
        auth.check_scope(caller, scope)
    if caller.token is not None and caller.token.expires_ts is not None:
        raise Problem(403, "A token that ends gives no password, which would last longer.")
    return body.password or app_passwords.new_password().reveal()


def _sender(text: str) -> Address:
    try:
        return Address.parse(text.strip())
    except AddressError as error:
        raise unprocessable("send_as", str(error)) from None


def _changed(call: Call, user: MailboxUser, password: str | None, moved: int) -> NewMailboxUser:
    info = call.web.database.read(lambda tx: _info(tx, call, user))
    return NewMailboxUser(**info.model_dump(), password=password, moved=moved)


def _info(tx: Connection, call: Call, user: MailboxUser) -> MailboxUserInfo:
    used = consumption.of_user(tx, user.account, call.web.settings, call.web.clock())
    may_not: State = "disabled" if user.is_disabled else "active"
    return MailboxUserInfo(
        address=user.address,
        owner=user.owner,
        state=may_not if user.is_listed else "address_gone",
        has_password=user.has_password,
        app_passwords=len(app_passwords.list_for(tx, user.account)),
        send_as=mailbox_users.senders_of(tx, user.account),
        created_at=times.rfc3339(user.created_ts),
        quota=used.quota,
        bytes=used.octets,
        messages=used.messages,
        sent_today=used.sent.messages,
    )


def _sentence(error: ValueError) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."
