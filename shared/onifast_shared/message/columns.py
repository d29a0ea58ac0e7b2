"""The message that a row of `emails` stands for when another program wrote the row without the message's bytes."""

from __future__ import annotations

import base64
import email.utils

from onifast_shared.message.headers import encode_text, fold

_HTML_START = ("<!doctype", "<html")


def to_message(sender: str, recipient: str, subject: str, body: str, received_ts: int) -> bytes:
    """Header and body made from the columns, whatever they hold; the same bytes each time."""
    subtype = "html" if body.lstrip("\ufeff \t\r\n")[:9].lower().startswith(_HTML_START) else "plain"
    head = [
        fold("From", encode_text(_one_line(sender))),
        fold("To", encode_text(_one_line(recipient))),
        fold("Subject", encode_text(_one_line(subject))),
        fold("Date", email.utils.formatdate(received_ts)),
        b"MIME-Version: 1.0\r\n",
        fold("Content-Type", f"text/{subtype}; charset=utf-8"),
        b"Content-Transfer-Encoding: base64\r\n\r\n",
    ]
    encoded = base64.encodebytes(body.encode("utf-8", "replace")).replace(b"\n", b"\r\n")
    return b"".join(head) + encoded


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
