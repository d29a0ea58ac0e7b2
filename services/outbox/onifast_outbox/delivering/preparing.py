"""Makes of a queued message the bytes that are sent, signed; once, however many destinations it goes to."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple
from weakref import WeakValueDictionary

from onifast_shared.accepting.distribution import delivered_to
from onifast_shared.message.conversion import Fitted, fit, into_lines, into_seven_bits, signers
from onifast_shared.message.headers import normalise_newlines, prepend
from onifast_shared.message.parsing import Summary
from onifast_shared.queue.claims import SMALL
from onifast_shared.queue.store import Claim, Submission
from onifast_shared.values.address import Address, AddressError

from onifast_outbox import maillog
from onifast_outbox.delivering.compute_threads import ComputeThreads
from onifast_outbox.delivering.plain_header import mend_header
from onifast_outbox.signing.signer import Signer
from onifast_outbox.smtp.client import Content

KEPT_BYTES = 16 << 20
"""How much is kept for the next claim of the same message, beyond what deliveries under way hold anyway."""

KEPT_SECONDS = 30.0
"""For how long. What is tried again hours later is signed anew, with the key that is good then."""


class _Variant(NamedTuple):
    """What the bytes depend on: rows of one content differ in who wrote it and who forwards it."""

    content_id: int
    seven_bit: bool
    body_type: str
    origin: str
    owner: str | None
    submitted_by: str | None
    written_by: str | None


class _Job(NamedTuple):
    """A message to be prepared. `head` is what its header section says, as it came."""

    submission: Submission
    raw: bytes
    head: Summary | None
    variant: _Variant


class Preparer:
    """Prepares messages off the event loop. Claims that come together share one preparation, and its bytes."""

    def __init__(self, signer: Signer, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._signer = signer
        self._clock = clock
        self._under_way: dict[_Variant, asyncio.Future[Content]] = {}
        # When each was made, the oldest first; those that a delivery holds; and those that are kept for the next one.
        self._made: dict[_Variant, float] = {}
        self._in_use: WeakValueDictionary[_Variant, Content] = WeakValueDictionary()
        self._kept: OrderedDict[_Variant, Content] = OrderedDict()
        self._kept_bytes = 0
        self._threads = ComputeThreads("prepare", self._make_all)

    async def prepare(
        self, claim: Claim, raw: bytes, head: Summary | None = None, *, seven_bit: bool = False
    ) -> Content:
        """The message's bytes for DATA; with `seven_bit` those for a server without 8BITMIME.

        `head` is what its header section says, if the caller knows. Raises Unconvertible for a message that cannot be
        sent so, DkimKeyError, DatabaseError.
        """
        submission = claim.submission
        writer = (submission.origin, submission.owner, submission.submitted_by, submission.written_by)
        variant = _Variant(claim.content_id, seven_bit, submission.body_type, *writer)
        self._forget_old()
        if variant in self._made and (known := self._in_use.get(variant)) is not None:
            return known
        task = self._under_way.get(variant)
        if task is None:
            task = self._begin(_Job(submission, raw, head, variant))
            self._under_way[variant] = task
            task.add_done_callback(lambda done: self._finish(variant, done))
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Waits for what is under way; nothing more can be prepared."""
        await self._threads.close()

    def _begin(self, job: _Job) -> asyncio.Future[Content]:
        if len(job.raw) <= SMALL:
            return self._threads.do(job)
        # Others would have to wait for it there.
        return asyncio.get_running_loop().run_in_executor(None, self._make, job, self._signer)

    def _finish(self, variant: _Variant, task: asyncio.Future[Content]) -> None:
        del self._under_way[variant]
        if task.cancelled() or task.exception() is not None:
            return
        self._made.pop(variant, None)
        self._made[variant] = self._clock()
        self._in_use[variant] = self._kept[variant] = content = task.result()
        self._kept_bytes += content.size
        while len(self._kept) > 1 and self._kept_bytes > KEPT_BYTES:
            self._drop(next(iter(self._kept)))

    def _forget_old(self) -> None:
        end = self._clock() - KEPT_SECONDS
        while self._made and (oldest := next(iter(self._made.items())))[1] <= end:
            self._drop(oldest[0])
            self._made.pop(oldest[0], None)

    def _drop(self, variant: _Variant) -> None:
        """Keeps it no longer; deliveries under way may hold it still, and share it."""
        content = self._kept.pop(variant, None)
        if content is None:
            return
        self._kept_bytes -= content.size
        del content
        if variant not in self._in_use:
            self._made.pop(variant, None)

    def _make_all(self, jobs: Sequence[_Job]) -> Iterator[Content | Exception]:
        signer = self._signer.for_batch()
        for job in jobs:
            try:
                yield self._make(job, signer)
            except Exception as error:
                yield error

    def _make(self, job: _Job, signer: Signer) -> Content:
        (message, done, left), submission = _in_form(job.raw, job.variant), job.submission
        if done or left:
            maillog.converted(job.submission.queue_id, done, left)
        by = forwarder(submission)
        message = mend_header(message, unless_signed=by is not None)
        if by:
            message = prepend(message, delivered_to(by))
            signed = signer.seal(message, by.domain, submission)
        else:
            signed = signer.sign(message, submission, job.head if message is job.raw else None)
        if signed.problem:
            maillog.unsigned(job.submission.queue_id, signed.domain, signed.problem)
        return Content.prepare(prepend(message, signed.fields))


def _in_form(raw: bytes, variant: _Variant) -> Fitted:
    """The message as the server takes it. What is signed is this form, so that our signature holds (RFC 6376 5.3).

    A signature of somebody else's, on a message that is forwarded, does not survive a conversion to seven bits. It is
    converted all the same: the ARC seal tells the next server what the signature was worth when it came here, while a
    bounce would lose the message for certain, and tell its author of a server that they cannot mend.
    """
    # No server is sent binary (RFC 3030), since few of them take it.
    is_binary = variant.body_type == "BINARYMIME"
    message = raw if is_binary else normalise_newlines(raw)
    if not is_binary and not variant.seven_bit:
        return fit(message)
    converted = into_seven_bits(message) if variant.seven_bit else into_lines(message)
    signed_by = signers(message) if converted != message else ""
    return Fitted(converted, f"for the server, which breaks the signature of {signed_by}" if signed_by else "")


def forwarder(submission: Submission) -> Address | None:
    """The address of ours that forwards a message."""
    try:
        return Address.parse(submission.forwarded_by) if submission.forwarded_by else None
    except AddressError:
        return None
