"""What one round of claims found of routes and domains is good for the next one, until somebody changes any of it."""

from __future__ import annotations

import pytest
import sqlite_shell
from onifast_shared.db.database import Connection, Database
from onifast_shared.machine.config import Settings
from onifast_shared.queue.next_hops import LOCAL, NextHops


class Rounds:
    """One transaction after another, each with what the one before knew, and how many statements it took."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self.hops: NextHops | None = None
        self.statements = 0

    def hop(self, domain: str = "remote.test") -> str:
        def ask(tx: Connection) -> str:
            tx.exec_trace = self._count
            try:
                self.hops = NextHops(tx, self._settings, self.hops)
                return self.hops.of("a@here.test", None, domain)
            finally:
                tx.exec_trace = None

        self.statements = 0
        return self._database.write(ask)

    def _count(self, *_: object) -> bool:
        self.statements += 1
        return True


@pytest.fixture
def rounds(database: Database, settings: Settings) -> Rounds:
    return Rounds(database, settings)


def test_what_nobody_changed_is_asked_in_one_statement(rounds: Rounds) -> None:
    assert rounds.hop() == "remote.test" and rounds.statements > 2
    assert rounds.hop() == "remote.test" and rounds.statements == 1


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("INSERT INTO mail_config (key, value) VALUES ('relay_host', 'relay.test')", "relay.test:25"),
        ("INSERT INTO domains (domain, owner) VALUES ('remote.test', 'ann')", LOCAL),
        ("INSERT INTO domain_aliases (alias, domain) VALUES ('remote.test', 'here.test')", LOCAL),
        (
            "INSERT INTO routes (scope, name, host, port, tls, user, password, created_ts)"
            " VALUES ('recipient_domain', 'remote.test', 'smart.test', 26, 'none', '', '', 0)",
            "smart.test:26",
        ),
        (
            "INSERT INTO routes (scope, name, host, port, tls, user, password, created_ts)"
            " VALUES ('sender_domain', 'here.test', 'smart.test', 26, 'none', '', '', 0)",
            "smart.test:26",
        ),
    ],
)
def test_a_change_by_another_program_counts_at_the_next_claim(
    rounds: Rounds, settings: Settings, change: str, expected: str
) -> None:
    assert rounds.hop() == "remote.test"
    sqlite_shell.run(settings.database, change)
    assert rounds.hop() == expected
    table = change.split()[2]
    sqlite_shell.run(settings.database, f"DELETE FROM {table}")
    assert rounds.hop() == "remote.test"


def test_a_changed_relay_counts_at_the_next_claim(rounds: Rounds, settings: Settings) -> None:
    sqlite_shell.run(settings.database, "INSERT INTO mail_config (key, value) VALUES ('relay_host', 'one.test')")
    assert rounds.hop() == "one.test:25"
    sqlite_shell.run(settings.database, "UPDATE mail_config SET value = 'two.test' WHERE key = 'relay_host'")
    assert rounds.hop() == "two.test:25"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ("INSERT INTO sandbox_domains (domain, since_ts, set_by) VALUES ('here.test', 0, '')", "has_sandboxes"),
        (
            "INSERT INTO hold_rules (sender, recipient, owner, note, created_by, created_ts)"
            " VALUES ('', '@remote.test', '', '', '', 0)",
            "has_hold_rules",
        ),
        (
            "INSERT INTO source_addresses (domain, family, address, helo_name, created_ts)"
            " VALUES ('here.test', 4, '127.0.0.9', '', 0)",
            "has_sources",
        ),
    ],
)
def test_the_first_of_what_rarely_is_there_is_noticed(
    rounds: Rounds, settings: Settings, change: str, field: str
) -> None:
    rounds.hop()
    assert rounds.hops and not getattr(rounds.hops.standing, field)
    sqlite_shell.run(settings.database, change)
    rounds.hop()
    assert getattr(rounds.hops.standing, field)
