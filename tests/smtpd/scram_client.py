"""A client that logs in by SCRAM, with an implementation that is not ours."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable

from cryptography import x509
from scramp import ScramClient

from .helpers import SmtpClient

SCRAM, PLUS = "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"


async def log_in(
    client: SmtpClient,
    username: str,
    password: str,
    mechanism: str = SCRAM,
    *,
    channel: bytes | None = None,
    initial: bool = True,
    meanwhile: Callable[[], object] | None = None,
) -> str:
    """The last reply of an exchange after EHLO; the server's signature is checked.

    `channel` replaces the real one; `meanwhile` is done before the client proves anything.
    """
    binding = None
    if mechanism == PLUS:
        binding = ("tls-server-end-point", channel or end_point(client))
    scram = ScramClient([mechanism], username, password, channel_binding=binding)
    first = encoded(scram.get_client_first())
    if initial:
        reply = await client.say(f"AUTH {mechanism} {first}")
    else:
        assert await client.say(f"AUTH {mechanism}") == "334 "
        reply = await client.say(first)
    if not reply.startswith("334 "):
        return reply
    scram.set_server_first(decoded(reply))
    if meanwhile is not None:
        meanwhile()
    reply = await client.say(encoded(scram.get_client_final()))
    if not reply.startswith("334 "):
        return reply
    scram.set_server_final(decoded(reply))
    return await client.say("")


async def server_first(client: SmtpClient, username: str) -> str:
    """What the server tells a client of that name first, without the nonce; then the client gives up."""
    reply = await client.say("AUTH SCRAM-SHA-256 " + encoded(f"n,,n={username},r=abc"))
    assert (await client.say("*")).startswith("501 5.7.0")
    return decoded(reply).partition(",")[2]


def end_point(client: SmtpClient) -> bytes:
    """What RFC 5929 makes of the certificate that this client was shown."""
    tls: ssl.SSLObject = client.writer.get_extra_info("ssl_object")
    shown = tls.getpeercert(binary_form=True)
    assert shown is not None
    certificate = x509.load_der_x509_certificate(shown)
    assert certificate.signature_hash_algorithm is not None
    return certificate.fingerprint(certificate.signature_hash_algorithm)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def decoded(reply: str) -> str:
    return base64.b64decode(reply.removeprefix("334 ")).decode()
