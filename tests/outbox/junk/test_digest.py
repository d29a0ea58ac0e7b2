"""Digests of junk and refused mail: told to whom wants them, into their own mailbox alone."""

from __future__ import annotations

from typing import Any

import pytest
from onifast_outbox.junk import digest
from onifast_outbox.junk.digest import Digests
from onifast_shared.db.database import Connection
from onifast_shared.junk.digests import DigestContent
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import mailbox, preferences
from onifast_shared.mailboxes.preferences import Digest, JunkChoice
from onifast_shared.message import parsing
from onifast_shared.refused import refusals
from onifast_shared.refused.refusals import Refusal
from onifast_shared.values.address import Address
from outbox.helpers import Outbox

NOW, DAY = 1_800_000_000.0, 86400
REFUSAL = Refusal(
    "192.0.2.7", "mx", "", "eve@remote.test", "carol@here.test", "carol", "DATA", 550, "5.7.1", "no", None
)


def choose(outbox: Outbox, often: Digest, user: str = "carol", now: float = NOW) -> None:
    outbox.db.write(lambda tx: preferences.put_junk(tx, user, JunkChoice(digest=often), now))


def junk(outbox: Outbox, subject: str, user: str = "carol", at: float = NOW + 60) -> None:
    outbox.sql(
        "INSERT INTO emails (sender, recipient, subject, body, folder, owner, received_at, received_ts, indexed, size)"
        f" VALUES ('eve@remote.test', '{user}@here.test', '{subject}', 'b', 'junk', '{user}', 'x', {int(at)}, 1, 9)"
    )


def refuse(outbox: Outbox, **fields: Any) -> None:
    refusal = Refusal(**{**REFUSAL.__dict__, **fields})
    outbox.db.write(lambda tx: refusals.add(tx, refusal, NOW + 60))


async def tell(outbox: Outbox, days: float, **changes: Any) -> list[str]:
    """The digests in carol's inbox, once outbox has looked at that time."""
    if changes:
        outbox.reassemble(**changes)
    await Digests(outbox.db, outbox.settings, now=lambda: NOW + days * DAY).run_once()

    def read(tx: Connection) -> list[str]:
        rows = mailbox.list_page(tx, "carol", "inbox").rows
        return [parsing.parse(mailbox.raw(tx, row.id)).text or "" for row in rows]

    return outbox.db.read(read)


@pytest.mark.parametrize(("often", "days"), [("daily", 1), ("weekly", 7)])
async def test_a_digest_comes_when_it_was_asked_for(outbox: Outbox, often: Digest, days: int) -> None:
    choose(outbox, often)
    junk(outbox, "Win a prize")
    refuse(outbox)
    assert await tell(outbox, days - 0.01) == []
    (text,) = await tell(outbox, days)
    assert "1 message went to your junk since you were told last." in text
    assert "eve@remote.test: Win a prize" in text
    assert "1 message was refused since you were told last." in text
    assert await tell(outbox, days + 0.5) == [text], "told once"


async def test_links_lead_to_pages_of_the_webmail(outbox: Outbox) -> None:
    choose(outbox, "daily")
    junk(outbox, "Win a prize")
    refuse(outbox)
    (text,) = await tell(outbox, 1, webmail_url="https://panel.test/mail")
    assert "https://panel.test/mail/messages/1" in text
    assert "https://panel.test/mail/refusals/1" in text


async def test_what_strangers_wrote_is_no_link(outbox: Outbox) -> None:
    choose(outbox, "daily")
    junk(outbox, "See https://evil.test/x and WWW.evil.test " + "x" * 5000)
    (text,) = await tell(outbox, 1)
    assert "See https ://evil.test/x and WWW .evil.test xxx" in text
    assert len(text) < 2000


async def test_who_wants_none_or_has_nothing_new_gets_none(outbox: Outbox) -> None:
    junk(outbox, "Before", at=NOW - 60)
    junk(outbox, "Of another", user="alice")
    refuse(outbox, owner="alice")
    choose(outbox, "daily")
    choose(outbox, "off", "alice")
    assert await tell(outbox, 1) == []
    assert outbox.sql("SELECT count(*) FROM emails WHERE folder = 'inbox'") == ["0"]


async def test_a_digest_is_never_forwarded_and_never_judged(outbox: Outbox) -> None:
    outbox.sql("INSERT INTO mail_forwards (address, target) VALUES ('carol@here.test', 'elsewhere@remote.test')")
    choose(outbox, "daily")
    junk(outbox, "Win a prize")
    assert len(await tell(outbox, 1)) == 1
    assert outbox.sql("SELECT count(*) FROM outbox") == ["0"]
    assert outbox.sql("SELECT judged, reverse_path FROM emails WHERE folder = 'inbox'") == ["1|"]


async def test_a_flood_makes_one_digest_of_bounded_length(outbox: Outbox) -> None:
    choose(outbox, "daily")
    for number in range(120):
        junk(outbox, f"Prize {number}")
        refuse(outbox)
    (text,) = await tell(outbox, 1)
    assert "120 messages went to your junk since you were told last. The newest 50 of them:" in text
    assert "120 messages were refused" in text
    assert text.count("Prize") == 50


async def test_a_full_mailbox_gets_none(outbox: Outbox) -> None:
    choose(outbox, "daily")
    junk(outbox, "Win a prize")
    outbox.sql("INSERT INTO mail_quotas (scope, name, bytes) VALUES ('owner', 'carol', 10)")
    assert await tell(outbox, 1) == []


async def test_a_user_without_an_address_is_passed_over(outbox: Outbox) -> None:
    choose(outbox, "daily", "nobody")
    junk(outbox, "Lost", user="nobody")
    choose(outbox, "daily")
    junk(outbox, "Win a prize")
    assert len(await tell(outbox, 1)) == 1


async def test_the_count_and_the_list_are_of_the_same_messages(outbox: Outbox) -> None:
    choose(outbox, "daily")
    for _ in range(60):
        refuse(outbox, submitted_by="user:carol", recipient="bob@remote.test")
    for number in range(3):
        refuse(outbox, sender=f"eve{number}@remote.test")
    outbox.sql("UPDATE refusals SET rescued_ts = 1 WHERE sender = 'eve1@remote.test'")
    for _ in range(60):  # newer than what there is to tell
        refuse(outbox, submitted_by="user:carol", recipient="bob@remote.test")
    (text,) = await tell(outbox, 1)
    assert "2 messages were refused since you were told last." in text
    assert "The newest" not in text
    assert [each for each in ("eve0", "eve1", "eve2") if f"{each}@remote.test to" in text] == ["eve0", "eve2"]


async def test_one_user_who_cannot_be_told_keeps_it_from_nobody_else(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for user, at in (("alice", NOW), ("carol", NOW + 1)):
        choose(outbox, "daily", user, at)
        junk(outbox, "Win a prize", user)
    build = digest.build

    def fails(told: DigestContent, primary: Address, settings: Settings) -> bytes:
        if primary.local == "alice":
            raise ValueError(primary)
        return build(told, primary, settings)

    monkeypatch.setattr(digest, "build", fails)
    assert len(await tell(outbox, 2)) == 1
    assert await Digests(outbox.db, outbox.settings, now=lambda: NOW + 2 * DAY).run_once() == 0, "not again at once"
