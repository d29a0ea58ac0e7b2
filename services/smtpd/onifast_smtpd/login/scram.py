"""SCRAM-SHA-256 as a server speaks it (RFC 5802, RFC 7677): messages in, messages out, no I/O.

    client-first   n,,n=alice,r=nonce
    server-first   r=noncemore,s=salt,i=4096
    client-final   c=biws,r=noncemore,p=proof
    server-final   v=signature

The client proves that it knows the password, and the server that it has its verifier; neither says it. With -PLUS both
also sign the certificate that the client saw, so that nobody can stand in between.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass

from onifast_shared.accounts.scram_verifier import Parameters, ScramVerifier

BINDING = "tls-server-end-point"
_PROOF_OCTETS = 32

# RFC 5802 section 7. Extensions are optional by definition there, so what we do not know is passed over.
_CLIENT_FIRST = re.compile(
    r"(?P<gs2>(?P<flag>n|y|p=(?P<binding>[A-Za-z0-9.-]+)),(?:a=(?P<acting_as>[^,\x00]+))?,)"
    r"(?P<bare>(?P<mandatory>m=[^,\x00]*,)?n=(?P<username>[^,\x00]*),r=(?P<nonce>[!-+\x2d-~]{1,512})(?:,[A-Za-z]=[^,\x00]+)*)"
)
_CLIENT_FINAL = re.compile(
    r"(?P<unproved>c=(?P<binding>[A-Za-z0-9+/=]+),r=(?P<nonce>[!-+\x2d-~]+)(?:,[A-Za-z]=[^,\x00]+)*),p=(?P<proof>[A-Za-z0-9+/=]+)"
)
_SASLNAME = re.compile(r"(?:[^=]|=2C|=3D)+")


class ScramError(Exception):
    """The exchange ends here. The text is for the client, in a few words."""


class Malformed(ScramError):
    """A message that is none of SCRAM's."""


class BindingRefused(ScramError):
    """The channel binding is not what it has to be: a client that cannot do it, or somebody in between."""


@dataclass(frozen=True)
class ClientFirst:
    """The client's first message: who it is, and what it says of channel binding (`n`, `y` or `p`)."""

    gs2_header: str
    flag: str
    binding: str | None
    acting_as: str
    username: str
    nonce: str
    bare: str


@dataclass(frozen=True)
class Proof:
    """The proof in the client's final message, and the words that it covers."""

    auth_message: bytes
    client_proof: bytes


def parse_client_first(message: bytes) -> ClientFirst:
    """The client's first message; raises Malformed."""
    match = _CLIENT_FIRST.fullmatch(_text(message))
    if match is None:
        raise Malformed("malformed SCRAM message")
    if match["mandatory"]:
        raise Malformed("SCRAM extension is not supported")
    return ClientFirst(
        gs2_header=match["gs2"],
        flag=match["flag"][0],
        binding=match["binding"],
        acting_as=_name(match["acting_as"] or match["username"]),
        username=_name(match["username"]),
        nonce=match["nonce"],
        bare=match["bare"],
    )


def check_binding(first: ClientFirst, *, plus: bool, offers_plus: bool) -> None:
    """Whether the client binds the channel as its mechanism says (RFC 5802 section 6); raises BindingRefused."""
    if plus and first.flag != "p":
        raise BindingRefused("SCRAM-SHA-256-PLUS needs channel binding")
    if not plus and first.flag == "p":
        raise BindingRefused("channel binding needs SCRAM-SHA-256-PLUS")
    if plus and first.binding != BINDING:
        raise BindingRefused(f"unsupported channel binding type, use {BINDING}")
    if first.flag == "y" and offers_plus:
        # The client could, and thinks that we cannot: somebody took -PLUS out of what we offered.
        raise BindingRefused("this server does support channel binding")


class Exchange:
    """One exchange from the server's first message on. `channel` is the binding's octets, empty without -PLUS."""

    def __init__(self, first: ClientFirst, parameters: Parameters, nonce: str, channel: bytes = b"") -> None:
        self._first = first
        self._nonce = first.nonce + nonce
        self._bound = base64.b64encode(first.gs2_header.encode() + channel).decode("ascii")
        salt = base64.b64encode(parameters.salt).decode("ascii")
        self._server_first = f"r={self._nonce},s={salt},i={parameters.iterations}"

    @property
    def server_first(self) -> bytes:
        """The server's first message."""
        return self._server_first.encode("ascii")

    def parse_client_final(self, message: bytes) -> Proof:
        """The client's final message; raises Malformed, BindingRefused."""
        match = _CLIENT_FINAL.fullmatch(_text(message))
        if match is None or not hmac.compare_digest(match["nonce"], self._nonce):
            raise Malformed("malformed SCRAM message")
        if not hmac.compare_digest(match["binding"], self._bound):
            raise BindingRefused("channel bindings do not match")
        try:
            client_proof = base64.b64decode(match["proof"], validate=True)
        except binascii.Error:
            raise Malformed("malformed SCRAM message") from None
        if len(client_proof) != _PROOF_OCTETS:
            raise Malformed("malformed SCRAM message")
        words = f"{self._first.bare},{self._server_first},{match['unproved']}"
        return Proof(words.encode(), client_proof)


def fits(verifier: ScramVerifier, proof: Proof) -> bool:
    """Whether the client knows the verifier's password."""
    signature = hmac.digest(verifier.stored_key, proof.auth_message, "sha256")
    client_key = bytes(one ^ other for one, other in zip(proof.client_proof, signature, strict=True))
    return hmac.compare_digest(hashlib.sha256(client_key).digest(), verifier.stored_key)


def server_final(verifier: ScramVerifier, proof: Proof) -> bytes:
    """The server's final message, which proves to the client that we know the password."""
    return b"v=" + base64.b64encode(hmac.digest(verifier.server_key, proof.auth_message, "sha256"))


def _text(message: bytes) -> str:
    try:
        return message.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("SCRAM message is not UTF-8") from None


def _name(text: str) -> str:
    if not _SASLNAME.fullmatch(text):
        raise Malformed("malformed user name in a SCRAM message")
    return text.replace("=2C", ",").replace("=3D", "=")
