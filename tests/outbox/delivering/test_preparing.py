"""A message is prepared and signed once, whatever the number of its recipients, and without holding anybody up."""

from __future__ import annotations

import asyncio
import threading

import pytest
from onifast_outbox.delivering.preparing import KEPT_BYTES, KEPT_SECONDS, Preparer
from onifast_outbox.signing.signer import Signed, Signer
from onifast_shared.dkim import keys as dkim_keys
from onifast_shared.dkim.keys import DkimKeyError
from onifast_shared.message.parsing import Summary
from onifast_shared.queue.store import Claim, QueueRow, Submission
from outbox.helpers import MESSAGE, Outbox, patience

from fakes.smtp_server import ScriptedSmtpServer


class Counting(Signer):
    """A signer that counts, waits until it may go on, and fails when told to."""

    def __init__(self) -> None:
        self.signed = 0
        self.problem: Exception | None = None
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def for_batch(self) -> Counting:
        return self

    def sign(self, message: bytes, submission: Submission, head: Summary | None = None) -> Signed:
        self.signed += 1
        assert self.may_go_on.wait(30)
        if self.problem:
            raise self.problem
        return Signed(b"DKIM-Signature: %d\r\n" % self.signed, "here.test")


class Clock:
    """Seconds that a test lets pass."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def signer() -> Counting:
    return Counting()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def preparer(signer: Counting, clock: Clock) -> Preparer:
    return Preparer(signer, clock=clock)


def claim(content_id: int = 1, **columns: str) -> Claim:
    submission = Submission("alice@here.test", "smtp", **columns)  # type: ignore[arg-type]
    return Claim("token", content_id, submission, (QueueRow(1, "bob@remote.test", 0, 0, None, None),))


async def test_claims_of_one_message_share_its_bytes(preparer: Preparer, signer: Counting) -> None:
    first = await preparer.prepare(claim(), MESSAGE)
    assert await preparer.prepare(claim(), MESSAGE) is first
    assert signer.signed == 1


async def test_claims_that_come_at_once_wait_for_one_signature(preparer: Preparer, signer: Counting) -> None:
    signer.may_go_on.clear()
    waiting = [asyncio.create_task(preparer.prepare(claim(), MESSAGE)) for _ in range(20)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    signer.may_go_on.set()
    contents = await asyncio.gather(*waiting[1:])
    assert signer.signed == 1 and len(set(map(id, contents))) == 1


async def test_another_writer_or_message_is_another_matter(preparer: Preparer, signer: Counting) -> None:
    await preparer.prepare(claim(submitted_by="user:alice"), MESSAGE)
    await preparer.prepare(claim(submitted_by="user:eve"), MESSAGE)
    await preparer.prepare(claim(2, submitted_by="user:alice"), MESSAGE)
    assert signer.signed == 3


async def test_a_failure_is_told_to_all_who_wait_and_then_forgotten(preparer: Preparer, signer: Counting) -> None:
    signer.problem = DkimKeyError("no key")
    outcomes = await asyncio.gather(*(preparer.prepare(claim(), MESSAGE) for _ in range(3)), return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["no key"] * 3 and signer.signed == 1
    signer.problem = None
    assert (await preparer.prepare(claim(), MESSAGE)).data.startswith(b"DKIM-Signature: 2")


async def test_what_is_tried_again_later_is_signed_anew(preparer: Preparer, signer: Counting, clock: Clock) -> None:
    await preparer.prepare(claim(), MESSAGE)
    clock.now = KEPT_SECONDS
    await preparer.prepare(claim(), MESSAGE)
    assert signer.signed == 2


async def test_what_is_kept_is_bounded_and_what_is_in_use_is_shared_all_the_same(
    preparer: Preparer, signer: Counting
) -> None:
    large = MESSAGE + b"x" * (KEPT_BYTES // 2) + b"\r\n"
    held = await preparer.prepare(claim(1), large)
    for content_id in (2, 3):
        await preparer.prepare(claim(content_id), large)
    assert await preparer.prepare(claim(1), large) is held
    await preparer.prepare(claim(3), large)
    assert signer.signed == 3
    assert preparer._kept_bytes <= KEPT_BYTES and len(preparer._kept) == 1


async def test_a_hundred_recipients_at_fifty_domains_cost_one_signature(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    dkim_keys.generate(outbox.settings.certs_dir, "here.test")
    outbox.reassemble(**patience(60.0), connect_timeout=60.0, dns_timeout=60.0)
    made: list[bytes] = []
    sign = Signer.sign

    def counting(self: Signer, message: bytes, submission: Submission, head: Summary | None = None) -> Signed:
        made.append(message)
        return sign(self, message, submission, head)

    monkeypatch.setattr(Signer, "sign", counting)
    domains = [f"d{number}.test" for number in range(50)]
    for domain in domains:
        outbox.dns.set(domain, "MX", "10 mx.remote.test.")
    await outbox.submit(*(f"{name}@{domain}" for domain in domains for name in ("ann", "ben")))
    with ScriptedSmtpServer(host="127.0.0.25", port=outbox.settings.outbound_port) as peer:
        while "pending" in outbox.states().values():
            await outbox.round()
        messages = peer.messages
    assert sum(len(message.rcpt_to) for message in messages) == 100
    assert len(made) == 1
    assert len({message.data for message in messages}) == 1


async def test_messages_that_wait_together_are_signed_with_one_look_for_the_key(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    dkim_keys.generate(outbox.settings.certs_dir, "here.test")
    preparer = Preparer(Signer(outbox.settings, outbox.db))
    looks: list[str] = []
    load = dkim_keys.KeyRing.load

    def counting(self: dkim_keys.KeyRing, domain: str) -> list[dkim_keys.SigningKey]:
        looks.append(domain)
        return load(self, domain)

    monkeypatch.setattr(dkim_keys.KeyRing, "load", counting)
    contents = await asyncio.gather(*(preparer.prepare(claim(number), MESSAGE) for number in range(8)))
    assert all(content.data.startswith(b"DKIM-Signature") for content in contents)
    assert 1 <= len(looks) < 8


async def test_a_key_that_is_gone_signs_nothing_that_comes_after(outbox: Outbox) -> None:
    key = dkim_keys.generate(outbox.settings.certs_dir, "here.test")
    preparer = Preparer(Signer(outbox.settings, outbox.db))
    assert (await preparer.prepare(claim(1), MESSAGE)).data.startswith(b"DKIM-Signature")
    key.path.unlink()
    assert not (await preparer.prepare(claim(2), MESSAGE)).data.startswith(b"DKIM-Signature")


async def test_a_message_that_cannot_be_signed_fails_alone(outbox: Outbox) -> None:
    path = dkim_keys.generate(outbox.settings.certs_dir, "bad.test").path
    path.write_text("no key")
    dkim_keys.generate(outbox.settings.certs_dir, "here.test")
    preparer = Preparer(Signer(outbox.settings, outbox.db))
    bad = MESSAGE.replace(b"@here.test", b"@bad.test")
    given = [bad, MESSAGE, bad, MESSAGE]
    works = [preparer.prepare(claim(number), raw) for number, raw in enumerate(given)]
    found = await asyncio.gather(*works, return_exceptions=True)
    assert [isinstance(each, DkimKeyError) for each in found] == [True, False, True, False]


async def test_a_large_message_does_not_hold_up_the_event_loop(outbox: Outbox) -> None:
    dkim_keys.generate(outbox.settings.certs_dir, "here.test")
    raw = MESSAGE + b"a line of some length, as mail has them\r\n" * 200_000  # 8 MB
    preparing = asyncio.create_task(Preparer(Signer(outbox.settings, outbox.db)).prepare(claim(), raw))
    turns = 0
    while not preparing.done():
        turns += 1
        await asyncio.sleep(0)
    assert (await preparing).data.startswith(b"DKIM-Signature")
    # Signed on the loop itself, it would have left two or three turns to others.
    assert turns > 20
