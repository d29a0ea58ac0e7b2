"""Users who are gone, as SMTP sees them: their addresses, their sessions, and mail that is on its way to them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import sqlite_shell
from onifast_shared.departed import changes, moving
from onifast_shared.departed.changes import UserChangeRequest
from onifast_shared.machine.config import Settings
from onifast_smtpd.clients.client import Service
from onifast_smtpd.sessions import handler

from .conftest import PASSWORDS, write_user
from .helpers import HERE, MESSAGE, SmtpClient, World

OWN = b"From: alice@here.test\r\nSubject: x\r\n\r\nx\r\n"


def remove_file(settings: Settings, name: str) -> None:
    Path(settings.users_dir, f"{name}.json").unlink()


def remove(world: World, settings: Settings, name: str) -> None:
    """What the panel does with a customer."""
    remove_file(settings, name)
    world.database.write(lambda tx: changes.make(tx, UserChangeRequest("remove", name, "test"), time.time()))
    moving.finish(world.database)


@asynccontextmanager
async def logged_in(world: World) -> AsyncIterator[SmtpClient]:
    async with await world.client(HERE, Service.SUBMISSION) as client:
        await client.say("EHLO client.test")
        assert (await client.log_in("alice", PASSWORDS["alice"])).startswith("235")
        yield client


async def test_mail_for_who_is_gone_is_refused_as_for_any_unknown_address(world: World, settings: Settings) -> None:
    sqlite_shell.run(world.database.path, "INSERT INTO mail_addresses (address, owner) VALUES ('*@here.test', 'bob');")
    sqlite_shell.run(
        world.database.path, "INSERT INTO mail_addresses (address, owner) VALUES ('a@alices.test', 'alice');"
    )
    remove(world, settings, "alice")
    async with await world.client() as client:
        await client.say("EHLO c", "MAIL FROM:<someone@remote.test>")
        for address in ("alice@here.test", "Alice+tag@here.test"):
            assert await client.say(f"RCPT TO:<{address}>") == f"550 5.1.1 <{address}>: no such mailbox here"
        # A domain of which nobody is left is none of ours any more; who was in it is refused alike.
        reply = await client.say("RCPT TO:<a@alices.test>")
        assert reply == "550 5.1.1 <a@alices.test>: no such mailbox here"
        assert (await client.say("RCPT TO:<other@alices.test>")).startswith("554 5.7.1")


async def test_a_message_that_was_on_its_way_is_set_aside_with_the_rest(world: World, settings: Settings) -> None:
    async with await world.client() as client:
        await client.say("EHLO c", "MAIL FROM:<someone@remote.test>", "RCPT TO:<alice@here.test>")
        remove(world, settings, "alice")
        write_user(settings.users_dir, "alice", "another password")
        assert (await client.send_message(MESSAGE)).startswith("250")
    assert world.inbox("alice") == []
    assert len(world.inbox("~1:alice")) == 1


async def test_a_login_ends_with_its_user_whoever_has_the_name_then(
    world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler, "LOGIN_CHECKED_EVERY", 0.0)
    async with logged_in(world) as client:
        assert (await client.deliver("alice@here.test", "bob@here.test", message=OWN)).startswith("250")
        remove(world, settings, "alice")
        write_user(settings.users_dir, "alice", "another password")
        sqlite_shell.run(
            world.database.path, "INSERT INTO mail_addresses (address, owner) VALUES ('alice@here.test', 'alice');"
        )
        assert (await client.say("MAIL FROM:<alice@here.test>")).startswith("421 4.7.0")
        assert await client.hung_up()


@pytest.mark.parametrize("change", ["removed", "disabled"])
async def test_a_login_of_who_is_shut_out_ends(
    world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    monkeypatch.setattr(handler, "LOGIN_CHECKED_EVERY", 0.0)
    async with logged_in(world) as client:
        if change == "removed":
            remove_file(settings, "alice")
        else:
            write_user(settings.users_dir, "alice", PASSWORDS["alice"], disabled=True)
        assert (await client.say("MAIL FROM:<alice@here.test>")).startswith("421 4.7.0")


async def test_a_login_is_not_looked_into_at_each_message(world: World, settings: Settings) -> None:
    async with logged_in(world) as client:
        remove_file(settings, "alice")
        assert (await client.say("MAIL FROM:<alice@here.test>")).startswith("250")
