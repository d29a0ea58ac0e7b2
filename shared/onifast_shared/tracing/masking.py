"""What of a command line may be written down: no password, no token, and nothing that may be one by mistake."""

from __future__ import annotations

MASK = "***"
MOST_SHOWN = 1000

_VERBS = frozenset(
    [
        "HELO",
        "EHLO",
        "LHLO",
        "STARTTLS",
        "MAIL",
        "RCPT",
        "DATA",
        "BDAT",
        "RSET",
        "NOOP",
        "QUIT",
        "VRFY",
        "EXPN",
        "HELP",
        "XCLIENT",
        "PROXY",
        "ETRN",
    ]
)


def masked(line: bytes) -> str:
    """A command as it may be shown. Of AUTH the mechanism is left; of what is no command, its length.

    A client that misses a reply may say its password where a command is expected.
    """
    text = line.decode("utf-8", "backslashreplace")
    verb, _, argument = text.strip().partition(" ")
    if verb.upper() == "AUTH":
        mechanism, _, response = argument.strip().partition(" ")
        return f"{verb} {_plain(mechanism[:40])}{f' {MASK}' if response else ''}"
    if verb.upper() in _VERBS:
        return _plain(text[:MOST_SHOWN])
    return f"{MASK} ({len(line)} octets)"


def shown(text: str) -> str:
    """A reply or a note as it may be shown: one line, bounded."""
    return _plain(text[:MOST_SHOWN])


def _plain(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)
