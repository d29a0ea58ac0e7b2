"""Maildir as its programs name things: a message's flags, Maildir++ folders, and Dovecot's keywords."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from onifast_shared.moving import mailbox_names
from onifast_shared.moving.found import Marks

KEYWORDS_FILE = "dovecot-keywords"
MOST_KEYWORDS = 26
"""Keywords that Dovecot's letters in file names stand for, `a` to `z`."""

_NAME = re.compile(r"(?P<unique>[^/]+?)(?:[:;!]2,(?P<flags>[A-Za-z]*))?(?:\.(?:gz|Z))?\Z")
_STAMP = re.compile(r"(\d{9,10})\.")
_NO_LABELS = {"$forwarded", "$mdnsent", "$junk", "$notjunk", "junk", "nonjunk", "notjunk", "$label1", "forwarded"}


@dataclass(frozen=True)
class MaildirEntry:
    """Where a file of a Maildir lies: its folder as the Maildir has it ("" for the inbox), and its own name."""

    root: str
    folder: str
    name: str
    is_new: bool


def entry(path: str) -> MaildirEntry | None:
    """A message's place, by its path in an archive or below a folder; None for what is no message of a Maildir."""
    parts = path.split("/")
    if len(parts) < 2 or parts[-2] not in ("cur", "new") or not parts[-1] or parts[-1].startswith("."):
        return None
    above = parts[:-2]
    depth = next((number for number, part in enumerate(above) if part.startswith(".") and len(part) > 1), len(above))
    if depth == len(above) and len(above) > 1:
        depth = 1  # a tree of folders within one another (`:LAYOUT=fs`) below the directory of all
    return MaildirEntry("/".join(above[:depth]), "/".join(above[depth:]), parts[-1], parts[-2] == "new")


def place(folder: str) -> str:
    """A folder's name with `/` between its parts: `.Clients.Acme` of Maildir++, or directories in one another."""
    if not folder:
        return "INBOX"
    parts = folder.strip(".").split(".") if folder.startswith(".") else folder.split("/")
    return "/".join(mailbox_names.decoded(part) for part in parts if part)


def marks(name: str, *, is_new: bool, keywords: Mapping[int, str] | None = None) -> Marks:
    """What a file's name says; `keywords` are those that its folder has letters for."""
    found = _NAME.match(name)
    flags = (found["flags"] if found else None) or ""
    words = (
        [keywords[ord(each) - 97] for each in flags if each.islower() and ord(each) - 97 in (keywords or {})]
        if keywords
        else []
    )
    plain = {word.lower() for word in words}
    return Marks(
        is_read="S" in flags and not is_new,
        is_answered="R" in flags,
        is_starred="F" in flags,
        is_forwarded="P" in flags or "$forwarded" in plain or "forwarded" in plain,
        is_draft="D" in flags,
        is_deleted="T" in flags,
        labels=tuple(word for word in words if word.lower() not in _NO_LABELS and not word.startswith("$")),
    )


def received(name: str) -> int | None:
    """When a message came, as its file's name says."""
    found = _STAMP.match(name)
    return int(found[1]) if found else None


def keywords(data: bytes) -> dict[int, str]:
    """What a `dovecot-keywords` file says: a number and a keyword in each line."""
    found = {}
    for line in data[:65536].decode("utf-8", "replace").splitlines()[:MOST_KEYWORDS]:
        number, _, word = line.partition(" ")
        if number.isdigit() and int(number) < MOST_KEYWORDS and word.strip():
            found[int(number)] = mailbox_names.decoded(word.strip())
    return found
