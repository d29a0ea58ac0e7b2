"""onifast-mailctl backup: what is made, kept, found wrong and restored, on real files and a real database."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlite_shell
from onifast_shared.accepting import accept
from onifast_shared.accepting.accept import SentCopy
from onifast_shared.backup import making, restoring
from onifast_shared.backup.making import What
from onifast_shared.backup.manifest import Manifest, ManifestError
from onifast_shared.backup.repository import Repository
from onifast_shared.ctl import main as ctl
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.queue.store import QueuedRecipient, Submission

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Run:
    def run_command(*words: str, root: Path = settings.root) -> tuple[int, str, str]:
        environ = {
            "ROOT": str(root),
            "HOSTNAME": settings.hostname,
            "RUN_AS": "root",
            "HOME_ROOT": str(settings.home_root),
        }
        status = ctl.main(words, {f"ONIFAST_MAIL_{name}": value for name, value in environ.items()})
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run_command


def asked(run: Run, *words: str, **options: Any) -> Any:
    status, out, err = run(*words, "--json", **options)
    assert status == 0, err
    return json.loads(out)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "backups"


def fill(database: Database, messages: int = 3) -> None:
    for number in range(messages):
        data = b"Subject: %d\r\n\r\n" % number + os.urandom(50_000).hex().encode() + b"\r\n"
        to = [QueuedRecipient(f"bob{number}@remote.test")]
        submission = Submission("ann@example.test", "api", owner="ann", subject=str(number))
        accept.submit(database, data, submission, to, SentCopy("ann", f"bob{number}@remote.test"))


def files_below(path: Path) -> dict[str, bytes]:
    return {str(each.relative_to(path)): each.read_bytes() for each in sorted(path.rglob("*")) if each.is_file()}


def test_a_restored_backup_has_every_row_and_byte(run: Run, database: Database, store: Path, tmp_path: Path) -> None:
    fill(database)
    made = asked(run, "backup", "make", str(store))
    assert (made["emails"], made["outbox"]) == (3, 3)
    other = tmp_path / "other-machine"
    restored = asked(run, "backup", "restore", str(store), root=other)
    assert (restored["held"], restored["set_aside"]) == (3, None)
    of_both = [sqlite_shell.run(path, "SELECT id, hex(data) FROM contents; SELECT * FROM content_pieces;")
               for path in (database.path, Path(restored["database"]))]  # fmt: skip
    assert of_both[0] == of_both[1] != []


def test_what_waited_comes_back_held_and_goes_out_only_when_an_administrator_says_so(
    run: Run, database: Database, store: Path, tmp_path: Path
) -> None:
    fill(database)
    for state, row_id in (("sending", 1), ("deferred", 2), ("sent", 3)):
        database.write(lambda tx, s=state, i=row_id: tx.execute("UPDATE outbox SET status = ? WHERE id = ?", (s, i)))  # type: ignore[misc]
    asked(run, "backup", "make", str(store))
    other = tmp_path / "other-machine"
    path = Path(asked(run, "backup", "restore", str(store), root=other)["database"])
    states = "SELECT status FROM outbox ORDER BY id;"
    assert sqlite_shell.run(path, states) == ["held", "held", "sent"]
    assert "may have been delivered since" in sqlite_shell.run(path, "SELECT last_error FROM outbox;")[0]
    assert asked(run, "backup", "confirm", root=other) == {"released": 2}
    assert sqlite_shell.run(path, states) == ["pending", "pending", "sent"]
    assert run("backup", "confirm", root=other)[0] == 1


def test_nothing_lies_where_programs_look_before_what_waited_is_held(
    settings: Settings, database: Database, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database)
    repository = Repository.ready(store, (), b"")
    made = making.make(settings, repository, What(), time.time())
    database.close()
    seen: list[str] = []

    def killed(new: Path, old: Path) -> Path | None:
        seen.extend(sqlite_shell.run(new, "SELECT DISTINCT status FROM outbox;"))
        raise KeyboardInterrupt

    monkeypatch.setattr(restoring, "_exchange", killed)
    with pytest.raises(KeyboardInterrupt):
        restoring.restore(settings, repository, made, replace=True)
    assert seen == ["held"]
    assert sqlite_shell.run(settings.database, "SELECT DISTINCT status FROM outbox;") == ["pending"]


def test_a_second_backup_stores_only_what_changed(run: Run, database: Database, store: Path) -> None:
    fill(database, 60)
    first = asked(run, "backup", "make", str(store))
    fill(database, 1)
    second = asked(run, "backup", "make", str(store))
    assert 0 < second["new_bytes"] < first["new_bytes"] / 2
    assert [each["emails"] for each in asked(run, "backup", "list", str(store))] == [60, 61]


def test_a_backup_is_one_moment_while_others_write(settings: Settings, database: Database, store: Path) -> None:
    """Each transaction writes a pair: no backup has half of one, and the writer never waits for it."""
    repository, stop, longest = Repository.ready(store, (), b""), threading.Event(), 0.0
    fill(database, 40)

    def write_pairs() -> None:
        nonlocal longest
        number = 0
        while not stop.is_set():
            number, began = number + 1, time.monotonic()
            database.write(
                lambda tx, n=number: tx.execute("INSERT INTO mail_config VALUES (?, 'a'), (?, 'b')", (f"a{n}", f"b{n}"))  # type: ignore[misc]
            )
            longest = max(longest, time.monotonic() - began)

    writer = threading.Thread(target=write_pairs)
    writer.start()
    try:
        steps: list[float] = []

        def pause(seconds: float) -> None:
            steps.append(seconds)
            time.sleep(0.02)

        made = [making.make(settings, repository, What(), 1e9 + number, pause) for number in range(3)]
    finally:
        stop.set()
        writer.join()
    assert len(steps) > 6
    assert made[0].rows["mail_config"] < made[2].rows["mail_config"]
    for each in made:
        assert restoring.verify(repository, each).findings == ()
        assert each.rows["mail_config"] % 2 == made[0].rows["mail_config"] % 2


def test_damage_is_found_and_nothing_is_restored_from_it(
    run: Run, database: Database, store: Path, tmp_path: Path
) -> None:
    fill(database)
    asked(run, "backup", "make", str(store))
    assert run("backup", "verify", str(store))[0] == 0
    chunk = max(
        (each for each in (store / "chunks").rglob("*") if each.is_file()), key=lambda each: each.stat().st_size
    )
    whole = chunk.read_bytes()
    for damaged in (whole[:-7], whole[:100] + b"\x00" + whole[101:], b""):
        chunk.write_bytes(damaged)
        status, _, err = run("backup", "verify", str(store))
        assert status == 1
        assert "is damaged" in err
        status, _, err = run("backup", "restore", str(store), root=tmp_path / "other-machine")
        assert (status, "is damaged" in err) == (2, True)
        assert not list((tmp_path / "other-machine").rglob("*.db"))
    chunk.unlink()
    assert "is missing" in run("backup", "verify", str(store))[2]


def test_a_database_that_is_there_is_never_overwritten(run: Run, database: Database, store: Path) -> None:
    fill(database)
    asked(run, "backup", "make", str(store))
    fill(database, 1)
    status, _, err = run("backup", "restore", str(store))
    assert status == 2
    assert "--replace sets it aside" in err
    status, _, err = run("backup", "restore", str(store), "--replace")
    assert status == 2
    assert "stop all three first" in err  # this test's own has it open
    database.close()
    restored = asked(run, "backup", "restore", str(store), "--replace")
    count = "SELECT count(*) FROM emails;"
    assert sqlite_shell.run(Path(restored["set_aside"]), count) == ["4"]
    assert sqlite_shell.run(Path(restored["database"]), count) == ["3"]


def test_certificates_come_back_with_their_modes_and_do_not_replace_what_is_there(
    run: Run, settings: Settings, database: Database, store: Path
) -> None:
    key = settings.certs_dir / "example.test" / "dkim_private.pem"
    key.parent.mkdir(parents=True)
    key.write_text("a key")
    key.chmod(0o640)
    (key.parent / "link.pem").symlink_to("/etc/hostname")
    asked(run, "backup", "make", str(store), "--certs")
    database.close()
    key.unlink()
    restored = asked(run, "backup", "restore", str(store), "--replace")
    assert restored["files"] >= 1
    assert (key.read_text(), key.stat().st_mode & 0o777) == ("a key", 0o640)
    key.write_text("a newer key")
    assert str(key) in asked(run, "backup", "restore", str(store), "--replace")["left_alone"]
    assert key.read_text() == "a newer key"


def test_files_are_extracted_into_a_new_folder(run: Run, settings: Settings, database: Database, store: Path) -> None:
    copy = settings.home_root / "ann" / ".onifast" / "mail" / "1.eml"
    copy.parent.mkdir(parents=True)
    copy.write_text("a copy")
    asked(run, "backup", "make", str(store), "--copies")
    folder = store.parent / "then"
    assert asked(run, "backup", "extract", str(store), "--place", "homes", "--to", str(folder))["files"] == 1
    assert (folder / "ann/.onifast/mail/1.eml").read_text() == "a copy"
    status, _, err = run("backup", "extract", str(store), "--place", "homes", "--to", str(folder))
    assert (status, "is there already" in err) == (2, True)


@pytest.mark.parametrize("path", ["../../etc/cron.d/x", "/etc/cron.d/x", "", "a/../../x"])
def test_a_manifest_cannot_lead_out_of_its_root(settings: Settings, database: Database, store: Path, path: str) -> None:
    repository = Repository.ready(store, (), b"")
    (settings.certs_dir / "f").parent.mkdir(parents=True, exist_ok=True)
    (settings.certs_dir / "f").write_text("x")
    made = making.make(settings, repository, What(certs=True), time.time())
    values = json.loads(made.dump())
    for each in values["files"]:
        if each["place"] == "certs":
            each["path"] = path
    forged = Manifest.load(json.dumps(values).encode())
    with pytest.raises(restoring.RestoreRefused, match="not below its root"):
        restoring.extract(repository, forged, "certs", store.parent / "out")


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b'{"format": 9}', b'{"format": 1, "files": []}'])
def test_what_is_no_manifest_is_named_so(data: bytes) -> None:
    with pytest.raises(ManifestError):
        Manifest.load(data)


def test_pruning_keeps_what_the_rule_says_and_every_chunk_that_is_needed(
    run: Run, settings: Settings, database: Database, store: Path
) -> None:
    repository, day = Repository.ready(store, (), b""), 86_400
    for number in range(6):
        fill(database, 8)
        making.make(settings, repository, What(), 1.8e9 + number * day)
    before = len(list(repository.chunks()))
    pruned = asked(run, "backup", "prune", str(store), "--keep", "daily=2")
    assert len(pruned["removed"]) == 4
    assert pruned["freed"] > 0
    assert len(list(repository.chunks())) < before
    for each in repository.ids():
        assert restoring.verify(repository, repository.manifest(each)).findings == ()


def test_one_backup_at_a_time_works_in_a_directory(run: Run, database: Database, store: Path) -> None:
    asked(run, "backup", "make", str(store))
    with Repository.open(store).locked():
        status, _, err = run("backup", "make", str(store))
    assert (status, "another backup is at work" in err) == (2, True)


def test_a_directory_with_something_else_in_it_is_left_alone(run: Run, database: Database, store: Path) -> None:
    store.mkdir()
    (store / "photo.jpg").write_text("x")
    status, _, err = run("backup", "make", str(store))
    assert (status, "holds something else" in err) == (2, True)
    assert files_below(store) == {"photo.jpg": b"x"}


@pytest.mark.parametrize("rule", ["daily", "daily=x", "hourly=3", "last=0"])
def test_a_rule_that_is_none_is_named(run: Run, store: Path, capsys: pytest.CaptureFixture[str], rule: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        run("backup", "prune", str(store), "--keep", rule)
    assert "--keep" in capsys.readouterr().err


@pytest.mark.peers
class TestEncrypted:
    @pytest.fixture
    def identity(self, tmp_path: Path) -> Path:
        subprocess.run(["age-keygen", "-o", str(tmp_path / "backup.key")], check=True, capture_output=True)
        return tmp_path / "backup.key"

    @pytest.fixture
    def recipient(self, identity: Path) -> str:
        return identity.read_text().split("public key: ")[1].split()[0]

    def test_only_the_identity_reads_it(
        self, run: Run, database: Database, identity: Path, recipient: str, tmp_path: Path
    ) -> None:
        store = tmp_path / "backups"
        fill(database)
        asked(run, "backup", "make", str(store), "--encrypt-to", recipient)
        assert not any(b"bob1@remote.test" in data for data in files_below(store).values())
        for command in ("verify", "restore", "list"):
            root = tmp_path / "other-machine"
            status, _, err = run("backup", command, str(store), root=root)
            assert (status, "--identity FILE opens them" in err) == (2, True)
        assert run("backup", "verify", str(store), "--identity", str(identity))[0] == 0
        other = asked(run, "backup", "restore", str(store), "--identity", str(identity), root=tmp_path / "other")
        assert sqlite_shell.run(Path(other["database"]), "SELECT count(*) FROM emails;") == ["3"]

    def test_the_same_content_is_stored_once_and_pruned_without_the_identity(
        self, run: Run, database: Database, store: Path, recipient: str
    ) -> None:
        fill(database, 20)
        first = asked(run, "backup", "make", str(store), "--encrypt-to", recipient)
        second = asked(run, "backup", "make", str(store), "--encrypt-to", recipient, "--keep", "last=1")
        assert second["new_bytes"] < first["new_bytes"] / 2
        assert second["removed"] == [first["id"]]

    def test_a_directory_stays_with_its_recipients(
        self, run: Run, database: Database, store: Path, recipient: str
    ) -> None:
        asked(run, "backup", "make", str(store), "--encrypt-to", recipient)
        status, _, err = run("backup", "make", str(store))
        assert (status, recipient in err) == (2, True)
        status, _, err = run("backup", "make", str(store.parent / "new"), "--encrypt-to", "age1wrong")
        assert (status, "is no recipient" in err) == (2, True)
