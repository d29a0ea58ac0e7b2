"""Limits on what is sent: counted with the message, per subject, released by time, and what administrators see."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import sqlite_shell
from onifast_shared.accepting import accept
from onifast_shared.db.database import Connection, Database
from onifast_shared.limits import standings as limit_standings
from onifast_shared.limits import store as sending_limits
from onifast_shared.limits.subjects import FOREIGN_SENDER, PERIODS, Subject, subject
from onifast_shared.limits.usage import LimitExceeded
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import contents
from onifast_shared.queue.store import QueuedRecipient, Submission
from onifast_shared.recipients import addresses
from onifast_shared.values.address import Address

NOW = 1_800_000_000.0  # 2027-01-15 08:00:00 UTC
ANN, SITE, DOMAIN = Subject("user", "ann"), Subject("unix", "ann"), Subject("domain", "example.test")


@pytest.fixture
def limited(settings: Settings) -> Settings:
    """Small limits for users, none for others."""
    none: dict[str, Any] = {f"limit_{scope}_{counted}": 0 for scope in ("unix", "domain") for counted in PERIODS}
    return replace(
        settings,
        limit_user_messages_per_hour=3,
        limit_user_messages_per_day=10,
        limit_user_recipients_per_hour=20,
        limit_user_recipients_per_day=50,
        **none,
    )


def admit(db: Database, settings: Settings, recipients: int = 1, now: float = NOW, *subjects: Subject) -> None:
    db.write(lambda tx: sending_limits.admit(tx, subjects or (ANN,), recipients, settings, now))


def refusal(
    db: Database, settings: Settings, recipients: int = 1, now: float = NOW, *subjects: Subject
) -> LimitExceeded:
    with pytest.raises(LimitExceeded) as caught:
        admit(db, settings, recipients, now, *subjects)
    return caught.value


def levels(db: Database, settings: Settings, who: Subject = ANN, now: float = NOW) -> dict[str, float]:
    tally = db.read(lambda tx: sending_limits.of(tx, who, settings))
    return {name: round(bucket.level_at(now), 6) for name, bucket in tally.buckets.items()}


def test_messages_and_recipients_are_counted_apart(database: Database, limited: Settings) -> None:
    admit(database, limited, 4)
    admit(database, limited, 2)
    assert levels(database, limited) == {
        "messages_per_hour": 2,
        "messages_per_day": 2,
        "recipients_per_hour": 6,
        "recipients_per_day": 6,
    }


def test_a_refusal_says_which_limit_and_when_it_ends(database: Database, limited: Settings) -> None:
    for _ in range(3):
        admit(database, limited)
    exceeded = refusal(database, limited)
    assert str(exceeded) == "limit of 3 messages an hour for user ann is used up until 08:20 UTC"
    assert (exceeded.subject, exceeded.counted, exceeded.limit) == (ANN, "messages_per_hour", 3)
    assert exceeded.until == pytest.approx(NOW + 1200)


def test_recipients_that_have_no_room_are_told_how_many_have(database: Database, limited: Settings) -> None:
    admit(database, limited, 15)
    text = "limit of 20 recipients an hour for user ann has room for 5 more now, for 10 at 08:15 UTC"
    assert str(refusal(database, limited, 10)) == text
    admit(database, limited, 5)


def test_a_message_with_too_many_recipients_for_ever_has_no_end(database: Database, limited: Settings) -> None:
    exceeded = refusal(database, limited, 21)
    assert exceeded.until is None
    assert str(exceeded) == "limit of 20 recipients an hour for user ann lets no more than 20 in one message"


def test_the_limit_that_lasts_longest_is_named_with_its_day(database: Database, limited: Settings) -> None:
    limited = replace(limited, limit_user_messages_per_hour=0, limit_user_messages_per_day=1)
    admit(database, limited)
    assert str(refusal(database, limited)).endswith(
        "1 messages a day for user ann is used up until 2027-01-16 08:00 UTC"
    )


def test_a_limit_releases_by_itself_bit_by_bit(database: Database, limited: Settings) -> None:
    for _ in range(3):
        admit(database, limited)
    refusal(database, limited, 1, NOW + 1199)
    admit(database, limited, 1, NOW + 1200)
    refusal(database, limited, 1, NOW + 1201)


def test_what_is_refused_is_not_counted(database: Database, limited: Settings) -> None:
    for _ in range(3):
        admit(database, limited)
    before = levels(database, limited)
    refusal(database, limited)
    assert levels(database, limited) == before


def test_every_subject_has_to_have_room(database: Database, limited: Settings) -> None:
    limited = replace(limited, limit_domain_messages_per_hour=1)
    admit(database, limited, 1, NOW, ANN, DOMAIN)
    assert "for domain example.test" in str(refusal(database, limited, 1, NOW, ANN, DOMAIN))
    assert levels(database, limited)["messages_per_hour"] == 1
    admit(database, limited, 1, NOW, ANN)


def test_a_unix_user_is_another_subject_than_the_panel_user_of_his_name(database: Database, limited: Settings) -> None:
    admit(database, limited)
    limited = replace(limited, limit_unix_messages_per_hour=5)
    assert levels(database, limited, SITE) == {"messages_per_hour": 0}


def test_the_hosts_own_name_has_a_limit_only_if_one_is_set(database: Database, limited: Settings) -> None:
    limited, host = replace(limited, limit_domain_messages_per_hour=1), Subject("domain", limited.hostname)
    admit(database, limited, 1, NOW, host)
    admit(database, limited, 1, NOW, host)
    database.write(lambda tx: sending_limits.put(tx, host, {"messages_per_hour": 1}))
    admit(database, limited, 1, NOW, host)
    refusal(database, limited, 1, NOW, host)


def test_without_limits_nothing_is_written(database: Database, limited: Settings) -> None:
    admit(database, limited, 1, NOW, SITE)
    assert sqlite_shell.run(database.path, "SELECT count(*) FROM sending_usage;") == ["0"]


def test_a_smaller_burst_lets_less_go_at_once(database: Database, limited: Settings) -> None:
    limited = replace(limited, limit_burst=34)
    admit(database, limited)
    assert str(refusal(database, limited)).endswith("is used up until 08:20 UTC")


def test_a_subjects_own_limit_counts_and_can_be_given_back(database: Database, limited: Settings) -> None:
    database.write(lambda tx: sending_limits.put(tx, ANN, {"messages_per_hour": 1, "recipients_per_hour": 0}))
    tally = database.read(lambda tx: sending_limits.of(tx, ANN, limited))
    assert tally.limits == {
        "messages_per_hour": 1,
        "messages_per_day": 10,
        "recipients_per_hour": 0,
        "recipients_per_day": 50,
    }
    assert tally.own == {"messages_per_hour", "recipients_per_hour"}
    admit(database, limited, 30)
    refusal(database, limited)
    database.write(lambda tx: sending_limits.put(tx, ANN, {"messages_per_hour": None, "recipients_per_hour": None}))
    assert database.read(lambda tx: sending_limits.of(tx, ANN, limited)).own == frozenset()
    assert sqlite_shell.run(database.path, "SELECT count(*) FROM sending_limits;") == ["0"]


def test_a_limit_that_a_script_inserts_counts_at_once(database: Database, limited: Settings) -> None:
    sqlite_shell.run(
        database.path, "INSERT INTO sending_limits (scope, name, messages_per_hour) VALUES ('user', 'ann', 1);"
    )
    admit(database, limited)
    refusal(database, limited)


def test_a_reset_gives_everything_back_but_the_limits(database: Database, limited: Settings) -> None:
    database.write(lambda tx: sending_limits.put(tx, ANN, {"messages_per_hour": 1}))
    admit(database, limited)
    database.write(lambda tx: sending_limits.record(tx, ANN, "messages_per_hour", NOW))
    assert database.write(lambda tx: sending_limits.reset(tx, ANN))
    assert not database.write(lambda tx: sending_limits.reset(tx, ANN))
    assert database.read(limit_standings.hits) == []
    admit(database, limited)
    refusal(database, limited)


def test_hits_are_one_row_a_limit(database: Database) -> None:
    for now in (NOW, NOW + 60):
        database.write(lambda tx, now=now: sending_limits.record(tx, ANN, "messages_per_day", now))  # type: ignore[misc]
    database.write(lambda tx: sending_limits.record(tx, SITE, FOREIGN_SENDER, NOW + 30))
    found = database.read(limit_standings.hits)
    assert [(hit.subject, hit.counted, hit.times) for hit in found] == [
        (ANN, "messages_per_day", 2),
        (SITE, FOREIGN_SENDER, 1),
    ]
    assert (found[0].first_ts, found[0].last_ts) == (NOW, NOW + 60)


def test_a_clock_that_was_ahead_does_not_keep_a_limit_used_up(database: Database, limited: Settings) -> None:
    for _ in range(3):
        admit(database, limited, 1, NOW + 400 * 86400)
    refusal(database, limited)
    database.write(lambda tx: sending_limits.record(tx, ANN, "messages_per_hour", NOW))
    admit(database, limited, 1, NOW + 1200)


def test_administrators_see_who_was_refused_and_then_who_used_most(database: Database, limited: Settings) -> None:
    bob, eve = Subject("user", "bob"), Subject("user", "eve")
    admit(database, limited, 1, NOW, bob)
    for _ in range(2):
        admit(database, limited, 1, NOW, ANN)
    database.write(lambda tx: sending_limits.put(tx, eve, {"messages_per_day": 1}))
    database.write(lambda tx: sending_limits.record(tx, eve, "messages_per_day", NOW))
    found = database.read(lambda tx: limit_standings.list_for(tx, None, limited, NOW))
    assert [standing.tally.subject for standing in found] == [eve, ANN, bob]
    assert found[0].hits["messages_per_day"].times == 1


def test_a_user_sees_himself_and_his_domains_only(database: Database, limited: Settings) -> None:
    admit(database, limited, 1, NOW, Subject("user", "bob"))
    database.write(lambda tx: addresses.add(tx, Address.parse("ann@example.test"), "ann"))
    found = database.read(lambda tx: limit_standings.list_for(tx, "ann", limited, NOW))
    assert {standing.tally.subject for standing in found} == {ANN, SITE, DOMAIN}


def test_what_is_old_is_swept(database: Database, limited: Settings) -> None:
    admit(database, limited)
    database.write(lambda tx: sending_limits.record(tx, ANN, "messages_per_day", NOW))
    for later, left in ((5 * 86400, "1 1"), (12 * 86400, "0 1"), (31 * 86400, "0 0")):
        database.write(lambda tx, later=later: sending_limits.sweep(tx, NOW + later, NOW + later - 30 * 86400))  # type: ignore[misc]
        count = "SELECT (SELECT count(*) FROM sending_usage) || ' ' || (SELECT count(*) FROM sending_refusals);"
        assert sqlite_shell.run(database.path, count) == [left]


def test_a_message_that_is_not_admitted_leaves_nothing_behind(database: Database, limited: Settings) -> None:
    def send() -> None:
        ref = contents.store(database, b"Subject: s\r\n\r\nx\r\n")
        database.write(
            lambda tx: accept.submit_in(
                tx,
                ref,
                Submission("ann@example.test", "smtp", owner="ann"),
                [QueuedRecipient("you@remote.test")],
                accept.SentCopy("ann", "you@remote.test"),
                admit=lambda tx: sending_limits.admit(tx, [ANN], 1, limited, NOW),
            )
        )

    def rows() -> tuple[int, ...]:
        def count(tx: Connection) -> tuple[int, ...]:
            outbox, emails = tx.execute(
                "SELECT (SELECT count(*) FROM outbox), (SELECT count(*) FROM emails)"
            ).fetchall()[0]
            return int(str(outbox)), int(str(emails))

        return database.read(count)

    for _ in range(3):
        send()
    with pytest.raises(LimitExceeded):
        send()
    assert rows() == (3, 3)


@pytest.mark.parametrize(
    ("scope", "name", "expected"),
    [
        ("user", " ann ", ANN),
        ("unix", "ann", SITE),
        ("domain", "Example.TEST", DOMAIN),
        ("domain", "bücher.test", Subject("domain", "xn--bcher-kva.test")),
    ],
)
def test_subjects_are_named_in_their_stored_form(scope: str, name: str, expected: Subject) -> None:
    assert subject(scope, name) == expected


@pytest.mark.parametrize(("scope", "name"), [("user", ""), ("user", "a b"), ("domain", "a..b"), ("group", "ann")])
def test_what_is_no_subject_is_refused(scope: str, name: str) -> None:
    with pytest.raises(ValueError):
        subject(scope, name)
