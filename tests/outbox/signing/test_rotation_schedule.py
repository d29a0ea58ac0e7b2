"""Rotations that begin by themselves, and their records in a real name server that takes dynamic updates."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import pytest
from onifast_outbox.signing.key_keeper import KeyKeeper
from onifast_outbox.signing.rotation_schedule import MONTH, RotationSchedule
from onifast_shared.db.database import Database
from onifast_shared.dkim import keys as dkim_keys
from onifast_shared.dkim.rotation import LOOK_EVERY, Rotations
from onifast_shared.machine.config import Settings
from onifast_shared.recipients import domains
from onifast_shared.webhooks import store

from fakes.dns import DnsServer
from peers.ports import free_port
from peers.unpacked import unpacked

NOW = 1_795_000_000
NEW = "mail-202611"


@pytest.fixture
def scheduled(settings: Settings, database: Database, dns: DnsServer, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """here.test with a key that has signed for a year, and keys that change each half of one."""
    monkeypatch.setattr(dkim_keys, "_NEW_RSA_BITS", 1024)
    database.write(lambda tx: domains.add(tx, "here.test", "ann"))
    key = dkim_keys.generate(settings.certs_dir, "here.test")
    os.utime(key.path, (NOW - 12 * MONTH,) * 2)
    dns.set("mail._domainkey.here.test", "TXT", dkim_keys.dns_value(key))
    servers = ((dns.host, dns.port),)
    return replace(settings, dns_servers=servers, dns_timeout=20.0, dkim_rotate_every=6)


def asked_by_mail(database: Database) -> int:
    row = database.read(lambda tx: tx.execute("SELECT count(*) FROM outbox WHERE subject LIKE 'DKIM%'").fetchone())
    return int(row[0]) if row else 0


async def test_an_old_key_is_changed_and_the_postmaster_asked_for_its_record(
    scheduled: Settings, database: Database
) -> None:
    assert await RotationSchedule(database, replace(scheduled, dkim_rotate_every=13)).round(NOW) == []
    schedule = RotationSchedule(database, scheduled)
    assert await schedule.round(NOW) == ["here.test"] and asked_by_mail(database) == 1
    (row,) = Rotations(database, scheduled).standing("here.test").in_state("publishing")
    assert row.selector == NEW
    assert await schedule.round(NOW + 1) == [], "one is under way"


async def test_a_key_that_dns_does_not_show_is_left_alone(
    scheduled: Settings, database: Database, dns: DnsServer
) -> None:
    dns.remove("mail._domainkey.here.test")
    assert await RotationSchedule(database, scheduled).round(NOW) == []


async def test_a_panel_that_listens_is_told_instead(scheduled: Settings, database: Database) -> None:
    database.write(lambda tx: store.create(tx, None, "https://panel.test/", ("dkim_record",), NOW))
    assert await RotationSchedule(database, scheduled).round(NOW) == ["here.test"] and asked_by_mail(database) == 0
    (told,) = database.read(lambda tx: tx.execute("SELECT payload FROM webhook_events").fetchall())
    data = json.loads(str(told[0]))["data"]
    assert (data["owner"], data["action"], data["name"]) == ("ann", "publish", f"{NEW}._domainkey.here.test")


_KNOT = """
server:
  rundir: "{folder}"
  listen: 127.0.0.1@{port}
database:
  storage: "{folder}/db"
key:
- id: panel
  algorithm: hmac-sha256
  secret: {secret}
acl:
- id: update
  key: panel
  action: update
zone:
- domain: here.test
  storage: "{folder}"
  file: here.test.zone
  acl: update
"""


@pytest.fixture
def name_server(tmp_path: Path) -> Iterator[int]:
    """Knot with here.test, which takes updates signed with panel's key; its port."""
    port, secret = free_port(), base64.b64encode(b"x" * 32).decode()
    (tmp_path / "db").mkdir()
    (tmp_path / "here.test.zone").write_text(
        "$ORIGIN here.test.\n$TTL 60\n@ SOA ns h 1 60 60 60 60\n@ NS ns\nns A 127.0.0.1\n"
    )
    (tmp_path / "knot.conf").write_text(_KNOT.format(folder=tmp_path, port=port, secret=secret))
    (tmp_path / "panel.key").write_text(f'key "panel" {{\n  algorithm hmac-sha256;\n  secret "{secret}";\n}};\n')
    with (tmp_path / "knot.log").open("wb") as log:
        knot = subprocess.Popen(
            [unpacked("knot") / "usr/sbin/knotd", "-c", tmp_path / "knot.conf"], stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + 60
        while not shown(port, "here.test", "SOA"):
            assert time.monotonic() < deadline and knot.poll() is None, (tmp_path / "knot.log").read_text()
        yield port
    finally:
        knot.terminate()
        knot.wait(60)


def shown(port: int, name: str, kind: str) -> list[str]:
    """What the server has."""
    try:
        answer = dns.query.tcp(dns.message.make_query(name, kind), "127.0.0.1", timeout=5, port=port)
    except (dns.exception.DNSException, OSError):
        return []
    return [record.to_text() for rrset in answer.answer for record in rrset]


@pytest.mark.peers
async def test_a_name_server_is_updated_from_here(
    scheduled: Settings, database: Database, name_server: int, tmp_path: Path
) -> None:
    ours = replace(
        scheduled,
        dns_servers=(("127.0.0.1", name_server),),
        dkim_publish=f"rfc2136:127.0.0.1:{name_server}",
        dkim_publish_key=tmp_path / "panel.key",
        dkim_publish_wait=0.0,
    )
    rotations = Rotations(database, ours)
    (row,) = rotations.begin("here.test", NOW).in_state("publishing")
    refused = KeyKeeper(database, replace(ours, dkim_publish_key=None))
    await refused.tend(NOW)
    (told,) = rotations.standing("here.test").in_state("publishing")
    assert "refuses the update" in told.problem and not shown(name_server, f"{NEW}._domainkey.here.test", "TXT")
    keeper = KeyKeeper(database, ours)
    await keeper.tend(NOW + LOOK_EVERY)
    (text,) = shown(name_server, f"{NEW}._domainkey.here.test", "TXT")
    assert text.replace('" "', "").strip('"') == row.value
    await keeper.tend(NOW + 2 * LOOK_EVERY)
    (key,) = dkim_keys.load(ours.certs_dir, "here.test", "mail")
    assert key.fingerprint == row.fingerprint, "and the switch follows by itself"
