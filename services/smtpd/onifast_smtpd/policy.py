"""Policy: who may do what, judged from values alone. Each judgement gives the refusing Reply, or None for yes."""

from __future__ import annotations

from enum import Enum

from onifast_shared.accepting.distribution import ResolvedRecipient
from onifast_shared.machine.config import Settings
from onifast_shared.recipients.addresses import ROLES, Circular, Remote, RewrittenSender, UnknownLocal
from onifast_shared.recipients.quotas import QuotaVerdict
from onifast_shared.values.address import Address
from onifast_shared.values.reply import Reply

from onifast_smtpd.clients.client import Client, Origin
from onifast_smtpd.protocol.command import Bare, Path, needs_smtputf8
from onifast_smtpd.protocol.parameters import MailOptions
from onifast_smtpd.protocol.replies import STORAGE_FULL, TOO_LARGE, TOO_MANY_RECIPIENTS


class Cost(Enum):
    """What a refusal takes from what a session may still do before it is ended."""

    NOTHING = 0
    ERROR = 1
    PUT_OFF = 2
    """A recipient that may be sent in a transaction of its own, or later: many may be, since mailing lists are long."""
    FUTILE = 3
    """A command that came to nothing, through no fault of the client: as a NOOP."""


SMTPUTF8_NEEDED = Reply(553, "5.6.7", "address needs SMTPUTF8")
UNKNOWN_UNIX_USER = Reply(550, "5.7.1", "the Unix user of this program cannot be known, so it must log in to send mail")


def offers_starttls(client: Client, settings: Settings, *, tls: bool, certificate: bool) -> bool:
    """Whether STARTTLS is offered.

    Not to local programs, unless they need it to log in: PHPMailer upgrades wherever TLS is offered, and then fails,
    since no certificate is valid for 127.0.0.1.
    """
    if tls or not certificate:
        return False
    return not client.is_loopback or settings.allow_insecure_auth == "never"


def takes_auth(client: Client, settings: Settings) -> bool:
    """Whether this client may log in on this port at all: nobody should guess passwords where mail comes in."""
    if client.service.needs_login or settings.smtp_auth == "always":
        return True
    return client.is_local and settings.smtp_auth == "local"


def offers_auth(client: Client, settings: Settings, *, tls: bool) -> bool:
    """Whether this client may send a password over this connection."""
    if not takes_auth(client, settings):
        return False
    if tls or settings.allow_insecure_auth == "always":
        return True
    return client.is_loopback and settings.allow_insecure_auth == "loopback"


def judge_auth(client: Client, settings: Settings, *, tls: bool) -> Reply | None:
    """Whether AUTH may begin (RFC 4954 section 6)."""
    if offers_auth(client, settings, tls=tls):
        return None
    if not takes_auth(client, settings):
        return Reply(503, "5.5.1", "there is no AUTH on this port, log in on port 587 or 465")
    return Reply(538, "5.7.11", "encryption required for authentication, use STARTTLS first")


def judge_transaction(client: Client, *, logged_in: bool) -> Reply | None:
    """Whether a mail transaction may begin at all."""
    if client.service.needs_login and not logged_in:
        return Reply(530, "5.7.0", "authentication required")
    return None


def judge_mail(path: Path, options: MailOptions, settings: Settings, *, room: int) -> Reply | None:
    """MAIL's parameters against the limits; `room` is how many octets may still come in, over all sessions."""
    if options.size > settings.max_message_size:
        return TOO_LARGE
    if options.size > room:
        return STORAGE_FULL
    if needs_smtputf8(path) and not options.smtputf8:
        return SMTPUTF8_NEEDED
    return None


def judge_extensions(
    options: MailOptions, settings: Settings, *, tls: bool, may_hold: bool, now: float
) -> Reply | None:
    """MAIL's parameters of extensions that are not offered to everybody; `now` is in epoch seconds."""
    if options.requiretls and not tls:
        return Reply(530, "5.7.10", "REQUIRETLS needs TLS")  # RFC 8689 section 4.2
    if not options.holds:
        return None
    if not may_hold or not settings.max_hold:
        return Reply(555, "5.5.4", "HOLDFOR and HOLDUNTIL are not offered here")
    if options.release_ts(now) > now + settings.max_hold:
        return Reply(501, "5.5.4", f"a message can be held for {int(settings.max_hold)} seconds at the most")
    return None


def judge_sender_without_domain(path: Path, *, relaying: bool) -> Reply | None:
    """A sender without a domain means something only on the machine that it is from."""
    if isinstance(path, Bare) and not relaying:
        return Reply(501, "5.1.7", "bad sender address: address has no domain")
    return None


def judge_recipient_count(count: int, settings: Settings) -> Reply | None:
    """Whether one more recipient is too many (RFC 5321 section 4.5.3.1.10)."""
    if count >= settings.max_recipients:
        return Reply(452, TOO_MANY_RECIPIENTS, f"too many recipients, {settings.max_recipients} at a time")
    return None


def cost_of(verb: str, reply: Reply, *, relaying: bool) -> Cost:
    """What a reply costs the client.

    A recipient that a stranger is refused for now is an error too: it costs us a look-up, a record and a log line.
    """
    if reply.is_permanent:
        return Cost.ERROR
    if not reply.is_transient:
        return Cost.NOTHING
    if verb != "RCPT":
        return Cost.FUTILE
    return Cost.PUT_OFF if relaying or reply.enhanced == TOO_MANY_RECIPIENTS else Cost.ERROR


def qualify_recipient(path: Address | Bare, client: Client, settings: Settings, *, relaying: bool) -> Address | None:
    """The recipient with its domain, or None where a domain is missing and cannot be guessed.

    `postmaster` needs none (RFC 5321 section 4.1.1.3). What a local program sends to `root` or `root@localhost` is for
    this host.
    """
    if isinstance(path, Bare):
        known = path.local.lower() == "postmaster" or (relaying and client.is_loopback)
        return Address(path.local, settings.hostname) if known else None
    if relaying and client.is_loopback and is_localhost(path):
        return Address(path.local, settings.hostname)
    return path


def judge_place(address: Address, place: ResolvedRecipient, *, relaying: bool, null_sender: bool) -> Reply | None:
    """Where a recipient leads: somewhere, and to room for the message."""
    match place.destination:
        case UnknownLocal():
            return unknown_recipient(address)
        case Circular():
            return Reply(554, "5.4.6", f"<{address}>: its aliases lead in a circle")
        case Remote(was_here) if was_here and not relaying:
            return unknown_recipient(address)
        case Remote():
            return judge_remote(address, relaying=relaying)
        case RewrittenSender() as returned:
            return judge_returned(address, returned, null_sender=null_sender)
    # Mail of our own users waits in our own queue for room.
    return None if relaying else judge_room(address, place.room)


def judge_returned(address: Address, returned: RewrittenSender, *, null_sender: bool) -> Reply | None:
    """A rewritten sender (SRS) takes bounces only, and only if it was really made here: else we would relay for all."""
    if returned.expired:
        return Reply(550, "5.7.1", f"<{address}>: {returned.problem}")
    if returned.original is None:
        return Reply(550, "5.1.1", f"<{address}>: {returned.problem}")
    if not null_sender:
        return Reply(550, "5.7.1", f"<{address}>: this address takes bounces only, which have no sender")
    return None


def judge_room(address: Address, room: QuotaVerdict) -> Reply | None:
    """A mailbox against its quota."""
    if room == "never":
        return Reply(552, "5.2.2", f"<{address}>: message is larger than all that this mailbox may hold")
    if room == "full":
        return Reply(452, "4.2.2", f"<{address}>: mailbox is full, try again later")
    return None


def looping(address: Address) -> Reply:
    """A message that comes back to a mailbox that it has been in, by its Delivered-To (RFC 9228)."""
    return Reply(554, "5.4.6", f"<{address}>: message has been delivered here before: this looks like a loop")


def judge_remote(address: Address, *, relaying: bool) -> Reply | None:
    """A recipient of a domain that is not ours."""
    if relaying:
        return None
    return Reply(554, "5.7.1", f"<{address}>: relay access denied")


def unknown_recipient(address: Address) -> Reply:
    """A recipient that does not exist in a domain of ours."""
    return Reply(550, "5.1.1", f"<{address}>: no such mailbox here")


def no_domain(path: Bare) -> Reply:
    """A recipient whose domain is missing."""
    return Reply(501, "5.1.3", f"<{path}>: bad recipient address: address has no domain")


def not_owned(address: Address, who: str) -> Reply:
    """`who` used `address` in the envelope or in From, and it is not theirs."""
    return Reply(553, "5.7.1", f"<{address}>: not an address of {who}")


def is_unknown_program(origin: Origin) -> bool:
    """Whether mail comes from this machine, and nobody can tell whose program sends it."""
    return origin.user is None and origin.client.is_loopback and origin.client.unix_user is None


def is_role_of(address: Address, hostname: str) -> bool:
    """Whether an address is one that local programs without another send as."""
    return address.domain == hostname and address.local.lower() in ROLES


def beyond_limit(text: str, *, for_ever: bool) -> Reply:
    """A limit on outgoing mail is used up, and releases by itself; `for_ever`: for fewer recipients at a time only."""
    return Reply(452, TOO_MANY_RECIPIENTS, text) if for_ever else Reply(450, "4.7.1", text)


def judge_spf(result: str, explanation: str, settings: Settings) -> Reply | None:
    """What an SPF result does to a message (RFC 7208 section 8.4, RFC 7372 section 3.2)."""
    if result == "fail" and settings.spf_fail == "reject":
        return Reply(550, "5.7.23", f"SPF validation failed: {explanation}"[:400])
    return None


def is_localhost(address: Address) -> bool:
    """Whether a domain names no host that anybody else could reach."""
    return address.domain in ("localhost", "localhost.localdomain")
