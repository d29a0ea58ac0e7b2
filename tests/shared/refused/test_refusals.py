"""The records of refused mail, and of what DMARC reports will say."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from onifast_shared.ctl import main as ctl
from onifast_shared.db.database import Connection, Database
from onifast_shared.machine.config import Settings
from onifast_shared.refused import dmarc_reports, refusals
from onifast_shared.refused.dmarc_reports import AggregateRow, Observation
from onifast_shared.refused.refusals import Refusal

REFUSAL = Refusal(
    client="192.0.2.7",
    helo="mx.remote.test",
    submitted_by="",
    sender="ann@remote.test",
    recipient="demo@here.test",
    owner="demo",
    stage="DATA",
    code=550,
    enhanced="5.7.1",
    reason="no",
    authentication={"why": ["SPF failed."]},
)
OBSERVATION = Observation(
    policy_domain="bank.test",
    policy="v=DMARC1; p=reject",
    source_ip="192.0.2.7",
    disposition="reject",
    reason="",
    header_from="bank.test",
    envelope_from="evil.test",
    dkim_aligned=False,
    spf_aligned=True,
    results={"spf": {"domain": "evil.test", "result": "pass"}},
)
NOON = 1_800_000_000.0  # 2027-01-15T08:00:00Z


def kept(database: Database, owner: str | None = None, **more: Any) -> list[Refusal]:
    return [row.refusal for row in database.read(lambda tx: refusals.list_page(tx, owner, **more)).rows]


def counted(database: Database, day: str = "2027-01-15") -> list[AggregateRow]:
    return database.read(lambda tx: dmarc_reports.of_day(tx, day))


def test_a_record_comes_back_as_it_was(database: Database) -> None:
    database.write(lambda tx: refusals.add(tx, REFUSAL, NOON))
    assert kept(database) == [REFUSAL]


def test_a_user_sees_his_own_records_only(database: Database) -> None:
    database.write(lambda tx: refusals.add(tx, REFUSAL, NOON))
    database.write(lambda tx: refusals.add(tx, replace(REFUSAL, owner=None), NOON))
    assert len(kept(database, "demo")) == 1
    assert kept(database, "eve") == []


def test_old_records_are_swept(database: Database) -> None:
    database.write(lambda tx: refusals.add(tx, REFUSAL, NOON))
    database.write(lambda tx: refusals.add(tx, replace(REFUSAL, code=451), NOON + 60))
    database.write(lambda tx: refusals.sweep(tx, NOON + 30))
    assert [item.code for item in kept(database)] == [451]


def test_a_flood_keeps_the_newest_only(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "MOST_ROWS", 2)
    for code in (451, 452, 550, 554):
        database.write(lambda tx, code=code: refusals.add(tx, replace(REFUSAL, code=code), NOON))  # type: ignore[misc]
    database.write(lambda tx: refusals.sweep(tx, 0))
    assert [item.code for item in kept(database)] == [554, 550]


def test_a_strangers_text_is_cut(database: Database) -> None:
    database.write(lambda tx: refusals.add(tx, replace(REFUSAL, helo="x" * 5000), NOON))
    assert len(kept(database)[0].helo) == 1000


def test_messages_that_are_alike_are_counted_in_one_row(database: Database) -> None:
    for now in (NOON, NOON + 60):
        database.write(lambda tx, now=now: dmarc_reports.count(tx, OBSERVATION, now))  # type: ignore[misc]
    database.write(lambda tx: dmarc_reports.count(tx, replace(OBSERVATION, spf_aligned=False), NOON))
    assert sorted((row.messages, row.observation.spf_aligned) for row in counted(database)) == [(1, False), (2, True)]
    assert all(row.observation.results == OBSERVATION.results for row in counted(database))


def test_counts_of_another_day_are_apart_and_end_with_time(database: Database) -> None:
    database.write(lambda tx: dmarc_reports.count(tx, OBSERVATION, NOON))
    database.write(lambda tx: dmarc_reports.count(tx, OBSERVATION, NOON + 86400))
    assert (len(counted(database)), len(counted(database, "2027-01-16"))) == (1, 1)
    database.write(lambda tx: dmarc_reports.sweep(tx, NOON + 86400 * 31))
    assert (len(counted(database)), len(counted(database, "2027-01-16"))) == (0, 1)


def test_a_flood_of_forgeries_does_not_fill_the_disk(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dmarc_reports, "MOST_ROWS_A_DAY", 3)

    def flood(tx: Connection) -> None:
        for number in range(10):
            dmarc_reports.count(tx, replace(OBSERVATION, source_ip=f"192.0.2.{number}"), NOON)

    database.write(flood)
    assert len(counted(database)) == 3


def test_the_tool_lists_refusals(settings: Settings, database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    database.write(lambda tx: refusals.add(tx, REFUSAL, 4_000_000_000))
    environ = {"ONIFAST_MAIL_ROOT": str(settings.root), "ONIFAST_MAIL_HOSTNAME": settings.hostname}
    assert ctl.main(["refusals", "list"], environ) == 0
    assert capsys.readouterr().out == (
        "2096-10-02T07:06:40Z\t192.0.2.7\tann@remote.test\tdemo@here.test\tDATA\t550 5.7.1 no\t-\n"
    )
    assert ctl.main(["refusals", "list", "--json", "--owner", "demo"], environ) == 0
    [row] = json.loads(capsys.readouterr().out)
    assert row["authentication"] == {"why": ["SPF failed."]}
    assert ctl.main(["refusals", "list", "--json", "--owner", "eve"], environ) == 0
    assert json.loads(capsys.readouterr().out) == []
