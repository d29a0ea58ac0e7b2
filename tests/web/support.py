"""What the web tests are written with: users, mail, a browser, the panel, and a live server."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from html import unescape
from typing import Any

import bcrypt
from flask.testing import FlaskClient
from onifast_shared.accepting import accept
from onifast_shared.accepting.accept import SentCopy
from onifast_shared.db.database import Connection, Database
from onifast_shared.machine import sockets
from onifast_shared.machine.config import Settings
from onifast_shared.machine.setting_types import Listen
from onifast_shared.mailboxes import contents, mailbox
from onifast_shared.message import compose
from onifast_shared.message.compose import Draft, OutgoingAttachment
from onifast_shared.queue.store import QueuedRecipient, Submission
from onifast_shared.recipients import addresses
from onifast_shared.values.address import Address
from onifast_web.http.forwarded import Application
from onifast_web.serving.serve import WebServer
from searchable import index_all
from werkzeug.test import TestResponse

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6364f8cf500f0003860180" + "5a34" + "7d6b0000000049454e44ae426082"
)


class Clock:
    """Epoch seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class Browser:
    """A test client that keeps its session's CSRF token, as our pages do."""

    def __init__(self, client: FlaskClient, csrf_token: str) -> None:
        self.client = client
        self.csrf_token = csrf_token

    @classmethod
    def logged_in(cls, client: FlaskClient, username: str) -> Browser:
        answer = client.post("/login", data={"username": username, "password": f"{username} password"})
        assert answer.status_code == 303, answer.text
        page = client.get("/folders/inbox").text
        found = re.search(r'name="csrf-token" content="([^"]+)"', page)
        assert found, page
        return cls(client, found[1])

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.client.get(path, **options)

    def post(self, path: str, data: dict[str, Any] | None = None, **options: Any) -> TestResponse:
        return self.client.post(path, data={"csrf_token": self.csrf_token} | (data or {}), **options)

    def post_json(self, path: str, body: Any) -> TestResponse:
        return self.client.post(path, json=body, headers={"X-CSRF-Token": self.csrf_token})

    def text_of(self, path: str) -> str:
        """A page's words."""
        answer = self.get(path)
        assert answer.status_code == 200, (answer.status_code, answer.text)
        return words(answer.text)


def words(html: str) -> str:
    """What a page says, without markup."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


@dataclass(frozen=True)
class Panel:
    """Calls with a bearer token: the panel's service token, or a personal one."""

    client: FlaskClient
    token: str
    user: str | None = None

    def acting_for(self, user: str) -> Panel:
        return replace(self, user=user)

    @property
    def headers(self) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {self.token}"}
        return headers if self.user is None else headers | {"X-Onifast-User": self.user}

    def get(self, path: str, **query: Any) -> TestResponse:
        return self.client.get(path, query_string=query, headers=self.headers)

    def post(self, path: str, body: Any) -> TestResponse:
        return self.client.post(path, json=body, headers=self.headers)

    def delete(self, path: str, **query: Any) -> TestResponse:
        return self.client.delete(path, query_string=query, headers=self.headers)


def add_user(settings: Settings, username: str, **fields: Any) -> None:
    """A panel user whose password is "<username> password"."""
    content = {"username": username, "password": _hash(f"{username} password")} | fields
    (settings.users_dir / f"{username}.json").write_text(json.dumps(content))


@lru_cache
def _hash(password: str) -> str:
    """One hash a password: nearly every test has the same three users."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


def renew_password(settings: Settings, username: str) -> None:
    """Sets a user's password anew, to the same words: another hash, as after any change."""
    change_user(settings, username, password=bcrypt.hashpw(f"{username} password".encode(), bcrypt.gensalt(4)).decode())


def change_user(settings: Settings, username: str, **fields: Any) -> None:
    """Changes a panel user's file, as the panel does; their password stays unless it is among the fields."""
    path = settings.users_dir / f"{username}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def give_address(database: Database, address: str, owner: str) -> None:
    database.write(lambda tx: addresses.add(tx, Address.parse(address), owner))


def deliver(
    database: Database,
    *,
    owner: str = "demo",
    recipient: str = "demo@example.test",
    sender: str = "Ann Taylor <ann@remote.example>",
    to: str = "Demo <demo@example.test>",
    cc: str = "",
    subject: str = "Hello",
    text: str | None = "Hi there.\n",
    html: str | None = None,
    attachments: list[OutgoingAttachment] | None = None,
    raw: bytes | None = None,
    authentication: dict[str, Any] | None = None,
    folder: str = "inbox",
    received: float | None = None,
) -> int:
    """Puts a message into a mailbox, as smtpd does; returns its id."""
    draft = Draft(
        from_=sender,
        to=[to],
        cc=[cc] if cc else [],
        subject=subject,
        text=text,
        html=html,
        attachments=attachments or [],
    )
    data = raw if raw is not None else compose.build(draft, "remote.example")
    ref = contents.store(database, data)

    def add(tx: Connection) -> int:
        return mailbox.add(
            tx,
            owner=owner,
            recipient=recipient,
            reverse_path="ann@remote.example",
            content_id=contents.attach(tx, ref),
            size=len(data),
            now=time.time() if received is None else received,
            folder=folder,
            authentication=authentication,
        )

    return database.write(add)


def index(database: Database) -> None:
    """Does what outbox's indexer does, so that search finds what was delivered."""
    index_all(database)


def queue(database: Database, *recipients: str, owner: str = "demo", subject: str = "Queued") -> list[int]:
    """Queues a message, as sending does; returns the queue rows' ids."""
    raw = compose.build(
        Draft(from_="demo@example.test", to=list(recipients), subject=subject, text="Hi"), "mail.host.test"
    )
    submission = Submission("demo@example.test", "web", owner=owner, subject=subject)
    queued = [QueuedRecipient(address) for address in recipients]
    return accept.submit(database, raw, submission, queued, SentCopy(owner, ", ".join(recipients))).outbox_ids


@dataclass(frozen=True)
class Live:
    """A running server: where, and what stops it."""

    host: str
    port: int
    server: WebServer
    thread: threading.Thread

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"


@contextmanager
def serve(app: Application, settings: Settings) -> Iterator[Live]:
    """The app behind waitress on a free port, as main serves it."""
    listener = sockets.bind(Listen("127.0.0.1", 0))
    host, port = listener.getsockname()
    server = WebServer(app, [listener], settings)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield Live(host, port, server, thread)
    finally:
        server.stop()
        thread.join(30)
        assert not thread.is_alive()
