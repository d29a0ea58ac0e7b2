"""Metrics: what processes count is added up in the database, and shown as Prometheus reads it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from onifast_shared.ctl import main as ctl
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.machine.counting import Tally
from onifast_shared.metrics import declared, exposition, gauges, store, telling
from onifast_shared.metrics.declared import METRICS, MetricKind

from tools import docs

PROJECT = Path(__file__).resolve().parents[3]
NOW = 1_700_000_000.0
CALLS = re.compile(r'(?:(?<=counting\.)|(?<![.\w]))(count|observe)\(\s*"(\w+)"')


def test_several_processes_are_added_up_by_time_and_since_ever(database: Database) -> None:
    first, second = Tally(), Tally()
    first.add("received_messages", service="smtp")
    second.add("received_messages", 2, service="smtp")
    for tally, at in ((first, NOW), (second, NOW + 400)):
        numbers = tally.take()
        database.write(lambda tx, at=at, numbers=numbers: store.add(tx, "smtpd", numbers, at))  # type: ignore[misc]
    (total,) = database.read(store.totals)
    assert (total.program, total.labels, total.number) == ("smtpd", {"service": "smtp"}, 3)
    names = ["received_messages"]
    fine = database.read(lambda tx: store.between(tx, names, NOW - 600, NOW + 600, store.FINE))
    assert [each.counted.number for each in fine] == [1, 2]
    coarse = database.read(lambda tx: store.between(tx, names, NOW - 7200, NOW + 7200, store.COARSE))
    assert sum(each.counted.number for each in coarse) == 3
    while database.write(lambda tx: store.sweep(tx, NOW + 3 * 86400, 30 * 86400)):
        pass
    assert not database.read(lambda tx: store.between(tx, names, 0, NOW * 2, store.FINE))
    assert database.read(lambda tx: store.between(tx, names, 0, NOW * 2, store.COARSE)) == coarse


def test_what_the_database_does_not_take_is_told_later(settings: Settings) -> None:
    tally = Tally()
    tally.add("sandboxed", 5)
    closed = Database.open(settings.database)
    closed.close()
    telling.tell("outbox", closed, tally)
    assert tally.take() == {("sandboxed", ""): 5}


def test_the_thread_tells_what_is_left_at_the_end(database: Database) -> None:
    tally = Tally()
    with telling.told("web", database, tally=tally, seconds=600):
        tally.add("http_requests", status="2xx")
    (total,) = database.read(store.totals)
    assert (total.name, total.number) == ("http_requests", 1)


def test_durations_are_shown_as_a_histogram(settings: Settings, database: Database) -> None:
    tally = Tally()
    for seconds in (0.002, 0.02, 7.0, 10**9):
        tally.observe("delivery_seconds", seconds, way="remote")
    database.write(lambda tx: store.add(tx, "outbox", tally.take(), NOW))
    text = exposition.page(settings, database)
    found = dict(re.findall(r'^onifast_mail_delivery_seconds_bucket\{.*le="(.+)"\} (\d+)$', text, re.MULTILINE))
    assert (found["0.001"], found["0.003"], found["0.03"], found["10"], found["+Inf"]) == ("0", "1", "2", "3", "4")
    assert 'onifast_mail_delivery_seconds_count{program="outbox",way="remote"} 4\n' in text
    assert text.index("# TYPE onifast_mail_delivery_seconds histogram") < text.index(
        "onifast_mail_delivery_seconds_bucket"
    )


def test_the_queue_is_counted_by_state(settings: Settings, database: Database) -> None:
    def fill(tx: object) -> None:
        columns = "sender, recipient, domain, status, ready, queued_ts"
        sql = f"INSERT INTO outbox ({columns}) VALUES ('', '', 'y.test', ?, ?, ?)"
        for values in (("pending", 1, NOW), ("pending", 0, NOW - 50), ("held", 0, NOW - 90), ("sent", 0, NOW - 999)):
            tx.execute(sql, values)  # type: ignore[attr-defined]

    database.write(fill)
    found = {(each.name, each.labels.get("state")): each.number for each in gauges.look(settings, database, NOW)}
    assert [found["queue_recipients", state] for state in gauges.QUEUE_STATES] == [1, 1, 0, 1]
    assert found["queue_oldest_seconds", "waiting"] == 50
    assert found["queue_oldest_seconds", "held"] == 90


def test_the_code_counts_what_is_declared_and_nothing_else() -> None:
    counted = {
        (call, name)
        for folder in ("shared", "services")
        for file in (PROJECT / folder).rglob("*.py")
        for call, name in CALLS.findall(file.read_text())
    }
    of_kind = {"count": MetricKind.COUNTER, "observe": MetricKind.HISTOGRAM}
    # What is counted under one of two names stands with both.
    either = {("count", "bounces"), ("count", "deferrals")}
    assert {(of_kind[call], name) for call, name in counted | either} == {
        (metric.kind, metric.name) for metric in METRICS if metric.kind is not MetricKind.GAUGE
    }


def test_every_gauge_is_declared_and_looked_up(settings: Settings, database: Database) -> None:
    found = {each.name for each in gauges.look(settings, database)} | {"certificate_ends_timestamp_seconds"}
    assert found == {metric.name for metric in METRICS if metric.kind is MetricKind.GAUGE}


def test_docs_dashboard_and_alerts_name_what_there_is() -> None:
    page = (PROJECT / "docs/metrics.md").read_text()
    assert docs.with_metrics(page) == page, "run make docs"
    exposed = {metric.exposed for metric in METRICS}
    for file in ("alerts.yml", "grafana-dashboard.json"):
        named = set(re.findall(r"\bonifast_mail_\w+", (PROJECT / "docs/monitoring" / file).read_text()))
        assert {re.sub("_bucket$", "", name) for name in named} <= exposed


def test_classes_of_reason_are_those_of_rfc_3463() -> None:
    assert declared.reason_of("5.7.1") == "policy"
    assert declared.reason_of("4.2.2") == "mailbox"
    assert declared.reason_of("") == declared.reason_of("5.99.1") == "other"


def test_mailctl_prints_them(settings: Settings, database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    database.write(lambda tx: store.add(tx, "outbox", {("sandboxed", ""): 2}, NOW))
    environ = {"ONIFAST_MAIL_ROOT": str(settings.root), "ONIFAST_MAIL_HOSTNAME": "mail.example.test"}
    assert ctl.main(["metrics"], environ) == 0
    assert 'onifast_mail_sandboxed_total{program="outbox"} 2\n' in capsys.readouterr().out
