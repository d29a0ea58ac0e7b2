"""What is kept about TLS outwards (policies, the memory of good TLS, counts for reports), and what shows it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import pytest
from onifast_shared.ctl import main as ctl
from onifast_shared.db.database import Connection, Database
from onifast_shared.machine.config import Settings
from onifast_shared.tls import history as tls_history
from onifast_shared.tls import results as tls_results
from onifast_shared.tls import sts_policies
from onifast_shared.tls.history import FORGOTTEN_DAYS
from onifast_shared.tls.results import DAY, KEPT_DAYS, PolicyUsed, SessionResult, day_begins, day_of
from onifast_shared.tls.sts_policies import UNUSED_DAYS

NOW = 1_800_000_000
BODY = b"version: STSv1\nmode: enforce\nmx: mx.a.test\nmax_age: 86400\n"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs one command on the test's tree; its status, output and errors."""
    environ = {"ONIFAST_MAIL_ROOT": str(settings.root), "ONIFAST_MAIL_HOSTNAME": settings.hostname}

    def run_command(*arguments: str) -> tuple[int, str, str]:
        status = ctl.main(("tls", *arguments), environ)
        return status, *capsys.readouterr()

    return run_command


def keep(database: Database, domain: str = "a.test", max_age: int = 10 * DAY) -> None:
    database.write(lambda tx: sts_policies.put(tx, domain, "1", "enforce", BODY, max_age=max_age, now=NOW))


@pytest.mark.parametrize(("later", "there"), [(0, True), (10 * DAY - 1, True), (10 * DAY, False)])
def test_a_policy_holds_until_it_expires(database: Database, later: int, there: bool) -> None:
    keep(database)
    found = database.read(lambda tx: sts_policies.get(tx, "a.test", NOW + later))
    assert (found is not None and found.body == BODY) is there


@pytest.mark.parametrize(
    ("max_age", "later", "due"),
    [(10 * DAY, DAY - 1, False), (10 * DAY, DAY, True), (3600, 1799, False), (3600, 1800, True), (3600, 3600, False)],
)
def test_a_policy_is_due_after_a_day_or_half_its_life(database: Database, max_age: int, later: int, due: bool) -> None:
    keep(database, max_age=max_age)
    found = database.read(lambda tx: sts_policies.due(tx, NOW + later))
    assert [item.domain for item in found] == (["a.test"] if due else [])


def test_policies_go_that_nobody_uses(database: Database) -> None:
    keep(database, "used.test", 365 * DAY)
    keep(database, "unused.test", 365 * DAY)
    later = NOW + (UNUSED_DAYS + 1) * DAY
    database.write(lambda tx: sts_policies.note_use(tx, "used.test", later))
    database.write(lambda tx: sts_policies.sweep(tx, later))
    assert [item.domain for item in database.read(sts_policies.list_all)] == ["used.test"]


def less(tx: Connection, domain: str, times: int = 1, now: float = NOW) -> str:
    why = "the server does not offer STARTTLS"
    return tls_history.note_less(tx, domain, level="none", host="mx.a.test", why=why, times=times, now=now)


def test_only_the_first_time_with_less_is_news(database: Database) -> None:
    database.write(lambda tx: tls_history.note_good(tx, "a.test", "dane", "mx.a.test", NOW))
    assert database.write(lambda tx: less(tx, "a.test", 2)) == "dane"
    assert database.write(lambda tx: less(tx, "a.test", 3)) == ""
    memory = database.read(lambda tx: tls_history.get(tx, "a.test"))
    assert memory is not None
    assert memory.downgrades == 5


def test_of_a_domain_that_is_not_known_nothing_is_missed(database: Database) -> None:
    assert database.write(lambda tx: less(tx, "a.test")) == ""


def test_a_domain_is_forgotten_in_the_end(database: Database) -> None:
    database.write(lambda tx: tls_history.note_good(tx, "a.test", "dane", "mx.a.test", NOW))
    database.write(lambda tx: tls_history.sweep(tx, NOW + FORGOTTEN_DAYS * DAY))
    assert database.read(tls_history.list_all)
    database.write(lambda tx: tls_history.sweep(tx, NOW + FORGOTTEN_DAYS * DAY + 1))
    assert not database.read(tls_history.list_all)


def count(database: Database, results: Mapping[SessionResult, int], now: float = NOW) -> None:
    database.write(lambda tx: tls_results.count(tx, results, now))


def test_sessions_that_are_alike_are_counted_together(database: Database) -> None:
    item = SessionResult("a.test", PolicyUsed("sts", ("mode: testing",), ("mx.a.test",)), "certificate-expired")
    count(database, {item: 2})
    count(database, {item: 3, SessionResult("b.test", PolicyUsed()): 1})
    assert database.read(lambda tx: tls_results.of_day(tx, day_of(NOW), "a.test")) == {item: 5}


def test_a_flood_of_names_ends_at_a_days_limit(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_results, "MOST_ROWS_A_DAY", 3)
    count(database, {SessionResult(f"{n}.test", PolicyUsed()): 1 for n in range(9)})
    count(database, {SessionResult(f"{n}.test", PolicyUsed()): 1 for n in range(9)})
    tomorrow = day_begins(day_of(NOW)) + DAY
    assert len(database.read(lambda tx: tls_results.unreported(tx, tomorrow))) == 3
    known = database.read(lambda tx: tls_results.of_day(tx, day_of(NOW), "0.test"))
    assert list(known.values()) == [2]


def test_one_domain_takes_no_more_than_its_share_of_a_day(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_results, "MOST_ROWS_OF_DOMAIN", 3)
    for start in (0, 2):
        count(database, {SessionResult("a.test", PolicyUsed("tlsa", (str(n),))): 1 for n in range(start, start + 9)})
    count(database, {SessionResult("b.test", PolicyUsed()): 1})
    kinds = database.read(lambda tx: tls_results.of_day(tx, day_of(NOW), "a.test"))
    assert [(item.policy.string, sessions) for item, sessions in kinds.items()] == [
        (("0",), 1),
        (("1",), 1),
        (("2",), 2),
    ]
    assert database.read(lambda tx: tls_results.of_day(tx, day_of(NOW), "b.test"))


def test_what_a_day_has_had_is_read_once_however_much_is_counted(database: Database) -> None:
    count(database, {SessionResult(f"{n}.test", PolicyUsed()): 1 for n in range(3000)})
    steps = [0]

    def tick() -> bool:
        steps[0] += 1
        return False

    def write(tx: Connection) -> None:
        tx.set_progress_handler(tick, 1000)
        try:
            tls_results.count(tx, {SessionResult(f"new{n}.test", PolicyUsed()): 1 for n in range(200)}, NOW)
        finally:
            tx.set_progress_handler(None)

    database.write(write)
    assert steps[0] < 200  # thousands of instructions of SQLite's; reading the day for each would take more than 3000


def test_reports_are_due_for_days_that_are_over_until_one_process_takes_them_on(database: Database) -> None:
    count(database, {SessionResult("a.test", PolicyUsed()): 1, SessionResult("b.test", PolicyUsed()): 1})
    day, tomorrow = day_of(NOW), day_begins(day_of(NOW)) + DAY
    assert database.read(lambda tx: tls_results.unreported(tx, tomorrow - 1)) == []
    assert database.read(lambda tx: tls_results.unreported(tx, tomorrow)) == [(day, "a.test"), (day, "b.test")]
    reports: list[tuple[str, tls_results.State]] = [("https://a.test/", "posting")]
    assert database.write(lambda tx: tls_results.begin(tx, day, "a.test", reports, NOW))
    assert not database.write(lambda tx: tls_results.begin(tx, day, "a.test", reports, NOW))
    assert database.read(lambda tx: tls_results.unreported(tx, tomorrow)) == [(day, "b.test")]


def test_a_report_to_be_posted_is_one_processs_at_a_time(database: Database) -> None:
    reports: list[tuple[str, tls_results.State]] = [("https://a.test/", "posting")]
    database.write(lambda tx: tls_results.begin(tx, "2027-01-15", "a.test", reports, NOW))
    assert database.write(lambda tx: tls_results.claim_posting(tx, NOW, 900)) is not None
    assert database.write(lambda tx: tls_results.claim_posting(tx, NOW + 899, 900)) is None
    assert database.write(lambda tx: tls_results.claim_posting(tx, NOW + 900, 900)) is not None


def test_counts_are_kept_for_some_days(database: Database) -> None:
    count(database, {SessionResult("a.test", PolicyUsed()): 1})
    database.write(lambda tx: tls_results.sweep(tx, NOW + KEPT_DAYS * DAY))
    assert database.read(lambda tx: tls_results.of_day(tx, day_of(NOW), "a.test"))
    database.write(lambda tx: tls_results.sweep(tx, NOW + (KEPT_DAYS + 1) * DAY))
    assert not database.read(lambda tx: tls_results.of_day(tx, day_of(NOW), "a.test"))


def test_downgrades_are_listed_first_and_can_be_forgotten(run: Run, database: Database) -> None:
    for domain in ("a.test", "b.test"):
        database.write(lambda tx, domain=domain: tls_history.note_good(tx, domain, "verified", f"mx.{domain}", NOW))  # type: ignore[misc]
    database.write(lambda tx: less(tx, "b.test", 2, NOW + 60))
    status, listed, _ = run("list")
    assert (status, listed) == (
        0,
        "b.test\tverified\t2027-01-15T08:00:00Z\t2\t2027-01-15T08:01:00Z\tnone\tmx.a.test"
        "\tthe server does not offer STARTTLS\n"
        "a.test\tverified\t2027-01-15T08:00:00Z\t0\t-\t-\t-\t-\n",
    )
    assert [row["domain"] for row in json.loads(run("list", "--downgraded", "--json")[1])] == ["b.test"]
    assert run("forget", "B.test")[0] == 0
    assert run("forget", "b.test") == (1, "", "onifast-mailctl: nothing is remembered of b.test\n")


def test_kept_policies_and_reports_are_listed(run: Run, database: Database) -> None:
    keep(database)
    assert run("policies")[1] == "a.test\tenforce\t2027-01-15T08:00:00Z\t2027-01-25T08:00:00Z\n"
    reports: list[tuple[str, tls_results.State]] = [("mailto:r@a.test", "sent")]
    database.write(lambda tx: tls_results.begin(tx, "2027-01-15", "a.test", reports, NOW))
    database.write(lambda tx: tls_results.begin(tx, "2027-01-15", "b.test", [("", "unwanted")], NOW))
    assert run("reports")[1] == "2027-01-15\ta.test\tmailto:r@a.test\tsent\t-\n"
