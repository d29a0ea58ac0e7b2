"""Where the words of a search stand in what it found."""

from __future__ import annotations

from collections.abc import Sequence

from onifast_shared.search.highlight import Excerpt, Piece

from onifast_web.http.models import Model


class TextPiece(Model):
    """A piece of a text; `is_match` where it is what `q` looks for."""

    text: str
    is_match: bool


class Highlights(Model):
    """The subject, and the part of the text where the words of `q` stand, in pieces."""

    subject: list[TextPiece]
    snippet: list[TextPiece]


def highlights_of(excerpt: Excerpt | None) -> Highlights | None:
    """What is shown of a message that was found; None for one that was only listed."""
    if excerpt is None:
        return None
    return Highlights(subject=_pieces(excerpt.subject), snippet=_pieces(excerpt.snippet))


def _pieces(found: Sequence[Piece]) -> list[TextPiece]:
    return [TextPiece(text=each.text, is_match=each.is_match) for each in found]
