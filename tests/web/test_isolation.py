"""Every route with another user's ids: nothing of theirs is shown, and nothing of theirs is changed.

The routes come from the application itself, so that a new one is tried from the day on that it is there.
"""

from __future__ import annotations

import inspect
import re
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, get_args, get_origin

import pytest
from flask import Flask
from onifast_shared.accounts import api_tokens, mailbox_users, passwords, shared_mailboxes
from onifast_shared.db.database import Connection, Database
from onifast_shared.mailboxes import identities, labelling, labels, mailbox, templates
from onifast_shared.mailboxes.identities import Identity
from onifast_shared.mailboxes.mailbox import FOLDERS
from onifast_shared.mailboxes.templates import TextTemplate
from onifast_shared.message.compose import OutgoingAttachment
from onifast_shared.message.vcard import Card
from onifast_shared.recipients import addresses, contacts
from onifast_shared.values import times
from onifast_shared.values.address import Address
from onifast_web import webmail
from onifast_web.access.caller import Who
from onifast_web.api import ENDPOINTS
from onifast_web.api.endpoint import Endpoint
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from web.support import Browser, Panel, deliver, index, queue

SECRET = "Quokka"
"""Stands in all that is demo's, and must not reach anybody else."""

OWN = {
    "seen_users", "web_sessions", "api_tokens", "audit_events", "send_keys", "folder_counts", "sending_usage",
    "login_places",
}  # fmt: skip
"""Tables whose rows count or remember what the caller does; what mailbox users send counts for their panel user."""

WAITING = {"/api/mail/explain", "/delivery-check"}
"""What outbox has to answer, which does not run here: tests/outbox/test_delivery_check.py has whose question it is."""

NAMED: dict[str, Any] = {
    "from": "maria@other.test", "sender": "maria@other.test", "to": "ann@remote.example", "text": "Hi",
    "recipient": "ann@remote.example", "address": "demo@example.test", "domain": "example.test", "owner": "demo",
    "username": "demo", "name": "zebra", "target": "eve@evil.example", "url": "https://evil.example/hook",
    "alias": "alias.example", "index": 0, "enabled": True, "on": True,
    "subject": "x", "send_at": times.rfc3339(time.time() + 3600), "is_read": True, "is_starred": True, "is_muted": True,
    "filename": "a.mbox", "size": 1, "offset": 0, "host": "imap.other.test", "user": "maria", "password": "secret",
    "folder": "trash", "content": "BEGIN:VCARD\nFN:Zoe\nEND:VCARD\n",
    "match": "every", "conditions": [], "acts": [{"do": "star"}], "folders": ["inbox"],
    "scopes": ["read"],
    "new_password": "correct horse battery", "members": ["demo"], "assigned_to": "demo",
    "query": SECRET,
    "calls": [1], "q": SECRET, "note": "x", "destination": "remote.example", "events": ["delivered"], "reason": "x",
}  # fmt: skip
TEMPLATES = Path(webmail.__file__).parent.parent / "templates"
BUTTON = re.compile(r'name="(?:do|action)"[^>]*value="([^"{]+)"')
DO = sorted({value for page in TEMPLATES.rglob("*.html") for value in BUTTON.findall(page.read_text())})
"""What the buttons of all pages say."""


QUOTED = re.compile(r"""["']([^"'\s]+)["']""")
THOROUGH = ("maria", "demo")
"""The pair that tries every word at every page. The others try those that the page's own code knows."""

BOB, SUE, INFO = "bob@example.test", "sue@example.test", "info@example.test"
"""Two mailbox users of demo's, and a shared mailbox that nobody of those who try opens."""

PAIRS = pytest.mark.parametrize(
    ("caller", "owner"),
    [("maria", "demo"), (BOB, "demo"), ("demo", BOB), (SUE, BOB), ("maria", BOB), ("demo", INFO), (SUE, INFO)],
)
"""Who tries, and whose things: panel users, mailbox users and those that they belong to."""


@pytest.fixture
def accounts(database: Database) -> dict[str, str]:
    """The accounts of all, by the names that they log in with."""

    def make(tx: Connection) -> dict[str, str]:
        found = {"demo": "demo", "maria": "maria"}
        for address in (BOB, SUE):
            addresses.add(tx, Address.parse(address), "demo")
            hashed = passwords.hashed(f"{address} password")
            found[address] = mailbox_users.create(tx, Address.parse(address), "demo", hashed, 1).account
        addresses.add(tx, Address.parse(INFO), "demo")
        shared = shared_mailboxes.create(tx, Address.parse(INFO), "demo", [found[BOB]], 1)
        return found | {INFO: shared.account}

    return database.write(make)


def belongings(database: Database, owner: str) -> list[int]:
    """Gives an account something of everything; the ids of all that, whatever it is."""
    picture = OutgoingAttachment(f"{SECRET}.txt", "text/plain", SECRET.encode())
    ids = {
        deliver(database, owner=owner, folder=folder, subject=SECRET, text=SECRET, attachments=[picture])
        for folder in FOLDERS
    }
    index(database)
    ids |= set(queue(database, f"{SECRET}@remote.example", subject=SECRET, owner=owner))

    def write(tx: Connection) -> set[int]:
        made = [
            labels.create(tx, owner, f"{SECRET} {kind}", is_folder=kind == "folder", now=1) for kind in ("a", "folder")
        ]
        labelling.assign(tx, made[0], ids)
        _, token = api_tokens.create(tx, owner, SECRET, 1)
        contact = contacts.add(tx, owner, Card(SECRET, "", [f"{SECRET}@x.test"], [], groups=[SECRET]), 1)
        template = templates.put(tx, owner, TextTemplate(0, SECRET, SECRET, "", SECRET), 1)
        identities.put(tx, owner, Identity("demo@example.test", SECRET, "", SECRET))
        tx.execute(
            "INSERT INTO suppressions (owner, recipient, origin, reason, created_ts)  VALUES (?2, ?1, 'manual', ?1, 1)",
            (f"{SECRET}@x.test", owner),
        )
        tx.execute(
            "INSERT INTO webhooks (owner, url, events, secret, created_ts) VALUES (?, ?, 'delivered', 's', 1)",
            (owner, f"https://{SECRET}.example"),
        )
        if owner == "demo":  # a mailbox user has none
            tx.execute(
                "INSERT INTO mail_forwards (address, target, owner) VALUES ('demo@example.test', ?, ?)",
                (f"{SECRET}@x.test", owner),
            )
        assert template is not None
        return {each.id for each in made} | {token.id, contact.id, template.id}

    found = sorted(ids | database.write(write))
    return found if owner == "demo" else [*found[:2], *found[-2:]]


def everything(tx: Connection, owner: str) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables that hold what users have, but for what is the caller's own."""
    sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB 'sqlite*'"
    found = [str(row[0]) for row in tx.execute(sql).fetchall()]
    names = [name for name in found if name not in OWN and not name.startswith("mail_search")]
    return {name: [row for row in tx.execute(f"SELECT * FROM {name}").fetchall() if owner in row] for name in names}


def routes(app: Flask) -> Iterator[tuple[str, str, Who, Any]]:
    """(method, path with a `{id}` for each part that is given, who may call it, what answers)."""
    for rule in app.url_map.iter_rules():
        path = rule.rule
        for argument in rule.arguments:
            for converter in ("int:", "path:", ""):
                path = path.replace(f"<{converter}{argument}>", "{id}")
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            view = app.view_functions[rule.endpoint]
            yield method, path, vars(view)["who"], view


def value_for(name: str, field: FieldInfo, number: int) -> Any:
    """Something that a field may hold, with another user's number wherever a number may be one."""
    kinds = list(inside(field.annotation))
    if name in {"id", "ids", "label_id", "label", "add", "remove"} or (int in kinds and name.endswith("id")):
        return [number] if list in [get_origin(each) for each in kinds] else number
    if name in NAMED:
        return NAMED[name]
    choices = [choice for each in kinds for choice in get_args(each) if isinstance(choice, str)]
    return choices[0] if choices else None


def inside(kind: Any) -> Iterator[Any]:
    yield kind
    for each in get_args(kind):
        yield from inside(each)


def asked(model: type[BaseModel], number: int) -> list[dict[str, Any]]:
    """Requests: one with all that fits, and one with each field alone beside those that must be there."""
    values = {
        field.alias or name: value
        for name, field in model.model_fields.items()
        if (value := value_for(field.alias or name, field, number)) is not None
    }
    needed = {field.alias or name for name, field in model.model_fields.items() if field.is_required()}
    ids: list[str] = [name for name in ("id", "ids") if name in values]
    found = [values]
    for name in values:
        for chosen in ids or [""]:
            found.append({each: values[each] for each in values if each in needed | {name, chosen}})
    return found


def calls(endpoint: Endpoint, number: int) -> Iterator[tuple[dict[str, Any], dict[str, Any] | None]]:
    """Queries and bodies for an endpoint."""
    for query in asked(endpoint.query, number):
        for body in asked(endpoint.body, number) if endpoint.body else [None]:
            yield {name: value for name, value in query.items() if not isinstance(value, list)}, body


@PAIRS
def test_no_endpoint_shows_or_changes_what_is_another_users(
    panel: Panel, database: Database, accounts: dict[str, str], caller: str, owner: str
) -> None:
    account, theirs = accounts[owner], belongings(database, accounts[owner])
    calling, before = panel.acting_for(caller), database.read(lambda tx: everything(tx, account))
    answered, tried = set[tuple[str, str]](), 0
    for endpoint in ENDPOINTS:
        if endpoint.who is Who.SERVICE or endpoint.path in WAITING:
            continue
        for number in theirs:
            for query, body in calls(endpoint, number):
                answer = calling.client.open(
                    endpoint.path, method=endpoint.method, query_string=query, json=body, headers=calling.headers
                )
                where = (endpoint.method, endpoint.path, query, body)
                assert answer.status_code < 500, where
                assert SECRET not in answer.text.replace(f'"{SECRET}"', ""), where
                tried += 1
                if answer.status_code != 422:
                    answered.add((endpoint.method, endpoint.path))
    assert database.read(lambda tx: everything(tx, account)) == before
    assert tried > len(ENDPOINTS) * len(theirs)
    # A route whose requests are all refused for their form has not been tried.
    wanted = {
        (each.method, each.path) for each in ENDPOINTS if each.who is not Who.SERVICE and each.path not in WAITING
    }
    assert wanted - answered == set(), "say in NAMED what its fields may hold"


@PAIRS
def test_no_page_shows_what_is_another_users(
    app: Flask, database: Database, accounts: dict[str, str], caller: str, owner: str
) -> None:
    account, theirs = accounts[owner], belongings(database, accounts[owner])
    browser = Browser.logged_in(app.test_client(), caller)
    before, tried = database.read(lambda tx: everything(tx, account)), 0
    names = ("draft", "reply", "reply_all", "reply_list", "forward", "label", "id", "source", "cursor")
    for path, known in pages(app, "GET"):
        fitting = [name for name in names if name in known or (caller, owner) == THOROUGH]
        for number in theirs:
            for name in ("", *fitting) if "{id}" not in path else ("",):
                answer = browser.get(path.format(id=number), query_string={name: number} if name else {})
                assert answer.status_code < 500 and SECRET not in answer.text, (path, name)
                tried += 1
    assert database.read(lambda tx: everything(tx, account)) == before and tried > 100


@pytest.mark.timeout(600)  # thousands of requests, on a machine that may be busy
@PAIRS
def test_no_page_changes_what_is_another_users(
    app: Flask, database: Database, accounts: dict[str, str], caller: str, owner: str
) -> None:
    account, theirs = accounts[owner], belongings(database, accounts[owner])
    browser = Browser.logged_in(app.test_client(), caller)
    before, tried = database.read(lambda tx: everything(tx, account)), 0
    draft = database.read(lambda tx: mailbox.list_page(tx, account, "drafts")).rows[0].id
    numbers = {"id": 1, "ids": theirs, "draft": draft, "source": draft, "enclose": 1, "label": 1, "labels": [1, 2]}
    for path, known in pages(app, "POST"):
        for action in ("", *(each for each in DO if each.partition(":")[0] in known or (caller, owner) == THOROUGH)):
            form = {**NAMED, **numbers, "q": "x", "do": action, "action": action, "back": "inbox", "keep": "0"}
            for target in ("label:1", "label:2", "trash"):
                answer = browser.post(path.format(id=1), form | {"target": target})
                assert answer.status_code < 500 and SECRET not in answer.text, (path, action)
                tried += 1
                if not action.startswith("move"):
                    break
    assert database.read(lambda tx: everything(tx, account)) == before and tried > 500


def pages(app: Flask, wanted: str) -> Iterator[tuple[str, frozenset[str]]]:
    """The paths of pages that take a method, with the words that their code knows."""
    left_out = ("/api/", "/static/", "/logout", *WAITING)
    for method, path, _, view in routes(app):
        if method == wanted and not path.startswith(left_out):
            yield path, words_known_to(inspect.getmodule(inspect.unwrap(view)))


@cache
def words_known_to(module: ModuleType | None) -> frozenset[str]:
    """All words in quotes in a page's module, in ours that it has anything from, and in those that these have."""
    known = {module}
    for _ in range(2):
        parts = {inspect.getmodule(value) for each in known for value in vars(each).values()}
        known |= {part for part in parts if part is not None and part.__name__.startswith("onifast")}
    return frozenset(word for each in known if each is not None for word in _quoted_in(each))


@cache
def _quoted_in(module: ModuleType) -> frozenset[str]:
    return frozenset(QUOTED.findall(inspect.getsource(module)))
