"""What a junk filter answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SHOWN_RULES = 12


@dataclass(frozen=True)
class Scan:
    """The filter's word. `action` is accept, junk, reject or later; `rules` are the ones that matched."""

    filter: str
    action: str
    score: float
    required: float
    rules: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """As it is stored with the message."""
        return {
            "filter": self.filter,
            "action": self.action,
            "score": self.score,
            "required": self.required,
            "rules": list(self.rules),
        }
