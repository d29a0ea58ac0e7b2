"""Copies of received mail in their owners' homes: written whole, by nobody but the owner, wherever links may lead."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from onifast_outbox.filing import copies as filing_module
from onifast_outbox.filing import filer, indexer
from onifast_outbox.filing.copies import Filer, FilerGone, Filing
from onifast_outbox.filing.filer import DONE, LATER, NEVER, CopyRefused, check_name
from onifast_shared.accounts import mailbox_users
from onifast_shared.machine import capabilities
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import indexing
from onifast_shared.values.address import Address
from outbox.helpers import MESSAGE, Outbox

ALICE, MALLORY = 61001, 61002
NAME = "20250101T000000Z-1.eml"

as_root = pytest.mark.root


def start(home_root: Path) -> socket.socket:
    """A filer that knows where homes are; our end of its channel."""
    channel = filer.start()
    filer.tell_home_root(channel, home_root)
    return channel


@pytest.fixture
def settings(settings: Settings, open_folder: Path) -> Settings:
    """The homes lie where their owners reach them."""
    (open_folder / "home").mkdir()
    return replace(settings, home_root=open_folder / "home")


@pytest.fixture
async def running(settings: Settings) -> AsyncIterator[Filer]:
    """A filer process, with the rights of whoever runs the tests."""
    client = Filer(start(settings.home_root))
    yield client
    await client.close()


@pytest.fixture
def home(settings: Settings) -> Callable[[str, int], Path]:
    """Makes the home of a user who is in no passwd file."""

    def make(owner: str, uid: int) -> Path:
        path = settings.home_root / owner
        path.mkdir(mode=0o700)
        os.chown(path, uid, uid)
        return path

    return make


@as_root
async def test_the_copy_belongs_to_the_owner_and_is_his_alone(running: Filer, home: Callable[[str, int], Path]) -> None:
    folder = home("alice", ALICE) / ".onifast" / "mail"
    assert await running.write("alice", NAME, MESSAGE) == (DONE, str(folder / NAME))
    assert (folder / NAME).read_bytes() == MESSAGE
    for path, mode in ((folder / NAME, 0o600), (folder, 0o700), (folder.parent, 0o700)):
        status = path.stat()
        assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (ALICE, ALICE, mode)
    assert [path.name for path in folder.iterdir()] == [NAME]


@as_root
async def test_a_second_copy_replaces_the_first(running: Filer, home: Callable[[str, int], Path]) -> None:
    folder = home("alice", ALICE) / ".onifast" / "mail"
    await running.write("alice", NAME, b"half")
    await running.write("alice", NAME, MESSAGE)
    assert (folder / NAME).read_bytes() == MESSAGE


def pid_of_nobody() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen(["/bin/true"]) as process:
        process.wait(20)
    return process.pid


@as_root
async def test_what_a_killed_filer_left_half_written_is_removed_and_nothing_else(
    running: Filer, home: Callable[[str, int], Path]
) -> None:
    gone = pid_of_nobody()
    folder = home("alice", ALICE) / ".onifast" / "mail"
    folder.mkdir(parents=True)
    kept = [f".other.eml.{os.getpid()}.tmp", ".hidden", "notes.1.tmp", ".x.0.tmp", f".x.{'9' * 30}.tmp"]
    for name in (*kept, f".{NAME}.{gone}.tmp", f".other.eml.{gone}.tmp"):
        (folder / name).write_bytes(b"half")
    for path in (folder.parent, folder):
        os.chown(path, ALICE, ALICE)
    assert (await running.write("alice", NAME, MESSAGE))[0] == DONE
    assert sorted(path.name for path in folder.iterdir()) == sorted([NAME, *kept])


@as_root
@pytest.mark.parametrize("link", [".onifast", ".onifast/mail"])
async def test_a_symbolic_link_in_the_home_leads_nowhere(
    running: Filer, home: Callable[[str, int], Path], open_folder: Path, link: str
) -> None:
    mallory, target = home("mallory", MALLORY), open_folder / "target"
    target.mkdir()
    target.chmod(0o777)
    (mallory / link).parent.mkdir(exist_ok=True)
    (mallory / link).symlink_to(target)
    kind, _ = await running.write("mallory", NAME, MESSAGE)
    assert kind == LATER
    assert list(target.iterdir()) == []


@as_root
async def test_a_link_in_the_place_of_the_copy_is_replaced_not_followed(
    running: Filer, home: Callable[[str, int], Path], open_folder: Path
) -> None:
    folder = home("mallory", MALLORY) / ".onifast" / "mail"
    await running.write("mallory", NAME, b"first")
    victim = open_folder / "victim"
    victim.write_text("precious")
    (folder / NAME).unlink()
    (folder / NAME).symlink_to(victim)
    assert (await running.write("mallory", NAME, MESSAGE))[0] == DONE
    assert victim.read_text() == "precious"
    assert not (folder / NAME).is_symlink()


@as_root
async def test_another_users_home_cannot_be_written_to(running: Filer, home: Callable[[str, int], Path]) -> None:
    mallory, alice = home("mallory", MALLORY), home("alice", ALICE)
    (mallory / ".onifast").mkdir()
    os.chown(mallory / ".onifast", ALICE, ALICE)
    (mallory / ".onifast").chmod(0o700)
    assert (await running.write("mallory", NAME, MESSAGE))[0] == LATER
    assert list(alice.iterdir()) == []


@as_root
@pytest.mark.parametrize("owner", ["root", "rooty", "link", "absent", "file"])
async def test_nothing_is_done_as_root_or_without_a_home(
    running: Filer, settings: Settings, open_folder: Path, owner: str
) -> None:
    for name in ("root", "rooty"):
        (settings.home_root / name).mkdir()
    target = open_folder / "elsewhere"
    target.mkdir()
    os.chown(target, ALICE, ALICE)
    (settings.home_root / "link").symlink_to(target)
    (settings.home_root / "file").write_text("")
    kind, reason = await running.write(owner, NAME, MESSAGE)
    assert kind == NEVER
    assert reason
    assert list(target.iterdir()) == []


@as_root
async def test_a_home_of_the_group_root_lends_no_rights_of_it(
    running: Filer, settings: Settings, home: Callable[[str, int], Path]
) -> None:
    path = home("alice", ALICE)
    os.chown(path, ALICE, 0)
    await running.write("alice", NAME, MESSAGE)
    assert (path / ".onifast" / "mail" / NAME).stat().st_gid == ALICE


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "/etc", "a\0b", "x" * 256])
def test_names_that_are_no_single_component_are_refused(name: str) -> None:
    with pytest.raises(CopyRefused):
        check_name(name)


@as_root
async def test_missing_copies_are_found(running: Filer, home: Callable[[str, int], Path]) -> None:
    home("alice", ALICE)
    await running.write("alice", NAME, MESSAGE)
    assert await running.missing("alice", [NAME, "other.eml"]) == ["other.eml"]


async def test_the_loss_of_the_filer_is_noticed(settings: Settings) -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    with pytest.raises(FilerGone):
        await Filer(ours).write("alice", NAME, MESSAGE)


async def test_the_filer_ends_with_its_parent(settings: Settings) -> None:
    channel = start(settings.home_root)
    channel.shutdown(socket.SHUT_WR)
    channel.settimeout(60)
    assert channel.recv(1) == b""
    channel.close()


@as_root
async def test_a_received_message_is_filed_and_its_path_recorded(
    outbox: Outbox, running: Filer, home: Callable[[str, int], Path]
) -> None:
    folder = home("carol", ALICE) / ".onifast" / "mail"
    outbox.reassemble(file_copies=True)
    await outbox.submit("carol@here.test")
    await outbox.round()
    await indexer.run_once(outbox.db)
    filing = Filing(outbox.db, running)
    assert await filing.run_once(1e10) == 1
    assert await filing.run_once(1e10) == 0
    (copy,) = folder.iterdir()
    assert copy.read_bytes() == outbox.mail_of("carol")[0]
    assert outbox.sql("SELECT file_path, filing FROM emails") == [f"{copy}|2"]


@as_root
async def test_the_copy_waits_for_the_verdict_on_junk_and_is_written_once(
    outbox: Outbox, running: Filer, home: Callable[[str, int], Path]
) -> None:
    mail = home("carol", ALICE) / ".onifast" / "mail"
    outbox.reassemble(file_copies=True)
    await outbox.submit("carol@here.test")
    await outbox.round()
    filing = Filing(outbox.db, running)
    assert await filing.run_once(1e10) == 0
    assert not mail.exists()
    await indexer.run_once(outbox.db)
    assert await filing.run_once(1e10) == 1
    assert len(list(mail.iterdir())) == 1
    # Who is killed before it is recorded writes the same file again.
    outbox.sql("UPDATE emails SET filing = 1, file_path = ''")
    assert await filing.run_once(1e10) == 1
    assert len(list(mail.iterdir())) == 1


@as_root
async def test_a_mailbox_users_copy_lies_in_the_panel_users_home_in_a_folder_of_its_own(
    outbox: Outbox, running: Filer, home: Callable[[str, int], Path]
) -> None:
    folder = home("carol", ALICE) / ".onifast" / "mail" / "carol@here.test"
    outbox.reassemble(file_copies=True)
    carol = Address.parse("carol@here.test")
    made = outbox.db.write(lambda tx: mailbox_users.create(tx, carol, "carol", None, 1))
    await outbox.submit("carol@here.test")
    await outbox.round()
    await indexer.run_once(outbox.db)
    filing = Filing(outbox.db, running)
    assert await filing.run_once(1e10) == 1
    (copy,) = folder.iterdir()
    assert copy.read_bytes() == outbox.mail_of(made.account)[0] and copy.stat().st_uid == ALICE
    copy.unlink()
    await filing.look_for_missing()
    assert await filing.run_once(1e10) == 1 and copy.exists()


@as_root
@pytest.mark.parametrize(
    "address", ["../../etc@here.test", ".hidden@here.test", "a/b@here.test", "%2Fa@here.test", "..@here.test"]
)
async def test_no_address_leads_out_of_the_mail_directory(
    running: Filer, home: Callable[[str, int], Path], address: str
) -> None:
    folder = home("alice", ALICE) / ".onifast" / "mail"
    kind, path = await running.write("alice", f"{indexing.copy_folder(address)}{NAME}", MESSAGE)
    assert kind == DONE and folder in Path(path).parents and ".." not in Path(path).parts
    assert await running.missing("alice", [f"{indexing.copy_folder(address)}{NAME}", f"x/{NAME}"]) == [f"x/{NAME}"]


@as_root
async def test_copies_that_are_written_together_are_recorded_by_one_commit(
    outbox: Outbox, running: Filer, home: Callable[[str, int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filing_module, "RECORD_SECONDS", 60)
    home("carol", ALICE)
    outbox.reassemble(file_copies=True)
    for _ in range(5):
        await outbox.submit("carol@here.test")
    await outbox.round()
    await indexer.run_once(outbox.db)
    before = outbox.db.data_version()
    assert await Filing(outbox.db, running).run_once(1e10) == 5
    assert outbox.db.data_version() - before == 1
    assert outbox.sql("SELECT filing FROM emails") == ["2"] * 5


@as_root
async def test_a_copy_that_went_missing_is_written_anew(
    outbox: Outbox, running: Filer, home: Callable[[str, int], Path]
) -> None:
    folder = home("carol", ALICE) / ".onifast" / "mail"
    outbox.reassemble(file_copies=True)
    for _ in range(3):
        await outbox.submit("carol@here.test")
    await outbox.round()
    await indexer.run_once(outbox.db)
    filing = Filing(outbox.db, running)
    await filing.run_once(1e10)
    gone, kept, _ = sorted(folder.iterdir())
    gone.unlink()
    await filing.look_for_missing()
    assert [item.id for item in outbox.db.read(lambda tx: indexing.unfiled(tx, 1e10))] == [1]
    await filing.run_once(1e10)
    assert gone.read_bytes() == kept.read_bytes()


@as_root
async def test_what_cannot_be_filed_says_why_and_holds_nobody_up(
    outbox: Outbox, running: Filer, home: Callable[[str, int], Path]
) -> None:
    home("carol", ALICE)
    outbox.reassemble(file_copies=True)
    await outbox.submit("alice@here.test", "carol@here.test")
    await outbox.round()
    await indexer.run_once(outbox.db)
    await Filing(outbox.db, running).run_once(1e10)
    assert outbox.sql("SELECT owner, filing, filing_error FROM emails ORDER BY owner") == [
        "alice|3|the owner is no Unix user and has no home",
        "carol|2|",
    ]


async def test_a_home_that_hangs_is_not_waited_for_with_each_of_its_messages(
    settings: Settings, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried, write = open_folder / "tried", filer.carry_out

    def hang(home_root: Path, request: filer.FilerRequest, *, sweep: bool) -> str:
        with tried.open("a") as log:
            log.write(f"{request.owner}\n")
        if request.owner == "mallory":
            signal.pause()
        return write(home_root, request, sweep=sweep)

    monkeypatch.setattr(filer, "PATIENCE", 0.2)
    monkeypatch.setattr(filer, "carry_out", hang)
    monkeypatch.setattr(capabilities, "can_become_others", lambda: False)
    client = Filer(start(settings.home_root))
    first = await client.write("mallory", NAME, MESSAGE)
    second = await client.write("mallory", NAME, MESSAGE)
    assert await client.missing("mallory", [NAME]) == []
    assert (await client.write("alice", NAME, MESSAGE))[0] == DONE
    await client.close()
    assert (first[0], second) == (LATER, (LATER, "the owner's home did not answer a while ago"))
    assert tried.read_text().split() == ["mallory", "alice"]
