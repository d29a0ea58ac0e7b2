"""Mail transactions of the client side of SMTP (RFC 5321 section 3.3): one message, one outcome a recipient."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from onifast_shared.message.headers import split_head
from onifast_shared.values.envelope import Envelope, Recipient
from onifast_shared.values.reply import Deferred, Delivered, Failed, Outcome, Reply

from onifast_outbox.smtp.session import SmtpSession
from onifast_outbox.smtp.stopwatch import Stopwatch
from onifast_outbox.smtp.wire import WireError

# What a server says with 552 of the message rather than of its recipients (RFC 3463 sections 3.3 and 3.4).
_TOO_LARGE = ("5.2.3", "5.3.4")

# What every server must take in one transaction (RFC 5321 section 4.5.3.1.8).
MAX_RECIPIENTS = 100

# Octets of a message that are written at once, with the final dot.
ONE_PIECE = 64 * 1024

# Asked right before the final dot: is the message still ours to send?
Confirm = Callable[[], Awaitable[bool]]


@dataclass(frozen=True)
class Content:
    """A message ready for DATA: dot-stuffed (RFC 5321 section 4.5.2), ending in CRLF, without the final dot."""

    data: bytes
    size: int
    eight_bit: bool
    utf8_header: bool = False

    @classmethod
    def prepare(cls, message: bytes) -> Content:
        """From a message whose line ends are all CRLF. Takes a moment for large ones: run it off the event loop."""
        if not message.endswith(b"\r\n"):
            message += b"\r\n"
        stuffed = message.replace(b"\r\n.", b"\r\n..")
        if stuffed.startswith(b"."):
            stuffed = b"." + stuffed
        eight_bit = not message.isascii()
        return cls(stuffed, len(message), eight_bit, eight_bit and not split_head(message)[0].isascii())


class ClaimLost(Exception):
    """Our claim on the message ended before its final dot; nothing was sent of it that counts."""


@dataclass
class TransactionResult:
    """What became of one mail transaction, recipient by recipient.

    A recipient without an outcome was not dealt with: `lost` tells why the connection ended, or, where it is None, the
    server asks for another transaction (RFC 5321 section 4.5.3.1.10).
    """

    outcomes: dict[Recipient, Outcome] = field(default_factory=dict)
    lost: Deferred | None = None


class SmtpClient(SmtpSession):
    """A session that sends messages, one after another."""

    async def send(self, envelope: Envelope, content: Content, confirm: Confirm) -> TransactionResult:
        """One mail transaction for at most MAX_RECIPIENTS of `envelope`. Raises only ClaimLost.

        `confirm` is asked right before the final dot whether the message is still ours to send.
        """
        self.take_down()
        done = TransactionResult()
        recipients = self._refuse_impossible(envelope, content, done)
        if not recipients:
            return done
        try:
            accepted = await self._announce(envelope, recipients, content, done)
            if accepted:
                await self._transfer(accepted, content, confirm, done)
        except WireError as error:
            self.abort()
            done.lost = self._deferred("4.4.2", str(error))
        except BaseException:
            self.abort()
            raise
        self.sent += 1
        # What it took to come this far belongs to the first message alone.
        self._watch = Stopwatch()
        return done

    def _refuse_impossible(self, envelope: Envelope, content: Content, done: TransactionResult) -> list[Recipient]:
        """Settles what this server says in advance that it cannot take; the recipients that remain."""
        limit = self.extensions.get("SIZE", "")
        refusal: Reply | None = None
        if limit.isdigit() and 0 < int(limit) < content.size:
            text = f"the message has {content.size} bytes, {self.hop.host} takes {limit}"
            refusal = Reply(552, "5.3.4", text)
        elif envelope.requiretls and "REQUIRETLS" not in self.extensions:
            # RFC 8689 section 4.2.1: who does not promise to keep the requirement does not get the message.
            refusal = Reply(550, "5.7.30", f"{self.hop.host} does not support REQUIRETLS, which the sender asked for")
        elif content.eight_bit and "8BITMIME" not in self.extensions:
            refusal = Reply(554, "5.6.3", f"{self.hop.host} takes no 8-bit text (8BITMIME)")
        remaining = []
        for recipient in envelope.rcpt_to[:MAX_RECIPIENTS]:
            if not refusal and self._lacks_utf8(envelope, recipient, content):
                text = f"{self.hop.host} takes no internationalised addresses (SMTPUTF8)"
                done.outcomes[recipient] = self._outcome(Reply(553, "5.6.7", text))
            elif refusal:
                done.outcomes[recipient] = self._outcome(refusal)
            else:
                remaining.append(recipient)
        return remaining

    def _lacks_utf8(self, envelope: Envelope, recipient: Recipient, content: Content) -> bool:
        """Whether this recipient's copy needs SMTPUTF8 (RFC 6531) and the server does not know it.

        A header in UTF-8 that was submitted without SMTPUTF8, as many programs do, goes out as it came.
        """
        sender = envelope.mail_from is not None and envelope.mail_from.needs_smtputf8
        header = envelope.smtputf8 and content.utf8_header
        return (sender or header or recipient.address.needs_smtputf8) and "SMTPUTF8" not in self.extensions

    async def _announce(
        self, envelope: Envelope, recipients: list[Recipient], content: Content, done: TransactionResult
    ) -> list[Recipient]:
        """MAIL, RCPT and DATA; the recipients that the message is now to be sent for."""
        commands = [
            self._mail_command(envelope, recipients, content),
            *(self._rcpt_command(recipient) for recipient in recipients),
        ]
        pipelined = "PIPELINING" in self.extensions
        if pipelined:
            await self._write("".join(f"{command}\r\n" for command in [*commands, "DATA"]))
        self._watch.enter("mail")
        mail = await self._step(commands[0], pipelined, self._timeouts.mail)
        if not mail.is_positive:
            done.outcomes.update((recipient, self._outcome(mail)) for recipient in recipients)
            await self._drop_transaction(pipelined, skip=len(recipients))
            return []
        self._watch.enter("rcpt")
        accepted: list[Recipient] = []
        for recipient, command in zip(recipients, commands[1:], strict=True):
            reply = await self._step(command, pipelined, self._timeouts.rcpt)
            self._note_rcpt(recipient, reply, accepted, done)
        if not accepted:
            await self._drop_transaction(pipelined)
            return []
        self._watch.enter("data")
        reply = await self._step("DATA", pipelined, self._timeouts.data_start)
        if reply.code == 354:
            return accepted
        if reply.is_positive:
            raise WireError(f"unexpected reply to DATA: {reply}")
        done.outcomes.update((recipient, self._outcome(reply)) for recipient in accepted)
        await self._reset()
        return []

    def _note_rcpt(
        self, recipient: Recipient, reply: Reply, accepted: list[Recipient], done: TransactionResult
    ) -> None:
        if reply.code // 100 == 2:
            accepted.append(recipient)
        elif accepted and reply.code in (452, 552):
            # "Too many recipients": those that are left go into the next transaction (RFC 5321 section 4.5.3.1.10).
            return
        else:
            done.outcomes[recipient] = self._outcome(_as_temporary(reply) if reply.code == 552 else reply)

    async def _transfer(
        self, accepted: list[Recipient], content: Content, confirm: Confirm, done: TransactionResult
    ) -> None:
        self._watch.enter("body")
        # What goes out in one piece goes with its final dot: a segment and a system call of its own for that is dear.
        data = content.data
        is_long = len(data) > ONE_PIECE
        if is_long:
            await self._wire.write(data, self._timeouts.data_block)
        if not await confirm():
            self.abort()
            raise ClaimLost
        self.remark(f"the message, {len(data)} octets")
        self._watch.enter("end")
        await self._wire.write(b".\r\n" if is_long else data + b".\r\n", self._timeouts.data_block)
        try:
            reply = await self._reply(self._timeouts.data_end)
        except WireError as error:
            # The server may have the message or not; a duplicate is better than a loss (RFC 1047).
            self.abort()
            text = f"{self.hop}: {error} after the message was sent; it may arrive twice"
            done.outcomes.update((each, self._outcome(Reply(451, "4.4.2", text))) for each in accepted)
            return
        if reply.code == 421:
            self._usable = False
        outcome = self._outcome(reply)
        done.outcomes.update((recipient, outcome) for recipient in accepted)

    def _mail_command(self, envelope: Envelope, recipients: list[Recipient], content: Content) -> str:
        words = [f"MAIL FROM:<{envelope.mail_from or ''}>"]
        if "SIZE" in self.extensions:
            words.append(f"SIZE={content.size}")
        if "8BITMIME" in self.extensions and content.eight_bit:
            words.append("BODY=8BITMIME")
        addresses = [envelope.mail_from, *(recipient.address for recipient in recipients)]
        needed = any(each is not None and each.needs_smtputf8 for each in addresses)
        if "SMTPUTF8" in self.extensions and (needed or (envelope.smtputf8 and content.utf8_header)):
            words.append("SMTPUTF8")
        words += ["REQUIRETLS"] if envelope.requiretls else []
        if "DSN" in self.extensions:
            words += [f"RET={envelope.ret}"] if envelope.ret else []
            words += [f"ENVID={envelope.envid}"] if envelope.envid else []
        return " ".join(words)

    def _rcpt_command(self, recipient: Recipient) -> str:
        words = [f"RCPT TO:<{recipient.address}>"]
        if "DSN" in self.extensions:
            words += [f"NOTIFY={recipient.notify}"] if recipient.notify else []
            words += [f"ORCPT={recipient.orcpt}"] if recipient.orcpt else []
        return " ".join(words)

    async def _step(self, command: str, pipelined: bool, timeout: float) -> Reply:
        """The reply to `command`, which a pipelined transaction has sent already."""
        if not pipelined:
            await self._write(f"{command}\r\n")
        reply = await self._reply(timeout)
        if reply.code == 421:
            raise WireError(f"the server closes the connection: {reply}")
        if reply.code // 100 == 3 and command != "DATA":
            raise WireError(f"unexpected reply to {command[:4]}: {reply}")
        return reply

    async def _drop_transaction(self, pipelined: bool, skip: int = 0) -> None:
        """Abandons a transaction without recipients; `skip` replies to RCPT are still to come."""
        if not pipelined:
            await self._reset()
            return
        for _ in range(skip):
            await self._reply(self._timeouts.rcpt)
        if (await self._reply(self._timeouts.data_start)).code == 354:
            # A server may say 354 though it has no recipients; what is sent then is empty (RFC 2920 section 3.1).
            await self._write(".\r\n")
            await self._reply(self._timeouts.data_end)
        await self._reset()

    async def _reset(self) -> None:
        reply = await self._command("RSET", self._timeouts.command)
        self._usable = self._usable and reply.code == 250

    def _outcome(self, reply: Reply) -> Outcome:
        if reply.code // 100 == 2:
            return Delivered(reply, self.trail)
        if reply.is_permanent:
            return Failed(reply, self.trail)
        if reply.is_transient:
            return Deferred(reply, self.trail)
        return self._deferred("4.5.0", f"unexpected reply: {reply}")


def _as_temporary(reply: Reply) -> Reply:
    """What a 552 to RCPT means: 452, with too many recipients or a full mailbox (RFC 5321 section 4.5.3.1.10).

    That a message is too large is for good. Servers that mean this say so by an enhanced code.
    """
    if reply.enhanced in _TOO_LARGE:
        return reply
    status = f"4{reply.enhanced[1:]}" if reply.enhanced else ""
    said = f"552 {reply.enhanced}".rstrip()
    return Reply(452, status, f"{reply.text} (the server said {said})".strip())
