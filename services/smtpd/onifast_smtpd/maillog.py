"""The mail log of smtpd: one function an event, one line an event; no password and no content of a message."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from onifast_shared.db.errors import DatabaseError
from onifast_shared.db.reports import Reports
from onifast_shared.machine.counting import count, count_all
from onifast_shared.machine.disk import DiskLevel
from onifast_shared.machine.log import event
from onifast_shared.metrics import declared
from onifast_shared.values.address import Address
from onifast_shared.values.reply import Reply

from onifast_smtpd.clients.client import Client, Origin

logger = logging.getLogger("onifast.smtpd")
_reports = Reports(logger)

_COUNTED_COMMANDS = frozenset(("HELO", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "BDAT"))


def started(listening: dict[str, Any], hostname: str, database: object, source: str, processes: int) -> None:
    """The program serves."""
    event(
        logger,
        "started",
        **listening,
        hostname=hostname,
        processes=processes,
        database=database,
        settings=source,
    )


def process_died(pid: int, status: int) -> None:
    """One of several processes ended unasked, and will be started anew; a negative `status` is a signal's number."""
    event(logger, "process-died", logging.ERROR, died=pid, status=status)


def stopping(sessions: int) -> None:
    """The program was told to end."""
    event(logger, "stopping", sessions=sessions)


def stopped() -> None:
    """The program ends."""
    event(logger, "stopped")


def connected(session: str, client: Client) -> None:
    """A client connected."""
    count("sessions", service=client.service.label)
    if not logger.isEnabledFor(logging.DEBUG):
        return
    event(logger, "connect", logging.DEBUG, session=session, **_who(client))


def turned_away(client: Client, reason: str) -> None:
    """A connection was closed before its greeting; that it was is counted where it happens, and logged seldom."""
    event(logger, "turned-away", logging.WARNING, **_who(client), reason=reason)


def pressed(sessions: int, octets: int, sent_away: int, turned_away: int, *, short: bool) -> None:
    """Slots or memory run short, or sessions were ended or turned away for others; since the line before."""
    event(
        logger,
        "under-pressure" if short else "crowded",
        logging.WARNING,
        sessions=sessions,
        bytes_in_flight=octets,
        sent_away=sent_away,
        turned_away=turned_away,
    )


def disk(level: DiskLevel, folder: Path) -> None:
    """The disk of the database has run short, or so full that new mail is refused; or it has room again."""
    what = {DiskLevel.ROOMY: "disk-roomy", DiskLevel.SHORT: "disk-short", DiskLevel.FULL: "disk-full"}[level]
    event(logger, what, logging.INFO if level is DiskLevel.ROOMY else logging.WARNING, folder=folder)


def few_descriptors(sessions: int, wanted: int) -> None:
    """The limit of open files allows fewer sessions than the settings."""
    event(logger, "few-descriptors", logging.WARNING, sessions=sessions, max_connections=wanted)


def hung_up_on(session: str, client: Client, reason: str) -> None:
    """A client that does not speak SMTP, or does not listen; on this machine the user is who to ask."""
    count("sessions_hung_up")
    event(
        logger,
        "hung-up",
        logging.WARNING if client.is_loopback else logging.INFO,
        session=session,
        **_who(client),
        reason=reason,
    )


def no_proxy_header(session: str, client: Client, reason: object) -> None:
    """A proxy did not say for whom it speaks."""
    event(logger, "proxy-failed", logging.WARNING, session=session, client=client.address, reason=reason)


def proxied(session: str, proxy: Client, client: Client) -> None:
    """A proxy said for whom it speaks."""
    event(logger, "proxied", logging.DEBUG, session=session, proxy=proxy.address, **_who(client))


def disconnected(session: str, client: Client, how: str, messages: int) -> None:
    """A session ended."""
    if not logger.isEnabledFor(logging.DEBUG):
        return
    event(logger, "disconnect", logging.DEBUG, session=session, client=client.address, how=how, messages=messages)


def tls_failed(session: str, client: Client, reason: object) -> None:
    """A TLS handshake did not succeed."""
    count("tls_failures")
    event(logger, "tls-failed", session=session, client=client.address, reason=reason)


def logged_in(session: str, client: Client, username: str, mechanism: str, app_password: str | None) -> None:
    """A user logged in, with their panel password or the app password of that name."""
    count("logins", result="success")
    event(
        logger,
        "login",
        session=session,
        user=username,
        mechanism=mechanism,
        app_password=app_password,
        **_who(client),
    )


def login_failed(session: str, client: Client, username: str, reason: str) -> None:
    """Somebody could not log in."""
    count("logins", result="failure")
    event(logger, "login-failed", logging.WARNING, session=session, user=username, **_who(client), reason=reason)


def directory_trouble(reason: object) -> None:
    """The panel's user files cannot be used; `reason` names the file."""
    event(logger, "user-directory-trouble", logging.ERROR, reason=reason)


def database_trouble(session: str, error: DatabaseError) -> None:
    """The database did not do what was needed; the client was told to try later. Each failure is told once a while."""
    _reports.report("database-trouble", error, logging.ERROR, session=session)


def resolver_down() -> None:
    """Our own DNS resolver answers nothing; mail that hangs on it was told to come later."""
    event(logger, "resolver-down", logging.ERROR, reason="no DNS server answers: mail that needs one is deferred")


def resolver_back() -> None:
    """Our own DNS resolver answers again."""
    event(logger, "resolver-back")


def refused(session: str, client: Client, verb: str, reply: Reply) -> None:
    """A command was refused."""
    word = verb if verb in _COUNTED_COMMANDS else "other"
    count("refusals", command=word, kind=declared.kind_of(reply.code), reason=declared.reason_of(reply.enhanced))
    event(logger, "refused", session=session, client=client.address, command=verb, reply=reply)


def converted(queue_id: str, done: str, left: str) -> None:
    """Why a submission is queued in another form than it came, and what of it is left against the rules."""
    event(logger, "converted", id=queue_id, because=done or None, left=left or None)


def accepted(
    queue_id: str,
    origin: Origin,
    *,
    mail_from: Address | None,
    recipients: Sequence[Address],
    size: int,
    results: str | None,
) -> None:
    """A message was accepted: it is on disk. `results` is what SPF, DKIM and the others said."""
    service = origin.client.service.label
    count_all(
        (("received_messages", 1), ("received_recipients", len(recipients)), ("received_bytes", size)), service=service
    )
    event(
        logger,
        "accepted",
        id=queue_id,
        client=origin.client.address,
        service=service,
        mail_from=f"<{mail_from or ''}>",
        rcpt_to=",".join([f"<{address}>" for address in recipients[:20]]),
        recipients=len(recipients),
        size=size,
        by=origin.submitted_by if origin.may_relay else None,
        results=results,
    )


def scanner_trouble(queue_id: str, scanner: str, error: object) -> None:
    """The junk filter gave no answer; the message goes on without its word."""
    event(logger, "scanner-trouble", logging.WARNING, id=queue_id, scanner=scanner, reason=repr(error))


def milter_trouble(queue_id: str, milter: str, error: object) -> None:
    """A content filter gave no answer; what becomes of the message is a setting."""
    event(logger, "milter-trouble", logging.WARNING, id=queue_id, milter=milter, reason=repr(error))


def rewritten(queue_id: str, before: object, after: object) -> None:
    """A sender that nobody could answer to became one of ours."""
    event(logger, "sender-rewritten", id=queue_id, before=before, after=after)


def foreign_sender(queue_id: str, address: Address, who: object, *, refused: bool) -> None:
    """Somebody sends from an address that is not theirs."""
    event(logger, "foreign-sender", logging.WARNING, id=queue_id, address=f"<{address}>", by=who, refused=refused)


def hush_aiosmtpd() -> None:
    """Lets aiosmtpd's own loggers say nothing: our events tell the same once, on a line of our form."""
    for name in ("mail.log", "mail.debug"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def crashed(session: str) -> None:
    """A bug: the traceback is for us, the client saw 451."""
    logger.exception("unforeseen error in session %s", session)


def _who(client: Client) -> dict[str, Any]:
    return {"client": client.address, "service": client.service.label, "unix_user": client.unix_user}
