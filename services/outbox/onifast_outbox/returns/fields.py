"""Groups of fields as reports for machines have them (RFC 3464 section 2, RFC 5965 section 3), read leniently."""

from __future__ import annotations

import re

_FIELD = re.compile(r"([A-Za-z][A-Za-z0-9-]{0,60})[ \t]*:[ \t]*(.*)")
_MOST_LINES = 4000
_LONGEST = 2000  # characters of a value
_TYPED = re.compile(r"\s*[A-Za-z0-9_-]{1,30}\s*;\s*(.*)", re.DOTALL)
_EMBEDDED = re.compile(r"\\x\{([0-9A-Fa-f]{1,6})\}")


def groups(text: str) -> list[dict[str, str]]:
    """The groups, divided by empty lines: values by names in lower case, folded lines joined; the first of each name.

    Some servers divide no groups, so a second Final-Recipient begins another one.
    """
    found: list[dict[str, str]] = [{}]
    name = ""
    for line in text.split("\n", _MOST_LINES)[:_MOST_LINES]:
        if not line.strip():
            found.append({})
            name = ""
        elif line[0] in " \t" and name:
            found[-1][name] = f"{found[-1][name]} {line.strip()}"[:_LONGEST]
        elif match := _FIELD.fullmatch(line.rstrip()):
            name = match[1].lower()
            if name == "final-recipient" and name in found[-1]:
                found.append({})
            found[-1].setdefault(name, match[2][:_LONGEST].strip())
        else:
            name = ""
    return [group for group in found if group]


def typed(value: str) -> str:
    """What stands behind the type of a typed field, `rfc822; ann@example.net`; the whole of it where none is named."""
    match = _TYPED.fullmatch(value)
    return (match[1] if match else value).strip()


def address(value: str) -> str:
    """The address of a field, without its type, brackets and comments; "" where there is none."""
    text = typed(value).strip("<>\"' ")
    text = _EMBEDDED.sub(_character, text)  # RFC 6533 section 3
    words = text.split()
    found = next((word.strip("<>()\"',;") for word in words if "@" in word), "")
    return found[:320]


def _character(match: re.Match[str]) -> str:
    code = int(match[1], 16)
    return chr(code) if 32 < code < 0xD800 or 0xDFFF < code < 0x110000 else ""
