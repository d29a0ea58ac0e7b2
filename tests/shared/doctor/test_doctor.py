"""The doctor: what it finds on hosts that have something wrong, with real DNS answers, servers and certificates."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from onifast_shared.ctl import main as ctl
from onifast_shared.db.database import Database
from onifast_shared.dkim import keys
from onifast_shared.doctor import chains, examination
from onifast_shared.health.checks import HealthFinding, State
from onifast_shared.machine import own_addresses
from onifast_shared.machine.config import Listen, Settings
from onifast_shared.machine.log import Secret
from onifast_shared.recipients import domains
from onifast_shared.transport import relay
from onifast_shared.transport.relay import Relay

from fakes.certificates import Authority
from fakes.dns import DnsServer, ZoneData
from fakes.smtp_server import ScriptedSmtpServer

OURS = "203.0.113.9"
GOOD: ZoneData = {
    "mail.host.test": {"A": "127.0.0.1"},
    "1.0.0.127.in-addr.arpa": {"PTR": "mail.host.test"},
    "always.test": {"MX": "10 mx.always.test"},
    "mx.always.test": {"A": "127.0.0.1"},
}


@pytest.fixture(autouse=True)
def unconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own addresses are not the tests'."""
    monkeypatch.setattr(own_addresses, "public", lambda: ())


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with DnsServer(GOOD) as server:
        yield server


@pytest.fixture
def host(settings: Settings, database: Database, dns: DnsServer) -> Iterator[Settings]:
    """A host whose own server, and that of another site, is one that greets by its name."""
    with ScriptedSmtpServer(hostname=settings.hostname) as server:
        yield dataclasses.replace(
            settings,
            dns_servers=(("127.0.0.1", dns.port),),
            smtp_listen=(Listen("0.0.0.0", server.port),),
            outbound_port=server.port,
            doctor_probe_domain="always.test",
            doctor_blocklists=("list.test", "deaf.test"),
        )


def found(settings: Settings, *checks: str) -> list[HealthFinding]:
    return examination.examine(settings, checks)


def texts(settings: Settings, *checks: str) -> list[str]:
    return [f"{each.state}: {each.text}" for each in found(settings, *checks)]


def test_a_host_that_other_sites_like_has_nothing_to_mend(host: Settings) -> None:
    assert [each.state for each in found(host, "reverse", "port-out", "port-in")] == [State.OK] * 3


def test_an_address_needs_a_name_that_leads_back(host: Settings, dns: DnsServer) -> None:
    dns.load({**GOOD, "1.0.0.127.in-addr.arpa": {"PTR": "pool-7.isp.test"}})
    assert texts(host, "reverse") == ["warning: 127.0.0.1 is called pool-7.isp.test, and says mail.host.test in EHLO"]
    dns.load({"mail.host.test": {"A": OURS}})
    (one,) = found(host, "reverse")
    assert one.state is State.FAILED and f"the address {OURS}" in one.remedy
    dns.remove("mail.host.test")
    assert "has no address in DNS" in texts(host, "reverse")[0]


def test_closed_ports_and_strangers_at_our_name_are_told(host: Settings, dns: DnsServer) -> None:
    with ScriptedSmtpServer({"CONNECT": "554 no"}, hostname="other.test") as other:
        moved = dataclasses.replace(host, smtp_listen=(Listen("0.0.0.0", other.port),), outbound_port=other.port)
        (out,) = found(moved, "port-out")
    assert out.state is State.FAILED and "relay set" in out.remedy and "554 no" in out.text
    assert found(moved, "port-in")[0].state is State.WARNING, "from here it cannot be told for sure"
    with ScriptedSmtpServer(hostname="other.test") as other:
        moved = dataclasses.replace(host, smtp_listen=(Listen("0.0.0.0", other.port),))
        assert "another server answers: 220 other.test" in texts(moved, "port-in")[0]
    local = dataclasses.replace(host, smtp_listen=(Listen("127.0.0.1", 25),))
    assert "listens to this machine alone" in texts(local, "port-in")[0]


def test_what_dns_does_not_answer_is_no_failure(host: Settings, database: Database, dns: DnsServer) -> None:
    database.write(lambda tx: domains.add(tx, "shop.test", "ann"))
    keys.generate(host.certs_dir, "shop.test", host.dkim_selector)
    dns.silent = True
    hasty = dataclasses.replace(host, dns_timeout=0.5)
    told = found(hasty, "reverse", "port-in", "port-out", "domains")
    assert len(told) == 4 and all(each.state is State.OK and "not known" in each.text for each in told), told


def test_block_lists_are_quoted_and_those_that_do_not_answer_are_no_trouble(host: Settings, dns: DnsServer) -> None:
    source = {"mail.host.test": {"A": "8.8.4.4"}}
    dns.load({**source, "4.4.8.8.list.test": {"A": "127.0.0.2", "TXT": "spam from here"}})
    (listed,) = found(host, "blocklists")
    assert (listed.state, listed.subject) == (State.FAILED, "8.8.4.4 list.test") and "spam from here" in listed.text
    dns.remove("4.4.8.8.list.test")
    dns.load({**source, "4.4.8.8.deaf.test": {"A": "127.255.255.254"}})
    (deaf,) = found(host, "blocklists")
    assert deaf.state is State.OK and "does not answer this resolver" in deaf.text


def test_where_a_relay_takes_the_mail_its_operator_sees_to_names_and_lists(host: Settings, database: Database) -> None:
    smart = Relay("127.0.0.1", host.outbound_port, "", Secret(""), "none")
    database.write(lambda tx: relay.put(tx, smart))
    assert [each.state for each in found(host, "reverse", "blocklists", "port-out")] == [State.OK] * 3


def test_each_domain_is_told_what_it_lacks_with_the_line_to_publish(host: Settings, database: Database) -> None:
    database.write(lambda tx: domains.add(tx, "shop.test", "ann"))
    keys.generate(host.certs_dir, "shop.test", host.dkim_selector)
    problems = {each.subject: each for each in found(host, "domains")}
    assert problems["shop.test mx"].remedy == "publish shop.test. IN MX 10 mail.host.test."
    assert problems["shop.test dmarc"].state is State.WARNING and problems["shop.test dkim"].state is State.FAILED
    row = database.read(lambda tx: domains.find(tx, "shop.test"))
    assert row is not None and row.dns == "wrong", "as the list of domains shows it"


def test_certificates_are_held_against_names_keys_and_authorities(settings: Settings, tmp_path: Path) -> None:
    def told(bundle: Path) -> list[tuple[State, str]]:
        return [(each.state, each.text) for each in chains.look_at(settings, bundle)]

    assert told(tmp_path)[0][1].startswith("mail.host.test has no certificate")
    ours, others = Authority(settings.certs_dir), Authority(tmp_path)
    good, stranger = ours.issue("mail.host.test"), others.issue("x.test")
    assert [state for state, _ in told(good.authority)] == [State.OK]
    ((state, text),) = told(stranger.authority)
    assert state is State.FAILED and "leads to no authority" in text
    (settings.certs_dir / "mail.host.test/privkey.pem").write_bytes(stranger.key.read_bytes())
    assert "its key cannot be used with it" in told(good.authority)[0][1]
    ours.issue("elsewhere.test").chain.parent.rename(settings.certs_dir / "shop.test")
    ours.issue("mail.host.test")
    assert (State.WARNING, "shop.test: its certificate is for elsewhere.test") in told(good.authority)


def test_a_damaged_database_and_the_rest_are_told_at_the_shell(
    host: Settings, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {"ONIFAST_MAIL_ROOT": str(host.root), "ONIFAST_MAIL_HOSTNAME": host.hostname}
    assert ctl.main(["doctor", "integrity", "wal", "--json"], environ) == 0
    assert [each["check"] for each in json.loads(capsys.readouterr().out)["findings"]] == ["integrity", "wal"]
    assert ctl.main(["doctor", "nonsense"], environ) == 2
    database.close()
    with host.database.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 4096 * 8)
    assert ctl.main(["doctor", "integrity", "--quiet"], environ) == 1
