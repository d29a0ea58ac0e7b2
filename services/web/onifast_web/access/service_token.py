"""The panel's service token: made at first start, read by the panel from its file."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from onifast_shared.machine.log import Secret

_SHORTEST = 32


class ServiceTokenError(Exception):
    """The token's file cannot be made or used. The text is one line for an administrator."""


def load_or_create(path: Path) -> Secret:
    """The token in `path`; a new one of 256 bits if there is none. Several programs may start at once.

    The file is 0600 and appears with its whole content: it is written under another name and linked into place, which
    fails where somebody else was faster. Raises ServiceTokenError.
    """
    try:
        if not path.exists():
            _create(path)
        token = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not ASCII"
        raise ServiceTokenError(f"panel token {path} cannot be used: {reason}") from None
    if len(token) < _SHORTEST:
        raise ServiceTokenError(f"panel token {path} is shorter than {_SHORTEST} characters; remove it for a new one")
    return Secret(token)


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "w", encoding="ascii") as stream:
            stream.write(secrets.token_urlsafe(32) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        path.hardlink_to(temporary)
    except FileExistsError:
        return
    finally:
        temporary.unlink()
