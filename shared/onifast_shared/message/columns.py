"""The message that a row of `emails` stands for when another program wrote the row without the message's bytes."""

from __future__ import annotations

import base64
import email.utils

from onifast_shared.message import address_fields
from onifast_shared.message.compose import mailbox
from onifast_shared.message.headers import encode_text, fold

_HTML_START = ("<!doctype", "<html")


def to_message(sender: str, recipient: str, subject: str, body: str, received_ts: int) -> bytes:
    """Header and body made from the columns, whatever they hold; the same bytes each time."""
    subtype = "html" if body.lstrip("\ufeff \t\r\n")[:9].lower().startswith(_HTML_START) else "plain"
    head = [
        fold("From", _addresses(_one_line(sender))),
        fold("To", _addresses(_one_line(recipient))),
        fold("Subject", encode_text(_one_line(subject))),
        fold("Date", email.utils.formatdate(received_ts)),
        b"MIME-Version: 1.0\r\n",
        fold("Content-Type", f"text/{subtype}; charset=utf-8"),
        b"Content-Transfer-Encoding: base64\r\n\r\n",
    ]
    encoded = base64.encodebytes(body.encode("utf-8", "replace")).replace(b"\n", b"\r\n")
    return b"".join(head) + encoded


def _addresses(text: str) -> str:
    """A list of addresses, its names encoded where they must be and nothing else; or text that holds none."""
    entries = address_fields.typed(text)
    if not entries or not all(each.address for each in entries):
        return encode_text(text)
    return ", ".join(mailbox(each.name, each.address) for each in entries if each.address)


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
