"""A client of rspamd's HTTP protocol (`POST /checkv2`)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from onifast_shared.junk.exchange import ScanTrouble, exchange

from onifast_smtpd.milter.filters import FilteredMessage
from onifast_smtpd.screening.scan import Scan

_ACTIONS = {
    "no action": "accept",
    # Whether to greylist is decided before a message is scanned, by our own setting.
    "greylist": "accept",
    "add header": "junk",
    "rewrite subject": "junk",
    "soft reject": "later",
    "reject": "reject",
    "discard": "reject",
    "quarantine": "junk",
}


async def scan(host: str, port: int, message: FilteredMessage) -> Scan:
    """Asks rspamd. Raises OSError, ScanTrouble."""
    # HTTP/1.0: the answer ends with the connection, and comes in one piece.
    head = "".join(f"{name}: {value}\r\n" for name, value in _headers(host, message))
    answer = await exchange(host, port, f"POST /checkv2 HTTP/1.0\r\n{head}\r\n".encode() + message.traced)
    return parse(answer)


def parse(answer: bytes) -> Scan:
    """The scan that an HTTP response holds. Raises ScanTrouble."""
    head, divider, body = answer.partition(b"\r\n\r\n")
    if not divider or not re.match(rb"HTTP/1\.[01] 200\b", head):
        raise ScanTrouble(f"rspamd answers {head[:60]!r}")
    try:
        found = json.loads(body)
        action = _ACTIONS.get(str(found["action"]))
        score, required = float(found["score"]), float(found.get("required_score") or 0.0)
        if action is None or not math.isfinite(score) or not math.isfinite(required):
            raise ScanTrouble(f"rspamd answers with action {str(found['action'])[:40]!r} and score {score}")
        return Scan("rspamd", action, score, required, tuple(_rules(found.get("symbols") or {})))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ScanTrouble("rspamd's answer cannot be read") from error


def _rules(symbols: dict[str, Any]) -> Iterator[str]:
    """The rules that gave points, the heaviest first."""
    points = {name: float(item.get("score") or 0.0) for name, item in symbols.items()}
    for name in sorted(points, key=lambda name: -points[name]):
        if points[name] > 0:
            yield str(name)


def _headers(host: str, message: FilteredMessage) -> Iterator[tuple[str, str]]:
    yield "Host", host
    yield "Content-Length", str(len(message.traced))
    yield "IP", message.origin.client.address
    yield "Helo", _clean(message.origin.helo)
    yield "From", _clean(str(message.mail_from or ""))
    for recipient in message.recipients:
        yield "Rcpt", _clean(str(recipient))
    if message.username:
        # Statistics per user go by the recipient whom it is delivered to.
        yield "Deliver-To", message.username
    yield "Queue-Id", message.queue_id


def _clean(value: str) -> str:
    """A stranger's word as a header's value: no control character, nothing beyond ASCII."""
    return quote(value, safe="!#$%&'*+,/:;=?@[]()<>\"{}|^` ")
