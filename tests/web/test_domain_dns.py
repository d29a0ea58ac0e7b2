"""A domain's DNS in the API and at the shell: what to publish, what is there, and what is wrong with it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from onifast_shared.ctl import main as ctl
from onifast_shared.machine.config import Settings

from fakes.dns import DnsServer, Failure
from web.support import Panel

DNS = "/api/mail/domains/dns"
RELAY = {"relay_host": "relay.test", "relay_port": 25, "relay_tls": "none"}


def look(panel: Panel, domain: str = "example.test") -> dict[str, Any]:
    answer = panel.get(DNS, domain=domain)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json or {}
    return found


def record(found: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(each for each in found["records"] if each["kind"] == kind)


@pytest.fixture
def host(dns: DnsServer) -> DnsServer:
    """A DNS in which this host has its name and an address, and the address its name."""
    dns.load({"mail.host.test": {"A": "192.0.2.7"}, "7.2.0.192.in-addr.arpa": {"PTR": "mail.host.test."}})
    return dns


def test_what_is_shown_makes_a_domain_ready_once_it_is_published(panel: Panel, host: DnsServer) -> None:
    panel.post("/api/mail/dkim", {"domain": "example.test", "action": "generate"})
    before = look(panel.acting_for("demo"))
    assert before["is_ready"] is False
    states = {each["name"]: each["state"] for each in before["records"]}
    assert states == {
        "example.test": "missing",
        "mail.host.test": "good",
        "7.2.0.192.in-addr.arpa": "good",
        "mail._domainkey.example.test": "missing",
        "_dmarc.example.test": "missing",
        "_mta-sts.example.test": "missing",
        "_smtp._tls.example.test": "missing",
        "_submissions._tcp.example.test": "missing",
        "_submission._tcp.example.test": "missing",
    }
    for each in before["records"]:
        host.set(each["name"], each["type"], each["value"])
    after = look(panel)
    assert after["is_ready"] is True
    assert [(each["name"], each["problem"]) for each in after["records"] if each["state"] != "good"] == []
    assert record(after, "mx")["found"] == ["10 mail.host.test."]
    assert record(after, "mx")["zone_line"] == "example.test. IN MX 10 mail.host.test."


@pytest.mark.parametrize(
    ("kind", "published", "told"),
    [
        ("mx", ("", "MX", ["10 mx.other.test"]), ("wrong", "Mail for example.test goes to mx.other.test, and not to")),
        ("mx", ("", "MX", ["0 ."]), ("wrong", "takes no mail")),
        ("mx", ("", "MX", ["5 mx.other.test", "10 mail.host.test"]), ("good", "Mail goes to mx.other.test first.")),
        ("spf", ("", "TXT", ["v=spf1 -all"]), ("wrong", "The record does not let 192.0.2.7 send")),
        ("spf", ("", "TXT", ["v=spf1 ip4:192.0.2.0/24 -all"]), ("good", "")),
        ("spf", ("", "TXT", ["v=spf1 include:_spf.host.test -all"]), ("good", "")),
        ("spf", ("", "TXT", ["v=spf1 redirect=_spf.host.test"]), ("good", "")),
        ("spf", ("", "TXT", ["v=spf1 -a:mail.host.test +all"]), ("wrong", "does not let")),
        ("spf", ("", "TXT", ["v=spf1 include:loop.test -all"]), ("wrong", "more than 10 look-ups")),
        ("spf", ("", "TXT", ["v=spf1 -all", "v=spf1 mx -all"]), ("wrong", "There are 2 SPF records")),
        ("spf", ("", "TXT", ["something else"]), ("missing", "has no SPF record")),
        ("dmarc", ("_dmarc.", "TXT", ["v=DMARC1; p=maybe"]), ("wrong", "p=maybe is no policy")),
        ("dmarc", ("_dmarc.", "TXT", ["v=DMARC1; p"]), ("wrong", "cannot be read")),
        ("dmarc", ("_dmarc.", "TXT", ["v=DMARC1; p=reject"]), ("good", "")),
        ("mta-sts", ("_mta-sts.", "TXT", ["v=STSv1"]), ("wrong", "lacks id=")),
        ("mta-sts", ("_mta-sts.", "TXT", ["v=STSv1; id=7"]), ("good", "")),
        ("tls-rpt", ("_smtp._tls.", "TXT", ["nothing"]), ("wrong", "does not begin with v=TLSRPTv1")),
        ("autoconfig", ("_submissions._tcp.", "SRV", ["0 1 465 smtp.other.test"]), ("wrong", "sent elsewhere")),
    ],
)
def test_what_is_wrong_is_said_in_words(
    panel: Panel,
    host: DnsServer,
    kind: str,
    published: tuple[str, str, list[str]],
    told: tuple[str, str],
) -> None:
    name, rdtype, values = published
    state, problem = told
    host.load(
        {"_spf.host.test": {"TXT": "v=spf1 a:mail.host.test ?all"}, "loop.test": {"TXT": "v=spf1 include:loop.test"}}
    )
    host.set(f"{name}example.test", rdtype, *values)
    found = record(look(panel), kind)
    assert (found["state"], problem in found["problem"]) == (state, True), found


def test_an_spf_record_that_is_there_is_kept_and_completed(panel: Panel, host: DnsServer) -> None:
    host.set("example.test", "TXT", "v=spf1 include:_spf.other.test -all")
    assert record(look(panel), "spf")["value"] == "v=spf1 include:_spf.other.test a:mail.host.test -all"


def test_a_record_of_a_domain_above_counts_for_dmarc(panel: Panel, host: DnsServer) -> None:
    panel.post("/api/mail/domains", {"domain": "shop.example.test", "owner": "demo"})
    host.set("_dmarc.example.test", "TXT", "v=DMARC1; p=reject")
    found = record(look(panel, "shop.example.test"), "dmarc")
    assert (found["state"], found["problem"]) == ("good", "The record of _dmarc.example.test counts for it.")


def test_an_address_of_another_name_is_told(panel: Panel, host: DnsServer) -> None:
    host.set("7.2.0.192.in-addr.arpa", "PTR", "static-7.provider.test.")
    found = record(look(panel), "ptr")
    assert found["state"] == "wrong" and "is called static-7.provider.test" in found["problem"]


def test_behind_a_relay_its_addresses_are_its_operators_to_tell(panel: Panel, host: DnsServer) -> None:
    panel.post("/api/mail/config", RELAY)
    host.set("example.test", "TXT", "v=spf1 include:relay.test -all")
    found = look(panel)
    assert record(found, "spf")["state"] == "good" and "by a relay" in record(found, "spf")["problem"]
    assert "ptr" not in {each["kind"] for each in found["records"]}


def test_what_dns_does_not_answer_is_unknown(panel: Panel, host: DnsServer) -> None:
    host.fail("example.test", Failure.SERVFAIL)
    host.fail("_dmarc.example.test", Failure.REFUSED)
    found = look(panel)
    assert {record(found, kind)["state"] for kind in ("mx", "spf", "dmarc")} == {"unknown"}
    assert record(found, "mx")["problem"] == "DNS gave no answer about example.test."
    assert record(found, "host")["state"] == "good"


def test_another_users_domain_is_not_shown(panel: Panel, dns: DnsServer) -> None:
    asked = len(dns.queries)
    assert panel.acting_for("maria").get(DNS, domain="example.test").status_code == 404
    assert panel.acting_for("demo").get(DNS, domain="none.test").status_code == 404
    assert panel.get(DNS, domain="..").status_code == 422
    assert len(dns.queries) == asked


def test_the_same_at_the_shell(
    panel: Panel, host: DnsServer, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {"ONIFAST_MAIL_ROOT": str(settings.root), "ONIFAST_MAIL_HOSTNAME": settings.hostname}
    environ |= {"ONIFAST_MAIL_DNS_SERVERS": host.address}
    assert ctl.main(["domain", "dns", "example.test"], environ) == 1
    assert capsys.readouterr().out.startswith(
        "mx\tmissing\tMX\texample.test\t10 mail.host.test.\texample.test has no MX"
    )
    assert ctl.main(["domain", "dns", "example.test", "--json"], environ) == 1
    rows = json.loads(capsys.readouterr().out)
    assert [(row["name"], row["value"]) for row in rows] == [
        (each["name"], each["value"]) for each in look(panel)["records"]
    ]
