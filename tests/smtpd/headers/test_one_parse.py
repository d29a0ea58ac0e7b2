"""A message's header is found and taken apart once on its way from DATA to the database."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from smtpd.helpers import HERE, OUTSIDE, World
from types import FrameType

import pytest
from onifast_shared.message import headers, sections
from onifast_shared.recipients import forwards
from onifast_shared.values.address import Address

Start = Callable[..., Awaitable[World]]

THROUGH = {
    headers.__file__: {"_head_end", "fields", "head_within", "prepend", "remove_headers", "replace_fields",
                       "split_head", "values_of", "without_mbox_lines"},
    sections.__file__: {"_taken_apart"},
}  # fmt: skip
"""The functions that look a header through."""

WHOLE = (
    b"Received: from there\r\nFrom: someone@remote.test\r\nTo: alice@here.test\r\nSubject: hello\r\n"
    b"Date: Thu, 01 Feb 2024 12:00:00 +0000\r\nMessage-ID: <1@remote.test>\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nText \xc3\xbc.\r\n--b--\r\n"
)


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """How often each of them is entered by the event loop."""
    entered = Counter[str]()

    def note(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_name in THROUGH.get(code.co_filename, ()):
            entered[code.co_name] += 1

    sys.setprofile(note)
    try:
        yield entered
    finally:
        sys.setprofile(None)


@pytest.mark.parametrize(
    ("source", "recipient"),
    [(HERE, "you@remote.test"), (OUTSIDE, "alice@here.test"), (OUTSIDE, "bob@here.test")],
    ids=["submission", "mailbox", "forward"],
)
async def test_one_message_is_taken_apart_once(world: World, source: str, recipient: str) -> None:
    forward = Address.parse("bob@elsewhere.test")
    world.database.write(lambda tx: forwards.add(tx, Address.parse("bob@here.test"), forward, "bob"))
    async with await world.client(source) as client:
        with counted() as entered:
            assert (await client.deliver("someone@remote.test", recipient, message=WHOLE)).startswith("250 ")
    assert entered.pop("prepend", 0) <= 1  # puts trace fields on top, and looks at one octet
    assert entered == {"head_within": 1, "_head_end": 1, "without_mbox_lines": 1, "_taken_apart": 1}
