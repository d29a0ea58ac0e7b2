"""Text that says `format=flowed` (RFC 3676), put together again: a paragraph is a line, quotes keep their depth."""

from __future__ import annotations

import re

_QUOTE = re.compile(r">*+")
_SIGNATURE = "-- "


def unflow(text: str, *, delete_space: bool = False) -> str:
    """The text with its soft line breaks taken out; `delete_space` is what DelSp=yes asks for (section 4.2).

    Quoted paragraphs begin with their `>`s and a space. A signature's separator never flows (section 4.3).
    """
    done: list[str] = []
    pending: list[str] = []
    pending_depth = 0
    for line in text.split("\n"):
        depth, content = _parse(line)
        if pending and (depth != pending_depth or content == _SIGNATURE):
            done.append(_written(pending_depth, pending))  # badly flowed, section 4.5: the depth decides
            pending = []
        flows = content.endswith(" ") and content != _SIGNATURE
        pending.append(content[:-1] if flows and delete_space else content)
        pending_depth = depth
        if not flows:
            done.append(_written(depth, pending))
            pending = []
    if pending:
        done.append(_written(pending_depth, pending))
    return "\n".join(done)


def _parse(line: str) -> tuple[int, str]:
    """How deep a line is quoted, and what it says without marks and stuffing (sections 4.4 and 4.5)."""
    depth = len(_QUOTE.match(line)[0])  # type: ignore[index]
    return depth, line[depth:].removeprefix(" ")


def _written(depth: int, pieces: list[str]) -> str:
    content = "".join(pieces)
    if not depth:
        return f" {content}" if content.startswith(">") else content  # stuffed: it was no quote
    return f"{'>' * depth} {content}" if content else ">" * depth
