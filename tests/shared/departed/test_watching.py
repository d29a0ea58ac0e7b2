"""Who is believed to be gone, and who is only away for a moment."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from onifast_shared.accounts.panel_users import UserDirectory, UserDirectoryMissing
from onifast_shared.db.database import Database
from onifast_shared.departed import store, watching
from onifast_shared.departed.store import BootTime
from onifast_shared.departed.watching import PATIENCE, Look
from onifast_shared.machine.config import Settings

from .people import add_file, give, settle

NOW = 1_800_000_000.0
THIRTY = [f"user{number:02}" for number in range(30)]


class Watch:
    """Looks at times of the test's own choosing."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings, self.database, self.users = settings, database, UserDirectory(settings)
        self.boot, self.seconds, self.wall = "boot-1", 1000.0, NOW

    def pass_by(self, seconds: float) -> None:
        """Time passes, on both clocks."""
        self.seconds += seconds
        self.wall += seconds

    def look(self) -> Look:
        """One look."""
        found = watching.look(self.database, self.users, BootTime(self.boot, int(self.seconds * 1000)), self.wall)
        settle(self.database)
        return found

    def departed(self) -> list[str]:
        """Who departs by a look now."""
        return [name for name, _ in self.look().departed]

    def file(self, name: str) -> Path:
        """A user's file."""
        return Path(self.settings.users_dir, f"{name}.json")


@pytest.fixture
def watch(settings: Settings, database: Database) -> Watch:
    """Thirty users who have been seen, each with an address."""
    add_file(settings, *THIRTY)
    for name in THIRTY:
        database.write(lambda tx, name=name: give(tx, "mail_addresses", address=f"{name}@here.test", owner=name))  # type: ignore[misc]
    made = Watch(settings, database)
    made.look()
    return made


def test_a_user_departs_when_two_looks_ten_minutes_apart_did_not_find_him(watch: Watch) -> None:
    watch.file("user03").unlink()
    assert watch.look() == Look(missing=("user03",))
    watch.pass_by(PATIENCE - 1)
    assert watch.departed() == []
    watch.pass_by(1)
    assert watch.departed() == ["user03"]
    watch.pass_by(PATIENCE)
    assert watch.look() == Look()


def test_a_file_that_is_there_at_any_look_keeps_its_user(watch: Watch) -> None:
    """An editor, or a password change, that unlinks and creates: even if two looks fall into such moments."""
    for _ in range(3):
        watch.file("user03").unlink()
        watch.look()
        watch.pass_by(60)
        add_file(watch.settings, "user03")
        assert watch.look().returned == ("user03",)
        watch.pass_by(PATIENCE)
    watch.file("user03").unlink()
    assert watch.departed() == []


def test_a_file_that_is_replaced_is_never_away(watch: Watch) -> None:
    new = watch.file("user03").with_suffix(".json.new")
    new.write_text("{}")
    new.replace(watch.file("user03"))
    assert watch.look() == Look()


def test_a_file_that_comes_back_before_the_sweep_has_seen_it_gone_is_the_same_user(watch: Watch) -> None:
    watch.file("user03").unlink()
    add_file(watch.settings, "user03")
    watch.pass_by(PATIENCE)
    assert watch.look() == Look()


def test_a_broken_or_empty_file_is_a_users(watch: Watch) -> None:
    watch.file("user03").write_text("")
    watch.file("user04").write_text("{no json")
    watch.look()
    watch.pass_by(PATIENCE)
    assert watch.look() == Look()


def test_a_date_that_jumps_lets_nobody_depart(watch: Watch) -> None:
    watch.file("user03").unlink()
    watch.look()
    watch.wall += 365 * 86400
    assert watch.departed() == []
    watch.wall -= 2 * 365 * 86400
    watch.seconds += PATIENCE
    assert watch.departed() == ["user03"]


def test_looks_of_a_program_that_was_restarted_count(watch: Watch) -> None:
    watch.file("user03").unlink()
    watch.look()
    watch.pass_by(PATIENCE)
    again = Watch(watch.settings, watch.database)
    again.seconds, again.wall = watch.seconds, watch.wall
    assert again.departed() == ["user03"]


def test_a_machine_that_was_restarted_begins_anew(watch: Watch) -> None:
    """What is mounted late at a boot was not there before either."""
    watch.file("user03").unlink()
    watch.look()
    watch.boot, watch.seconds, watch.wall = "boot-2", 5000.0, watch.wall + 10 * PATIENCE
    assert watch.departed() == []
    watch.pass_by(PATIENCE)
    assert watch.departed() == ["user03"]


def test_a_directory_that_is_not_there_or_cannot_be_read_is_no_look(watch: Watch) -> None:
    watch.file("user03").unlink()
    watch.look()
    watch.pass_by(PATIENCE)
    watch.settings.users_dir.rename(watch.settings.users_dir.with_name("elsewhere"))
    with pytest.raises(UserDirectoryMissing):
        watch.look()
    watch.settings.users_dir.with_name("elsewhere").rename(watch.settings.users_dir)
    add_file(watch.settings, "user03")
    assert watch.departed() == []


def test_a_disk_that_does_not_answer_proves_nothing(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """NFS that leaves a name out of the list, and then fails for the file itself."""
    listed = [Path(f"{name}.json") for name in THIRTY if name != "user03"]
    monkeypatch.setattr(Path, "iterdir", lambda _: iter(listed))
    watch.look()
    watch.pass_by(PATIENCE)
    assert watch.look() == Look()  # the file itself is there
    real = Path.lstat

    def failing(path: Path) -> os.stat_result:
        if path.name == "user03.json":
            raise OSError(errno.ESTALE, "Stale file handle")
        return real(path)

    watch.file("user03").unlink()
    monkeypatch.setattr(Path, "lstat", failing)
    watch.pass_by(PATIENCE)
    watch.look()
    watch.pass_by(PATIENCE)
    assert watch.look() == Look()


def test_an_empty_directory_lets_nobody_depart(watch: Watch) -> None:
    for name in THIRTY:
        watch.file(name).unlink()
    assert set(watch.look().newly_held) == set(THIRTY)
    watch.pass_by(PATIENCE)
    assert watch.departed() == []
    assert watch.database.read(store.list_all) == []


def test_the_last_user_of_all_is_held_too(settings: Settings, database: Database) -> None:
    add_file(settings, "ann")
    database.write(lambda tx: give(tx, "mail_addresses", address="a@here.test", owner="ann"))
    watch = Watch(settings, database)
    watch.look()
    watch.file("ann").unlink()
    assert watch.look().held == ("ann",)


@pytest.mark.parametrize(
    ("vanished", "users", "too_many"),
    [(1, 2, False), (2, 3, True), (1, 1, False), (3, 30, False), (4, 30, True), (10, 100, False), (11, 1000, True)],
)
def test_more_than_a_tenth_or_more_than_ten_at_once_are_too_many(vanished: int, users: int, too_many: bool) -> None:
    assert watching.is_too_many(vanished, users) is too_many


def test_those_who_vanish_with_many_wait_for_an_administrator(watch: Watch) -> None:
    some = THIRTY[:4]
    for name in some:
        watch.file(name).unlink()
    assert watch.look().newly_held == tuple(some)
    watch.pass_by(PATIENCE)
    again = watch.look()
    assert (again.departed, again.newly_held, again.held) == ((), (), tuple(some))
    confirmed = watch.database.write(lambda tx: watching.confirm(tx, ["user00", "user01", "user20", "nobody"], "root"))
    assert confirmed == ["user00", "user01"]
    assert watch.departed() == ["user00", "user01"]
    assert watch.database.read(watching.waiting) == ["user02", "user03"]
    by = {each.asked_by for each in watch.database.read(store.list_all)}
    assert by == {"sweep, confirmed by root"}


def test_a_backup_that_comes_back_file_by_file_lets_nobody_depart(watch: Watch) -> None:
    """Those who are left are few in the end, and have been missing for long; they are still a part of the many."""
    for name in THIRTY:
        watch.file(name).unlink()
    watch.look()
    for name in THIRTY:
        watch.pass_by(PATIENCE)
        add_file(watch.settings, name)
        assert watch.departed() == []
    assert watch.database.read(watching.list_missing) == []


def test_a_confirmed_user_whose_file_is_back_stays(watch: Watch) -> None:
    for name in THIRTY[:4]:
        watch.file(name).unlink()
    watch.look()
    watch.database.write(lambda tx: watching.confirm(tx, THIRTY[:4], "root"))
    add_file(watch.settings, "user00")
    watch.pass_by(PATIENCE)
    assert watch.departed() == ["user01", "user02", "user03"]
    watch.file("user00").unlink()
    watch.look()
    watch.pass_by(PATIENCE)
    assert watch.departed() == ["user00"]


def test_owners_who_never_had_a_file_stay(watch: Watch) -> None:
    """A host of scripts alone may have none."""
    watch.database.write(lambda tx: give(tx, "mail_addresses", address="shop@here.test", owner="shop"))
    watch.look()
    watch.pass_by(PATIENCE)
    assert watch.look() == Look()


def test_a_user_without_anything_leaves_nothing(watch: Watch) -> None:
    add_file(watch.settings, "new")
    watch.look()
    watch.file("new").unlink()
    watch.look()
    watch.pass_by(PATIENCE)
    assert watch.look().departed == (("new", None),)
    assert watch.database.read(store.list_all) == []
