"""What a connection must prove, and what one has proved: values that the transport and the policies share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum

from onifast_outbox.tls_policy.tlsa import Tlsa


class TlsLevel(StrEnum):
    """How far a connection is to be trusted (reply.TLS_LEVELS); each attempt is recorded with one."""

    NONE = "none"
    ENCRYPTED = "encrypted"
    VERIFIED = "verified"
    MTA_STS = "mta-sts"
    DANE = "dane"
    REQUIRETLS = "requiretls"

    @property
    def is_good(self) -> bool:
        """Whether the server has proved who it is."""
        return self not in (TlsLevel.NONE, TlsLevel.ENCRYPTED)


class ResultType(StrEnum):
    """What can go wrong, in the words of reports (RFC 8460 section 4.3)."""

    STARTTLS_NOT_SUPPORTED = "starttls-not-supported"
    HOST_MISMATCH = "certificate-host-mismatch"
    EXPIRED = "certificate-expired"
    NOT_TRUSTED = "certificate-not-trusted"
    VALIDATION_FAILURE = "validation-failure"
    TLSA_INVALID = "tlsa-invalid"
    DNSSEC_INVALID = "dnssec-invalid"
    DANE_REQUIRED = "dane-required"
    STS_FETCH_ERROR = "sts-policy-fetch-error"
    STS_INVALID = "sts-policy-invalid"
    STS_WEBPKI_INVALID = "sts-webpki-invalid"


@dataclass(frozen=True)
class TlsTrouble:
    """Why a connection is no better than it is: in a report's word, and in plain ones."""

    kind: ResultType
    text: str


class HostBarred(Exception):
    """A policy does not let mail go to a host now."""

    def __init__(self, trouble: TlsTrouble) -> None:
        super().__init__(trouble.text)
        self.trouble = trouble


@dataclass(frozen=True)
class Assurance:
    """What a connection has proved; `trouble` says why it is not VERIFIED at least.

    Where only the name of the recipient's domain was proved, no other domain's mail may share it (`is_shareable`).
    """

    level: TlsLevel = TlsLevel.NONE
    trouble: TlsTrouble | None = None
    is_shareable: bool = True


class Insist(Enum):
    """What must be had, or the connection is not used."""

    NOTHING = "nothing"  # take what there is (RFC 7435)
    ENCRYPTION = "encryption"  # from whomever
    CERTIFICATE = "certificate"  # good for the host's name, from an authority that we trust
    DANE = "dane"  # one that the domain's TLSA records name (RFC 7672)


@dataclass(frozen=True)
class Requirement:
    """What to insist on at one host.

    `level` is what the connection then has. `names` are those that a certificate may be good for, the first of
    them asked for by SNI; none means the host's own. `domain` is the recipient's, where a certificate may be good for
    that instead. `because` says in words who asks for it.
    """

    insist: Insist = Insist.NOTHING
    level: TlsLevel = TlsLevel.ENCRYPTED
    names: tuple[str, ...] = ()
    tlsa: tuple[Tlsa, ...] = ()
    because: str = ""
    domain: str = ""


OPPORTUNISTIC = Requirement()
