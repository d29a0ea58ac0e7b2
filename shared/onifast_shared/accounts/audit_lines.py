"""What a line of the audit trail says of a change, made from the values that the change was asked for with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NAMING = (
    "address", "domain", "alias", "recipient", "destination", "username", "user", "name", "url", "host", "relay_host",
    "id", "ids", "query", "sender",
)  # fmt: skip
"""What tells an object from others, the best first."""

_SECRET = ("password", "secret", "token", "code", "content", "text", "html")
_NOT_TOLD = {"csrf_token", "do", "json", "command", "spoken", "back", "next"}
_LONGEST = 200
_MOST = 20


def object_of(noun: str, values: Mapping[str, Any]) -> str:
    """`KIND:ID` of what was changed."""
    for name in _NAMING:
        value = values.get(name)
        if value not in (None, "", []):
            shown = ",".join(map(str, value[:_MOST])) if isinstance(value, list) else str(value)
            return f"{noun}:{shown[:_LONGEST]}"
    return noun


def details_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that can be told: no secret, nothing long, nothing that was not given."""
    found = {name: _told(name, value) for name, value in values.items() if name not in _NOT_TOLD}
    return {name: value for name, value in list(found.items())[:_MOST] if value not in (None, "", [])}


def _told(name: str, value: Any) -> Any:
    if any(word in name for word in _SECRET) and not name.endswith("_file"):
        return "(not shown)" if value else None
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [str(each)[:_LONGEST] for each in value[:_MOST]]
    return str(value)[:_LONGEST]
