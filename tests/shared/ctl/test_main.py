"""onifast-mailctl: each command, as an administrator or a script would call it."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from onifast_shared.accounts import api_tokens, app_passwords, sessions
from onifast_shared.ctl import main as ctl
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import contents
from onifast_shared.queue import store as queue
from onifast_shared.transport import relay


@dataclass(frozen=True)
class Result:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Result]


@pytest.fixture
def run(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs one command on the test's tree."""
    for username, content in {"ann": {"password": "x"}, "bob": {"role": "admin"}, "eve": {"disabled": True}}.items():
        (settings.users_dir / f"{username}.json").write_text(json.dumps(content))
    environ = {
        "ONIFAST_MAIL_ROOT": str(settings.root),
        "ONIFAST_MAIL_HOSTNAME": settings.hostname,
        "ONIFAST_MAIL_RUN_AS": "root",
    }

    def run_command(*words: str, **more: str) -> Result:
        status = ctl.main(words, environ | more)
        captured = capsys.readouterr()
        return Result(status, captured.out, captured.err)

    return run_command


def test_an_sso_link_can_be_redeemed_once(run: Run, database: Database) -> None:
    issued = run("sso", "issue", "ann", "--json", ONIFAST_MAIL_URL_PREFIX="/mail").json
    assert issued["path"] == f"/mail/sso-login?token={issued['token']}"
    assert issued["expires_at"].endswith("Z")
    redeem = [database.write(lambda tx: sessions.redeem_sso(tx, issued["token"], time.time())) for _ in range(2)]
    assert redeem == ["ann", None]


def test_an_sso_link_is_printed_alone(run: Run) -> None:
    result = run("sso", "issue", "ann")
    assert result.status == 0
    assert result.out.startswith("/sso-login?token=")
    assert result.out.count("\n") == 1


@pytest.mark.parametrize("user", ["nobody", "../ann", "eve"])
@pytest.mark.parametrize(
    "command", [("sso", "issue", "{}"), ("token", "create", "{}", "x"), ("address", "add", "a@b.test", "{}")]
)
def test_only_a_user_who_may_log_in_is_given_anything(run: Run, user: str, command: tuple[str, ...]) -> None:
    result = run(*(word.format(user) for word in command))
    assert (result.status, result.out) == (2, "")
    assert result.err.count("\n") == 1


def test_users_are_listed_and_broken_files_complained_of(run: Run, settings: Settings) -> None:
    (settings.users_dir / "bad.json").write_text("{")
    result = run("user", "list")
    rows = [line.split("\t")[:4] for line in result.out.splitlines()]
    assert rows == [
        ["ann", "no", "no", "active"],
        ["bad", "no", "no", "broken"],
        ["bob", "yes", "no", "active"],
        ["eve", "no", "yes", "disabled"],
    ]
    assert "bad.json is not valid JSON" in result.err
    assert run("address", "add", "bob@example.test", "bob").status == 0
    assert run("user", "list", "--state", "active", "--q", "B", "--json").json == [
        {"username": "bob", "is_admin": True, "disabled": False, "state": "active"}
        | {"addresses": 1, "domains": 1, "messages": 0, "bytes": 0, "since": None}
    ]
    assert run("user", "list", "--limit", "1").out.startswith("ann\t")


def test_a_user_is_shown_with_what_they_use(run: Run, queued: int) -> None:
    shown = run("user", "show", "ann", "--json").json
    assert shown["state"] == "active" and shown["sent_today"] == {"messages": 1, "recipients": 1}
    counted = {each["counted"]: each for each in shown["limits"]}
    assert counted["messages_per_hour"]["left"] == counted["messages_per_hour"]["limit"] > 0
    assert "\nsent_today\t1\t1\n" in run("user", "show", "ann").out
    nobody = run("user", "show", "nobody")
    assert (nobody.status, nobody.err) == (1, "onifast-mailctl: there is no user nobody\n")


def test_addresses_are_added_listed_and_removed(run: Run) -> None:
    assert run("address", "add", "Ann@Example.test", "ann").status == 0
    assert run("address", "add", "bob@example.test", "bob").status == 0
    rows = run("address", "list", "--json").json
    assert [(row["address"], row["domain"], row["owner"]) for row in rows] == [
        ("Ann@example.test", "example.test", "ann"),
        ("bob@example.test", "example.test", "bob"),
    ]
    assert run("address", "list", "--owner", "bob").out.startswith("bob@example.test\texample.test\tbob\tbob\t")
    assert run("address", "remove", "ann@example.test").status == 0
    assert len(run("address", "list", "--json").json) == 1


def test_addresses_are_filtered_and_change_hands(run: Run) -> None:
    for address in ("a@one.test", "b@one.test", "c@two.test"):
        run("address", "add", address, "ann")
    assert run("address", "set", "b@one.test", "--owner", "bob").status == 0
    assert run("address", "set", "x@one.test", "--owner", "bob").status == 1

    def listed(*words: str) -> list[str]:
        return [row["address"] for row in run("address", "list", "--json", *words).json]

    assert listed("--domain", "one.test") == ["a@one.test", "b@one.test"]
    assert listed("--q", "bob") == listed("--owner", "bob") == ["b@one.test"]
    assert listed("--limit", "1") == ["a@one.test"]


def test_domains_are_listed_shown_given_and_removed(run: Run) -> None:
    assert run("domain", "add", "one.test", "ann").status == 0
    assert run("domain", "add", "One.test", "ann").status == 1
    assert run("domain", "owner", "one.test", "bob").status == 0
    run("address", "add", "a@one.test", "ann")
    run("address", "add", "a@two.test", "ann")
    assert [row["domain"] for row in run("domain", "list", "--owner", "bob", "--json").json] == ["one.test"]
    shown = run("domain", "show", "one.test", "--json").json
    assert (shown["owner"], shown["addresses"], shown["bytes"]) == ("bob", 1, 0)
    refused = run("domain", "remove", "one.test")
    assert refused.status == 1 and "still has addresses (1)" in refused.err
    assert run("domain", "remove", "one.test", "--addresses").status == 0
    for words in (("show", "one.test"), ("owner", "one.test", "bob"), ("remove", "one.test")):
        assert run("domain", *words).status == 1
    assert [row["address"] for row in run("address", "list", "--json").json] == ["a@two.test"]


def test_an_address_that_is_there_or_missing_already_is_status_1(run: Run) -> None:
    run("address", "add", "ann@example.test", "ann")
    again = run("address", "add", "ANN@example.test", "bob")
    assert (again.status, again.err) == (1, "onifast-mailctl: ANN@example.test exists already\n")
    assert run("address", "remove", "none@example.test").status == 1


def test_what_is_no_address_is_status_2(run: Run) -> None:
    result = run("address", "add", "nonsense", "ann")
    assert (result.status, result.err) == (2, "onifast-mailctl: address has no @\n")


def test_a_relay_is_set_shown_without_its_password_and_cleared(
    run: Run, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("relay", "show").status == 1
    secret = tmp_path / "password"
    secret.write_text("s3cret\n")
    assert run("relay", "set", "smart.test", "--user", "me", "--password-file", str(secret)).status == 0
    shown = run("relay", "show")
    assert shown.out == "smart.test\t587\tstarttls\tme\tyes\n"
    stored = database.read(relay.get)
    assert stored is not None
    assert stored.password.reveal() == "s3cret"
    monkeypatch.setattr(sys, "stdin", io.StringIO("other\n"))
    assert run("relay", "set", "[IPv6:::1]", "--tls", "tls", "--user", "me", "--password-file", "-").status == 0
    assert run("relay", "show", "--json").json == [
        {"host": "::1", "port": 465, "tls": "tls", "user": "me", "password_set": True}
    ]
    assert run("relay", "clear").status == 0
    assert run("relay", "show").status == 1


@pytest.mark.parametrize(
    "words",
    [
        ("smart..test",),
        ("smart.test", "--port", "0"),
        ("smart.test", "--port", "65536"),
        ("smart.test", "--user", "me"),
        ("smart.test", "--user", "me", "--password-file", "/does/not/exist"),
    ],
)
def test_a_relay_that_makes_no_sense_is_refused(run: Run, words: tuple[str, ...]) -> None:
    result = run("relay", "set", *words)
    assert result.status == 2
    assert result.err.count("\n") == 1
    assert run("relay", "show").status == 1


@pytest.fixture
def queued(database: Database) -> int:
    """The id of a message in the queue."""
    ref = contents.store(database, b"Subject: x\r\n\r\nbody\r\n")
    submission = queue.Submission(sender="ann@example.test", origin="api", owner="ann", subject="x")
    to = [queue.QueuedRecipient("bob@example.net")]
    ids = database.write(lambda tx: queue.enqueue(tx, contents.attach(tx, ref), submission, to, time.time()))
    return ids[0]


def test_queued_mail_is_listed(run: Run, queued: int) -> None:
    (row,) = run("queue", "list", "--json").json
    assert (row["id"], row["status"], row["recipient"]) == (queued, "pending", "bob@example.net")
    columns = run("queue", "list").out.removesuffix("\n").split("\t")
    assert columns[:2] == [str(queued), "pending"]
    assert columns[-1] == "-"
    assert run("queue", "list", "--status", "held").out == ""


def test_queued_mail_is_held_released_and_cancelled(run: Run, queued: int) -> None:
    states = []
    for action in ("hold", "release", "retry", "cancel"):
        assert run("queue", action, str(queued)).status == 0
        states.append(run("queue", "list", "--json").json[0]["status"])
    assert states == ["held", "pending", "pending", "cancelled"]


def test_mail_that_cannot_be_changed_is_named(run: Run, queued: int) -> None:
    result = run("queue", "release", str(queued), "999")
    assert result.status == 1
    assert [line.split(":")[1] for line in result.err.splitlines()] == [f" {queued}", " 999"]


def test_a_dkim_key_is_made_shown_and_not_made_again(run: Run, settings: Settings) -> None:
    assert run("dkim", "show", "example.test").status == 1
    made = run("dkim", "generate", "example.test")
    assert made.out.startswith('mail._domainkey.example.test. IN TXT ( "v=DKIM1; k=rsa; p=')
    assert run("dkim", "show", "example.test").out == made.out
    (record,) = run("dkim", "show", "example.test", "--json").json
    assert (record["name"], record["algorithm"]) == ("mail._domainkey.example.test", "rsa-sha256")
    assert run("dkim", "generate", "example.test").status == 2
    (settings.certs_dir / "example.test" / "dkim_private.pem").chmod(0o644)
    assert "warning" in run("dkim", "show", "example.test").err


def test_a_token_is_made_listed_and_revoked(run: Run, database: Database) -> None:
    made = run("token", "create", "ann", "my script", "--json").json
    found = database.read(lambda tx: api_tokens.find(tx, made["token"]))
    assert found is not None
    assert found.username == "ann"
    assert run("token", "list", "ann").out.split("\t")[:2] == [str(made["id"]), "my script"]
    assert run("token", "revoke", "bob", str(made["id"])).status == 1
    assert run("token", "revoke", "ann", str(made["id"])).status == 0
    assert run("token", "list", "ann").out == ""


def test_a_token_may_do_what_its_scopes_say_until_it_ends(run: Run) -> None:
    run("token", "create", "ann", "a", "--scope", "read,send", "--scope", "manage", "--expires", "90d")
    run("token", "create", "ann", "b", "--expires", "2030-01-01T00:00:00Z")
    first, second = run("token", "list", "ann", "--json").json
    assert first["scopes"] == "read send manage" and first["expires_at"] > first["created_at"]
    assert (second["scopes"], second["expires_at"]) == ("read send manage admin", "2030-01-01T00:00:00Z")


@pytest.mark.parametrize(
    "words", [("--scope", "all"), ("--expires", "soon"), ("--expires", "2001-01-01T00:00:00Z")], ids=" ".join
)
def test_what_a_token_cannot_be_is_one_line(run: Run, words: tuple[str, str]) -> None:
    result = run("token", "create", "ann", "x", *words)
    assert (result.status, result.err.count("\n")) == (2, 1)


def test_good_settings_are_said_to_be_good(run: Run) -> None:
    result = run("check-config")
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith("settings are good: ")


def test_a_wrong_setting_is_status_2_and_one_line(run: Run) -> None:
    result = run("check-config", ONIFAST_MAIL_OUTBOUND_PORT="many")
    assert result.status == 2
    assert result.err.count("\n") == 1
    assert "ONIFAST_MAIL_OUTBOUND_PORT" in result.err


def test_what_would_break_later_is_found_by_checking(run: Run, settings: Settings) -> None:
    (settings.users_dir / "bad.json").write_text("{")
    (settings.certs_dir / "a.test").mkdir()
    (settings.certs_dir / "a.test" / "dkim_private.pem").write_text("nonsense")
    result = run("check-config")
    assert result.status == 1
    assert "bad.json is not valid JSON" in result.err
    assert "dkim_private.pem is not a private key" in result.err
    assert not settings.database.exists()


def test_missing_directories_are_found_by_checking(run: Run, settings: Settings) -> None:
    for file in settings.users_dir.iterdir():
        file.unlink()
    for directory in (settings.users_dir, settings.certs_dir, settings.config_dir):
        directory.rmdir()
    result = run("check-config")
    assert result.status == 1
    assert len(result.err.splitlines()) == 3


def test_a_database_that_cannot_be_opened_is_status_2_and_one_line(run: Run, settings: Settings) -> None:
    settings.database.mkdir()
    result = run("queue", "list")
    assert result.status == 2
    assert result.err.count("\n") == 1


def test_a_wrong_command_line_is_status_2(run: Run) -> None:
    for words in (
        (),
        ("queue",),
        ("queue", "retry", "x"),
        ("queue", "list", "--limit", "0"),
        ("fly",),
    ):
        with pytest.raises(SystemExit) as raised:
            run(*words)
        assert raised.value.code == 2


def test_a_hostile_field_cannot_forge_lines_or_columns(run: Run, database: Database) -> None:
    submission = queue.Submission(sender="a\t\x1b[2J\nb", origin="script")
    ref = contents.store(database, b"x")
    to = [queue.QueuedRecipient("x@y\r\nz")]
    database.write(lambda tx: queue.enqueue(tx, contents.attach(tx, ref), submission, to, time.time()))
    out = run("queue", "list").out
    assert out.count("\n") == 1
    assert out.count("\t") == 7
    assert "\x1b" not in out


def test_the_console_script_runs(settings: Settings) -> None:
    script = Path(sys.executable).parent / "onifast-mailctl"
    environ = {
        "ONIFAST_MAIL_ROOT": str(settings.root),
        "ONIFAST_MAIL_HOSTNAME": "h.test",
        "ONIFAST_MAIL_RUN_AS": "root",
    }
    child = subprocess.run([script, "check-config"], env=environ, capture_output=True, text=True, check=False)
    assert (child.returncode, child.stderr) == (0, "")


def test_an_app_password_is_made_listed_and_revoked(run: Run, database: Database) -> None:
    made = run("app-password", "create", "ann", "Phone", "--json").json
    secret = database.write(app_passwords.make_salt_secret)
    opened = app_passwords.opened_by(
        database.read(lambda tx: app_passwords.verifiers_of(tx, "ann", None, secret)), made["password"]
    )
    assert opened is not None
    assert opened.id == made["id"]
    (row,) = run("app-password", "list", "ann", "--json").json
    assert (row["id"], row["name"], row["used_at"], row["used_from"]) == (made["id"], "Phone", None, None)
    assert run("app-password", "revoke", "bob", str(made["id"])).status == 1
    assert run("app-password", "revoke", "ann", str(made["id"])).status == 0
    assert run("app-password", "list", "ann").out == ""


def test_an_app_password_is_printed_alone(run: Run) -> None:
    assert re.fullmatch(r"([2-9a-z]{5}-){3}[2-9a-z]{5}\n", run("app-password", "create", "ann", "Phone").out)


@pytest.mark.parametrize(("user", "name"), [("nobody", "Phone"), ("eve", "Phone"), ("ann", " "), ("ann", "Phone")])
def test_an_app_password_needs_a_user_who_may_log_in_and_a_name_of_its_own(run: Run, user: str, name: str) -> None:
    run("app-password", "create", "ann", "Phone")
    result = run("app-password", "create", user, name)
    assert (result.status, result.out, result.err.count("\n")) == (2, "", 1)


def test_forwards_are_made_listed_and_ended(run: Run) -> None:
    run("address", "add", "ann@example.test", "ann")
    assert run("forward", "add", "ann@example.test", "ann@remote.test").status == 0
    again = run("forward", "add", "Ann@example.test", "ANN@remote.test")
    assert (again.status, again.err) == (
        1,
        "onifast-mailctl: Ann@example.test is forwarded to ANN@remote.test already\n",
    )
    assert run("forward", "add", "*@example.test", "bob@remote.test", "--owner", "bob").status == 0
    assert [row["target"] for row in run("forward", "list", "--json").json] == ["bob@remote.test", "ann@remote.test"]
    assert [row["target"] for row in run("forward", "list", "--owner", "bob", "--json").json] == ["bob@remote.test"]
    assert run("forward", "remove", "ann@example.test", "other@remote.test").status == 1
    assert run("forward", "remove", "ann@example.test").status == 0
    assert run("forward", "list").out.startswith("*@example.test\tbob@remote.test\tbob\t")
    assert run("forward", "add", "no address", "x@y.test").status == 2


def test_domain_aliases_are_made_listed_and_ended(run: Run) -> None:
    assert run("domain", "alias", "Münch.test", "example.test").status == 0
    assert run("domain", "aliases").out.startswith("xn--mnch-0ra.test\texample.test\t")
    assert run("domain", "alias", "a.test", "a.test").status == 2
    assert run("domain", "unalias", "münch.test").status == 0
    assert run("domain", "unalias", "münch.test").status == 1


def test_quotas_are_set_shown_and_given_back(run: Run) -> None:
    assert run("quota", "set", "ann", "500 MiB").status == 0
    assert run("quota", "set", "Info@example.test", "1000").status == 0
    assert run("quota", "show", "ann").out == f"owner\tann\t{500 * 2**20}\t0\t0\n"
    assert {row["name"]: row["limit"] for row in run("quota", "show", "--json").json} == {
        "ann": 500 * 2**20,
        "info@example.test": 1000,
    }
    assert run("quota", "set", "ann", "default").status == 0
    assert run("quota", "show", "ann", "--json", ONIFAST_MAIL_DEFAULT_OWNER_QUOTA="7 MiB").json[0]["limit"] == 7 * 2**20
    for words in (("ann", "much"), ("nobody", "1"), ("ann", "-1")):
        assert run("quota", "set", *words).status == 2


def test_it_tells_the_version_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        ctl.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"onifast-mailctl {version('onifast-mail')}\n"
