"""MTA-STS policies (RFC 8461): what a domain publishes, read strictly, and which exchangers a policy allows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Mode = Literal["enforce", "testing", "none"]

MAX_AGE = 31_557_600
"""The longest a policy may be kept, in seconds: a year (RFC 8461 section 3.2)."""

# Fewer would make every delivery fetch it anew.
_LEAST_AGE = 60

_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
_MX = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_MOST_MX = 100


class PolicyError(ValueError):
    """A record or a policy that does not follow the standard. Its text says where."""


@dataclass(frozen=True)
class StsPolicy:
    """A policy. `lines` is its text as a report quotes it; `max_age` is in seconds."""

    mode: Mode
    mx: tuple[str, ...]
    max_age: int
    lines: tuple[str, ...]

    def allows(self, host: str) -> bool:
        """Whether the policy names this exchanger. `*` stands for one label, the first (RFC 8461 section 4.1)."""
        host = host.lower().rstrip(".")
        return any(
            host == pattern or (pattern.startswith("*.") and host.partition(".")[2] == pattern[2:])
            for pattern in self.mx
        )


def parse_record(records: Sequence[bytes]) -> str | None:
    """The `id` that the TXT records of `_mta-sts.<domain>` give; None where they announce no policy.

    Several records count as none, and so does a malformed one (RFC 8461 section 3.1).
    """
    announced = [text for text in map(_ascii, records) if text is not None and re.match(r"v=STSv1[ \t]*;", text)]
    if len(announced) != 1:
        return None
    tags = dict(part.strip().partition("=")[::2] for part in announced[0].split(";") if part.strip())
    found = tags.get("id", "").strip()
    return found if _ID.fullmatch(found) else None


def parse_policy(body: bytes) -> StsPolicy:
    """The policy in the body of the answer (RFC 8461 section 3.2). Raises PolicyError."""
    text = _text(body)
    lines = tuple(line for line in re.split(r"\r?\n", text) if line.strip())
    fields: dict[str, str] = {}
    mx: list[str] = []
    for line in lines:
        # Taken apart by hand: a pattern that trims blanks takes minutes for a policy that is made of them.
        name, colon, value = (part.strip(" \t") for part in line.partition(":"))
        if not colon or not _NAME.fullmatch(name) or line[0] in " \t":
            raise PolicyError(f"{line[:80]!r} is no field of a policy")
        if name == "mx":
            mx.append(_pattern(value))
        else:
            fields.setdefault(name, value)  # of a field that is there twice the first counts
    return _policy(fields, tuple(dict.fromkeys(mx)), lines)


def _policy(fields: dict[str, str], mx: tuple[str, ...], lines: tuple[str, ...]) -> StsPolicy:
    if fields.get("version") != "STSv1":
        raise PolicyError("the version is not STSv1")
    mode = fields.get("mode", "")
    if mode not in ("enforce", "testing", "none"):
        raise PolicyError(f"the mode is {mode[:80]!r}, which is none of enforce, testing, none")
    age = fields.get("max_age", "")
    if not re.fullmatch(r"[0-9]{1,10}", age):
        raise PolicyError("max_age is missing, or not a number of seconds")
    if mode != "none" and not mx:
        raise PolicyError("the policy names no mx")
    if len(mx) > _MOST_MX:
        raise PolicyError(f"the policy names more than {_MOST_MX} mx")
    return StsPolicy(mode, mx, min(max(int(age), _LEAST_AGE), MAX_AGE), lines)  # type: ignore[arg-type]


def _pattern(value: str) -> str:
    pattern = value.lower().rstrip(".")
    if len(pattern) > 253 or not _MX.fullmatch(pattern):
        raise PolicyError(f"the mx {value[:80]!r} is not a host name, or one that begins with *.")
    return pattern


def _ascii(record: bytes) -> str | None:
    return record.decode("ascii") if record.isascii() else None


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        raise PolicyError("the policy is not text") from None
