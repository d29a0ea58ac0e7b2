"""New mail becomes searchable, and rows that others wrote get their times mended."""

from __future__ import annotations

from onifast_outbox.filing import indexer, search_keeper
from onifast_shared.mailboxes import mailbox
from onifast_shared.message import parsing
from outbox.helpers import Outbox
from searchable import found, search


async def until_done(outbox: Outbox) -> None:
    """Indexes all that waits for it."""
    while await indexer.run_once(outbox.db):
        pass


async def test_a_delivered_message_is_listed_and_found(outbox: Outbox) -> None:
    await outbox.submit("carol@here.test")
    await outbox.round()
    assert await indexer.run_once(outbox.db) == 1
    await until_done(outbox)
    assert await indexer.run_once(outbox.db) == 0
    assert outbox.sql("SELECT sender, sender_name, subject, snippet, message_id FROM emails") == [
        "alice@here.test|Alice|Hello|Hello Bob, . .hidden|<1@here.test>"
    ]
    assert [each.row.subject for each in search(outbox.db, "hidd", "carol").found] == ["Hello"]


async def test_times_of_rows_that_others_wrote_are_normalised(outbox: Outbox) -> None:
    outbox.sql(
        "INSERT INTO emails (sender, recipient, subject, body, received_at, folder) VALUES"
        " ('a@x.test', 'carol@here.test', 'go', 'b', '2024-03-01 12:00:00.5 +0100 CET m=+0.1', 'inbox'),"
        " ('a@x.test', 'carol@here.test', 'rfc', 'b', '2024-03-01T12:00:00+01:00', 'inbox'),"
        " ('a@x.test', 'carol@here.test', 'epoch', 'b', 1709290800, 'inbox')"
    )
    await indexer.run_once(outbox.db)
    assert outbox.sql("SELECT DISTINCT received_at, received_ts FROM emails") == ["2024-03-01 11:00:00|1709290800"]


async def test_bytes_that_are_no_message_hold_nobody_up(outbox: Outbox) -> None:
    for raw in (b"", b"\xff\x00" * 100, b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n"):
        await outbox.submit("carol@here.test", raw=raw)
    outbox.sql("PRAGMA foreign_keys=OFF; INSERT INTO emails (owner, content_id, judged) VALUES ('carol', 99999, 0)")
    await outbox.round()
    await indexer.run_once(outbox.db)
    assert outbox.sql("SELECT count(*), min(indexed), min(judged) FROM emails") == ["4|1|1"]


async def test_correspondents_are_learned_from_what_was_sent_and_indexed(outbox: Outbox) -> None:
    await outbox.submit("carol@here.test")
    outbox.sql("UPDATE outbox SET owner = 'alice', submitted_by = 'user:alice'")
    assert await indexer.learn(outbox.db) == 2, "a correspondent, and somebody to propose to who writes"
    assert await indexer.learn(outbox.db) == 0
    assert outbox.sql("SELECT owner, address, domain FROM correspondents") == ["alice|carol@here.test|here.test"]


async def test_older_messages_become_searchable_in_the_background(outbox: Outbox) -> None:
    outbox.sql(
        "INSERT INTO emails (owner, sender, recipient, subject, body, folder, indexed)"
        " VALUES ('carol', 'a@x.test', 'carol@here.test', '会議の資料', 'b', 'inbox', 1);"
        " UPDATE search_progress SET form = '', position = 1000"
    )
    assert search(outbox.db, "資料", "carol").found == []
    assert await search_keeper.sweep(outbox.db) == 1
    assert search(outbox.db, "資料", "carol").incomplete_before is not None
    while await search_keeper.sweep(outbox.db):
        pass
    page = search(outbox.db, "資料", "carol")
    assert [each.row.subject for each in page.found] == ["会議の資料"]
    assert page.incomplete_before is None


async def test_what_scripts_change_is_followed(outbox: Outbox) -> None:
    await outbox.submit("carol@here.test")
    await outbox.round()
    await until_done(outbox)
    assert len(found(outbox.db, "hello", "carol")) == 1
    outbox.sql("UPDATE emails SET subject = 'zebra', body = 'stripes' WHERE owner = 'carol'")
    assert found(outbox.db, "hello", "carol") == []
    await until_done(outbox)
    assert found(outbox.db, "hello", "carol") == []
    assert len(found(outbox.db, "zebra stripes", "carol")) == 1
    outbox.sql("DELETE FROM emails WHERE owner = 'carol'")
    await until_done(outbox)
    left = (
        "SELECT count(*) FROM search_documents; SELECT count(*) FROM search_volumes; SELECT count(*) FROM search_queue"
    )
    assert outbox.sql(left) == ["0", "0", "0"]
    assert outbox.sql("SELECT count(*) FROM mail_words WHERE mail_words MATCH '00001zebra'") == ["0"]


def test_a_name_with_a_comma_is_indexed_as_a_name() -> None:
    head = "From: =?utf-8?Q?M=C3=BCller=2C_x=40evil.test=2C?= <jm@x.test>\r\nSubject: s\r\n\r\n"
    index = indexer.index_of(head.encode())
    assert (index.sender, index.sender_name) == ("jm@x.test", "Müller, x@evil.test,")


async def test_names_in_rows_that_others_wrote_stand_beside_their_addresses(outbox: Outbox) -> None:
    outbox.sql(
        "INSERT INTO emails (sender, recipient, subject, body, folder) VALUES"
        " ('\"Müller, Jörg\" <jm@x.test>', 'Zoë <z@x.test>, b@x.test', 's', 'b', 'inbox')"
    )
    parsed = outbox.db.read(lambda tx: parsing.parse(mailbox.raw(tx, 1)))
    assert [(each.name, str(each.address)) for each in parsed.authors] == [("Müller, Jörg", "jm@x.test")]
    recipients = [(each.name, str(each.address)) for each in parsed.mailboxes("to")]
    assert recipients == [("Zoë", "z@x.test"), ("", "b@x.test")]
