"""Dialogues with other servers, written down while an administrator watches."""

from __future__ import annotations

import secrets

from onifast_shared.tracing.recorder import TraceRecorder, Transcript

from onifast_outbox.smtp.session import Hop


def of_hop(tracer: TraceRecorder, hop: Hop) -> Transcript | None:
    """What takes a dialogue with this server down, under a name of its own; None where nobody watches."""
    if not tracer.is_on:
        return None
    return tracer.begin(secrets.token_hex(4), "out", f"{hop.host} [{hop.address}]")
