"""How full a mailbox is, where users see it."""

from __future__ import annotations

import pytest
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.recipients import quotas
from onifast_shared.recipients.quotas import Quota, Scope
from onifast_web.webmail import filters

from web.support import Browser, deliver

INBOX = "/folders/inbox"


def limit(database: Database, scope: Scope, name: str, octets: int) -> None:
    database.write(lambda tx: quotas.put(tx, scope, name, octets))


def test_without_a_limit_nothing_is_said(browser: Browser) -> None:
    assert "quota" not in browser.get(INBOX).text
    assert "Space" not in browser.text_of("/addresses")


def test_every_page_tells_how_much_of_the_users_space_is_used(browser: Browser, database: Database) -> None:
    limit(database, "owner", "demo", 10 * 1024 * 1024)
    deliver(database, text="x" * 2048)
    for path in (INBOX, "/outbox", "/refusals"):
        assert "kB of 10 MB used" in browser.text_of(path)
    assert 'class="gauge quota"' in browser.get(INBOX).text


def test_a_mailbox_that_is_nearly_full_warns(browser: Browser, database: Database, settings: Settings) -> None:
    deliver(database)
    used = database.read(lambda tx: quotas.of(tx, "owner", "demo", settings)).used
    limit(database, "owner", "demo", used + 1)
    assert "Nearly full" in browser.text_of(INBOX)
    assert 'class="gauge quota full"' in browser.get(INBOX).text
    limit(database, "owner", "demo", used - 1)
    assert "New mail has to wait." in browser.text_of(INBOX)


def test_an_address_with_a_limit_shows_it_beside_those_without(browser: Browser, database: Database) -> None:
    limit(database, "address", "demo@example.test", 1024**3)
    shown = browser.text_of("/addresses")
    assert "Space" in shown and "0 bytes of 1.0 GB used" in shown
    assert "bytes of" not in browser.text_of(INBOX)


@pytest.mark.parametrize(
    ("used", "note"),
    [
        (0, "0 bytes of 1000 bytes used"),
        (899, "899 bytes of 1000 bytes used"),
        (900, "Nearly full: 900 bytes of 1000 bytes"),
        (1000, "Full: 1000 bytes of 1000 bytes. New mail has to wait."),
        (2000, "Full: 2.0 kB of 1000 bytes. New mail has to wait."),
    ],
)
def test_a_quotas_words(used: int, note: str) -> None:
    assert filters.quota_note(Quota("owner", "demo", 1000, used, 1)) == note
