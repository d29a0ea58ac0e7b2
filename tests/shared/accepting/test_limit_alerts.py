"""People are told of limits that are hit: who, in which words, and how often."""

from __future__ import annotations

from dataclasses import replace

import pytest
from onifast_shared.accepting import limit_alerts
from onifast_shared.db.database import Connection, Database
from onifast_shared.limits import standings as limit_standings
from onifast_shared.limits import store as sending_limits
from onifast_shared.limits import subjects as limit_subjects
from onifast_shared.limits.subjects import DAY, Subject
from onifast_shared.limits.usage import LimitExceeded
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import contents
from onifast_shared.message import parsing
from onifast_shared.message.parsing import Parsed
from onifast_shared.recipients import addresses
from onifast_shared.values.address import Address

NOW = 1_800_000_000.0  # 2027-01-15 08:00:00 UTC
ANN, DOMAIN = Subject("user", "ann"), Subject("domain", "example.test")


@pytest.fixture
def owners(database: Database) -> Database:
    """Ann, who owns an address and its domain."""

    def fill(tx: Connection) -> None:
        addresses.add(tx, Address.parse("ann@example.test"), "ann")
        tx.execute("INSERT OR REPLACE INTO domains (domain, owner) VALUES ('example.test', 'ann')")

    database.write(fill)
    return database


def exceeded(who: Subject = ANN, counted: str = "messages_per_hour", until: float | None = NOW + 600) -> LimitExceeded:
    return LimitExceeded(who, counted, 300, until, f"limit of 300 {limit_subjects.WORDS[counted]} for {who} is used up")


def hit(database: Database, settings: Settings, found: LimitExceeded, now: float = NOW) -> None:
    database.write(lambda tx: limit_alerts.hit(tx, found, settings, now))


def alerts(database: Database) -> list[tuple[list[str], str, Parsed]]:
    """Recipients, sender and message of each alert in the queue, in turn."""

    def read(tx: Connection) -> list[tuple[list[str], str, Parsed]]:
        sql = """
            SELECT content_id, group_concat(recipient, ' '), min(sender) FROM outbox WHERE origin = 'bounce'
            GROUP BY content_id ORDER BY content_id
        """
        rows = tx.execute(sql).fetchall()
        return [
            (sorted(str(row[1]).split()), str(row[2]), parsing.parse(contents.read(tx, int(str(row[0])))))
            for row in rows
        ]

    return database.read(read)


def test_owner_and_postmaster_are_told_who_hit_which_limit_and_when_it_releases(
    owners: Database, settings: Settings
) -> None:
    hit(owners, settings, exceeded())
    ((recipients, sender, told),) = alerts(owners)
    assert recipients == ["ann@example.test", f"postmaster@{settings.hostname}"]
    assert sender == ""
    assert str(told.sender) == f"postmaster@{settings.hostname}"
    assert told.subject == "Limit on outgoing mail reached: user ann"
    assert "    limit of 300 messages an hour for user ann is used up.\n" in (told.text or "").replace("\r\n", "\n")
    assert "from 08:10 UTC on there is room" in (told.text or "")
    assert "onifast-mailctl limits set user ann --messages-per-hour NUMBER" in (told.text or "")
    assert told.header("Auto-Submitted") == "auto-generated"
    assert [each.times for each in owners.read(limit_standings.hits)] == [1]


def test_of_a_domain_its_owner_is_told(owners: Database, settings: Settings) -> None:
    hit(owners, settings, exceeded(DOMAIN))
    assert alerts(owners)[0][0] == ["ann@example.test", f"postmaster@{settings.hostname}"]


@pytest.mark.parametrize(
    "who", [Subject("unix", "www-data"), Subject("unix", "(unknown)"), Subject("domain", "elsewhere.test")]
)
def test_where_nobody_here_owns_it_the_postmaster_alone_is_told(
    owners: Database, settings: Settings, who: Subject
) -> None:
    hit(owners, settings, exceeded(who))
    assert alerts(owners)[0][0] == [f"postmaster@{settings.hostname}"]


def test_nobody_is_told_twice_of_one_limit_within_a_day(owners: Database, settings: Settings) -> None:
    for now in (NOW, NOW + 1, NOW + DAY - 1):
        hit(owners, settings, exceeded(), now)
    assert len(alerts(owners)) == 1
    hit(owners, settings, exceeded(), NOW + DAY)
    assert len(alerts(owners)) == 2
    assert [each.times for each in owners.read(limit_standings.hits)] == [4]


def test_each_limit_and_each_subject_has_alerts_of_its_own(owners: Database, settings: Settings) -> None:
    for found in (exceeded(), exceeded(counted="recipients_per_day"), exceeded(DOMAIN)):
        hit(owners, settings, found)
    assert len(alerts(owners)) == 3


def test_after_a_reset_people_are_told_anew(owners: Database, settings: Settings) -> None:
    hit(owners, settings, exceeded())
    owners.write(lambda tx: sending_limits.reset(tx, ANN))
    hit(owners, settings, exceeded(), NOW + 1)
    assert len(alerts(owners)) == 2


def test_a_clock_that_was_ahead_does_not_keep_alerts_back(owners: Database, settings: Settings) -> None:
    hit(owners, settings, exceeded(), NOW + 10 * DAY)
    hit(owners, settings, exceeded(), NOW)
    assert len(alerts(owners)) == 2


def test_a_message_that_never_has_room_is_explained(owners: Database, settings: Settings) -> None:
    hit(owners, settings, exceeded(counted="recipients_per_hour", until=None))
    assert "one with fewer goes out" in (alerts(owners)[0][2].text or "")


def test_alerts_can_be_switched_off(owners: Database, settings: Settings) -> None:
    hit(owners, replace(settings, limit_alerts=False), exceeded())
    assert alerts(owners) == []
    assert [each.times for each in owners.read(limit_standings.hits)] == [1]
