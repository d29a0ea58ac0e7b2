"""TLS of sessions: the certificate by name, a new one without a restart, 465, and IPv6."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable

import pytest
from onifast_shared.machine.setting_types import Listen
from onifast_shared.machine.sockets import bind
from onifast_smtpd.clients.client import Service
from onifast_smtpd.server import SmtpServer

from fakes.certificates import Authority, Certificate

from .conftest import PASSWORDS
from .helpers import HERE, OUTSIDE, SmtpClient, World, no_verification

Start = Callable[..., Awaitable[World]]


async def shown(world: World, name: str, service: Service = Service.SUBMISSIONS) -> bytes:
    """The certificate that a client who asks for `name` is shown."""
    reader, writer = await asyncio.open_connection(
        HERE, world.ports[service], local_addr=(OUTSIDE, 0), ssl=no_verification(), server_hostname=name
    )
    certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    client = SmtpClient(reader, writer)
    assert (await client.reply())[0].startswith("220 ")
    client.close()
    assert isinstance(certificate, bytes)
    return certificate


def der(certificate: Certificate) -> bytes:
    return ssl.PEM_cert_to_DER_cert(certificate.chain.read_text().partition("-----END CERTIFICATE-----")[0] + END)


END = "-----END CERTIFICATE-----\n"


async def test_each_domain_shows_its_own_certificate(world: World, certificate: Certificate) -> None:
    own = Authority(world.settings.certs_dir).issue("shop.test")
    assert await shown(world, "shop.test") == der(own)
    assert await shown(world, "mail.host.test") == der(certificate)
    assert await shown(world, "unknown.test") == der(certificate)


async def test_a_renewed_certificate_counts_from_the_next_connection_on(world: World, certificate: Certificate) -> None:
    before = der(certificate)
    assert await shown(world, "mail.host.test") == before
    async with await world.client(service=Service.SUBMISSIONS, tls=True) as open_before:
        renewed = Authority(world.settings.certs_dir).issue("mail.host.test")
        assert der(renewed) != before
        assert await shown(world, "mail.host.test") == der(renewed)
        assert (await open_before.say("NOOP")).startswith("250 ")


async def test_starttls_shows_the_renewed_certificate_too(world: World, certificate: Certificate) -> None:
    renewed = Authority(world.settings.certs_dir).issue("mail.host.test")
    async with await world.client() as client:
        await client.say("EHLO x")
        await client.start_tls()
        shown_now = client.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    assert shown_now == der(renewed)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_465_takes_mail_over_both_versions_of_tls(
    world: World, certificate: Certificate, version: ssl.TLSVersion
) -> None:
    context = no_verification()
    context.minimum_version = context.maximum_version = version
    port = world.ports[Service.SUBMISSIONS]
    async with SmtpClient(*await asyncio.open_connection(HERE, port, local_addr=(OUTSIDE, 0), ssl=context)) as client:
        await client.reply()
        assert (await client.log_in("alice", PASSWORDS["alice"])).startswith("235 ")
        await client.say("MAIL FROM:<alice@here.test>", "RCPT TO:<you@remote.test>")
        assert (await client.send_message(b"Subject: x\r\n\r\nx\r\n")).startswith("250 2.0.0")
    assert b"with ESMTPSA" in world.queue()[0]["raw"]


async def test_465_answers_no_client_that_speaks_in_the_clear(world: World, certificate: Certificate) -> None:
    reader, writer = await world.connect(service=Service.SUBMISSIONS)
    writer.write(b"EHLO client.test\r\n")
    heard = await asyncio.wait_for(reader.read(), 10)
    assert b"220" not in heard
    assert b"250" not in heard
    writer.close()


async def test_all_of_it_over_ipv6(world: World, certificate: Certificate) -> None:
    listening = bind(Listen("::1", 0))
    server = SmtpServer(world.receiver, {Service.SUBMISSIONS: [listening]})
    await server.start()
    connection = await asyncio.open_connection(*listening.getsockname()[:2], ssl=no_verification())
    async with SmtpClient(*connection) as client:
        await client.reply()
        assert (await client.log_in("alice", PASSWORDS["alice"])).startswith("235 ")
        await client.say("MAIL FROM:<alice@here.test>", "RCPT TO:<you@[IPv6:2001:db8::1]>")
        assert (await client.send_message(b"Subject: x\r\n\r\nx\r\n")).startswith("250 2.0.0")
    await server.stop(1.0)
    [row] = world.queue()
    assert row["recipient"] == "you@[IPv6:2001:db8::1]"
    assert b"([IPv6:::1])" in row["raw"]
