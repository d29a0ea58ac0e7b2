"""What users chose for themselves in the webmail: the store of `user_preferences`."""

from __future__ import annotations

from onifast_shared.db.database import Connection
from onifast_shared.machine.config import Settings

UNDO_CHOICES = (0, 5, 10, 20, 30)
"""The seconds that a user may have their messages wait, so that they can call them back."""


def undo_seconds(tx: Connection, username: str, settings: Settings) -> int:
    """How long a user's messages from the webmail wait: as they chose, or else as the installation has it."""
    own = tx.execute("SELECT undo_seconds FROM user_preferences WHERE username = ?", (username,)).get
    return int(settings.undo_send) if own is None else max(0, int(own))


def put_undo_seconds(tx: Connection, username: str, seconds: int) -> None:
    """Sets how long a user's messages wait, in seconds."""
    tx.execute(
        "INSERT INTO user_preferences (username, undo_seconds) VALUES (?, ?)"
        " ON CONFLICT (username) DO UPDATE SET undo_seconds = excluded.undo_seconds",
        (username, seconds),
    )
