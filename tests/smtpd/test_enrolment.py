"""A panel password that logged in once logs in by SCRAM from then on; until then nobody is offered what would fail."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import pytest
from onifast_shared.accounts import app_passwords
from onifast_smtpd.clients.client import Service

from .conftest import PASSWORDS, write_user
from .helpers import HERE, OUTSIDE, SmtpClient, World, encoded, plain
from .scram_client import PLUS, SCRAM, log_in, server_first
from .test_scram_login import create, on_loopback, write_verifier

pytestmark = pytest.mark.usefixtures("certificate")

Start = Callable[..., Awaitable[World]]

ELSEWHERE = "127.0.0.10"
ALL = ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN")
WORDS = ("PLAIN", "LOGIN")
RIGHT = plain("alice", PASSWORDS["alice"])


async def over_tls(world: World, source: str = OUTSIDE) -> SmtpClient:
    client = await world.client(source, Service.SUBMISSIONS, tls=True)
    await client.say("EHLO client.test")
    return client


async def offered(world: World, source: str = OUTSIDE) -> tuple[str, ...]:
    """The mechanisms that a client is offered over TLS."""
    async with await world.client(source, Service.SUBMISSIONS, tls=True) as client:
        reply = await client.say("EHLO client.test")
    return next(tuple(line[9:].split()) for line in reply.splitlines() if line[4:].startswith("AUTH "))


async def by_words(world: World, name: str, password: str, source: str = OUTSIDE) -> str:
    async with await over_tls(world, source) as client:
        return await client.say("AUTH PLAIN " + plain(name, password))


async def by_scram(world: World, name: str, password: str, source: str = OUTSIDE, mechanism: str = SCRAM) -> str:
    async with await over_tls(world, source) as client:
        return await log_in(client, name, password, mechanism)


@pytest.mark.parametrize("mechanism", [SCRAM, PLUS])
async def test_a_panel_password_logs_in_by_scram_after_it_did_in_words(world: World, mechanism: str) -> None:
    assert (await by_scram(world, "alice", PASSWORDS["alice"], mechanism=mechanism)).startswith("535 5.7.8")
    assert (await by_words(world, "alice", PASSWORDS["alice"])).startswith("235")
    assert (await by_scram(world, "alice", PASSWORDS["alice"], mechanism=mechanism)).startswith("235")
    assert (await by_scram(world, "alice", "wrong", mechanism=mechanism)).startswith("535")


async def test_login_in_the_clear_on_loopback_enrols_too(world: World) -> None:
    async with await on_loopback(world) as client:
        await client.say("AUTH LOGIN " + encoded("alice"))
        assert (await client.say(encoded(PASSWORDS["alice"]))).startswith("235")
    async with await on_loopback(world) as client:
        assert (await log_in(client, "alice", PASSWORDS["alice"])).startswith("235")


async def test_a_wrong_password_enrols_nobody(world: World) -> None:
    await by_words(world, "alice", "wrong")
    assert (await by_scram(world, "alice", "wrong")).startswith("535")


async def test_a_changed_password_ends_the_former_one_by_scram_too(world: World) -> None:
    await by_words(world, "alice", PASSWORDS["alice"])
    write_user(world.settings.users_dir, "alice", "another secret")
    assert (await by_scram(world, "alice", PASSWORDS["alice"])).startswith("535")
    assert (await by_scram(world, "alice", "another secret")).startswith("535")
    assert (await by_words(world, "alice", "another secret")).startswith("235")
    assert (await by_scram(world, "alice", "another secret")).startswith("235")


@pytest.mark.parametrize("how", ["disabled", "deleted"])
async def test_a_user_who_may_not_log_in_does_not_by_scram_either(world: World, how: str) -> None:
    await by_words(world, "alice", PASSWORDS["alice"])
    path = world.settings.users_dir / "alice.json"
    if how == "deleted":
        path.unlink()
    else:
        path.write_text(json.dumps(json.loads(path.read_text()) | {"disabled": True}))
    assert (await by_scram(world, "alice", PASSWORDS["alice"])).startswith("535")


@pytest.mark.parametrize("how", [by_words, by_scram])
async def test_an_app_password_of_a_user_who_is_gone_opens_nothing(
    world: World, how: Callable[..., Awaitable[str]]
) -> None:
    password = create(world, "alice")
    assert (await how(world, "alice", password)).startswith("235")
    (world.settings.users_dir / "alice.json").unlink()
    assert (await how(world, "alice", password)).startswith("535 5.7.8")


async def test_panel_and_app_passwords_both_log_in_by_scram_whichever_came_first(world: World) -> None:
    first = create(world, "alice")
    await by_words(world, "alice", PASSWORDS["alice"])
    await by_words(world, "bob", PASSWORDS["bob"])
    second = create(world, "bob")
    for name, password in (
        ("alice", first),
        ("alice", PASSWORDS["alice"]),
        ("bob", second),
        ("bob", PASSWORDS["bob"]),
    ):
        assert (await by_scram(world, name, password)).startswith("235")


async def test_being_enrolled_does_not_show(world: World) -> None:
    async with await over_tls(world) as client:
        before = await server_first(client, "alice")
    await by_words(world, "alice", PASSWORDS["alice"])
    async with await over_tls(world) as client:
        assert await server_first(client, "alice") == before


async def test_the_database_alone_tells_nothing_of_the_password(world: World) -> None:
    await by_words(world, "alice", PASSWORDS["alice"])
    sealed = world.database.read(lambda tx: tx.execute("SELECT sealed FROM scram_verifiers").get)
    await by_words(world, "bob", PASSWORDS["bob"])
    world.database.write(lambda tx: tx.execute("UPDATE scram_verifiers SET sealed = ?", (sealed,)).fetchall())
    # One user's keys under another's name open nothing.
    assert (await by_scram(world, "bob", PASSWORDS["alice"])).startswith("535")
    assert (await by_scram(world, "alice", PASSWORDS["alice"])).startswith("235")


async def test_an_unhashed_password_is_not_enrolled(start: Start) -> None:
    world = await start(allow_plaintext_passwords=True)
    (world.settings.users_dir / "alice.json").write_text('{"password": "in the clear"}')
    assert (await by_words(world, "alice", "in the clear")).startswith("235")
    assert world.database.read(lambda tx: tx.execute("SELECT count(*) FROM scram_verifiers").get) == 0


async def test_nothing_is_enrolled_where_scram_is_switched_off(start: Start) -> None:
    world = await start(auth_mechanisms=WORDS)
    await by_words(world, "alice", PASSWORDS["alice"])
    assert world.database.read(lambda tx: tx.execute("SELECT count(*) FROM scram_verifiers").get) == 0


# What is offered


async def test_where_nobody_could_use_scram_it_is_not_offered_over_tls(world: World) -> None:
    assert await offered(world) == WORDS


async def test_in_the_clear_it_always_is_since_a_careful_client_takes_nothing_else(world: World) -> None:
    async with await world.client(HERE, Service.SUBMISSION) as client:
        assert (await client.say("EHLO client.test")).endswith("AUTH SCRAM-SHA-256 PLAIN LOGIN")


async def test_a_place_where_those_who_log_in_are_enrolled_is_offered_scram(world: World) -> None:
    await by_words(world, "alice", PASSWORDS["alice"])
    assert await offered(world) == ALL
    assert await offered(world, ELSEWHERE) == WORDS


async def test_a_place_of_a_user_whose_password_was_changed_is_not_until_the_new_one_logs_in(world: World) -> None:
    await by_words(world, "alice", PASSWORDS["alice"])
    write_user(world.settings.users_dir, "alice", "another secret")
    assert await offered(world) == WORDS
    await by_words(world, "alice", "another secret")
    assert await offered(world) == ALL


async def test_where_somebody_has_an_app_password_scram_is_offered_to_strangers(world: World) -> None:
    create(world, "bob")
    assert await offered(world) == ALL


async def test_where_the_panel_stores_verifiers_scram_is_offered_to_strangers(world: World) -> None:
    write_verifier(world, "aaron", "pencil")
    assert await offered(world) == ALL


@pytest.mark.parametrize("name", ["alice", "nobody", "bob"])
async def test_where_scram_failed_the_next_client_is_offered_words_whoever_it_was(world: World, name: str) -> None:
    create(world, "bob")
    assert (await by_scram(world, name, "wrong")).startswith("535")
    assert await offered(world) == WORDS
    assert await offered(world, ELSEWHERE) == ALL


async def test_a_login_at_such_a_place_brings_scram_back(world: World) -> None:
    create(world, "bob")
    assert (await by_scram(world, "alice", PASSWORDS["alice"])).startswith("535")
    assert (await by_words(world, "alice", PASSWORDS["alice"])).startswith("235")
    assert await offered(world) == ALL


async def test_an_app_password_used_in_words_tells_nothing_of_the_panel_password(world: World) -> None:
    password = create(world, "alice")
    await by_words(world, "alice", password)
    assert await offered(world) == ALL
    assert (await by_scram(world, "alice", PASSWORDS["alice"])).startswith("535")


async def test_who_asks_for_scram_gets_it_where_it_is_not_offered(world: World) -> None:
    await by_words(world, "alice", PASSWORDS["alice"], ELSEWHERE)
    async with await over_tls(world) as client:
        assert (await log_in(client, "alice", PASSWORDS["alice"])).startswith("235")


async def test_a_revoked_app_password_leaves_the_panel_password_to_be_enrolled_anew(world: World) -> None:
    write_verifier(world, "vera", "pencil")
    create(world, "vera")  # with the salt of the panel's verifier
    write_user(world.settings.users_dir, "vera", "pencil")
    assert (await by_words(world, "vera", "pencil")).startswith("235")
    (listed,) = world.database.read(lambda tx: app_passwords.list_for(tx, "vera"))
    world.database.write(lambda tx: app_passwords.revoke(tx, "vera", listed.id))
    assert (await by_words(world, "vera", "pencil")).startswith("235")
    assert (await by_scram(world, "vera", "pencil")).startswith("235")
