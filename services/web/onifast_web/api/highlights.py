"""Where the words of a search stand in what it found."""

from __future__ import annotations

from typing import Any

from onifast_shared.search.highlight import Excerpt
from pydantic import ConfigDict, SkipValidation
from typing_extensions import TypedDict

from onifast_web.http.models import Model


class TextPiece(TypedDict):
    """A piece of a text; `is_match` where it is what `q` looks for."""

    # A page that was found may have a thousand: to make a model of each took a fifth of its time.
    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]

    text: str
    is_match: bool


class Highlights(Model):
    """The subject, and the part of the text where the words of `q` stand, in pieces."""

    subject: SkipValidation[list[TextPiece]]
    snippet: SkipValidation[list[TextPiece]]


def highlights_of(excerpt: Excerpt | None) -> dict[str, Any] | None:
    """The fields of `Highlights` of a message that was found; None for one that was only listed.

    They are checked with the whole list: there may be a thousand pieces, and a model made by itself is dear.
    """
    if excerpt is None:
        return None
    return {
        "subject": [{"text": text, "is_match": is_match} for text, is_match in excerpt.subject],
        "snippet": [{"text": text, "is_match": is_match} for text, is_match in excerpt.snippet],
    }
