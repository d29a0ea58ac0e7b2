"""sendmail as programs call it: what it takes, what it hands in, and what becomes of mail that nobody takes now."""

from __future__ import annotations

import io
import os
import pwd
from pathlib import Path

import pytest
from onifast_shared.sendmail import command_line, waiting_files
from onifast_shared.sendmail.command_line import BadOption, SendmailWish
from onifast_shared.sendmail.main import main

from fakes.smtp_server import ScriptedSmtpServer

ME = pwd.getpwuid(os.getuid()).pw_name
MESSAGE = b"To: Bob <bob@x.test>,\n\tann@x.test\nBcc: secret@x.test\nSubject: hi\n\none\n.\ntwo\n"
NOBODY = ("127.0.0.1", 1)


@pytest.mark.parametrize(
    ("words", "wish"),
    [
        (["-t", "-i"], SendmailWish(from_header=True, dot_ends=False)),
        (["-ti"], SendmailWish(from_header=True, dot_ends=False)),
        (["-oi", "-oem", "-f", "a@x", "b@x"], SendmailWish(recipients=("b@x",), dot_ends=False, sender="a@x")),
        (["-fa@x", "-FAnn Lee", "--", "-b@x"], SendmailWish(recipients=("-b@x",), sender="a@x", full_name="Ann Lee")),
        (["-f", "", "b"], SendmailWish(recipients=("b",), sender="<>")),
        (["-bs"], SendmailWish(mode="speak")),
        (["-bp"], SendmailWish(mode="list")),
        (["-q15m"], SendmailWish(mode="nothing")),
        (["-N", "never", "-R", "hdrs", "-em", "b"], SendmailWish(recipients=("b",))),
    ],
)  # fmt: skip
def test_options_are_read_as_programs_write_them(words: list[str], wish: SendmailWish) -> None:
    assert command_line.parse(words) == wish


@pytest.mark.parametrize("words", [["-z"], ["-bz"], ["-b"]])
def test_options_that_there_are_not_are_told(words: list[str]) -> None:
    with pytest.raises(BadOption):
        command_line.parse(words)
    assert main(words) == 64


def run(server: tuple[str, int], home: Path, *words: str, message: bytes = MESSAGE) -> int:
    return main(words, io.BytesIO(message), server, str(home))


def test_recipients_of_the_header_get_it_and_bcc_is_taken_out(tmp_path: Path) -> None:
    with ScriptedSmtpServer() as server:
        assert run(("127.0.0.1", server.port), tmp_path, "-t", "-i") == 0
        (message,) = server.wait_for_messages(1)
    assert message.rcpt_to == ("bob@x.test", "ann@x.test", "secret@x.test")
    assert message.mail_from == f"{ME}@localhost"
    assert b"Bcc" not in message.data and b"\r\none\r\n.\r\ntwo\r\n" in message.data
    assert f"<{ME}@localhost>".encode() in message.data or f"From: {ME}@localhost".encode() in message.data


def test_without_i_a_dot_ends_it_and_bare_names_are_users_here(tmp_path: Path) -> None:
    with ScriptedSmtpServer() as server:
        assert run(("127.0.0.1", server.port), tmp_path, "-f", "<>", "root") == 0
        (message,) = server.wait_for_messages(1)
    assert (message.mail_from, message.rcpt_to) == ("", ("root@localhost",)) and b"two" not in message.data


def test_what_is_refused_for_good_is_told_and_not_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedSmtpServer({"RCPT": "550 5.1.1 nobody of that name"}) as server:
        assert run(("127.0.0.1", server.port), tmp_path, "b@x.test") == 69
    assert "550 5.1.1 nobody of that name" in capsys.readouterr().err and not list(tmp_path.iterdir())
    assert run(NOBODY, tmp_path, message=b"x\n") == 65, "nobody is to get it"
    assert run(NOBODY, tmp_path, "a b@x.test\r\nRCPT TO:<c@x.test>") == 65


def test_what_nobody_takes_now_is_kept_and_handed_in_later(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(NOBODY, tmp_path, "-f", "ann@x.test", "b@x.test") == 0
    with ScriptedSmtpServer({"MAIL": "452 4.3.1 not enough storage"}) as server:
        assert run(("127.0.0.1", server.port), tmp_path, "-f", "ann@x.test", "c@x.test") == 0
        assert waiting_files.collect(tmp_path, ("127.0.0.1", server.port)) == 0
    assert main(["-bp"], io.BytesIO(), NOBODY, str(tmp_path)) == 0
    assert capsys.readouterr().out.count("waits: <ann@x.test> to ") == 2
    (folder := tmp_path / ".onifast/submit").joinpath("0-broken.msg").write_text("no envelope\nx")
    with ScriptedSmtpServer({"RCPT": ["250 ok", "550 5.1.1 unknown"]}) as server:
        assert waiting_files.collect(tmp_path, ("127.0.0.1", server.port)) == 3
        (message,) = server.messages
    assert message.mail_from == "ann@x.test" and b"\r\none\r\n" in message.data
    kept = sorted(each.name for each in folder.iterdir())
    assert [Path(name).suffix for name in kept] == [".reason", ".refused"] * 2, "each with why, for its writer to see"
    assert (folder.stat().st_mode & 0o777, {each.stat().st_mode & 0o777 for each in folder.glob("2*")}) == (
        0o700,
        {0o600},
    )


def test_where_nothing_can_be_kept_it_is_to_be_tried_again(tmp_path: Path) -> None:
    (tmp_path / ".onifast").symlink_to(tmp_path / "elsewhere")
    assert run(NOBODY, tmp_path, "b@x.test") == 75
    assert run(NOBODY, tmp_path / "missing", "b@x.test") == 75
