"""Who alone may do something, as it is said to others."""

from __future__ import annotations

from onifast_web.languages.texts import marked

_WORDS = {
    "ADMINISTRATOR": marked("Only administrators may do this."),
    "PANEL_USER": marked("Only panel users may do this."),
    "MAILBOX_USER": marked("Only mailbox users may do this."),
}
_SERVICE = marked("Only the panel's service token may do this.")


def words(who: str) -> str:
    """The sentence for the name of an `auth.Who`."""
    return str(_WORDS.get(who, _SERVICE))
