"""A user's logins to the webmail, as they see and end them."""

from __future__ import annotations

from onifast_shared.accounts import audit, remembered_devices, sessions
from onifast_shared.accounts.remembered_devices import RememberedDevice
from onifast_shared.accounts.sessions import OpenSession
from onifast_shared.db.database import Connection
from onifast_shared.machine import log

from onifast_web.access import auth
from onifast_web.access.caller import Caller
from onifast_web.access.context import Web
from onifast_web.actions import audited

_logger = log.get("web")
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
# Each also names those below it.
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def browser_name(user_agent: str) -> str:
    """A browser as people call it, by its User-Agent (RFC 9110 section 10.1.5); "" for one that is not known."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    return f"{browser} on {system}" if browser and system else browser or system


def open_sessions(web: Web, username: str) -> list[OpenSession]:
    """A user's logins that last, the one that was used last first."""
    stored = _password_of(web, username)
    return web.database.read(lambda tx: sessions.list_for(tx, username, web.clock(), web.session_limits, stored))


def devices(web: Web, username: str) -> list[RememberedDevice]:
    """The browsers in which a user is asked for no second factor."""
    stored, longest = _password_of(web, username), web.settings.totp_remembered
    return web.database.read(lambda tx: remembered_devices.list_for(tx, username, web.clock(), longest, stored))


def forget_device(web: Web, caller: Caller, username: str, device_id: str) -> bool:
    """Asks for the second factor again in a browser; False if the user has none of that id."""
    who = audited.actor(caller)

    def write(tx: Connection) -> bool:
        found = remembered_devices.forget(tx, username, device_id)
        if found:
            audit.record(tx, who, "device.forget", owner=username, object=f"device:{device_id}", now=web.clock())
        return found

    return web.database.write(write)


def _password_of(web: Web, username: str) -> str:
    user = auth.active_user(web, username)
    return auth.stored_password(user) if user else ""


def end(web: Web, caller: Caller, username: str, session_id: str) -> bool:
    """Ends one login at once; False if the user has none of that id."""
    who = audited.actor(caller)

    def write(tx: Connection) -> bool:
        ended = sessions.end_by_id(tx, username, session_id)
        if ended:
            audit.record(tx, who, "session.revoke", owner=username, object=f"session:{session_id}", now=web.clock())
        return ended

    ended = web.database.write(write)
    if ended:
        log.event(_logger, "session-revoked", user=username, by=caller.on_record)
    return ended


def end_others(web: Web, caller: Caller, username: str, kept_device: str = "") -> int:
    """Ends all logins of a user but the one that asks; how many there were.

    Remembered devices are forgotten too, but the one of the cookie `kept_device`.
    """
    who = audited.actor(caller)

    def write(tx: Connection) -> int:
        ended = sessions.end_others(tx, username, caller.session_id)
        forgotten = remembered_devices.forget_all(tx, username, kept_device)
        if ended or forgotten:
            details = {"sessions": ended, "devices": forgotten}
            audit.record(tx, who, "session.revoke", owner=username, details=details, now=web.clock())
        return ended

    ended = web.database.write(write)
    if ended:
        log.event(_logger, "sessions-revoked", user=username, sessions=ended, by=caller.on_record)
    return ended
