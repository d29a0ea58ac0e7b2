"""onifast-mailctl setup, as somebody who is not root runs it: no accounts, and all below a root of their own."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from onifast_shared.accounts.panel_users import UserDirectory
from onifast_shared.ctl import main as ctl
from onifast_shared.machine.config import Settings
from onifast_shared.machine.own_addresses import public

from fakes.dns import DnsServer

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with DnsServer() as server:
        yield server


@pytest.fixture
def environ(tmp_path: Path, dns: DnsServer) -> dict[str, str]:
    return {"ONIFAST_MAIL_ROOT": str(tmp_path / "panel"), "ONIFAST_MAIL_DNS_SERVERS": f"127.0.0.1:{dns.port}"}


@pytest.fixture
def run(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)

    def run_command(*words: str, typed: str | None = None) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", Terminal(typed) if typed is not None else io.StringIO())
        return ctl.main(["setup", *words], environ), *capsys.readouterr()

    return run_command


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


FLAGS = ("example.org", "--hostname", "mail.example.org", "--user", "ann")


def test_all_is_made_and_what_to_publish_is_said(run: Run, environ: dict[str, str], tmp_path: Path) -> None:
    status, out, err = run(*FLAGS)
    assert (status, err) == (0, "")
    settings = Settings.load(environ)
    assert (settings.hostname, settings.postmaster, settings.administrators) == ("mail.example.org", "ann", ("ann",))
    password = next(line.split()[1] for line in out.splitlines() if line.startswith("password:"))
    user = UserDirectory(settings).authenticate("ann", password)
    assert user is not None and user.is_admin
    for line in ("to publish: example.org. IN MX 10 mail.example.org.", "address:    ann@example.org"):
        assert line in out
    zone = (tmp_path / "panel/config/example.org.zone").read_text()
    assert "mail._domainkey.example.org. IN TXT" in zone and "v=spf1 a:mail.example.org ~all" in zone


def test_run_twice_it_changes_nothing_and_a_second_domain_joins_the_first(run: Run, tmp_path: Path) -> None:
    run(*FLAGS)
    before = {file: file.read_bytes() for file in (tmp_path / "panel").rglob("*") if file.suffix in {".pem", ".toml"}}
    status, out, _ = run("example.org")
    assert status == 0 and "nothing had to be made" in out and "password" not in out
    made = json.loads(run("second.example", "--json")[1])
    assert made["user"] == "ann" and made["hostname"] == "mail.example.org" and made["password"] is None
    assert [each.split()[0] for each in made["made"]] == ["domain", "address", "DKIM"]
    assert {file: file.read_bytes() for file in before} == before


def test_only_what_cannot_be_found_out_is_asked_and_asked_again_if_wrong(run: Run) -> None:
    status, out, asked = run("example.org", typed="no host name\nmail.example.org\nann\n\n")
    assert status == 0 and "address:    ann@example.org" in out
    assert asked.count("Name of this host") == 2 and asked.count("]: ") == 4, asked
    assert run("example.org", typed="\n" * 9)[2].count("]: ") == 1, "the second time, the address alone"


def test_where_a_panel_makes_users_none_is_made_here(run: Run, tmp_path: Path) -> None:
    (users := tmp_path / "panel/users").mkdir(parents=True)
    (users / "shop.json").write_text('{"username": "shop", "password": "x"}')
    status, _, err = run(*FLAGS)
    assert status == 2 and "make the user there first" in err and not (tmp_path / "panel/config").exists()
    assert run("example.org", "--hostname", "mail.example.org")[0] == 0
    assert sorted(users.iterdir()) == [users / "shop.json"]
    assert "writes_users" not in (tmp_path / "panel/config/onifast-mail.toml").read_text()


def test_what_dns_has_already_need_not_be_published(run: Run, dns: DnsServer) -> None:
    dns.load({"example.org": {"MX": "10 mail.example.org.", "TXT": "v=spf1 a:mail.example.org -all"}})
    states: dict[str, Any] = {each["kind"]: each["state"] for each in json.loads(run(*FLAGS, "--json")[1])["records"]}
    assert (states["mx"], states["dkim"]) == ("good", "missing")


def test_addresses_that_nobody_else_reaches_are_not_ours_to_publish() -> None:
    assert not any(address.startswith(("10.", "192.168.", "127.", "fd", "192.0.2.")) for address in public())
