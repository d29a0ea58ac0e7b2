"""What is read of a message, as golden files say it: tests/data/messages/NAME.eml and, beside it, NAME.json.

What is shown of the HTML of those that are called look-…, with images blocked, stands in NAME.html.

`python -m golden` in tests/ writes the messages of `specimens` and all golden files anew; then look at
the difference before it is committed: a golden file says what is right, not what the parser happens to do.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from onifast_shared.message.parsing import Parsed, parse
from onifast_web.reading import bodies, looks

MESSAGES = Path(__file__).resolve().parent / "data" / "messages"


def describe(raw: bytes) -> dict[str, Any]:
    """All that is read of a message: header, text, HTML, what is attached and what is shown in place."""
    return _described(parse(raw))


def written(raw: bytes) -> str:
    """The golden file of a message."""
    return json.dumps(describe(raw), ensure_ascii=False, indent=1) + "\n"


def shown(raw: bytes) -> str:
    """What the webmail shows of a message's HTML while images are blocked: look, root, style sheets and body."""
    safe = bodies.safe_html(parse(raw))
    assert safe
    root = safe.root_attributes(looks.of(safe, None))
    style = f"<style>\n{safe.css}</style>\n" if safe.css else ""
    return f"<html{root}>\n{style}<body{safe.body_attributes}>\n{safe.html.strip()}\n"


def looking() -> list[str]:
    """The messages that are here for the looks of their HTML."""
    return [name for name in names() if name.startswith("look-")]


def names() -> list[str]:
    """All messages that there are golden files of."""
    return sorted(path.stem for path in MESSAGES.glob("*.eml"))


def _described(parsed: Parsed) -> dict[str, Any]:
    found: dict[str, Any] = {
        "subject": parsed.subject,
        "from": [parsed.sender_name, str(parsed.sender or "")],
        "text": parsed.text,
        "html": parsed.html,
        "snippet": parsed.snippet,
        "attachments": [
            {"name": item.filename, "type": item.content_type, "size": item.size}
            | ({"message": _described(item.message)} if item.message else {})
            for item in parsed.attachments
        ],
        "has_attachments": parsed.has_attachments,
    }
    if parsed.embedded:
        found["embedded"] = {name: item.image_type for name, item in parsed.embedded.items()}
    if parsed.protection:
        found["protection"] = parsed.protection
    return found


def main() -> None:
    """Writes all files anew."""
    from specimens import SPECIMENS

    for name, raw in SPECIMENS.items():
        (MESSAGES / f"{name}.eml").write_bytes(raw)
    for name in names():
        (MESSAGES / f"{name}.json").write_text(written((MESSAGES / f"{name}.eml").read_bytes()))
    for name in looking():
        (MESSAGES / f"{name}.html").write_text(shown((MESSAGES / f"{name}.eml").read_bytes()))


if __name__ == "__main__":
    main()
