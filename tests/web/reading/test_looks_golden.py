"""The HTML of messages of our own making, each shown as its golden file says."""

from __future__ import annotations

import golden
import pytest


@pytest.mark.parametrize("name", golden.looking())
def test_a_message_is_shown_as_its_golden_file_says(name: str) -> None:
    raw = (golden.MESSAGES / f"{name}.eml").read_bytes()
    assert golden.shown(raw) == (golden.MESSAGES / f"{name}.html").read_text()
