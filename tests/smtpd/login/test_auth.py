"""Logging in."""

from __future__ import annotations

import logging
import os
import pwd
from collections.abc import Awaitable, Callable
from dataclasses import replace
from ipaddress import ip_address
from smtpd.conftest import PASSWORDS
from smtpd.helpers import HERE, SmtpClient, World, encoded, plain

import pytest
from onifast_shared.accounts import audit, throttle
from onifast_smtpd.clients.client import Client, Service
from onifast_smtpd.login.auth import throttle_keys

from fakes.certificates import Certificate

Start = Callable[..., Awaitable[World]]

CLIENT = Client(Service.MX, ip_address("192.0.2.7"), 1, is_loopback=False, is_trusted=False)


async def submission(world: World) -> SmtpClient:
    client = await world.client(HERE, Service.SUBMISSION)
    await client.say("EHLO client.test")
    return client


@pytest.mark.parametrize("user", ["nobody", "gone", "../alice", "alice", ""])
async def test_wrong_passwords_and_users_who_may_not_are_answered_alike(world: World, user: str) -> None:
    password = PASSWORDS["gone"] if user == "gone" else "wrong"
    async with await submission(world) as client:
        assert await client.say("AUTH PLAIN " + plain(user, password)) == "535 5.7.8 authentication credentials invalid"


async def test_login_takes_the_user_name_as_initial_response(world: World) -> None:
    async with await submission(world) as client:
        assert await client.say("AUTH LOGIN " + encoded("alice")) == "334 UGFzc3dvcmQ6"
        assert (await client.say(encoded(PASSWORDS["alice"]))).startswith("235 2.7.0")


async def test_a_mechanism_may_be_named_in_lower_case(world: World) -> None:
    async with await submission(world) as client:
        assert (await client.say("auth plain " + plain("alice", PASSWORDS["alice"]))).startswith("235 2.7.0")


async def test_a_missing_user_directory_is_temporary_trouble_that_the_log_names(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.settings.users_dir.rename(world.settings.users_dir.with_name("elsewhere"))
    async with await submission(world) as client:
        assert (await client.say("AUTH PLAIN " + plain("alice", "x"))).startswith("454 4.7.0")
    assert str(world.settings.users_dir) in caplog.text


async def test_a_broken_user_file_is_temporary_trouble_that_the_log_names(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    (world.settings.users_dir / "alice.json").write_text("{no json")
    async with await submission(world) as client:
        assert (await client.say("AUTH PLAIN " + plain("alice", "x"))).startswith("454 4.7.0")
    assert "users/alice.json is not valid JSON" in caplog.text


async def test_several_failures_shut_a_client_out_from_one_user(world: World) -> None:
    for _ in range(throttle.FREE_FAILURES):
        async with await submission(world) as client:
            await client.say("AUTH PLAIN " + plain("alice", "wrong"))
    async with await submission(world) as client:
        reply = await client.say("AUTH PLAIN " + plain("alice", PASSWORDS["alice"]))
        assert reply.startswith("454 4.7.0 too many failures, try again in ")
        assert (await client.say("AUTH PLAIN " + plain("bob", PASSWORDS["bob"]))).startswith("235 2.7.0")


async def test_a_login_clears_the_failures_before_it(world: World) -> None:
    for password in ["wrong"] * (throttle.FREE_FAILURES - 1) + [PASSWORDS["alice"]]:
        async with await submission(world) as client:
            await client.say("AUTH PLAIN " + plain("alice", password))
    user = pwd.getpwuid(os.getuid()).pw_name
    assert not world.database.read(lambda tx: throttle.has_failed(tx, [f"smtp unix:{user} alice"]))


def test_failures_on_loopback_count_for_the_unix_user_elsewhere_for_the_address() -> None:
    local = replace(CLIENT, ip=ip_address(HERE), is_loopback=True)
    assert throttle_keys(replace(local, unix_user="site7"), "Alice") == ("smtp unix:site7 alice",)
    assert throttle_keys(local, "alice") == ("smtp 127.0.0.1 alice",)
    assert throttle_keys(CLIENT, "alice") == ("smtp 192.0.2.7 alice",)


def test_failures_of_an_ipv6_network_count_together() -> None:
    client = replace(CLIENT, ip=ip_address("2001:db8:1:2:3::4"))
    assert throttle_keys(client, "alice") == ("smtp 2001:db8:1:2::/64 alice",)


async def test_the_session_forgets_who_spoke_in_the_clear_when_tls_begins(
    certificate: Certificate, start: Start
) -> None:
    world = await start(allow_insecure_auth="always", smtp_auth="always")
    async with await world.client() as client:
        assert (await client.log_in("alice", PASSWORDS["alice"])).startswith("235")
        await client.start_tls()
        await client.say("EHLO client.test", "MAIL FROM:<alice@here.test>")
        assert (await client.say("RCPT TO:<you@remote.test>")).startswith("554 5.7.1")


async def test_no_password_reaches_the_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with await submission(world) as client:
        await client.say("AUTH PLAIN " + plain("alice", "wrong-password"))
        await client.say("AUTH PLAIN " + plain("alice", PASSWORDS["alice"]))
        await client.deliver("alice@here.test", "you@remote.test", message=b"Subject: private words\r\n\r\nx\r\n")
    for secret in ("wrong-password", PASSWORDS["alice"], plain("alice", PASSWORDS["alice"]), "private words"):
        assert secret not in caplog.text


async def test_logins_from_new_places_and_lock_outs_are_in_the_audit_trail(world: World) -> None:
    for _ in range(2):
        async with await submission(world) as client:
            assert (await client.say("AUTH PLAIN " + plain("alice", PASSWORDS["alice"]))).startswith("235")
    for _ in range(throttle.FREE_FAILURES):
        async with await submission(world) as client:
            await client.say("AUTH PLAIN " + plain("alice", "wrong"))
            await client.say("AUTH PLAIN " + plain("nobody", "wrong"))
    rows = world.database.read(audit.list_page).rows
    assert sorted((event.action, event.owner, event.actor.token) for event in rows) == [
        ("login.lockout", "alice", "smtp"),
        ("login.smtp", "alice", "password"),
    ]
