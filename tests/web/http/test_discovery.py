"""Modules are found by what they declare."""

from __future__ import annotations

from pathlib import Path

import pytest
from onifast_web.http.discovery import declaring


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with nothing in it yet."""
    made = tmp_path / f"room_of_{tmp_path.name}"  # each test's own: modules stay imported
    made.mkdir()
    (made / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    return made


def test_what_declares_the_table_is_found_in_the_order_of_names(room: Path) -> None:
    for name, text in {"pears": "TABLE = (2,)", "apples": "TABLE = (1,)", "tools": "OTHER = (3,)"}.items():
        (room / f"{name}.py").write_text(text)
    found = declaring("TABLE", room.name, [str(room)])
    assert [module.TABLE for module in found] == [(1,), (2,)]


def test_a_module_that_cannot_be_imported_is_heard_of(room: Path) -> None:
    (room / "plums.py").write_text("import what_nobody_has")
    with pytest.raises(ModuleNotFoundError, match="what_nobody_has"):
        declaring("TABLE", room.name, [str(room)])
