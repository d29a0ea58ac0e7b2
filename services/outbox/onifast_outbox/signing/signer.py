"""DKIM signatures (RFC 6376) with the keys of the author's domain, ARC seals with those of who forwards."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from typing import NamedTuple

import dkim
from onifast_shared.db.database import Connection, Database
from onifast_shared.dkim import selectors
from onifast_shared.dkim.authority import Authority
from onifast_shared.dkim.keys import DkimKeyError, KeyRing, SigningKey
from onifast_shared.machine.config import Settings
from onifast_shared.message.headers import split_head
from onifast_shared.message.parsing import Summary, summary
from onifast_shared.queue.store import Submission
from onifast_shared.values.address import Address
from onifast_shared.values.suffixes import suffixes

from onifast_outbox.signing import sealing
from onifast_outbox.signing.signature import MalformedHeader, signature_field

# Signed once more than they occur, so that nobody can add one unnoticed (RFC 6376 section 8.15).
OVERSIGNED = (
    "from", "to", "cc", "subject", "date", "message-id", "reply-to", "sender", "in-reply-to", "references",
    "mime-version", "content-type", "content-transfer-encoding",
)  # fmt: skip

# Signed as often as they occur; a mailing list may add its own.
SIGNED = (
    "content-disposition", "list-id", "list-help", "list-unsubscribe", "list-unsubscribe-post", "list-subscribe",
    "list-post", "list-owner", "list-archive", "auto-submitted", "resent-date", "resent-from", "resent-sender",
    "resent-to", "resent-cc", "resent-message-id",
)  # fmt: skip


@dataclass(frozen=True)
class Signed:
    """Signature fields to put on top of the message; where they are missing though due, `problem` says why."""

    fields: bytes = b""
    domain: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Chosen:
    """The keys that sign a message, under the names that DNS knows them by; or why none does though there are some."""

    domain: str = ""
    keys: tuple[SigningKey, ...] = ()
    problem: str = ""


class _Asked(NamedTuple):
    """What a choice of keys depends on."""

    author: Address
    origin: str
    owner: str | None
    submitted_by: str | None
    written_by: str | None


class Signer:
    """Signs messages as the settings say. A key whose file has changed counts at once."""

    def __init__(self, settings: Settings, db: Database) -> None:
        self._settings = settings
        self._db = db
        self._keys = KeyRing(settings.certs_dir, settings.dkim_selector)
        self._authority = Authority(settings)
        self._chosen: dict[_Asked, Chosen] | None = None

    def for_batch(self) -> Signer:
        """One that looks for each key once: for messages of one thread, all of which were there before."""
        batch = copy(self)
        batch._chosen = {}
        return batch

    def sign(self, message: bytes, submission: Submission, head: Summary | None = None) -> Signed:
        """The signatures for a message with CRLF line ends; none where the domain has no key, or is not the sender's.

        `head` is what its header section says, if the caller knows. Blocks for a moment. Raises DkimKeyError for a key
        that cannot be used, unless the setting `dkim_bad_key` lets mail go without, and DatabaseError.
        """
        head = head or summary(split_head(message)[0])
        author = head.sender
        if author is None:
            return Signed(problem="the message has no From with an address")
        if author.is_literal:
            return Signed()
        return self._attempt(
            lambda: self.choose(author, submission),
            author.domain,
            lambda keys: b"".join(sign_with(key, message, head) for key in keys),
        )

    def seal(self, message: bytes, domain: str, submission: Submission) -> Signed:
        """The ARC set for a message that an address in `domain` forwards; `sign` for one that began its way here.

        What came from elsewhere is never signed: its From may name a domain of ours and be forged. Raises as `sign`.
        """
        head = summary(split_head(message)[0])
        hostname = self._settings.hostname
        if not sealing.has_results(head.headers, hostname):
            return self.sign(message, submission)
        return self._attempt(
            lambda: self._own(domain),
            domain,
            lambda keys: sealing.seal_with(keys[0], message, _sealed_headers(head), hostname),
        )

    def choose(self, author: Address, submission: Submission) -> Chosen:
        """The keys for what is sent as `author`: those of their domain or, if the setting says so, of one above it.

        Raises DkimKeyError, DatabaseError.
        """
        if self._chosen is None:
            return self._choose(author, submission)
        asked = _Asked(author, submission.origin, submission.owner, submission.submitted_by, submission.written_by)
        if asked not in self._chosen:
            self._chosen[asked] = self._choose(author, submission)
        return self._chosen[asked]

    def _choose(self, author: Address, submission: Submission) -> Chosen:
        for domain in self._domains(author.domain):
            if keys := self._keys.load(domain):
                return self._allowed(domain, keys, author, submission)
        return Chosen()

    def _own(self, domain: str) -> Chosen:
        """The keys that seal: RSA keys alone, as hardly anybody verifies other seals, and a set can have but one."""
        all_keys = self._keys.load(domain)
        keys = [key for key in all_keys if key.algorithm == sealing.ALGORITHM]
        if keys:
            return Chosen(domain, tuple(self._db.read(lambda tx: selectors.named(tx, keys))))
        return Chosen(domain, problem=f"{domain} has no RSA key, and ARC seals need one" if all_keys else "")

    def _domains(self, domain: str) -> Iterator[str]:
        """A domain and, where parents may sign, those above it; the last one is what somebody registered.

        DMARC's relaxed alignment takes a signature of any of them, its strict one (adkim=s) of the first alone.
        """
        yield domain
        if not self._settings.dkim_parent_keys:
            return
        registered = suffixes().organizational(domain)
        while domain != registered and domain.endswith(f".{registered}"):
            domain = domain.partition(".")[2]
            yield domain

    def _allowed(self, domain: str, keys: list[SigningKey], author: Address, submission: Submission) -> Chosen:
        def look(tx: Connection) -> Chosen:
            if self._authority.allows(tx, submission, author, domain):
                return Chosen(domain, tuple(selectors.named(tx, keys)))
            who = self._authority.writer_of(submission).who
            return Chosen(domain, problem=f"the key of {domain} does not sign mail of {who} as {author}")

        return self._db.read(look)

    def _attempt(
        self, choose: Callable[[], Chosen], domain: str, sign: Callable[[tuple[SigningKey, ...]], bytes]
    ) -> Signed:
        try:
            chosen = choose()
        except DkimKeyError as error:
            if self._settings.dkim_bad_key == "defer":
                raise
            return Signed(domain=domain, problem=str(error))
        if not chosen.keys:
            return Signed(domain=chosen.domain, problem=chosen.problem)
        try:
            return Signed(sign(chosen.keys), chosen.domain)
        except (MalformedHeader, dkim.DKIMException, IndexError) as error:
            # No key is at fault: the header is so broken that no signature can cover it.
            return Signed(domain=domain, problem=f"the message's header is malformed: {error}")


def sign_with(key: SigningKey, message: bytes, head: Summary) -> bytes:
    """One DKIM-Signature field with its line end. Raises MalformedHeader."""
    return signature_field(key, message, signed_headers(head), time.time())


def signed_headers(head: Summary) -> list[str]:
    """The names for the signature's h= tag."""
    present = Counter(head.names)
    names = []
    for name in OVERSIGNED:
        names += [name] * (present.get(name, 0) + 1)
    if not present.keys().isdisjoint(SIGNED):
        for name in SIGNED:
            names += [name] * present.get(name, 0)
    return names


def _sealed_headers(head: Summary) -> list[str]:
    """The same and the author's signature, which the next hop wants to know about (RFC 8617 section 4.1.2)."""
    return [*signed_headers(head), *["dkim-signature"] * head.names.count("dkim-signature")]
