"""DKIM keys in the API and on their page: records, what DNS has, and a rotation step by step."""

from __future__ import annotations

from typing import Any

import pytest
from onifast_shared.db.database import Database
from onifast_shared.dkim.published import RecordCheck
from onifast_shared.dkim.rotation import Rotations
from onifast_shared.machine.config import Settings

from fakes.dns import DnsServer, Failure
from web.support import Browser, Clock, Panel, give_address

DOMAIN = "example.test"


def act(panel: Panel, action: str, **more: Any) -> dict[str, Any]:
    """One step that must succeed."""
    answer = panel.post("/api/mail/dkim", {"domain": DOMAIN, "action": action} | more)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json or {}
    return found


def info(panel: Panel) -> dict[str, Any]:
    answer = panel.get("/api/mail/dkim", domain=DOMAIN)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json or {}
    return found


def publish(dns: DnsServer, info: dict[str, Any], *states: str) -> None:
    """Has DNS show the records of the keys in these states."""
    for key in info["keys"]:
        if key["state"] in states:
            dns.set(key["dns_name"], "TXT", key["dns_value"])


def states(info: dict[str, Any]) -> dict[str, str]:
    return {key["selector"]: key["state"] for key in info["keys"]}


def test_a_domain_without_a_key_says_so(panel: Panel) -> None:
    assert panel.acting_for("demo").get("/api/mail/dkim", domain="example.test").json == {
        "domain": "example.test",
        "selector": "mail",
        "exists": False,
        "dns_name": "mail._domainkey.example.test",
        "dns_value": None,
        "published": None,
        "rotating": False,
        "keys": [],
        "advice": "Mail of example.test goes out unsigned. Make a key.",
    }


def test_a_new_key_comes_with_its_record_and_dns_is_asked_for_it(panel: Panel, dns: DnsServer) -> None:
    demo = panel.acting_for("demo")
    made = demo.post("/api/mail/dkim", {"domain": "example.test", "action": "generate"}).json
    assert made is not None and made["exists"] and made["dns_value"].startswith("v=DKIM1; k=rsa; p=")
    assert made["published"] is False
    spaced = made["dns_value"].replace("p=", "p= ").replace("; ", ";")
    dns.set("mail._domainkey.example.test", "TXT", spaced)
    assert demo.get("/api/mail/dkim", domain="example.test").json["published"] is True  # type: ignore[index]
    dns.set("mail._domainkey.example.test", "TXT", "v=DKIM1; k=rsa; p=QUJD")
    assert demo.get("/api/mail/dkim", domain="example.test").json["published"] is False  # type: ignore[index]


@pytest.mark.parametrize("failure", [Failure.SERVFAIL, Failure.REFUSED])
def test_published_is_null_while_dns_fails(panel: Panel, dns: DnsServer, failure: Failure) -> None:
    panel.post("/api/mail/dkim", {"domain": "example.test", "action": "generate"})
    dns.fail("mail._domainkey.example.test", failure)
    assert panel.get("/api/mail/dkim", domain="example.test").json["published"] is None  # type: ignore[index]


def test_a_key_is_never_overwritten(panel: Panel) -> None:
    act(panel, "generate")
    assert panel.post("/api/mail/dkim", {"domain": DOMAIN, "action": "generate"}).status_code == 409


def test_a_rotation_waits_for_dns_and_then_switches(panel: Panel, dns: DnsServer) -> None:
    first = act(panel, "generate")
    publish(dns, first, "active")
    begun = act(panel, "rotate")
    new = next(selector for selector, state in states(begun).items() if state == "publishing")
    assert begun["rotating"] and begun["selector"] == "mail" and begun["dns_value"] == first["dns_value"]
    assert begun["advice"].startswith(f"Add {new}._domainkey.example.test to DNS")
    refused = panel.post("/api/mail/dkim", {"domain": DOMAIN, "action": "switch"})
    assert refused.status_code == 409 and "There is no TXT record" in refused.text
    publish(dns, begun, "publishing")
    done = act(panel, "switch")
    assert (done["selector"], done["published"], done["rotating"]) == (new, True, False)
    assert states(done) == {new: "active", "mail": "retiring"}
    assert "Keep mail._domainkey.example.test until" in done["advice"]
    assert states(act(panel, "retire"))["mail"] == "retired"


def test_a_switch_can_be_forced(panel: Panel) -> None:
    act(panel, "generate")
    begun = act(panel, "rotate")
    done = act(panel, "switch", force=True)
    assert done["dns_value"] != begun["dns_value"] and done["published"] is False


def test_a_rotation_can_be_called_off(panel: Panel, settings: Settings) -> None:
    first = act(panel, "generate")
    act(panel, "rotate")
    assert panel.post("/api/mail/dkim", {"domain": DOMAIN, "action": "rotate"}).status_code == 409
    assert states(act(panel, "abort")) == {"mail": "active"}
    assert info(panel)["dns_value"] == first["dns_value"]
    assert [path.name for path in (settings.certs_dir / DOMAIN).iterdir()] == ["dkim_private.pem"]
    assert panel.post("/api/mail/dkim", {"domain": DOMAIN, "action": "abort"}).status_code == 409


def test_each_key_says_what_is_wrong_with_its_record(panel: Panel, dns: DnsServer) -> None:
    made = act(panel, "generate")
    dns.set(made["dns_name"], "TXT", "v=DKIM1; k=rsa; p=")
    (key,) = info(panel)["keys"]
    assert key["published"] is False and "revokes the key" in key["problem"]
    assert key["zone_line"].startswith("mail._domainkey.example.test. IN TXT (")


@pytest.mark.parametrize("action", ["rotate", "switch", "abort", "retire"])
def test_there_is_no_rotation_without_a_key(panel: Panel, action: str) -> None:
    assert panel.post("/api/mail/dkim", {"domain": DOMAIN, "action": action}).status_code == 409


def test_a_broken_key_is_reported_without_its_path(panel: Panel, settings: Settings) -> None:
    (settings.certs_dir / "example.test").mkdir()
    (settings.certs_dir / "example.test" / "dkim_private.pem").write_text("no key")
    answer = panel.get("/api/mail/dkim", domain="example.test")
    assert answer.status_code == 409 and "not a private key" in answer.text
    assert str(settings.root) not in answer.text


def test_a_foreign_domain_is_not_there(panel: Panel) -> None:
    demo = panel.acting_for("demo")
    assert demo.get("/api/mail/dkim", domain="other.test").status_code == 404
    assert demo.post("/api/mail/dkim", {"domain": "other.test", "action": "generate"}).status_code == 404
    assert demo.get("/api/mail/dkim", domain="../../etc").status_code == 422


def test_an_address_in_a_domain_shows_its_key_but_does_not_change_it(panel: Panel, database: Database) -> None:
    give_address(database, "demo-guest@other.test", "demo")
    demo = panel.acting_for("demo")
    assert demo.get("/api/mail/dkim", domain="other.test").status_code == 200
    assert demo.post("/api/mail/dkim", {"domain": "other.test", "action": "generate"}).status_code == 403


def test_a_key_that_cannot_be_written_is_a_problem_not_a_crash(panel: Panel, settings: Settings) -> None:
    (settings.certs_dir / "example.test").symlink_to("/proc/self")  # where not even root makes files
    answer = panel.post("/api/mail/dkim", {"domain": "example.test", "action": "generate"})
    assert answer.status_code == 503 and "onifast-mailctl dkim generate" in answer.text


def test_the_page_leads_through_a_rotation(browser: Browser, dns: DnsServer, panel: Panel) -> None:
    browser.post("/dkim", {"domain": DOMAIN, "action": "generate"})
    assert browser.post("/dkim", {"domain": DOMAIN, "action": "rotate"}).status_code == 303
    shown = browser.text_of("/dkim")
    assert "New key waits for DNS" in shown and "leave the other one there" in shown
    assert "There is no TXT record at mail-" in browser.text_of(f"/dkim?check={DOMAIN}")
    early = browser.post("/dkim", {"domain": DOMAIN, "action": "switch"})
    assert early.status_code == 409 and "could not be verified yet" in early.text
    publish(dns, info(panel), "publishing")
    assert browser.post("/dkim", {"domain": DOMAIN, "action": "switch"}).status_code == 303
    assert "Keep this record in DNS until" in browser.text_of("/dkim")


def test_the_page_says_when_the_switch_comes_and_what_may_go(
    browser: Browser, panel: Panel, database: Database, settings: Settings, clock: Clock
) -> None:
    act(panel, "generate")
    act(panel, "rotate")
    rotations = Rotations(database, settings)
    standing = rotations.standing(DOMAIN)
    rotations.look(DOMAIN, {f"{row.selector}._domainkey.{DOMAIN}": RecordCheck(True) for row in standing.rows}, clock())
    assert "DNS has shown this record since" in browser.text_of("/dkim")
    act(panel, "switch", force=True)
    act(panel, "retire")
    assert "remove it from DNS" in browser.text_of("/dkim")


def test_the_page_of_a_key_of_no_use_says_so(browser: Browser, settings: Settings) -> None:
    (settings.certs_dir / DOMAIN).mkdir()
    (settings.certs_dir / DOMAIN / "dkim_private.pem").write_text("no key")
    assert "Key unusable" in browser.text_of("/dkim")
