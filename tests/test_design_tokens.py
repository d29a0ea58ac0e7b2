"""What things look like is said in one place, tokens.css: no other style sheet has a colour or a size of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

STATIC = Path(__file__).parents[1] / "services" / "web" / "onifast_web" / "static"
TOKENS = {"tokens.css", "tokens-contrast.css"}
SHEETS = sorted(path for path in STATIC.glob("*.css") if path.name not in TOKENS)

COLOUR = re.compile(r"#[0-9a-f]{3,8}\b|\b(?:rgba?|hsla?|oklch|oklab|lab|lch|hwb|light-dark)\(", re.IGNORECASE)
LENGTH = re.compile(r"(?<![\w.-])-?(?!0(?:rem|px|pt)\b)\d*\.?\d+(?:rem|px|pt|cm|mm)\b")
NUMBER = re.compile(r"(?<![\w.-])\d{3}\b")
TIME = re.compile(r"(?<![\w.-])\d*\.?\d+m?s\b")

WITHIN = (
    (re.compile(r"(?:padding|margin)(?:-|$)|(?:row-|column-)?gap$|scroll-(?:padding|margin)"), LENGTH, "--space-…"),
    (re.compile(r"font(?:-size)?$"), LENGTH, "--font-…"),
    (re.compile(r"font(?:-weight)?$"), NUMBER, "--weight-…"),
    (re.compile(r"border-.*radius$"), LENGTH, "--radius…"),
    (re.compile(r"box-shadow$|outline$"), LENGTH, "--shadow…, --edge…, --mark or --focus"),
    (re.compile(r"(?:transition|animation)(?:-|$)"), TIME, "--quick or --move"),
)
"""What a property may not hold, and what stands for it. Widths, heights and places are those of one thing alone."""
ALLOWED = {("margin", "-1px"), ("margin", "1.6cm")}
"""What hides a text from eyes alone, and the margin of paper, where no value can be named."""


def declarations(sheet: Path) -> Iterator[tuple[int, str, str]]:
    """The line, property and value of each."""
    text = re.sub(
        r"/\*.*?\*/", lambda found: re.sub(r"[^\n]", " ", found[0]), sheet.read_text("utf-8"), flags=re.DOTALL
    )
    for found in re.finditer(r"(?<=[{;\s])([a-z-]+): ([^;{}]+)(?=[;}])", text):
        yield text.count("\n", 0, found.start()) + 1, found[1], found[2].strip()


def strays(sheet: Path) -> Iterator[str]:
    for line, name, value in declarations(sheet):
        if (name, value) in ALLOWED or (name.startswith("outline") and "Highlight" in value):
            continue
        if COLOUR.search(value):
            yield f"{sheet.name}:{line}: {name}: {value} (a colour of tokens.css instead)"
        for property_name, raw, instead in WITHIN:
            if property_name.match(name) and raw.search(value):
                yield f"{sheet.name}:{line}: {name}: {value} ({instead} of tokens.css instead)"


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda path: path.name)
def test_no_sheet_has_a_colour_or_a_size_of_its_own(sheet: Path) -> None:
    assert "\n".join(strays(sheet)) == ""


def test_each_value_that_is_named_is_there() -> None:
    known = {"--scale-factor"} | set(
        re.findall(r"(--[\w-]+):", "".join(path.read_text("utf-8") for path in STATIC.glob("*.css")))
    )
    named = {
        (sheet.name, name)
        for sheet in STATIC.glob("*.css")
        for name in re.findall(r"var\((--[\w-]+)\)", sheet.read_text("utf-8"))
    }
    assert {each for each in named if each[1] not in known} == set()
