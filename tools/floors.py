"""The floors of each package: which rooms and modules stand at its root, and on what they may rest.

A room, or a module that stands alone, imports only from floors below its own; so nothing goes up, and no two of them
import each other. docs/architecture.md shows this table (`make docs`), and test_architecture.py holds the code to it.
"""

from __future__ import annotations

FLOORS: dict[str, tuple[tuple[str, ...], ...]] = {
    "onifast_shared": (
        ("values", "machine"),
        ("db", "message"),
        ("programs", "accounts", "tls", "webhooks", "mailboxes", "image_proxy", "tracing"),
        ("departed", "refused", "search", "sendmail"),
        ("recipients", "acts"),
        ("transport", "limits", "junk", "moving"),
        ("queue",),
        ("dkim", "accepting", "delivery_check", "backup"),
        ("domain_dns", "filters", "fsck", "health", "metrics", "setting_up"),
        ("doctor",),
        ("ctl",),
    ),
    "onifast_smtpd": (
        ("clients",),
        ("maillog", "protocol"),
        ("policy", "login", "milter", "process", "records"),
        ("authentication", "submission"),
        ("headers",),
        ("screening",),
        ("transaction",),
        ("intake",),
        ("receiver",),
        ("sessions",),
        ("server",),
        ("main",),
    ),
    "onifast_outbox": (
        ("schedule", "http_client", "reasons", "destinations"),
        ("maillog",),
        ("poller", "dsn", "junk", "signing", "tls_policy", "unsubscriber"),
        ("smtp", "webhooks"),
        ("delivering",),
        ("claiming", "delivery_check", "image_proxy", "returns"),
        ("filing", "housekeeping", "moving"),
        ("program",),
        ("launch",),
        ("main",),
    ),
    "onifast_web": (
        ("languages",),
        ("http", "reading"),
        ("access",),
        ("actions", "serving"),
        ("api", "webmail", "client_setup", "health"),
        ("app",),
        ("main",),
    ),
}
