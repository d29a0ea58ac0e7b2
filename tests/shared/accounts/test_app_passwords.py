"""App passwords: made, used, listed and taken back."""

from __future__ import annotations

import pytest
from onifast_shared.accounts import app_passwords, scram_verifier
from onifast_shared.accounts.app_passwords import AppPassword, AppPasswordError, LoginVerifiers
from onifast_shared.accounts.scram_verifier import Parameters, ScramVerifier
from onifast_shared.db.database import Database
from onifast_shared.machine.log import Secret

NOW = 1_800_000_000


def create(
    database: Database, name: str, username: str = "ann", panel: ScramVerifier | None = None
) -> tuple[Secret, AppPassword]:
    return database.write(lambda tx: app_passwords.create(tx, username, panel, name, NOW))


def verifiers(database: Database, username: str = "ann", panel: ScramVerifier | None = None) -> LoginVerifiers:
    secret = database.write(app_passwords.make_salt_secret)
    return database.read(lambda tx: app_passwords.verifiers_of(tx, username, panel, secret))


def test_a_password_fits_the_verifier_that_was_made_for_it(database: Database) -> None:
    made = {create(database, name)[0].reveal(): name for name in ("Phone", "Laptop")}
    found = verifiers(database)
    opened = {password: app_passwords.opened_by(found, password) for password in made}
    assert {password: verifier.name for password, verifier in opened.items() if verifier} == made
    assert app_passwords.opened_by(found, "wrong") is None


def test_a_password_is_long_and_easy_to_copy(database: Database) -> None:
    password, _ = create(database, "Phone")
    groups = password.reveal().split("-")
    assert [len(group) for group in groups] == [5, 5, 5, 5]
    assert not set("".join(groups)) & set("01loi")


def test_a_password_opens_nothing_of_another_user(database: Database) -> None:
    password, _ = create(database, "Phone")
    assert app_passwords.opened_by(verifiers(database, "bob"), password.reveal()) is None


def test_a_revoked_password_opens_nothing(database: Database) -> None:
    password, made = create(database, "Phone")
    assert not database.write(lambda tx: app_passwords.revoke(tx, "bob", made.id))
    assert database.write(lambda tx: app_passwords.revoke(tx, "ann", made.id))
    assert app_passwords.opened_by(verifiers(database), password.reveal()) is None


def test_the_salt_of_a_name_is_always_the_same_and_its_own(database: Database) -> None:
    before = verifiers(database, "nobody").parameters
    create(database, "Phone")
    assert verifiers(database, "nobody").parameters == before
    assert verifiers(database, "somebody").parameters != before


def test_a_first_app_password_does_not_change_what_strangers_are_told(database: Database) -> None:
    before = verifiers(database).parameters
    create(database, "Phone")
    create(database, "Laptop")
    found = verifiers(database)
    assert found.parameters == before
    assert {verifier.verifier.parameters for verifier in found.app_passwords} == {before}


def test_a_first_app_password_takes_the_salt_of_the_panel_password(database: Database) -> None:
    panel = scram_verifier.derive("pencil", Parameters(b"the panel's salt", 8192))
    assert verifiers(database, panel=panel).parameters == panel.parameters
    create(database, "Phone", panel=panel)
    assert verifiers(database, panel=panel).parameters == panel.parameters


def test_app_passwords_keep_their_salt_when_the_panel_password_changes(database: Database) -> None:
    panel = scram_verifier.derive("pencil", Parameters(b"the panel's salt", 8192))
    create(database, "Phone", panel=panel)
    changed = scram_verifier.derive("crayon", Parameters(b"another salt", 4096))
    assert verifiers(database, panel=changed).parameters == panel.parameters


def test_a_use_is_remembered_and_news_only_now_and_then(database: Database) -> None:
    _, made = create(database, "Phone")
    (verifier,) = verifiers(database).app_passwords
    assert verifier.use_is_news(NOW, "192.0.2.7")
    database.write(lambda tx: app_passwords.touch(tx, made.id, NOW, "192.0.2.7"))
    (verifier,) = verifiers(database).app_passwords
    assert not verifier.use_is_news(NOW + 59, "192.0.2.7")
    assert verifier.use_is_news(NOW + 61, "192.0.2.7")
    assert verifier.use_is_news(NOW, "192.0.2.8")
    (listed,) = database.read(lambda tx: app_passwords.list_for(tx, "ann"))
    assert (listed.used_ts, listed.used_from) == (NOW, "192.0.2.7")


@pytest.mark.parametrize("name", ["", "  ", "x" * 65, "two\nlines", "Phone"])
def test_a_name_is_short_printable_and_the_users_only_one(database: Database, name: str) -> None:
    create(database, "Phone")
    with pytest.raises(AppPasswordError):
        create(database, name)


def test_a_user_has_so_many_at_the_most(database: Database) -> None:
    for number in range(app_passwords.MAX_PER_USER):
        create(database, f"program {number}")
    with pytest.raises(AppPasswordError, match="revoke one"):
        create(database, "one more")
    create(database, "one more", "bob")
