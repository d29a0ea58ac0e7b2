"""Lines of a client as commands, and what is said to those that are none."""

from __future__ import annotations

from onifast_shared.values.reply import Reply

from onifast_smtpd.protocol import replies
from onifast_smtpd.protocol.command import MAX_LINE, Command, parse_line
from onifast_smtpd.protocol.other_protocols import refuse_other_protocols
from onifast_smtpd.protocol.wire import LineTooLong, Misheard


def command_on(line: bytes) -> Command:
    """The command on a line. Raises Refused, LineTooLong, HangUp."""
    refuse_other_protocols(line)
    if len(line) > MAX_LINE and not line[:5].upper() == b"AUTH ":
        raise LineTooLong(b"")
    return parse_line(line)


def reply_to(misheard: Misheard) -> Reply:
    """The answer to a line that cannot be taken whole. Raises HangUp where its beginning is enough for that."""
    refuse_other_protocols(misheard.line)
    if isinstance(misheard, LineTooLong):
        return replies.LINE_TOO_LONG
    return Reply(500, "5.5.2", "command line must end with CRLF")
