"""The deliverer's part in a rotation of DKIM keys: it watches DNS, and switches when that shows the new key."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest
from onifast_outbox.signing.key_keeper import KeyKeeper
from onifast_outbox.signing.signer import Signer
from onifast_shared.db.database import Database
from onifast_shared.dkim import keys as dkim_keys
from onifast_shared.dkim.rotation import LOOK_EVERY, Rotations
from onifast_shared.machine.config import Settings
from onifast_shared.queue.store import Submission
from outbox.helpers import MESSAGE

from fakes.dns import DnsServer, Failure

NOW = 1_795_000_000
NEW = "mail-202611"
HOUR, DAY = 3600, 86400


class Site:
    """here.test with a key, a rotation of it that has begun, and the part that watches."""

    def __init__(self, settings: Settings, database: Database, dns: DnsServer) -> None:
        self.settings = settings
        self.database = database
        self.dns = dns
        self.rotations = Rotations(database, settings)
        self.keeper = KeyKeeper(database, settings)
        dkim_keys.generate(settings.certs_dir, "here.test")
        self.rotations.begin("here.test", NOW)

    def publish(self, state: str = "publishing") -> None:
        for row in self.rotations.standing("here.test").in_state(state):
            self.dns.set(f"{row.selector}._domainkey.here.test", "TXT", row.value)

    def asked(self) -> int:
        return sum(query.name.endswith("_domainkey.here.test") for query in self.dns.queries)

    def signs_as(self) -> str:
        """The selector in a message's signature."""
        fields = Signer(self.settings, self.database).sign(MESSAGE, Submission("alice@here.test", "script")).fields
        return fields.partition(b" s=")[2].partition(b";")[0].decode()


@pytest.fixture
def site(settings: Settings, database: Database, dns: DnsServer, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The site, with keys that are made quickly."""
    monkeypatch.setattr(dkim_keys, "_NEW_RSA_BITS", 1024)
    return Site(replace(settings, dns_servers=((dns.host, dns.port),), dns_timeout=20.0), database, dns)


async def test_the_switch_comes_by_itself_once_dns_has_shown_the_key_for_an_hour(site: Site) -> None:
    await site.keeper.tend(NOW)
    assert site.signs_as() == "mail"
    site.publish()
    await site.keeper.tend(NOW + LOOK_EVERY)
    assert site.signs_as() == "mail", "one look is not enough"
    await site.keeper.tend(NOW + 2 * LOOK_EVERY)
    assert site.signs_as() == "mail", "nor are two at once"
    await site.keeper.tend(NOW + LOOK_EVERY + HOUR)
    assert site.signs_as() == NEW


async def test_a_program_publishes_the_new_record_and_removes_the_old_one(site: Site, tmp_path: Path) -> None:
    program, said = tmp_path / "publish", tmp_path / "said"
    program.write_text(f'#!/bin/sh\necho "$1 $2 $3" >> {said}\necho "$4" > {tmp_path}/value\n')
    program.chmod(0o755)
    keeper = KeyKeeper(site.database, replace(site.settings, dkim_publish=str(program)))
    await keeper.tend(NOW)
    assert said.read_text() == f"publish here.test {NEW}._domainkey.here.test\n"
    (old,) = site.rotations.standing("here.test").signing
    site.dns.set("mail._domainkey.here.test", "TXT", dkim_keys.dns_value(old))
    site.dns.set(f"{NEW}._domainkey.here.test", "TXT", (tmp_path / "value").read_text().strip())
    for now in (LOOK_EVERY, LOOK_EVERY + HOUR, 8 * DAY, 9 * DAY):
        await keeper.tend(NOW + now)
    assert site.signs_as() == NEW
    assert set(said.read_text().splitlines()[1:]) == {"remove here.test mail._domainkey.here.test"}, "until it is gone"


@pytest.mark.parametrize(
    ("text", "mode", "problem"),
    [
        ("#!/bin/sh\necho no such zone >&2\nexit 3\n", 0o755, "failed (3): no such zone."),
        ("#!/bin/sh\n", 0o777, "is not run: others than root may write it."),
        (None, 0, "cannot be run: No such file or directory."),
    ],
)
async def test_why_nothing_is_published_is_told(
    site: Site, tmp_path: Path, text: str | None, mode: int, problem: str
) -> None:
    program = tmp_path / "publish"
    if text is not None:
        program.write_text(text)
        program.chmod(mode)
    await KeyKeeper(site.database, replace(site.settings, dkim_publish=str(program))).tend(NOW)
    (row,) = site.rotations.standing("here.test").in_state("publishing")
    assert row.problem.endswith(problem)


async def test_nothing_is_asked_between_the_looks(site: Site) -> None:
    await site.keeper.tend(NOW)
    asked = site.asked()
    assert asked == 1
    await site.keeper.tend(NOW + LOOK_EVERY - 1)
    assert site.asked() == asked


async def test_a_round_looks_at_every_domain_that_is_due(site: Site) -> None:
    for number in range(25):
        dkim_keys.generate(site.settings.certs_dir, f"d{number}.test")
        site.rotations.begin(f"d{number}.test", NOW)
    await site.keeper.tend(NOW)
    names = {query.name for query in site.dns.queries}
    assert names == {f"{NEW}._domainkey.{domain}.test" for domain in ("here", *(f"d{each}" for each in range(25)))}


async def test_of_two_deliverers_one_looks(site: Site) -> None:
    other = KeyKeeper(site.database, site.settings)
    await site.keeper.tend(NOW)
    await other.tend(NOW)
    assert site.asked() == 1


async def test_a_record_that_vanishes_begins_the_wait_anew(site: Site) -> None:
    site.publish()
    await site.keeper.tend(NOW)
    site.dns.set(f"{NEW}._domainkey.here.test", "TXT", "v=DKIM1; p=QUJD")
    await site.keeper.tend(NOW + LOOK_EVERY)
    site.publish()
    await site.keeper.tend(NOW + HOUR)
    assert site.signs_as() == "mail"
    await site.keeper.tend(NOW + 2 * HOUR)
    assert site.signs_as() == NEW


async def test_dns_that_does_not_answer_changes_nothing(site: Site) -> None:
    site.dns.fail(f"{NEW}._domainkey.here.test", Failure.SERVFAIL)
    await site.keeper.tend(NOW)
    await site.keeper.tend(NOW + DAY)
    assert site.signs_as() == "mail"


async def test_the_old_key_goes_when_its_time_is_over_and_its_record_is_watched_until_it_has_gone(site: Site) -> None:
    site.publish("active")
    site.publish()
    for now in (NOW, NOW + HOUR, NOW + HOUR + 7 * DAY):
        await site.keeper.tend(now)
    found = site.rotations.standing("here.test")
    assert {row.selector: row.state for row in found.rows} == {NEW: "active", "mail": "retired"}
    assert [path.name for path in (site.settings.certs_dir / "here.test").iterdir()] == ["dkim_private.pem"]
    site.dns.remove("mail._domainkey.here.test")
    await site.keeper.tend(NOW + 9 * DAY)
    assert site.rotations.standing("here.test").in_state("removed")


async def test_files_that_may_not_be_exchanged_are_an_administrators_matter(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    site.publish()
    await site.keeper.tend(NOW)
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(Path, "hardlink_to", refuse)
        await site.keeper.tend(NOW + HOUR)
    assert "dkim-key-not-switched domain=here.test" in caplog.text
    assert site.signs_as() == "mail"
    (waiting,) = site.rotations.standing("here.test").in_state("publishing")
    assert "onifast-mailctl dkim switch here.test" in waiting.problem
    await site.keeper.tend(NOW + HOUR + LOOK_EVERY)
    assert site.signs_as() == NEW


async def test_a_key_that_the_panel_put_in_place_meanwhile_stays(site: Site) -> None:
    site.publish()
    await site.keeper.tend(NOW)
    dkim_keys.signing_path(site.settings.certs_dir, "here.test", "rsa-sha256").unlink()
    panels = dkim_keys.generate(site.settings.certs_dir, "here.test")
    await site.keeper.tend(NOW + HOUR)
    (signing,) = site.rotations.standing("here.test").signing
    assert signing.fingerprint == panels.fingerprint


async def test_a_broken_key_file_troubles_its_own_domain_alone(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    dkim_keys.generate(site.settings.certs_dir, "other.test")
    Rotations(site.database, site.settings).begin("other.test", NOW)
    (site.settings.certs_dir / "other.test" / "dkim_private.pem").write_text("no key")
    site.publish()
    with caplog.at_level(logging.WARNING):
        await site.keeper.tend(NOW)
        await site.keeper.tend(NOW + HOUR)
    assert "dkim-key-trouble domain=other.test" in caplog.text
    assert site.signs_as() == NEW
