"""Sending what a caller may ask for twice: with the same key it is sent once, and both are answered alike."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from onifast_shared.db.database import Connection
from onifast_shared.queue import send_keys
from onifast_shared.queue.send_keys import KeptAnswer

from onifast_web.access.caller import Caller
from onifast_web.access.context import Web
from onifast_web.actions.sending import Sent
from onifast_web.http.problems import Problem

HEADER = "Idempotency-Key"
MEANING = (
    "A text of the caller's own (1 to 255 characters of ASCII, a UUID for example). For a day a second request with it"
    " is answered as the first one was, and nothing is sent again; with another body it is refused (422)."
)
_KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?")

Before = Callable[[Connection], None]
After = Callable[[Connection, Sent], None]


class AnsweredAlready(Exception):
    """A request whose key was answered while it was being worked on."""

    def __init__(self, answer: str) -> None:
        super().__init__(answer)
        self.answer = answer


@dataclass(frozen=True)
class SendKey:
    """A caller's key, with the hash of what they ask for."""

    username: str
    key: str
    request_hash: bytes

    def answer(self, tx: Connection, now: float) -> str | None:
        """What was answered to such a request before; raises Problem(422) where that asked for something else."""
        kept = send_keys.find(tx, self.username, self.key, now)
        if kept is None:
            return None
        if kept.request_hash != self.request_hash:
            raise Problem(422, f"This {HEADER} was used for another request within the last day. Give a new one.")
        return kept.answer


def key_of(caller: Caller, given: str | None, body: Mapping[str, Any]) -> SendKey | None:
    """The key of a request, None where it has none; raises Problem(422). Quotes around it are no part of it."""
    if given is None:
        return None
    key = given.strip()
    key = key[1:-1] if len(key) > 1 and key[0] == key[-1] == '"' else key
    if not _KEY.fullmatch(key):
        raise Problem(422, f"{HEADER} must be 1 to 255 characters of ASCII.")
    text = json.dumps(body, sort_keys=True, ensure_ascii=False)
    return SendKey(caller.username or "", key, hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())


def answered(
    web: Web, key: SendKey | None, send: Callable[[Before, After], Sent], answer: Callable[[Sent], str]
) -> str:
    """What a request is answered: as it was before, or what `answer` makes of what `send` has sent now.

    `send` calls what it gets at the beginning and at the end of its transaction.
    """
    if key is None:
        return answer(send(lambda _: None, lambda _tx, _sent: None))
    if (kept := web.database.read(lambda tx: key.answer(tx, web.clock()))) is not None:
        return kept

    def before(tx: Connection) -> None:
        if (kept := key.answer(tx, web.clock())) is not None:
            raise AnsweredAlready(kept)

    def after(tx: Connection, sent: Sent) -> None:
        send_keys.keep(tx, key.username, key.key, KeptAnswer(key.request_hash, answer(sent)), web.clock())

    try:
        return answer(send(before, after))
    except AnsweredAlready as already:
        return already.answer
