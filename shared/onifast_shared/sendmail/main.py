"""sendmail(8): takes a message from a program of this host, and hands it to smtpd.

    sendmail [-t] [-i] [-f SENDER] [-F NAME] [RECIPIENT…]  < MESSAGE
    sendmail -bs    speaks SMTP on standard input and output
    sendmail -bp    lists what waits, or was refused, in the caller's own home

It has no rights but its caller's, opens no database, and reads no settings: it connects to 127.0.0.1, port 25, where
smtpd sees whose the connection is, and applies that user's rules and limits. While smtpd is down, or asks to wait, the
message is kept in ~/.onifast/submit/, synced, and outbox collects it as that user.

It exits with 0 when the message was taken or is kept, 64 for options that it does not have, 65 for a message or an
address that cannot be, 69 when it was refused, with what the server said on standard error, and 75 when it should be
tried again.
"""

from __future__ import annotations

import os
import pwd
import selectors
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from onifast_shared.sendmail import command_line, taking, waiting_files
from onifast_shared.sendmail.command_line import BadOption, SendmailWish
from onifast_shared.sendmail.handing_in import SERVER, Server, hand_in
from onifast_shared.sendmail.taking import Unusable

_PIECE = 65536


def main(
    arguments: Sequence[str] | None = None, source: BinaryIO | None = None, server: Server = SERVER, home: str = ""
) -> int:
    """Runs one call; returns the exit status."""
    source = source or sys.stdin.buffer
    name = Path(sys.argv[0]).name
    try:
        wish = command_line.parse(sys.argv[1:] if arguments is None else arguments)
    except BadOption as problem:
        return _complain(str(problem), os.EX_USAGE)
    if name == "mailq":
        wish = SendmailWish(mode="list")
    if name == "newaliases":
        wish = SendmailWish(mode="nothing")
    user = pwd.getpwuid(os.getuid())
    folder = Path(home or user.pw_dir)
    match wish.mode:
        case "speak":
            return _speak(source, server)
        case "list":
            print("\n".join(f"{name}\t{told}" for name, told in waiting_files.listed(folder)) or "nothing waits here")
            return os.EX_OK
        case "nothing":
            return os.EX_OK
        case _:
            return _deliver(wish, source, server, user, folder)


def _deliver(wish: SendmailWish, source: BinaryIO, server: Server, user: pwd.struct_passwd, home: Path) -> int:
    try:
        raw = taking.read(source, dot_ends=wish.dot_ends)
        envelope, message = taking.ready(raw, wish, user.pw_name, user.pw_gecos.partition(",")[0])
    except Unusable as problem:
        return _complain(str(problem), os.EX_DATAERR)
    result = hand_in(envelope, message, server)
    if result.taken:
        return _complain(result.said, os.EX_UNAVAILABLE) if result.said else os.EX_OK
    if result.for_good:
        return _complain(result.said, os.EX_UNAVAILABLE)
    try:
        waiting_files.keep(home, envelope, message)
    except OSError as error:
        return _complain(f"{result.said}; and it cannot be kept in {home}: {error.strerror}", os.EX_TEMPFAIL)
    return os.EX_OK


def _speak(source: BinaryIO, server: Server) -> int:
    """Carries octets between the caller and smtpd until either has ended."""
    try:
        with socket.create_connection(server, 30) as connection, selectors.DefaultSelector() as selector:
            connection.settimeout(None)
            selector.register(source, selectors.EVENT_READ)
            selector.register(connection, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is connection:
                        if not (piece := connection.recv(_PIECE)):
                            return os.EX_OK
                        sys.stdout.buffer.write(piece)
                        sys.stdout.buffer.flush()
                    elif piece := os.read(source.fileno(), _PIECE):
                        connection.sendall(piece)
                    else:
                        selector.unregister(source)
                        connection.shutdown(socket.SHUT_WR)
    except OSError as error:
        return _complain(error.strerror or str(error), os.EX_TEMPFAIL)


def _complain(text: str, status: int) -> int:
    print(f"sendmail: {text}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
