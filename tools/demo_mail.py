"""The demo user's messages: one for each thing that a person who tries the webmail would like to see.

They are built as their senders would build them, and are new on the day on which they are made.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime

from onifast_shared.message.compose import Draft, OutgoingAttachment, OutgoingCalendar, build
from onifast_shared.values.address import Address

_WELCOME = """\
Welcome to onifast-mail.

This mailbox belongs to the demo user. The three programs that serve it are running on this machine only:

- smtpd took this message, web shows it, outbox files and delivers.
- Write to anyone: mail to other sites is captured and shown in the outbox, and never sent.
- Send a first message from a terminal with one of the lines that `make run` has printed.

Worth a look among the other messages: a conversation with files, a newsletter,
an invitation, a mailing list, one of yours that came back, and in Junk one that
is not from whom it says. In Sent, three messages met three fates.

Press ? for the keys.

docs/panel.md tells how a panel, or a script, uses the API and the database.
"""

_REPORT = """\
<!doctype html>
<html><body style="font-family: sans-serif">
<h1>Weekly report</h1>
<p>All <b>three programs</b> were up the whole week.</p>
<table border="1" cellpadding="6">
<tr><th>Day</th><th>Received</th><th>Sent</th></tr>
<tr><td>Monday</td><td>412</td><td>97</td></tr>
<tr><td>Tuesday</td><td>388</td><td>104</td></tr>
<tr><td>Wednesday</td><td>431</td><td>88</td></tr>
</table>
<p>The picture below comes from another site, so it is shown only when you ask for it:</p>
<p><img src="https://remote.example/chart.png" alt="A chart of the week"></p>
</body></html>
"""

_NEWSLETTER = """\
<!doctype html>
<html><head><style>
body { margin: 0; background: #f3ede2; font-family: Georgia, serif; color: #3b2f25; }
.page { width: 100%; max-width: 560px; margin: 0 auto; background: #fffdf8; }
.top { padding: 28px 32px; background: #8a3b12; color: #fff5e6; }
.top h1 { margin: 0; font-size: 28px; letter-spacing: .02em; }
.text { padding: 24px 32px; font-size: 17px; line-height: 1.6; }
.bread { width: 100%; border-collapse: collapse; }
.bread td { padding: 10px 0; border-bottom: 1px solid #e6d9c3; }
.price { text-align: right; font-weight: bold; }
.button { display: inline-block; padding: 12px 24px; border-radius: 6px; background: #8a3b12; color: #fff5e6;
  text-decoration: none; }
.foot { padding: 16px 32px 28px; font-size: 13px; color: #75675a; }
@media (max-width: 480px) { .top, .text, .foot { padding-left: 18px; padding-right: 18px; } }
</style></head><body>
<div class="page">
<div class="top"><h1>River Bakery</h1>Fresh on Saturday</div>
<div class="text">
<p><img src="https://bakery.example/loaves.jpg" width="496" height="180" alt="Six loaves on a board"></p>
<p>Good morning! The oven is on from five, and this is what comes out of it on market day:</p>
<table class="bread">
<tr><td>Rye with caraway</td><td class="price">4.20</td></tr>
<tr><td>Walnut and honey</td><td class="price">5.10</td></tr>
<tr><td>Plain white, two days' dough</td><td class="price">3.80</td></tr>
</table>
<p><a class="button" href="https://bakery.example/order">Put a loaf aside</a></p>
</div>
<div class="foot">You get this because you asked for it at our stall.
<img src="https://bakery.example/seen?who=demo" width="1" height="1" alt=""></div>
</div></body></html>
"""

_LETTER = """\
Grüße aus Zürich!

The figures that you asked for are attached. Could you look at them before Friday?

Zoë
"""

_FIGURES = "day,received,sent\r\nMonday,412,97\r\nTuesday,388,104\r\nWednesday,431,88\r\n"

_INVITED = """\
Hello,

could we go through the figures together on Thursday? Half an hour is enough.

Zoë
"""

_EVENT = """\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//remote.example//Calendar//EN
METHOD:REQUEST
BEGIN:VEVENT
UID:figures-{start}@remote.example
DTSTAMP:{stamp}
DTSTART:{start}
DTEND:{end}
SUMMARY:Figures for March
LOCATION:Small meeting room
ORGANIZER;CN=Zoë Müller:mailto:zoe@remote.example
ATTENDEE;CN=Zoë Müller;PARTSTAT=ACCEPTED:mailto:zoe@remote.example
ATTENDEE;CN=Demo;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:
 mailto:{attendee}
SEQUENCE:0
STATUS:CONFIRMED
END:VEVENT
END:VCALENDAR
"""

_LURE = """\
<!doctype html>
<html><body><p>Dear customer,</p>
<p>your password expires today. Keep it by signing in at
<a href="https://login.nothing.example/keep">https://example.test/account</a> within two hours.</p>
<p>Your mail team</p></body></html>
"""

_BOUNCE = """\
From: Mail Delivery System <MAILER-DAEMON@mx.remote.example>
To: {sender}
Subject: Undelivered Mail Returned to Sender
Date: {date}
Message-ID: <returned.{stamp}@mx.remote.example>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=parts

--parts
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not be delivered
to one or more recipients.

<{recipient}>: 552 5.2.2 Mailbox full (in reply to RCPT TO command)

--parts
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.remote.example
Arrival-Date: {date}

Final-Recipient: rfc822; {recipient}
Action: failed
Status: 5.2.2
Diagnostic-Code: smtp; 552 5.2.2 Mailbox full

--parts
Content-Type: text/rfc822-headers

{header}
--parts--
"""


@dataclass(frozen=True)
class DemoMessage:
    """A message as it lies in a mailbox: its bytes, its label's name, if any, whether it is read and has a star.

    `when` it came is now unless given; `recipients` are those of what was sent.
    """

    raw: bytes
    reverse_path: str
    folder: str = "inbox"
    label: str = ""
    is_starred: bool = False
    is_read: bool = False
    when: datetime | None = None
    recipients: str = ""


def received(address: Address, hostname: str, now: datetime) -> list[DemoMessage]:
    """What lies in the inbox and in junk, oldest first."""
    to = [f"Demo <{address}>"]
    figures = OutgoingAttachment("Zahlen für März.csv", "text/csv", _FIGURES.encode())
    zoe, bakery = "Zoë Müller <zoe@remote.example>", "River Bakery <news@bakery.example>"
    hours = [now - timedelta(minutes=10 * step) for step in range(6, 0, -1)]
    return [
        _incoming(
            Draft('"postmaster@example.test" <team@nothing.example>', to, "Your password expires today", html=_LURE,
                  date=hours[0]),
            hostname, folder="junk", is_read=True,
        ),
        _incoming(
            Draft(zoe, to, "Zahlen für März", text=_LETTER, attachments=[figures], date=hours[1]),
            hostname, label="Work/Figures", is_starred=True, is_read=True,
        ),
        _incoming(Draft(bakery, to, "Fresh on Saturday", html=_NEWSLETTER, date=hours[2]), hostname, label="Reading"),
        _incoming(
            Draft("Reports <reports@remote.example>", to, "Weekly report", html=_REPORT, date=hours[3]),
            hostname, label="Work",
        ),
        _incoming(
            Draft(zoe, to, "Figures for March", text=_INVITED, calendar=_invitation(address, now), date=hours[4]),
            hostname, label="Work/Figures",
        ),
    ]  # fmt: skip


def welcome(address: Address, hostname: str, now: datetime) -> DemoMessage:
    """What is to stand above all others."""
    sender, to = "onifast-mail <postmaster@example.test>", [f"Demo <{address}>"]
    return _incoming(Draft(sender, to, "Welcome to onifast-mail", text=_WELCOME, date=now), hostname)


def returned(sent: bytes, sender: Address, recipient: str, now: datetime) -> DemoMessage:
    """The notification that what was sent came back, from the server that had taken it (RFC 3464)."""
    header = sent.partition(b"\r\n\r\n")[0].decode("ascii") + "\n"
    text = _BOUNCE.format(
        sender=sender, recipient=recipient, date=format_datetime(now), stamp=int(now.timestamp()), header=header
    )
    return DemoMessage("\r\n".join(text.splitlines()).encode() + b"\r\n", reverse_path="")


def _incoming(
    draft: Draft, hostname: str, *, folder: str = "inbox", label: str = "", is_starred: bool = False,
    is_read: bool = False,
) -> DemoMessage:  # fmt: skip
    reverse_path = draft.from_.rpartition("<")[2].rstrip(">")
    return DemoMessage(build(draft, hostname), reverse_path, folder, label, is_starred, is_read)


def _invitation(attendee: Address, now: datetime) -> OutgoingCalendar:
    """For the next Thursday but at least two days ahead, 10:00 UTC."""
    day = now + timedelta(days=2)
    start = (day + timedelta(days=(3 - day.weekday()) % 7)).replace(hour=10, minute=0, second=0)
    form = "%Y%m%dT%H%M%SZ"
    text = _EVENT.format(
        stamp=now.strftime(form),
        start=start.strftime(form),
        end=(start + timedelta(minutes=30)).strftime(form),
        attendee=attendee,
    )
    return OutgoingCalendar("REQUEST", "\r\n".join(text.splitlines()) + "\r\n")
