"""A submission in the form that every server takes, so that filters and signatures see no other one."""

from __future__ import annotations

import asyncio

from onifast_shared.message.conversion import Unconvertible, fit, is_plainly_fit
from onifast_shared.message.header_conversion import fit_head
from onifast_shared.message.sections import RawMessage

from onifast_smtpd import maillog
from onifast_smtpd.protocol.replies import refused

LOOKED_AT_AT_ONCE = 512 * 1024
"""Octets of a message that is looked at without a thread, whether there is anything to do: that takes 0.3 ms."""

FITTED_AT_ONCE = 64 * 1024
"""Octets of one in which there is, and that is changed without a thread."""


async def fitted(message: RawMessage, queue_id: str, *, is_binary: bool) -> RawMessage:
    """The message as every server takes it; raises Refused.

    Binary parts stay as they are: outbox encodes them for those who cannot take them.
    """
    raw, head = message.octets, message.head.octets
    if is_binary:
        fit_one = fit_head(head)
        return message.renewed(raw if fit_one is head else fit_one + raw[len(head) :])
    if len(raw) <= LOOKED_AT_AT_ONCE and is_plainly_fit(message):
        return message
    try:
        done = fit(raw, head) if len(raw) <= FITTED_AT_ONCE else await asyncio.to_thread(fit, raw, head)
    except Unconvertible as error:
        raise refused(550, "5.6.0", f"message cannot be sent to anybody: {error}") from None
    if done.done or done.left:
        maillog.converted(queue_id, done.done, done.left)
    return message.renewed(done.message)
