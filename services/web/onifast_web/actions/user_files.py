"""Panel users made and changed by the panel's service token, where the setting `writes_users` leaves that to us."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from onifast_shared.accounts.panel_users import AccountError
from onifast_shared.accounts.user_files import UserFiles, UserFilesNotOurs, UserFilesNotWritable
from onifast_shared.departed import store as departed
from onifast_shared.machine import log

from onifast_web.access.context import Web
from onifast_web.http.problems import Problem, not_found, unprocessable
from onifast_web.languages.texts import _

_logger = log.get("web")


def create(web: Web, username: str, password: str) -> None:
    """Makes a user. Raises Problem: 409 for a name that is taken, or that something still has to be taken from."""
    with _writing(web) as files:
        if web.database.read(lambda tx: departed.is_moving(tx, username)):
            raise Problem(
                409,
                _(
                    "What an earlier user %(username)s left is still being set aside; try again in a moment.",
                    username=username,
                ),
            )
        with web.password_checks:
            made = files.create(username, password)
    if not made:
        raise Problem(409, _("There is a user %(username)s already.", username=username))
    log.event(_logger, "user-created", user=username)


def set_password(web: Web, username: str, password: str) -> None:
    """Gives a user another password: their sessions end with the former one. Raises Problem(404)."""
    with _writing(web) as files, web.password_checks:
        changed = files.set_password(username, password)
    if not changed:
        raise not_found("panel user")
    log.event(_logger, "user-password", user=username)


def remove(web: Web, username: str) -> bool:
    """Takes a user's file away; False if there is none."""
    with _writing(web) as files:
        removed = files.remove(username)
    if removed:
        log.event(_logger, "user-file-removed", user=username)
    return removed


@contextmanager
def _writing(web: Web) -> Iterator[UserFiles]:
    """Raises Problem: 403 where the files are the panel's, 422 for what is wrong with a field, 503 for a directory that
    cannot be written to."""
    files = UserFiles(web.settings)
    try:
        files.check()
        yield files
    except UserFilesNotOurs:
        raise Problem(403, _("Users' files are the panel's on this server (the setting writes_users).")) from None
    except ValueError as error:
        raise unprocessable("username" if "name" in str(error) else "password", str(error)) from None
    except UserFilesNotWritable as error:
        log.event(_logger, "users-not-writable", 40, reason=error)
        raise Problem(
            503, _("onifast-web may not write users' files here; onifast-mailctl user, as root, may.")
        ) from None
    except AccountError as error:
        log.event(_logger, "user-directory-trouble", 40, reason=error)
        raise Problem(503, _("The panel's account data cannot be read just now.")) from None
