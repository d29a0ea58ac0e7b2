"""onifast-mailctl dkim: records, what DNS has of them, and a rotation at the shell."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from onifast_shared.ctl import main as ctl
from onifast_shared.dkim import keys as dkim_keys
from onifast_shared.machine.config import Settings

from fakes.dns import DnsServer

DOMAIN = "example.test"


class Shell:
    """The command on the test's tree, with the test's DNS."""

    def __init__(self, settings: Settings, dns: DnsServer, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._environ = {
            "ONIFAST_MAIL_ROOT": str(settings.root),
            "ONIFAST_MAIL_HOSTNAME": settings.hostname,
            "ONIFAST_MAIL_DNS_SERVERS": dns.address,
        }
        self.dns = dns
        self.out = self.err = ""

    def __call__(self, *words: str) -> int:
        status = ctl.main(["dkim", *words], self._environ)
        self.out, self.err = self._capsys.readouterr()
        return status

    def publish(self) -> None:
        """Puts what was printed last into DNS."""
        for line in self.out.splitlines():
            name, _, strings = line.partition(". IN TXT ( ")
            self.dns.set(name, "TXT", "".join(strings.removesuffix(" )").split('"')[1::2]))


@pytest.fixture
def shell(settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    monkeypatch.setattr(dkim_keys, "_NEW_RSA_BITS", 1024)
    with DnsServer({}) as dns:
        yield Shell(settings, dns, capsys)


def test_a_rotation_at_the_shell(shell: Shell) -> None:
    assert shell("generate", DOMAIN) == 0
    shell.publish()
    assert shell("check", DOMAIN) == 0 and shell.out.splitlines() == ["mail\tactive\tpublished\t-"]
    assert shell("rotate", DOMAIN) == 0 and shell.out.count("_domainkey") == 1
    new = shell.out
    assert shell("switch", DOMAIN) == 1 and "not switched: There is no TXT record at" in shell.err
    assert shell("check", DOMAIN) == 1 and "publishing\tnot published\tThere is no TXT record" in shell.out
    assert shell("show", DOMAIN) == 0 and shell.out.count("_domainkey") == 2
    shell.out = new
    shell.publish()
    assert shell("switch", DOMAIN) == 0
    assert shell.out.startswith(f"Keep mail._domainkey.{DOMAIN} until ")
    assert shell("retire", DOMAIN) == 0
    assert shell.out == f"mail._domainkey.{DOMAIN} is needed no more: remove it from DNS.\n"
    assert shell("check", DOMAIN) == 0


def test_a_switch_is_forced_or_called_off(shell: Shell) -> None:
    shell("generate", DOMAIN)
    shell("rotate", DOMAIN)
    assert shell("abort", DOMAIN) == 0
    shell("rotate", DOMAIN)
    assert shell("switch", DOMAIN, "--force", "--json") == 0
    assert '"state": "active"' in shell.out and '"state": "retiring"' in shell.out


@pytest.mark.parametrize("command", ["rotate", "switch", "abort", "retire"])
def test_what_does_not_apply_is_said(shell: Shell, command: str) -> None:
    assert shell(command, DOMAIN) == 2
    assert DOMAIN in shell.err


def test_a_domain_without_a_key_is_said_to_have_none(shell: Shell) -> None:
    assert shell("check", DOMAIN) == 1 and "goes out unsigned" in shell.err


def test_a_domain_may_be_written_in_any_form(shell: Shell) -> None:
    assert shell("generate", "BÜCHER.example") == 0
    assert shell("rotate", "bücher.example") == 0
    assert shell("abort", "xn--bcher-kva.EXAMPLE") == 0
    assert shell("show", "../x") == 2
