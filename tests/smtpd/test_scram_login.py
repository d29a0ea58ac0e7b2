"""Logging in with SCRAM and app passwords: whole sessions over real TLS, with a client that is not ours."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from onifast_shared.accounts import app_passwords, second_factor, throttle
from onifast_shared.accounts.panel_users import UserDirectory
from onifast_shared.accounts.scram_verifier import Parameters
from onifast_shared.db.database import Connection
from onifast_smtpd.clients.client import Service
from scramp import ScramMechanism

from fakes.certificates import Authority, Certificate

from .conftest import PASSWORDS
from .helpers import HERE, OUTSIDE, SmtpClient, World, no_verification, plain
from .scram_client import PLUS, SCRAM, encoded, log_in, server_first

Start = Callable[..., Awaitable[World]]

SALT = Parameters(b"the panel's salt", 4096)


@pytest.fixture
def app_password(world: World) -> str:
    """An app password of alice's."""
    return create(world, "alice")


def create(world: World, username: str, name: str = "Phone") -> str:
    user = UserDirectory(world.settings).get(username)
    panel = user.verifier() if user else None
    made, _ = world.database.write(lambda tx: app_passwords.create(tx, username, panel, name, time.time()))
    return made.reveal()


def write_verifier(world: World, username: str, password: str, parameters: Parameters = SALT, **more: object) -> None:
    """A user's file with a SCRAM verifier as PostgreSQL writes it."""

    values = ScramMechanism(SCRAM).make_auth_info(password, parameters.iterations, parameters.salt)
    salt, stored, server = (base64.b64encode(value).decode() for value in values[:3])
    verifier = f"SCRAM-SHA-256${parameters.iterations}:{salt}${stored}:{server}"
    content = {"username": username, "scram": verifier, **more}
    (world.settings.users_dir / f"{username}.json").write_text(json.dumps(content))


async def over_tls(world: World, source: str = OUTSIDE) -> SmtpClient:
    """A client on 465 that said EHLO."""
    client = await world.client(source, Service.SUBMISSIONS, tls=True)
    await client.say("EHLO client.test")
    return client


async def on_loopback(world: World) -> SmtpClient:
    client = await world.client(HERE, Service.SUBMISSION)
    await client.say("EHLO client.test")
    return client


@pytest.mark.parametrize("mechanism", [SCRAM, PLUS])
@pytest.mark.parametrize("initial", [True, False])
async def test_an_app_password_logs_in_and_sends(
    certificate: Certificate, world: World, app_password: str, mechanism: str, initial: bool
) -> None:
    async with await over_tls(world) as client:
        assert (await log_in(client, "alice", app_password, mechanism, initial=initial)).startswith("235 2.7.0")
        sent = await client.deliver("alice@here.test", "you@remote.test", message=b"Subject: hi\r\n\r\nText.\r\n")
        assert sent.startswith("250 2.0.0")


@pytest.mark.parametrize("mechanism", [SCRAM, PLUS])
async def test_a_panel_user_with_a_verifier_logs_in(certificate: Certificate, world: World, mechanism: str) -> None:
    write_verifier(world, "vera", "pêncil")
    async with await over_tls(world) as client:
        assert (await log_in(client, "vera", "pêncil", mechanism)).startswith("235 2.7.0")


async def test_scram_after_starttls_binds_the_certificate_of_the_name_that_was_asked_for(
    settings_with_two: World,
) -> None:
    world = settings_with_two
    password = create(world, "alice")
    client = SmtpClient(*await world.connect(OUTSIDE, Service.SUBMISSION))
    async with client:
        await client.reply()
        await client.say("EHLO client.test")
        assert (await client.say("STARTTLS")).startswith("220")
        await client.writer.start_tls(no_verification(), server_hostname="second.test")
        await client.say("EHLO client.test")
        assert (await log_in(client, "alice", password, PLUS)).startswith("235")


@pytest.fixture
async def settings_with_two(certificate: Certificate, world: World) -> World:
    """A receiver with a certificate for another name too."""
    Authority(world.settings.certs_dir).issue("second.test")
    return world


async def test_somebody_in_between_with_another_certificate_gets_nowhere(
    certificate: Certificate, world: World, app_password: str
) -> None:
    async with await over_tls(world) as client:
        reply = await log_in(client, "alice", app_password, PLUS, channel=b"another certificate")
        assert reply == "535 5.7.8 channel bindings do not match"


async def test_plus_is_not_offered_where_the_certificate_has_no_binding(world: World) -> None:
    ed25519_certificate(world.settings.certs_dir / world.settings.hostname)
    password = create(world, "alice")
    async with await world.client(OUTSIDE, Service.SUBMISSIONS, tls=True) as client:
        assert (await client.say("EHLO client.test")).endswith("AUTH SCRAM-SHA-256 PLAIN LOGIN")
        assert (await log_in(client, "alice", password)).startswith("235")


@pytest.mark.parametrize("initial_response", [True, False])
async def test_an_app_password_is_good_for_plain_and_login_too(
    world: World, app_password: str, initial_response: bool
) -> None:
    async with await on_loopback(world) as client:
        if initial_response:
            assert (await client.say("AUTH PLAIN " + plain("alice", app_password))).startswith("235")
        else:
            assert await client.say("AUTH PLAIN") == "334 "
            assert (await client.say(plain("alice", app_password))).startswith("235")


async def test_the_panel_password_stays_good_beside_app_passwords(world: World, app_password: str) -> None:
    async with await on_loopback(world) as client:
        assert (await client.say("AUTH PLAIN " + plain("alice", PASSWORDS["alice"]))).startswith("235")


async def test_a_panel_password_with_a_verifier_and_app_passwords_made_after_it_both_log_in(world: World) -> None:
    write_verifier(world, "vera", "pencil")
    for password in (create(world, "vera"), "pencil"):
        async with await on_loopback(world) as client:
            assert (await log_in(client, "vera", password)).startswith("235")


async def test_app_passwords_outlive_a_change_of_the_panel_password(world: World) -> None:
    write_verifier(world, "vera", "pencil")
    app_password = create(world, "vera")
    write_verifier(world, "vera", "crayon", Parameters(b"a salt of its own", 4096))
    async with await on_loopback(world) as client:
        assert (await log_in(client, "vera", app_password)).startswith("235")
    for password, code in (("crayon", "235"), ("pencil", "535")):
        async with await on_loopback(world) as client:
            assert (await client.say("AUTH PLAIN " + plain("vera", password))).startswith(code)


async def test_a_revoked_app_password_is_a_wrong_one(world: World, app_password: str) -> None:
    (listed,) = world.database.read(lambda tx: app_passwords.list_for(tx, "alice"))
    world.database.write(lambda tx: app_passwords.revoke(tx, "alice", listed.id))
    async with await on_loopback(world) as client:
        assert (await log_in(client, "alice", app_password)).startswith("535 5.7.8")
        assert (await client.say("AUTH PLAIN " + plain("alice", app_password))).startswith("535 5.7.8")


async def test_a_password_that_is_revoked_while_the_client_answers_is_a_wrong_one(
    world: World, app_password: str
) -> None:
    def revoke() -> None:
        (listed,) = world.database.read(lambda tx: app_passwords.list_for(tx, "alice"))
        world.database.write(lambda tx: app_passwords.revoke(tx, "alice", listed.id))

    async with await on_loopback(world) as client:
        assert (await log_in(client, "alice", app_password, meanwhile=revoke)).startswith("535 5.7.8")


async def test_a_disabled_user_gets_in_by_no_password_of_his(world: World) -> None:
    app_password = create(world, "gone")
    write_verifier(world, "vera", "pencil", disabled=True)
    async with await on_loopback(world) as client:
        assert (await log_in(client, "gone", app_password)).startswith("535 5.7.8")
        assert (await client.say("AUTH PLAIN " + plain("gone", app_password))).startswith("535 5.7.8")
    async with await on_loopback(world) as client:
        assert (await log_in(client, "vera", "pencil")).startswith("535 5.7.8")


@pytest.mark.parametrize("username", ["alice", "nobody", "gone", "../alice", "ann,=e"])
async def test_who_can_do_no_scram_fails_as_with_a_wrong_password(world: World, username: str) -> None:
    async with await on_loopback(world) as client:
        password = PASSWORDS.get(username, "x")
        reply = await log_in(client, username, password)
    assert reply == (
        "535 5.7.8 authentication credentials invalid; if they are right, log in with PLAIN once, then SCRAM works too"
    )


async def test_what_a_name_is_told_is_always_the_same_and_looks_alike_for_all(start: Start) -> None:
    world, again = await start(), await start()
    write_verifier(world, "vera", "pencil")
    told = {}
    for name in ("alice", "bob", "gone", "nobody", "vera", "../x"):
        async with await on_loopback(world) as first, await on_loopback(again) as second:
            told[name] = await server_first(first, name)
            assert await server_first(second, name) == told[name]
    assert len(set(told.values())) == len(told)
    assert {len(words) for words in told.values()} == {len("s=") + 24 + len(",i=4096")}


async def test_the_last_use_of_an_app_password_is_remembered(world: World, app_password: str) -> None:
    async with await on_loopback(world) as client:
        await log_in(client, "alice", app_password)
    (listed,) = world.database.read(lambda tx: app_passwords.list_for(tx, "alice"))
    assert listed.used_ts == pytest.approx(time.time(), abs=30)
    assert (listed.used_from or "").startswith("127.0.0.1 (")


async def test_wrong_proofs_shut_a_client_out_as_wrong_passwords_do(world: World, app_password: str) -> None:
    for _ in range(throttle.FREE_FAILURES):
        async with await on_loopback(world) as client:
            await log_in(client, "alice", "wrong")
    async with await on_loopback(world) as client:
        reply = await log_in(client, "alice", app_password)
        assert reply.startswith("454 4.7.0 too many failures, try again in ")


async def test_acting_as_somebody_else_is_refused(world: World, app_password: str) -> None:
    async with await on_loopback(world) as client:
        reply = await client.say("AUTH SCRAM-SHA-256 " + encoded("n,a=bob,n=alice,r=abc"))
        assert reply == "535 5.7.8 authentication credentials invalid"


async def test_a_broken_verifier_is_temporary_trouble_that_the_log_names(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    (world.settings.users_dir / "vera.json").write_text('{"scram": "SCRAM-SHA-256$broken"}')
    async with await on_loopback(world) as client:
        assert (await log_in(client, "vera", "pencil")).startswith("454 4.7.0")
    assert "vera.json holds a SCRAM verifier that cannot be used" in caplog.text


async def test_only_what_the_setting_names_is_offered_and_taken(start: Start) -> None:
    world = await start(auth_mechanisms=("PLAIN",))
    async with await world.client(HERE, Service.SUBMISSION) as client:
        assert (await client.say("EHLO client.test")).endswith("AUTH PLAIN")
        assert (await client.say("AUTH LOGIN")).startswith("504 5.5.4")
        assert (await client.say("AUTH SCRAM-SHA-256")).startswith("504 5.5.4")


def ed25519_certificate(folder: Path) -> None:
    """A self-signed certificate whose signature uses no hash of its own."""
    folder.mkdir()
    files = ["-keyout", str(folder / "privkey.pem"), "-out", str(folder / "fullchain.pem")]
    command = ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=mail.host.test", *files]
    subprocess.run(command, check=True, capture_output=True)


def turn_two_step_on(world: World, username: str) -> None:
    def write(tx: Connection) -> None:
        second_factor.begin(tx, username, time.time())
        assert second_factor.confirm(tx, username, "1", time.time(), lambda *_: 1)

    world.database.write(write)


async def test_a_panel_password_is_not_enough_where_there_is_a_second_factor(world: World, app_password: str) -> None:
    turn_two_step_on(world, "alice")
    async with await world.client(HERE, Service.SUBMISSION) as client:
        await client.say("EHLO client.test")
        reply = await client.say("AUTH PLAIN " + plain("alice", PASSWORDS["alice"]))
        assert reply.startswith("534 5.7.9") and "app password" in reply
        assert (await client.say("AUTH PLAIN " + plain("alice", "wrong"))).startswith("535 5.7.8")
        assert (await client.say("AUTH PLAIN " + plain("alice", app_password))).startswith("235")


async def test_a_proof_of_the_panel_password_is_not_enough_either(world: World) -> None:
    write_verifier(world, "alice", "panel's own")
    turn_two_step_on(world, "alice")
    async with await world.client(HERE, Service.SUBMISSION) as client:
        await client.say("EHLO client.test")
        assert (await log_in(client, "alice", "panel's own")).startswith("534 5.7.9")
