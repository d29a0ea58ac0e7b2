"""Panel users: who there is, removed, restored, renamed; and what is kept of departed ones."""

from __future__ import annotations

from typing import Annotated

from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.accounts.panel_users import UserDirectoryMissing
from onifast_shared.departed import changes, store, watching
from onifast_shared.departed.changes import UserChangeRequest
from onifast_shared.departed.store import Departure
from onifast_shared.departed.watching import Missing
from onifast_shared.recipients import residents
from onifast_shared.recipients.residents import UserFilter, UserRow, UserState
from onifast_shared.values import times
from pydantic import Field

from onifast_web.access.caller import Who
from onifast_web.actions import departed as actions
from onifast_web.actions import user_files
from onifast_web.api.endpoint import Call, Endpoint, Id, Moment, optional_moment
from onifast_web.api.paged import NextCursor, PagedQuery, Part
from onifast_web.http.models import Model
from onifast_web.http.problems import Problem

Name = Annotated[str, Field(min_length=1, max_length=64)]


class UserInfo(Model):
    """A panel user. `addresses` and `domains` are numbers, `messages` and `bytes` what lies here of their mail.

    `state` is `active`, `disabled`, `broken` (their file cannot be used), `missing` (it is not there) or `departed`
    (what was theirs is set aside); `since` is when the last two were first found to be so.
    """

    username: str
    state: UserState
    is_admin: bool
    addresses: int
    domains: int
    messages: int
    bytes: int
    since: Moment | None


class UserQuery(PagedQuery):
    """Which users: those in a state, and those that `q` is a part of the name of."""

    state: UserState | None = None
    q: Part | None = None


class UserList(Model):
    """Users, by name."""

    users: list[UserInfo]
    next_cursor: NextCursor


class DepartedInfo(Model):
    """What is kept of a user who is gone. `asked_by` says who had them removed, `sweep` that their file was gone.

    `moving`: some of it is still on its way there, or back.
    """

    id: int
    username: str
    departed_at: Moment
    deleted_at: Moment
    asked_by: str
    messages: int
    bytes: int
    moving: bool


class MissingInfo(Model):
    """A user whose file is not there. Where `waits`, they depart only if an administrator confirms it."""

    username: str
    missing_since: Moment
    waits: bool
    confirmed_by: str | None


class DepartedList(Model):
    """Users who are gone, and users whose files are missing."""

    departed: list[DepartedInfo]
    missing: list[MissingInfo]


class RemoveBody(Model):
    """Which user; with `file`, their file in users/ goes too, where the setting writes_users leaves that to us."""

    username: Name
    file: Annotated[bool, Field(description="Whether their file is taken away; the service token alone may.")] = False


class RestoreBody(Model):
    """The last departure of `username`, or the one with `id`. `new_name` gives it to another user.

    Somebody who has something of their own already gets it only with `merge`, which says that both are one.
    """

    username: Name
    id: Id | None = None
    new_name: Name | None = None
    merge: bool = False


class RenameBody(Model):
    """Which user, and their name from now on."""

    username: Name
    new_name: Name


class ConfirmBody(Model):
    """Which users."""

    usernames: Annotated[list[Name], Field(min_length=1, max_length=100_000)]


class ConfirmedList(Model):
    """Who departs now: those of the named who are missing and waited for it."""

    confirmed: list[str]


class ChangeInfo(Model):
    """What was done. `id` is the departure's number, null where there is none. `done`: nothing is left to be moved.

    `lost` are addresses that others have by now.
    """

    id: int | None
    username: str
    done: bool
    lost: list[str]


class PurgeQuery(Model):
    """Which departure, by its number."""

    id: Id


def list_users(call: Call) -> UserList:
    """All panel users by name, those who are gone too while something is kept of them. Without `limit` all at once."""
    query: UserQuery = call.query
    wanted, directory = UserFilter(query.state, query.q or ""), call.web.directory
    try:
        page = call.web.database.read(lambda tx: residents.list_page(tx, directory, wanted, query.rows, query.cursor))
    except UserDirectoryMissing:
        raise Problem(503, "The panel's account data cannot be read just now.") from None
    return UserList(users=[_user(row) for row in page.rows], next_cursor=page.next_cursor)


def list_departed(call: Call) -> DepartedList:
    """What is kept of users who are gone, and who is missing."""
    kept = call.web.settings.departed_mail_kept
    departed, missing = call.web.database.read(lambda tx: (store.list_all(tx), watching.list_missing(tx)))
    return DepartedList(departed=[_departed(each, kept) for each in departed], missing=list(map(_missing, missing)))


def remove(call: Call) -> ChangeInfo:
    """Sets aside all that is a user's, at once: whoever is made under that name next begins with nothing."""
    body: RemoveBody = call.body
    if body.file:
        if not call.caller.is_service or call.caller.username is not None:
            raise Problem(403, "Users' files are changed by the panel's service token alone.")
        user_files.remove(call.web, body.username)
    return _changed(call, UserChangeRequest(changes.REMOVE, body.username, call.caller.on_record))


def restore(call: Call) -> ChangeInfo:
    """Gives back what was set aside."""
    body: RestoreBody = call.body
    by = call.caller.on_record
    return _changed(call, UserChangeRequest(changes.RESTORE, body.username, by, body.new_name, body.id, body.merge))


def rename(call: Call) -> ChangeInfo:
    """Gives all that is a user's to the name that they have from now on."""
    body: RenameBody = call.body
    return _changed(call, UserChangeRequest(changes.RENAME, body.username, call.caller.on_record, body.new_name))


def confirm(call: Call) -> ConfirmedList:
    """Says that users who vanished with many others are gone."""
    by = call.caller.on_record
    return ConfirmedList(confirmed=call.web.database.write(lambda tx: watching.confirm(tx, call.body.usernames, by)))


def purge(call: Call) -> None:
    """Deletes what is kept of a user now, and not when its time has come."""
    actions.change(call.web, UserChangeRequest(changes.PURGE, "", call.caller.on_record, departure_id=call.query.id))


def _changed(call: Call, request: UserChangeRequest) -> ChangeInfo:
    done = actions.change(call.web, request)
    names = (request.username, store.set_aside_name(done.departure_id or 0, request.username))
    moving = call.web.database.read(lambda tx: any(store.is_moving(tx, name) for name in names))
    return ChangeInfo(id=done.departure_id, username=request.username, done=not moving, lost=list(done.lost))


def _user(row: UserRow) -> UserInfo:
    return UserInfo(
        username=row.username,
        state=row.state,
        is_admin=row.is_admin,
        addresses=row.addresses,
        domains=row.domains,
        messages=row.messages,
        bytes=row.octets,
        since=optional_moment(row.since_ts),
    )


def _departed(row: Departure, kept: float) -> DepartedInfo:
    return DepartedInfo(
        id=row.id,
        username=row.username,
        departed_at=times.rfc3339(row.departed_ts),
        deleted_at=times.rfc3339(row.departed_ts + kept),
        asked_by=row.asked_by,
        messages=row.messages,
        bytes=row.octets,
        moving=row.is_moving,
    )


def _missing(row: Missing) -> MissingInfo:
    return MissingInfo(
        username=row.username,
        missing_since=times.rfc3339(row.since_ts),
        waits=row.waits,
        confirmed_by=row.confirmed_by,
    )


_CHANGES = {409: "Something of the user's stands in the way, or is still being moved."}

ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/panel/users",
        Who.ADMINISTRATOR,
        TokenScope.ADMIN,
        "Panel users and their state",
        list_users,
        UserQuery,
        answer=UserList,
        failures={503: "The directory of the users' files cannot be read."},
    ),
    Endpoint(
        "GET",
        "/api/panel/users/departed",
        Who.ADMINISTRATOR,
        TokenScope.ADMIN,
        "Users who are gone, and users who are missing",
        list_departed,
        answer=DepartedList,
    ),
    Endpoint(
        "DELETE",
        "/api/panel/users/departed",
        Who.ADMINISTRATOR,
        TokenScope.ADMIN,
        "Delete what is kept of a user who is gone",
        purge,
        PurgeQuery,
        status=204,
        failures={404: "There is no such departure.", 409: "It is still being moved."},
    ),
    Endpoint(
        "POST",
        "/api/panel/users/remove",
        Who.ADMINISTRATOR,
        TokenScope.ADMIN,
        "Set aside all that is a user's",
        remove,
        body=RemoveBody,
        answer=ChangeInfo,
        failures={503: "The directory of the users' files cannot be written to."},
    ),
    Endpoint(
        "POST",
        "/api/panel/users/restore",
        Who.ADMINISTRATOR,
        TokenScope.ADMIN,
        "Give back what was set aside",
        restore,
        body=RestoreBody,
        answer=ChangeInfo,
        failures=_CHANGES | {404: "Nothing is kept of such a user."},
    ),
    Endpoint(
        "POST",
        "/api/panel/users/rename",
        Who.ADMINISTRATOR,
        TokenScope.ADMIN,
        "Give all that is a user's to their new name",
        rename,
        body=RenameBody,
        answer=ChangeInfo,
        failures=_CHANGES,
    ),
    Endpoint(
        "POST",
        "/api/panel/users/confirm",
        Who.ADMINISTRATOR,
        TokenScope.ADMIN,
        "Confirm that users who vanished with many others are gone",
        confirm,
        body=ConfirmBody,
        answer=ConfirmedList,
    ),
)
