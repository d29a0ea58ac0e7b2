"""A mailbox as somebody has it who uses it: what the browser tests, and the README's picture, show."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from onifast_shared.db.database import Database
from onifast_shared.message.compose import OutgoingAttachment

from web.support import PNG, deliver, index, queue

HOUR = 3600
DAY = 24 * HOUR

NEWSLETTER = """\
<html><body style="background:#f4f6fb;font-family:sans-serif">
<table width="100%" cellpadding="24"><tr><td align="center">
<table width="600" cellpadding="24" style="background:#ffffff;border:1px solid #dfe4ee"><tr><td>
<h1 style="color:#2d3a8c">Your weekly report</h1>
<p>Visits to <b>example.test</b> grew by 12 %. <img src="https://tracker.example/chart.png" alt="chart"></p>
<table width="100%"><tr style="background:#eef1f8"><th align="left">Page</th><th align="right">Visits</th></tr>
<tr><td>/pricing</td><td align="right">1,204</td></tr><tr><td>/docs</td><td align="right">981</td></tr></table>
<script>document.title = "owned"</script>
</td></tr></table></td></tr></table></body></html>
"""

LUNCH = """\
Hi,

how about lunch on Thursday, at the place by the river? The menu is at https://river.example/menu.

Ann

On 21 Nov 2026 at 09:14 UTC, Demo wrote:
> Hello Ann,
>
> I am in town this week. Shall we meet?
>
> Demo
"""


class Letter(NamedTuple):
    """A message in the inbox, so many seconds old."""

    sender: str
    subject: str
    text: str
    age: int
    more: dict[str, Any]


def signed(domain: str) -> dict[str, Any]:
    return {"authentication": {"spf": "pass", "dkim": "pass", "dmarc": "none", "arc": "none", "dkim_domains": [domain]}}


LONG_NAME = "Offer 2026-114 with a name that is far too long for any column.pdf"
PDF = OutgoingAttachment(LONG_NAME, "application/pdf", b"%PDF" * 60000)
PICTURE = OutgoingAttachment("logo.png", "image/png", PNG)

LETTERS = (
    Letter("Ann Taylor <ann@remote.example>", "Lunch on Thursday?", LUNCH, HOUR // 8, signed("remote.example")),
    Letter(
        "Weekly Reports <reports@stats.example>",
        "Your weekly report",
        "Visits to example.test grew by 12 %. The busiest page was /pricing.",
        2 * HOUR,
        {"html": NEWSLETTER} | signed("stats.example"),
    ),
    Letter(
        "Zoë Müller <zoe@buero.example>",
        "Angebot für die neue Website – bitte bis Freitag prüfen, da der Preis danach nicht mehr gilt",
        "Guten Tag, anbei das Angebot mit allen Einzelheiten.",
        5 * HOUR,
        {"attachments": [PDF, PICTURE]},
    ),
    Letter(
        "Hosting <billing@hosting.example>",
        "Invoice 2026-0098",
        "Thank you for your order. The invoice is attached.",
        DAY,
        {"attachments": [OutgoingAttachment("invoice.pdf", "application/pdf", b"%PDF" * 9000)]},
    ),
    Letter("Contact form <www-data@mail.host.test>", "A message from your website", "I like your shop!", 2 * DAY, {}),
    Letter("Carla Rossi <carla@studio.example>", "Re: Photos of the new office", "They look wonderful!", 4 * DAY, {}),
    Letter(
        "Security Team <security@bank-login.example>",
        "Verify your account now",
        "Follow the link.",
        9 * DAY,
        {"authentication": {"spf": "fail", "dkim": "none", "dmarc": "none", "arc": "none"}},
    ),
)


def fill(database: Database) -> list[int]:
    """Delivers the letters to demo, the newest first, and queues one of theirs; returns the inbox's ids."""
    now = time.time()
    ids = [
        deliver(
            database, sender=item.sender, subject=item.subject, text=item.text, received=now - item.age, **item.more
        )
        for item in LETTERS
    ]
    queue(database, "ann@remote.example", "nobody@gone.example", subject="Offer for the workshop")
    database.write(
        lambda tx: tx.execute(
            "UPDATE outbox SET status = 'failed', attempts = 1, last_error = '550 5.1.1 User unknown'"
            " WHERE recipient = 'nobody@gone.example'"
        )
    )
    index(database)
    return ids
