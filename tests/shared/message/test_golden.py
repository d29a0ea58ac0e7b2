"""Messages of every kind, each read as its golden file says."""

from __future__ import annotations

import json

import golden
import pytest


@pytest.mark.parametrize("name", golden.names())
def test_a_message_is_read_as_its_golden_file_says(name: str) -> None:
    raw = (golden.MESSAGES / f"{name}.eml").read_bytes()
    assert golden.describe(raw) == json.loads((golden.MESSAGES / f"{name}.json").read_text())


def test_there_are_messages_of_many_kinds() -> None:
    assert len(golden.names()) >= 150
