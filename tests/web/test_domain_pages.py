"""The pages of domains: which DNS is ready, what to publish, what is there, and what is wrong, in words."""

from __future__ import annotations

import json

import pytest
from onifast_shared.ctl import main as ctl
from onifast_shared.db.database import Database
from onifast_shared.domain_dns import zone
from onifast_shared.domain_dns.records import RecordState
from onifast_shared.machine.config import Settings
from playwright.sync_api import Browser as Chrome
from playwright.sync_api import expect

from fakes.dns import DnsServer, Failure
from peers.browser import PHONE, page_of
from web.browsing import fits, log_in
from web.support import Browser, Live, Panel, give_address, words

RECORDS = "/domains/dns?domain=example.test"


@pytest.fixture
def host(dns: DnsServer) -> DnsServer:
    """A DNS in which this host has its name and an address, and the address its name."""
    dns.load({"mail.host.test": {"A": "192.0.2.7"}, "7.2.0.192.in-addr.arpa": {"PTR": "mail.host.test."}})
    return dns


def publish_all(panel: Panel, host: DnsServer) -> None:
    panel.post("/api/mail/dkim", {"domain": "example.test", "action": "generate"})
    for each in (panel.get("/api/mail/domains/dns", domain="example.test").json or {})["records"]:
        host.set(each["name"], each["type"], each["value"])


def test_the_list_says_what_is_known_and_asks_nobody(browser: Browser, panel: Panel, host: DnsServer) -> None:
    asked = len(host.queries)
    assert "example.test Not looked at never" in browser.text_of("/domains")
    assert len(host.queries) == asked
    assert "3 problems" in browser.text_of(RECORDS)
    assert "example.test 3 problems" in browser.text_of("/domains")
    publish_all(panel, host)
    assert "Ready" in browser.text_of(RECORDS)
    assert "example.test Ready" in browser.text_of("/domains")
    row = (panel.get("/api/mail/domains").json or {})["domains"][0]
    assert (row["domain"], row["dns"]) == ("example.test", "good") and row["dns_checked_at"]


def test_a_page_says_what_to_publish_what_is_there_and_what_is_wrong(browser: Browser, host: DnsServer) -> None:
    host.set("example.test", "MX", "10 mx.other.test")
    page = browser.get(RECORDS).text
    text = words(page)
    assert "Mail for example.test goes to mx.other.test, and not to mail.host.test." in text
    assert "10 mx.other.test." in text and '<code id="value-needed-1"' in page
    assert "v=spf1 a:mail.host.test ~all" in text and "example.test has no SPF record." in text
    assert "Missing" in text and "Not published" in text
    assert "There is no key yet" in text


def test_what_others_put_into_dns_is_shown_as_text(browser: Browser, host: DnsServer) -> None:
    host.set("example.test", "TXT", 'v=spf1 <script>alert(1)</script> "; -all')
    page = browser.get(RECORDS).text
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)" in page


def test_where_dns_does_not_answer_the_page_says_so(browser: Browser, host: DnsServer) -> None:
    host.fail("example.test", Failure.SERVFAIL)
    assert "DNS gave no answer about example.test." in browser.text_of(RECORDS)


def test_others_do_not_see_it(browser: Browser, host: DnsServer) -> None:
    for path in ("/domains/dns", "/domains/zone"):
        assert browser.get(f"{path}?domain=other.test").status_code == 404
        assert browser.get(f"{path}?domain=..").status_code == 422
        assert browser.get(path).status_code == 422
    assert "other.test" not in browser.text_of("/domains")


def test_who_has_an_address_in_a_domain_sees_it_too(browser: Browser, database: Database, host: DnsServer) -> None:
    give_address(database, "demo@other.test", "demo")
    assert "other.test" in browser.text_of("/domains")
    assert browser.get("/domains/dns?domain=other.test").status_code == 200


def test_the_zone_file_has_each_record_as_a_line(browser: Browser, host: DnsServer) -> None:
    answer = browser.get("/domains/zone?domain=example.test")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="example.test.zone"'
    lines = answer.text.splitlines()
    assert "example.test. IN MX 10 mail.host.test." in lines
    assert "; in another zone: 7.2.0.192.in-addr.arpa. IN PTR mail.host.test." in lines
    assert all(line.startswith(("example.test.", "_", ";")) for line in lines)


def test_no_value_ends_its_line_of_a_zone_file() -> None:
    record = RecordState("spf", "TXT", "a.test", 'v=spf1 "\n\n$INCLUDE /etc/passwd\\ é')
    assert zone.fragment("a.test", [record]).splitlines()[1:] == [
        'a.test. IN TXT "v=spf1 \\034\\010\\010$INCLUDE /etc/passwd\\092 \\195\\169"'
    ]


def test_a_domain_may_have_a_policy_of_its_own(panel: Panel, host: DnsServer) -> None:
    def served() -> str:
        headers = {"Host": "mta-sts.example.test"}
        return panel.client.get("/.well-known/mta-sts.txt", headers=headers).text

    def change(**more: object) -> int:
        body = {"domain": "example.test"} | more
        return panel.client.patch("/api/mail/domains", json=body, headers=panel.headers).status_code

    assert "mode: testing" in served()
    assert change(mta_sts="enforce") == 200
    assert "mode: enforce" in served()
    assert change(mta_sts="off") == 200
    assert "mode:" not in served()
    assert change(mta_sts="default") == 200
    assert "mode: testing" in served()
    assert (change(), change(mta_sts="loud")) == (422, 422)
    demo = panel.acting_for("demo")
    body = {"domain": "example.test", "mta_sts": "enforce"}
    assert demo.client.patch("/api/mail/domains", json=body, headers=demo.headers).status_code == 403


def test_the_same_at_the_shell(
    database: Database, host: DnsServer, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {"ONIFAST_MAIL_ROOT": str(settings.root), "ONIFAST_MAIL_HOSTNAME": settings.hostname}
    environ |= {"ONIFAST_MAIL_DNS_SERVERS": host.address}

    def run(*arguments: str) -> tuple[int, str]:
        status = ctl.main(["domain", *arguments], environ)
        return status, capsys.readouterr().out

    assert run("mta-sts", "example.test", "enforce") == (0, "")
    assert run("mta-sts", "none.test", "enforce")[0] == 1
    status, out = run("dns", "example.test", "--zone")
    assert status == 0 and "example.test. IN MX 10 mail.host.test.\n" in out
    (row,) = [each for each in json.loads(run("list", "--json")[1]) if each["domain"] == "example.test"]
    assert (row["mta_sts"], row["dns"]) == ("enforce", "wrong") and row["dns_checked_at"].endswith("Z")


@pytest.mark.peers
def test_its_pages_fit_a_phone_and_a_value_is_copied(chrome: Chrome, live: Live, host: DnsServer) -> None:
    with page_of(chrome, live.url, viewport=PHONE) as page:
        log_in(page)
        for path in ("/domains", RECORDS):
            page.goto(path)
            fits(page)
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.get_by_role("button", name="Copy value").first.click()
        page.wait_for_function("async () => (await navigator.clipboard.readText()).startsWith('10 mail.host.test')")
        expect(page.get_by_role("link", name="Check again")).to_be_visible()
