"""Every metric by its name: what it counts, and by which labels. docs/metrics.md is written from this table.

What programs count themselves they name here without the prefix and without `_total` (`machine.counting`); gauges are
looked up when somebody asks (`gauges`). No label holds an address, a domain or a user: their number has bounds.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

PREFIX = "onifast_mail_"


class MetricKind(StrEnum):
    """As Prometheus calls them."""

    COUNTER = "counter"
    HISTOGRAM = "histogram"
    GAUGE = "gauge"


class Metric(NamedTuple):
    """What is counted under a name, and by which labels."""

    name: str
    kind: MetricKind
    meaning: str
    labels: tuple[str, ...] = ()

    @property
    def exposed(self) -> str:
        """The name that Prometheus sees."""
        return PREFIX + self.name + ("_total" if self.kind is MetricKind.COUNTER else "")


_COUNTED = MetricKind.COUNTER
_TIMED = MetricKind.HISTOGRAM
_LOOKED_UP = MetricKind.GAUGE

METRICS = (
    Metric("sessions", _COUNTED, "SMTP sessions that began, by the service that took them.", ("service",)),
    Metric("sessions_turned_away", _COUNTED, "Connections that were closed before their greeting.", ("service",)),
    Metric("sessions_hung_up", _COUNTED, "Sessions that were ended because the client speaks no SMTP, or brings none."),
    Metric("tls_failures", _COUNTED, "TLS handshakes of SMTP clients that did not succeed."),
    Metric(
        "received_messages",
        _COUNTED,
        "Messages that were accepted: on disk, and acknowledged. `service` is that of SMTP (smtp, submission,"
        " submissions), or web for the webmail and the API, or script for rows that scripts INSERTed.",
        ("service",),
    ),
    Metric("received_recipients", _COUNTED, "Recipients of these messages.", ("service",)),
    Metric("received_bytes", _COUNTED, "Their size.", ("service",)),
    Metric(
        "refusals",
        _COUNTED,
        "SMTP commands that were refused with 4xx (`kind` temporary) or 5xx (permanent). `reason` is the subject of the"
        " enhanced status code (RFC 3463 section 3): other, address, mailbox, system, network, protocol, content,"
        " policy.",
        ("command", "kind", "reason"),
    ),
    Metric(
        "logins",
        _COUNTED,
        "Logins by password over SMTP and in the webmail; `result` is success or failure.",
        ("result",),
    ),
    Metric(
        "limits_hit",
        _COUNTED,
        "Mail that was refused because its sender's limit is used up, by the limit.",
        ("limit",),
    ),
    Metric(
        "delivery_attempts",
        _COUNTED,
        "Attempts to deliver to a recipient, by result: delivered, deferred, failed.",
        ("result",),
    ),
    Metric("deliveries", _COUNTED, "Recipients who got their mail: local, or remote by another server.", ("way",)),
    Metric("deferrals", _COUNTED, "Attempts that will be made again, by the class of reason.", ("reason",)),
    Metric("bounces", _COUNTED, "Recipients that were given up, by the class of reason.", ("reason",)),
    Metric("sandboxed", _COUNTED, "Recipients whose mail a sandbox captured instead of sending it."),
    Metric("notices", _COUNTED, "Notices to senders: bounced, delayed, arrived.", ("notice",)),
    Metric("filed_copies", _COUNTED, "Copies of received mail for users' homes: written, or failed.", ("result",)),
    Metric(
        "http_requests",
        _COUNTED,
        "Requests that the webmail and the API answered, by the class of status.",
        ("status",),
    ),
    Metric("accept_seconds", _TIMED, "From the end of a message's data to its acknowledgement, committed."),
    Metric("first_attempt_seconds", _TIMED, "From the queue to the end of the first attempt to deliver."),
    Metric("delivery_seconds", _TIMED, "From the queue to the delivery, for what was delivered.", ("way",)),
    Metric(
        "database_commit_seconds",
        _TIMED,
        "From the wish to write to the end of the commit, the wait for one's turn included.",
    ),
    Metric(
        "queue_recipients",
        _LOOKED_UP,
        "Recipients in the queue: ready (due now), waiting (for their time, or their destination), sending, held.",
        ("state",),
    ),
    Metric("queue_oldest_seconds", _LOOKED_UP, "The age of the oldest recipient in the queue, 0 for none.", ("state",)),
    Metric("queue_overdue_seconds", _LOOKED_UP, "For how long mail has been due without having been tried."),
    Metric("filing_backlog", _LOOKED_UP, "Messages whose copy in their owner's home is still to be written."),
    Metric("indexing_backlog", _LOOKED_UP, "Messages that are still to be parsed for lists and search."),
    Metric("database_bytes", _LOOKED_UP, "The size of the database's file."),
    Metric("database_wal_bytes", _LOOKED_UP, "The size of its write-ahead log."),
    Metric("disk_free_bytes", _LOOKED_UP, "What is free on the database's disk."),
    Metric("disk_size_bytes", _LOOKED_UP, "The size of that disk."),
    Metric("program_up", _LOOKED_UP, "Whether a program runs, 1 or 0.", ("program",)),
    Metric("program_processes", _LOOKED_UP, "The processes that a program works in.", ("program",)),
    Metric("program_serving_processes", _LOOKED_UP, "Those of them that serve, and are not stuck.", ("program",)),
    Metric("certificate_ends_timestamp_seconds", _LOOKED_UP, "When the TLS certificate that ends first does."),
)

BY_NAME = {each.name: each for each in METRICS}
PROGRAM = "program"
"""The label that every counter and histogram has besides: the program that counted."""

_SUBJECTS = ("other", "address", "mailbox", "system", "network", "protocol", "content", "policy")


def reason_of(enhanced: str) -> str:
    """What an enhanced status code is about, in a word (RFC 3463 section 3); "other" without one."""
    subject = enhanced.split(".")[1] if enhanced.count(".") == 2 else ""
    return _SUBJECTS[int(subject)] if subject.isdecimal() and int(subject) < len(_SUBJECTS) else _SUBJECTS[0]


def kind_of(code: int) -> str:
    """Whether a refusal with a reply code is for now or for ever."""
    return "temporary" if code < 500 else "permanent"
