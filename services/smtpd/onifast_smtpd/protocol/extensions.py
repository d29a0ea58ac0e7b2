"""The extensions that EHLO offers, each only where it can be used (RFC 5321 section 4.1.1.1)."""

from __future__ import annotations

from datetime import UTC, datetime

from onifast_shared.machine.config import Settings


def offered(settings: Settings, *, tls: bool, may_hold: bool, now: float) -> list[str]:
    """EHLO's keywords, but for those of TLS, login and proxies. `now` is in epoch seconds."""
    keywords = [
        "PIPELINING",
        f"SIZE {settings.max_message_size}",
        "8BITMIME",
        "BINARYMIME",
        "CHUNKING",
        "DSN",
        "SMTPUTF8",
        f"LIMITS RCPTMAX={settings.max_recipients}",
    ]
    if may_hold and settings.max_hold:
        keywords.append(f"FUTURERELEASE {int(settings.max_hold)} {_date_time(now + settings.max_hold)}")
    if tls:
        keywords.append("REQUIRETLS")  # RFC 8689 section 2: only where this hop keeps the promise itself
    keywords.append("ENHANCEDSTATUSCODES")
    return keywords


def _date_time(moment: float) -> str:
    return datetime.fromtimestamp(int(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
