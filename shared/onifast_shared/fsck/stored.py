"""Messages' bytes: those that no row refers to, and rows whose bytes are gone or not whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from onifast_shared.db.database import Connection
from onifast_shared.fsck.kinds import STEP, FsckProblem, FsckTools
from onifast_shared.mailboxes import contents
from onifast_shared.queue import actions as queue_actions

UNUSED, INCOMPLETE = "unused-contents", "incomplete-contents"

_FROM_BACKUP = "onifast-mailctl backup extract brings a message back from a backup"


def unused(tools: FsckTools) -> Iterator[FsckProblem]:
    """Bytes older than a day that no mailbox, queue row or refused message refers to."""
    after: int | None = 0
    while after is not None:
        found, after = tools.db.read(partial(contents.orphans, now=tools.now, after=after, limit=STEP))
        for content_id in found:
            text = "no message has these bytes"
            yield FsckProblem(UNUSED, f"contents {content_id}", text, partial(_put_away, tools, content_id))


def _put_away(tools: FsckTools, content_id: int) -> str:
    raw = tools.db.read(lambda tx: contents.read(tx, content_id))
    kept = tools.lost.keep_bytes(f"contents-{content_id}.eml", [raw])
    if tools.db.write(lambda tx: contents.remove_unused(tx, [content_id])):
        return f"removed, and kept as {kept}"
    kept.unlink()
    return "a message has them by now"


def incomplete(tools: FsckTools) -> Iterator[FsckProblem]:
    """Rows that name bytes which are not there, or not all of them."""
    for table, look_at in (("emails", _email), ("outbox", _queued), ("refused_messages", _refused)):
        position = (0, 0)
        while rows := tools.db.read(partial(_rows, table=table, after=position)):
            position = rows[-1][:2]
            for content_id, row_id, is_whole in rows:
                if not is_whole and (found := look_at(tools, row_id, content_id)):
                    yield found


def _rows(tx: Connection, table: str, after: tuple[int, int]) -> list[tuple[int, int, bool]]:
    # By the index of contents: rows of emails are wide, and this column lies behind their text.
    sql = f"""
        SELECT content_id, id FROM {table} INDEXED BY {table}_content
        WHERE (content_id, id) > (?, ?) ORDER BY content_id, id LIMIT {STEP}
    """
    rows: list[tuple[int, int]] = tx.execute(sql, after).fetchall()  # type: ignore[assignment]
    return [(content_id, row_id, contents.is_whole(tx, content_id)) for content_id, row_id in rows]


def _email(tools: FsckTools, row_id: int, content_id: int) -> FsckProblem:
    def mend() -> str:
        sql = "UPDATE emails SET content_id = NULL WHERE id = ? AND content_id = ?"
        tools.db.write(lambda tx: tx.execute(sql, (row_id, content_id)) and None)
        return "it is shown with the text that was read from it; " + _FROM_BACKUP

    return FsckProblem(INCOMPLETE, f"emails {row_id}", _gone(content_id), mend, _FROM_BACKUP)


def _queued(tools: FsckTools, row_id: int, content_id: int) -> FsckProblem | None:
    status = tools.db.read(lambda tx: tx.execute("SELECT status FROM outbox WHERE id = ?", (row_id,)).get)
    if status not in {"pending", "deferred", "held", "sending"}:
        return None  # it is over, and needs them no more

    def hold() -> str:
        tools.db.write(lambda tx: queue_actions.act(tx, None, [row_id], "hold", tools.now))
        return f"held; onifast-mailctl queue cancel {row_id} ends it"

    mend: Callable[[], str] | None = hold if status in {"pending", "deferred"} else None
    return FsckProblem(
        INCOMPLETE, f"outbox {row_id}", _gone(content_id), mend, f"onifast-mailctl queue cancel {row_id}"
    )


def _refused(tools: FsckTools, row_id: int, content_id: int) -> FsckProblem:
    def mend() -> str:
        sql = "DELETE FROM refused_messages WHERE id = ? AND content_id = ?"
        tools.db.write(lambda tx: tx.execute(sql, (row_id, content_id)) and None)
        return "removed: there is nothing left to rescue"

    return FsckProblem(INCOMPLETE, f"refused_messages {row_id}", _gone(content_id), mend)


def _gone(content_id: int) -> str:
    return f"its bytes, contents {content_id}, are not there, or not all of them"
