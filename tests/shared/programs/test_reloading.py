"""Settings taken anew, as they are when a program is told to."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from onifast_shared.machine import log
from onifast_shared.machine.config import Settings, describe, fixed_settings
from onifast_shared.programs import reloading


def test_what_may_change_does_and_what_may_not_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ONIFAST_MAIL_ROOT", str(tmp_path))
    (tmp_path / "config").mkdir()
    file = tmp_path / "config" / "onifast-mail.toml"
    before = Settings.load()
    file.write_text('hostname = "new.host.test"\nsmtpd_processes = 3\nrun_as = "nobody"\n')
    with caplog.at_level(logging.INFO):
        after = reloading.renewed(before, log.get("test"))
    assert (after.hostname, after.smtpd_processes, after.run_as) == ("new.host.test", 0, "onifast-mail")
    assert "need_restart=run_as,smtpd_processes" in caplog.text or "smtpd_processes,run_as" in caplog.text
    file.write_text("hostname = 'no name'\n")
    assert reloading.renewed(after, log.get("test")) is after


def test_where_a_program_listens_and_what_it_becomes_count_at_its_start_only() -> None:
    assert {"root", "run_as", "smtp_listen", "http_listen"} <= set(fixed_settings()) < {one.name for one in describe()}
