"""The replies that more than one place gives, and the exception that carries a reply to the client."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from onifast_shared.values.reply import Reply


class Refused(Exception):
    """A command is answered with `reply`, and nothing else happens.

    `authentication` is what was found out about the message's origin, for the record that is kept of the refusal;
    `kept` says by recipients' keys under which numbers the message itself is kept.
    """

    def __init__(self, reply: Reply, authentication: Mapping[str, Any] | None = None) -> None:
        super().__init__(str(reply))
        self.reply = reply
        self.authentication = authentication
        self.kept: Mapping[str, int] = {}


class TurnedAway(Exception):
    """The client gets this reply for a greeting, and no session."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply


def refused(code: int, enhanced: str, text: str) -> Refused:
    """The exception to raise for a refusal."""
    return Refused(Reply(code, enhanced, text))


@lru_cache(maxsize=16)
def hello(text: str) -> Reply:
    """The answer to EHLO or HELO, which is the same for most clients; RFC 2034 section 4: no enhanced status code."""
    return Reply(250, "", text)


OK = Reply(250, "2.0.0", "OK")
BYE = Reply(221, "2.0.0", "bye")
SENDER_OK = Reply(250, "2.1.0", "sender OK")
RECIPIENT_OK = Reply(250, "2.1.5", "recipient OK")
START_DATA = Reply(354, "", "end data with <CR><LF>.<CR><LF>")
START_TLS = Reply(220, "2.0.0", "ready to start TLS")
CANNOT_VERIFY = Reply(252, "2.0.0", "cannot VRFY, but will accept the message and attempt delivery")
LOGGED_IN = Reply(235, "2.7.0", "authentication successful")

NOT_NOW = Reply(451, "4.3.0", "temporary trouble, try again later")
STORAGE_FULL = Reply(452, "4.3.1", "not enough storage, try again later")
TOO_BUSY = Reply(421, "4.3.2", "too many connections, try again later")
TOO_BUSY_TO_CHECK = Reply(451, "4.3.2", "too busy to check this message, try again later")
NO_DNS = Reply(451, "4.4.3", "our DNS resolver does not answer, try again later")
MAKE_ROOM = Reply(421, "4.3.2", "others need this connection, and you said nothing; try again later")
TOO_MANY_FROM_YOU = Reply(421, "4.7.0", "too many connections from your address, try again later")
EARLY_TALKER = Reply(554, "5.5.1", "you spoke before the greeting (RFC 5321 section 3.1), closing")
DID_NOT_WAIT = Reply(554, "5.5.0", "you did not wait for the reply before you went on (RFC 2920), closing")
SHUTTING_DOWN = Reply(421, "4.3.2", "service is shutting down, try again in a moment")
TIMED_OUT = Reply(421, "4.4.2", "timed out waiting for the client")
NO_SMTP = Reply(421, "4.7.0", "this port speaks SMTP, and that was none; closing")
TOO_MANY_COMMANDS = Reply(421, "4.7.0", "too many commands and no mail, closing")
LOGIN_ENDED = Reply(421, "4.7.0", "this login has ended, log in again; closing")
TOO_MANY_ERRORS = Reply(421, "4.7.0", "too many errors, closing")

UNKNOWN_COMMAND = Reply(500, "5.5.1", "command not recognized")
LINE_TOO_LONG = Reply(500, "5.5.2", "command line too long")
NOT_IMPLEMENTED = Reply(502, "5.5.1", "command not implemented")
TOO_MANY_RECIPIENTS = "4.5.3"  # no fault of the client: it sends the rest in another transaction
NO_RECIPIENTS = Reply(554, "5.5.1", "no valid recipients")
OUT_OF_ORDER = Reply(503, "5.5.1", "bad sequence of commands")
TOO_LARGE = Reply(552, "5.3.4", "message exceeds the maximum size")
