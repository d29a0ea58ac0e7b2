"""A small disk that fills up: new mail is refused before SQLite fails, and nothing is lost."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from onifast_shared.db.database import Database
from onifast_shared.health import checks
from onifast_shared.health.checks import State
from onifast_shared.machine import disk
from onifast_shared.machine.config import Settings
from onifast_shared.machine.disk import DiskLevel, DiskUse
from onifast_shared.recipients import addresses
from onifast_shared.values.address import Address

from .helpers import OUTSIDE, SmtpClient, start_world


@pytest.mark.parametrize(
    ("used", "level"),
    [(0.5, DiskLevel.ROOMY), (0.9, DiskLevel.SHORT), (0.949, DiskLevel.SHORT), (0.95, DiskLevel.FULL)],
)
def test_what_a_share_means(used: float, level: DiskLevel) -> None:
    assert disk.level_of(DiskUse(used, 1), 90, 95) is level
    assert disk.level_of(DiskUse(used, 1), 100, 100) is DiskLevel.ROOMY, "never"


@pytest.fixture
def small(tmp_path: Path, smtpd_settings: Settings) -> Iterator[Settings]:
    """Settings whose database lies on a disk of 48 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "none", folder], check=False).returncode != 0:
        pytest.skip("nothing can be mounted here")
    try:
        (folder / "config").mkdir()
        for name in ("users", "certs"):
            (folder / name).symlink_to(smtpd_settings.root / name)
        yield dataclasses.replace(smtpd_settings, root=folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(file: Path, share: float) -> None:
    """Lets a file take what is left of its disk, up to a share of all of it."""
    file.unlink(missing_ok=True)
    found = os.statvfs(file.parent)
    wanted = int(share * found.f_blocks) - (found.f_blocks - found.f_bfree)
    with file.open("wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, wanted * found.f_frsize)


@pytest.mark.root
async def test_new_mail_is_refused_in_time_and_taken_again_when_there_is_room(small: Settings) -> None:
    database = Database.open(small.database, timeout=10)
    database.write(lambda tx: addresses.add(tx, Address.parse("alice@here.test"), "alice"))
    world = await start_world(small, database)
    try:
        filler, transaction = small.root / "filler", ("a@remote.test", "alice@here.test")
        fill(filler, 0.92)
        assert [each.state for each in checks.look(small, ("disk",))] == [State.WARNING]
        async with SmtpClient(*await world.connect(source=OUTSIDE)) as client:
            await client.reply()
            assert (await client.deliver(*transaction)).startswith("250 "), "short is not full"
            fill(filler, 0.97)
            world.receiver.disk._looked = float("-inf")  # a second has passed
            assert (await client.say("MAIL FROM:<a@remote.test>")).startswith("452 4.3.1 ")
            assert [each.state for each in checks.look(small, ("disk",))] == [State.FAILED]
            database.write(lambda tx: tx.execute("UPDATE emails SET is_read = 1") and None)
            filler.unlink()
            world.receiver.disk._looked = float("-inf")
            assert (await client.deliver(*transaction)).startswith("250 ")
        found = database.read(lambda tx: tx.execute("SELECT count(*), total(is_read) FROM emails").fetchone())
        assert found == (2, 1.0)
    finally:
        await world.stop()
        database.close()
