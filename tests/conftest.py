"""Fixtures that more than one suite uses: a database, settings on a temporary tree."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from onifast_shared.config import Settings
from onifast_shared.db.database import Database

# A busy machine takes its time: how long one example runs is no property of ours.
hypothesis.settings.register_profile("onifast", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("onifast")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The default settings on a temporary tree, with a host name that needs no look-up."""
    for name in ("users", "certs", "config"):
        (tmp_path / "onifast" / name).mkdir(parents=True)
    (tmp_path / "home").mkdir()
    return Settings(root=tmp_path / "onifast", home_root=tmp_path / "home", hostname="mail.host.test")


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """A database of today's schema, at the settings' place."""
    opened = Database.open(settings.database, timeout=10)
    yield opened
    opened.close()
