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
_MECHANISMS = frozenset(
    [
        *("PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "NTLM", "GSSAPI", "EXTERNAL", "ANONYMOUS"),
        *("SCRAM-SHA-1", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "XOAUTH2", "OAUTHBEARER"),
    ]
)


def masked(line: bytes) -> str:
    """A command as it may be shown. Of AUTH a mechanism that is one is left; of what is no command, its length.

    A client that leaves out the mechanism says its password in that place, and one that misses a reply may say it where
    a command is expected.
    """
    text = line.decode("utf-8", "backslashreplace")
    verb, _, argument = text.strip().partition(" ")
    if verb.upper() == "AUTH":
        mechanism, _, response = argument.strip().partition(" ")
        shown_mechanism = mechanism if mechanism.upper() in _MECHANISMS else MASK
        return f"{verb} {shown_mechanism}{f' {MASK}' if response else ''}"
    if verb.upper() in _VERBS:
        return _plain(text[:MOST_SHOWN])
    return f"{MASK} ({len(line)} octets)"


def shown(text: str) -> str:
    """A reply or a note as it may be shown: one line, bounded."""
    return _plain(text[:MOST_SHOWN])


def _plain(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)
