"""What users move to and out of junk is learned: by our own filter, or in their name by one elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from onifast_outbox.filing import indexer
from onifast_outbox.junk.teacher import Teacher
from onifast_shared.accepting import accept
from onifast_shared.accepting.accept import IncomingMessage, LocalDelivery
from onifast_shared.junk import judging
from onifast_shared.junk.exchange import MOST_SCANNED
from onifast_shared.machine.setting_types import ScannerAddress
from onifast_shared.mailboxes import mailbox, preferences
from onifast_shared.mailboxes.preferences import JunkChoice
from onifast_shared.webhooks import store as webhooks
from outbox.helpers import Outbox

from fakes.scanner import FakeScanner
from peers.ports import free_port

NOW = 2_000_000_000.0
TOLD = b"SPAMD/1.1 0 EX_OK\r\nDidSet: local\r\nContent-length: 2\r\n\r\n\r\n"
LEARNED = b'HTTP/1.1 200 OK\r\n\r\n{"success":true}'
CHECKED = {"dmarc": "pass", "spf": "pass"}


def letter(number: int, text: str, sender: str = "") -> bytes:
    author = sender or f"s{number}@p{number}.test"
    return f"From: {author}\r\nSubject: News {number}\r\n\r\n{text} number{number}\r\n".encode()


JUNK, GOOD = "Cheap watches and casino bonus, click here now", "The minutes of the garden committee and its budget"


async def arrive(outbox: Outbox, raw: bytes, owner: str = "carol") -> int:
    """A message comes in from outside, and outbox looks at it; its number."""
    incoming = IncomingMessage("x@remote.test", [LocalDelivery(owner, f"{owner}@here.test")], CHECKED)
    accepted = await accept.deliver(outbox.db, raw, incoming)
    await indexer.run_once(outbox.db)
    return accepted.email_ids[0]


async def move(outbox: Outbox, folder: str, *ids: int, owner: str = "carol") -> None:
    await outbox.db.awrite(lambda tx: mailbox.move(tx, owner, ids, folder))


async def teach(outbox: Outbox, now: float = NOW) -> None:
    teacher = Teacher(outbox.db, outbox.settings, now=lambda: now)
    while await teacher.run_once():
        pass


def folder_of(outbox: Outbox, email_id: int) -> str:
    (folder,) = outbox.sql(f"SELECT folder FROM emails WHERE id = {email_id}")
    return folder


async def taught(outbox: Outbox, owner: str = "carol") -> None:
    """Somebody moves much junk to junk, and has read their mail."""
    kept = [await arrive(outbox, letter(number, GOOD), owner) for number in range(judging.FEWEST_LEARNED)]
    await outbox.db.awrite(lambda tx: mailbox.set_read(tx, owner, kept, True))
    junk = [await arrive(outbox, letter(100 + number, JUNK), owner) for number in range(judging.FEWEST_LEARNED)]
    await move(outbox, "junk", *junk, owner=owner)
    await teach(outbox)


async def test_what_is_like_what_was_moved_to_junk_goes_there_and_for_nobody_else(outbox: Outbox) -> None:
    await taught(outbox)
    mine, other = [await arrive(outbox, letter(500, JUNK), owner) for owner in ("carol", "alice")]
    good = await arrive(outbox, letter(501, GOOD))
    assert [folder_of(outbox, each) for each in (mine, other, good)] == ["junk", "inbox", "inbox"]
    (reason,) = outbox.sql(f"SELECT junk_reason FROM emails WHERE id = {mine}")
    assert reason.startswith(f"It is in junk because it is like {judging.FEWEST_LEARNED} messages that you moved")
    assert outbox.sql("SELECT DISTINCT judged FROM emails") == ["1"]


async def test_a_message_shows_in_the_list_before_it_is_judged(outbox: Outbox) -> None:
    incoming = IncomingMessage("x@remote.test", [LocalDelivery("carol", "carol@here.test")], CHECKED)
    await accept.deliver(outbox.db, letter(1, JUNK), incoming)
    rows = outbox.db.read(lambda tx: mailbox.list_page(tx, "carol", "inbox")).rows
    assert [row.subject for row in rows] == ["News 1"]
    assert outbox.sql("SELECT judged FROM emails") == ["0"]


async def test_a_sender_moved_to_junk_twice_is_junk_until_it_is_moved_back(outbox: Outbox) -> None:
    ids = [await arrive(outbox, letter(number, GOOD, "shop@loud.test")) for number in range(2)]
    await move(outbox, "junk", *ids)
    await teach(outbox)
    third = await arrive(outbox, letter(3, GOOD, "shop@loud.test"))
    assert folder_of(outbox, third) == "junk"
    assert outbox.sql("SELECT count(*) FROM junk_lessons WHERE moved = 1") == ["2"], "judging teaches nothing"
    await move(outbox, "inbox", third)
    await teach(outbox)
    assert folder_of(outbox, await arrive(outbox, letter(4, GOOD, "shop@loud.test"))) == "inbox"


async def test_who_wants_no_filter_teaches_nothing(outbox: Outbox) -> None:
    outbox.db.write(lambda tx: preferences.put_junk(tx, "carol", JunkChoice(filters=False), NOW))
    await move(outbox, "junk", await arrive(outbox, letter(1, JUNK)))
    await teach(outbox)
    assert outbox.sql("SELECT count(*) FROM junk_models") == ["0"]
    assert outbox.sql("SELECT count(*) FROM junk_lessons WHERE wanted <> learned") == ["0"]


async def test_nothing_is_learned_where_the_filter_is_off(outbox: Outbox) -> None:
    outbox.reassemble(junk_filter="off")
    await move(outbox, "junk", await arrive(outbox, letter(1, JUNK)))
    await teach(outbox)
    assert outbox.sql("SELECT count(*) FROM junk_models") == ["0"]


async def test_a_message_that_cannot_be_read_holds_nobody_up(outbox: Outbox) -> None:
    ids = [await arrive(outbox, raw) for raw in (b"", b"\xff\x00" * 1000, letter(1, JUNK))]
    await move(outbox, "junk", *ids)
    await teach(outbox)
    assert outbox.sql("SELECT junk FROM junk_models") == ["3"]


# Elsewhere


@pytest.fixture
def scanner() -> Iterator[FakeScanner]:
    with FakeScanner(TOLD) as running:
        yield running


def elsewhere(outbox: Outbox, protocol: str, port: int) -> None:
    where = ScannerAddress(protocol, "127.0.0.1", port)
    outbox.reassemble(scanner=where, scanner_learns_at=where, scanner_timeout=20.0)


async def test_spamd_is_told_in_the_users_name(outbox: Outbox, scanner: FakeScanner) -> None:
    elsewhere(outbox, "spamd", scanner.port)
    raw = letter(1, JUNK)
    email_id = await arrive(outbox, raw)
    for folder in ("junk", "inbox"):
        await move(outbox, folder, email_id)
        await teach(outbox)
    size = b"Content-length: %d\r\n\r\n" % len(raw) + raw
    assert scanner.requests == [
        b"TELL SPAMC/1.5\r\nUser: carol\r\nMessage-class: spam\r\nSet: local\r\n" + size,
        b"TELL SPAMC/1.5\r\nUser: carol\r\nRemove: local\r\n" + size,
    ]
    assert outbox.sql("SELECT count(*) FROM junk_models") == ["0"]


async def test_rspamd_is_told_in_the_users_name(outbox: Outbox, scanner: FakeScanner) -> None:
    scanner.answer = LEARNED
    elsewhere(outbox, "rspamd", scanner.port)
    email_id = await arrive(outbox, letter(1, JUNK))
    for folder in ("junk", "inbox"):
        await move(outbox, folder, email_id)
        await teach(outbox)
    assert [request.split(b"\r\n")[0] for request in scanner.requests] == [
        b"POST /learnspam HTTP/1.0",
        b"POST /learnham HTTP/1.0",
    ]
    assert all(b"\r\nDeliver-To: carol\r\n" in request for request in scanner.requests)


@pytest.mark.parametrize("answer", [b"", b"SPAMD/1.1 69 EX_UNAVAILABLE\r\n\r\n", b"x" * 2_000_000])
async def test_a_filter_that_does_not_learn_is_told_again_later(
    outbox: Outbox, scanner: FakeScanner, answer: bytes
) -> None:
    elsewhere(outbox, "spamd", scanner.port)
    scanner.answer = answer
    await move(outbox, "junk", await arrive(outbox, letter(1, JUNK)))
    await teach(outbox)
    assert len(scanner.requests) == 1
    scanner.answer = TOLD
    await teach(outbox, NOW + 299)
    await teach(outbox, NOW + 301)
    assert len(scanner.requests) == 2
    assert outbox.sql("SELECT learned FROM junk_lessons") == ["junk"]


async def test_a_filter_that_is_down_is_told_again_later(outbox: Outbox) -> None:
    elsewhere(outbox, "spamd", free_port())
    await move(outbox, "junk", await arrive(outbox, letter(1, JUNK)))
    await teach(outbox)
    assert outbox.sql("SELECT tries, learned FROM junk_lessons") == ["1|"]


async def test_a_filter_is_not_told_of_very_large_messages(outbox: Outbox, scanner: FakeScanner) -> None:
    elsewhere(outbox, "spamd", scanner.port)
    await move(outbox, "junk", await arrive(outbox, letter(1, "x\r\n" * (MOST_SCANNED // 3))))
    await teach(outbox)
    assert (scanner.requests, outbox.sql("SELECT count(*) FROM junk_lessons WHERE wanted <> learned")) == ([], ["0"])


# What waits for the verdict


async def test_a_webhook_hears_of_new_mail_once_it_is_judged(outbox: Outbox) -> None:
    await taught(outbox)
    for owner in ("carol", "alice"):
        outbox.db.write(
            lambda tx, owner=owner: webhooks.create(tx, owner, "https://x.test/", ["received"], NOW)  # type: ignore[misc]
        )
    outbox.db.write(lambda tx: webhooks.create(tx, "carol", "https://y.test/", webhooks.ABOUT_SENT, NOW))
    incoming = IncomingMessage("x@remote.test", [LocalDelivery("carol", "carol@here.test")], CHECKED)
    await accept.deliver(outbox.db, letter(500, JUNK), incoming)
    assert outbox.sql("SELECT count(*) FROM webhook_events") == ["0"]
    await indexer.run_once(outbox.db)
    await indexer.run_once(outbox.db)
    (payload,) = outbox.sql("SELECT payload FROM webhook_events")
    told = json.loads(payload)
    assert told["type"] == "mail.received"
    data = told["data"]
    assert (data["owner"], data["subject"], data["folder"], data["correspondent"]) == (
        "carol", "News 500", "junk", "first",
    )  # fmt: skip
    assert data["junk_reason"].startswith("It is in junk because it is like ")


async def test_what_is_judged_already_is_told_to_nobody(outbox: Outbox) -> None:
    outbox.db.write(lambda tx: webhooks.create(tx, "carol", "https://x.test/", ["received"], NOW))
    delivery = LocalDelivery("carol", "carol@here.test", is_judged=True)
    await accept.deliver(outbox.db, letter(1, GOOD), IncomingMessage("", [delivery]))
    await indexer.run_once(outbox.db)
    assert outbox.sql("SELECT count(*) FROM webhook_events") == ["0"]
