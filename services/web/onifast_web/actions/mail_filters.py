"""Filters, as users make, change, order and run them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from onifast_shared.db.database import Connection
from onifast_shared.filters import checks, deciding, rules, runs, store
from onifast_shared.filters.deciding import MailFilter
from onifast_shared.filters.matching import MessageFacts
from onifast_shared.filters.rules import FilterError, FilterRule
from onifast_shared.filters.runs import FilterRun
from onifast_shared.filters.store import FilterLogLine
from onifast_shared.mailboxes import mailbox
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.message.html_text import to_text
from onifast_shared.message.parsing import parse
from onifast_shared.values.paging import Page

from onifast_web.access.context import Web
from onifast_web.http.problems import Problem, not_found, unprocessable
from onifast_web.languages.texts import _

MOST_TRIED = 100
"""Messages of the inbox that a filter is tried on before it is kept; larger ones than LARGEST_TRIED are left out."""
LARGEST_TRIED = 1024 * 1024

T = TypeVar("T")


@dataclass(frozen=True)
class FilterStanding:
    """A user's filters, how often each has acted and when last (epoch seconds), and their last runs on old mail."""

    filters: list[MailFilter]
    use: Mapping[int, tuple[int, int]]
    runs: list[FilterRun]


def standing(web: Web, owner: str) -> FilterStanding:
    """What a user has of filters."""
    return web.database.read(
        lambda tx: FilterStanding(store.list_all(tx, owner), store.use(tx, owner), runs.latest(tx, owner))
    )


def parse_rule(found: Mapping[str, Any]) -> FilterRule:
    """The rule that was sent; raises Problem(422)."""
    return _told(lambda: rules.parse(found))


def add(web: Web, owner: str, name: str, rule: FilterRule, *, is_on: bool = True) -> MailFilter:
    """Puts a filter below the others. Raises Problem(422)."""

    def write(tx: Connection) -> MailFilter:
        checks.check(tx, owner, rule, web.settings)
        return store.add(tx, owner, name, rule, is_on=is_on, now=web.clock())

    return _told(lambda: web.database.write(write))


def change(
    web: Web,
    owner: str,
    filter_id: int,
    *,
    name: str | None = None,
    rule: FilterRule | None = None,
    is_on: bool | None = None,
) -> MailFilter:
    """Changes what is given of a filter. Raises Problem(404), Problem(422)."""

    def write(tx: Connection) -> MailFilter:
        found = of(tx, owner, filter_id)
        if rule is not None:
            checks.check(tx, owner, rule, web.settings, besides=filter_id)
        return store.change(tx, found, name=name, rule=rule, is_on=is_on, now=web.clock())

    return _told(lambda: web.database.write(write))


def of(tx: Connection, owner: str, filter_id: int) -> MailFilter:
    """A user's filter; raises Problem(404)."""
    found = store.get(tx, owner, filter_id) if 0 < filter_id < 2**63 else None
    if found is None:
        raise not_found("filter")
    return found


def remove(web: Web, owner: str, filter_id: int) -> None:
    """Ends a filter; raises Problem(404)."""
    if not (0 < filter_id < 2**63 and web.database.write(lambda tx: store.remove(tx, owner, filter_id))):
        raise not_found("filter")


def put_in_order(web: Web, owner: str, ids: Sequence[int]) -> None:
    """Has filters asked in this order, which names each once; raises Problem(404), Problem(409)."""
    if not {each.id for each in web.database.read(lambda tx: store.list_all(tx, owner))}.issuperset(ids):
        raise not_found("filter")
    if not web.database.write(lambda tx: store.put_in_order(tx, owner, ids)):
        raise Problem(
            409, _("Name each of your filters once."), errors=[{"field": "ids", "message": _("each filter once")}]
        )


def move(web: Web, owner: str, filter_id: int, by: int) -> None:
    """Moves a filter up (-1) or down (1) among the others; raises Problem(404)."""

    def write(tx: Connection) -> None:
        of(tx, owner, filter_id)
        ids = [each.id for each in store.list_all(tx, owner)]
        place = ids.index(filter_id)
        ids.insert(max(0, place + by), ids.pop(place))
        store.put_in_order(tx, owner, ids)

    web.database.write(write)


def log(web: Web, owner: str, *, limit: int, cursor: str | None = None) -> Page[FilterLogLine]:
    """What a user's filters did, the latest first; raises CursorError."""
    return web.database.read(lambda tx: store.log_page(tx, owner, limit=limit, cursor=cursor))


def run(web: Web, owner: str, filter_id: int | None, folders: Sequence[str]) -> FilterRun:
    """Runs a filter, or all that are on (None), on mail that is here. Raises Problem(404, 409, 422)."""

    def write(tx: Connection) -> FilterRun:
        chosen = store.active(tx, owner) if filter_id is None else [of(tx, owner, filter_id)]
        try:
            return runs.start(tx, owner, chosen, folders, now=web.clock())
        except FilterError as error:
            if error.field != "filter":
                raise
            raise Problem(409, f"{str(error)[0].upper()}{str(error)[1:]}.") from None

    return _told(lambda: web.database.write(write))


def run_of(web: Web, owner: str, run_id: int) -> FilterRun:
    """A run; raises Problem(404)."""
    found = web.database.read(lambda tx: runs.get(tx, owner, run_id)) if 0 < run_id < 2**63 else None
    if found is None:
        raise not_found("run")
    return found


def stop(web: Web, owner: str, run_id: int) -> FilterRun:
    """Ends a run where it is; raises Problem(404), Problem(409)."""
    run_of(web, owner, run_id)
    if not web.database.write(lambda tx: runs.stop(tx, owner, run_id, web.clock())):
        raise Problem(409, _("This run is not under way."))
    return run_of(web, owner, run_id)


def undo(web: Web, owner: str, run_id: int) -> FilterRun:
    """Has what a run changed put back; raises Problem(404), Problem(409)."""
    run_of(web, owner, run_id)
    if not web.database.write(lambda tx: runs.undo(tx, owner, run_id)):
        raise Problem(409, _("There is nothing of this run to undo."))
    return run_of(web, owner, run_id)


def tried(web: Web, owner: str, rule: FilterRule) -> tuple[list[EmailRow], int]:
    """The newest messages of the inbox for which a rule holds, and how many were looked at."""
    found = [MailFilter(0, owner, 0, "", True, rule)]
    newest = web.database.read(lambda tx: mailbox.list_page(tx, owner, "inbox", limit=MOST_TRIED).rows)
    rows = [row for row in newest if row.size <= LARGEST_TRIED]
    return [row for row in rows if deciding.decide(found, _facts(web, row), junk=False).filters], len(rows)


def like(web: Web, owner: str, email_id: int) -> dict[str, Any]:
    """The rule for messages like one: of its list, or else of who wrote it. Raises Problem(404)."""

    def read(tx: Connection) -> bytes:
        if not 0 < email_id < 2**63 or mailbox.get(tx, owner, email_id) is None:
            raise not_found()
        return mailbox.raw(tx, email_id)

    parsed = parse(web.database.read(read))
    facts = MessageFacts(parsed, "", "", 0)
    by_list = [text for text in facts.texts("list") if text]
    value, field = (by_list[0], "list") if by_list else (str(parsed.sender or ""), "from")
    inside = value.rpartition("<")[2].partition(">")[0] if "<" in value else value
    conditions = [{"field": field, "test": "contains" if by_list else "is", "values": [inside[: rules.LONGEST_VALUE]]}]
    return {"match": "all", "conditions": conditions if inside else [], "acts": [], "stops": False}


def _facts(web: Web, row: EmailRow) -> MessageFacts:
    try:
        parsed = parse(web.database.read(lambda tx: mailbox.raw(tx, row.id)))
    except KeyError:
        parsed = parse(b"")  # removed for good meanwhile
    text = parsed.text if parsed.text is not None else to_text(parsed.html or "")
    return MessageFacts(parsed, text, row.recipient, row.size)


def _told(do: Callable[[], T]) -> T:
    try:
        return do()
    except FilterError as error:
        raise unprocessable(error.field, f"{error}.") from None
