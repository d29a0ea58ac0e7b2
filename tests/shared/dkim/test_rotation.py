"""Rotations of DKIM keys: each step, each moment at which a crash can come, and what others do meanwhile."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from onifast_shared.db.database import Database
from onifast_shared.dkim import keys as dkim_keys
from onifast_shared.dkim import report, rotation, selectors
from onifast_shared.dkim.published import RecordCheck
from onifast_shared.dkim.rotation import DomainKeys, RotationError, Rotations, unused_name
from onifast_shared.dkim.selectors import STATES, TRANSITIONS, Selector
from onifast_shared.machine.config import Settings

DOMAIN = "here.test"
NOW = 1_795_000_000  # in November 2026
HOUR, DAY = 3600, 86400
SHOWN, MISSING, SILENT = RecordCheck(True), RecordCheck(False, "There is none."), RecordCheck(None, "No answer.")


@pytest.fixture
def rotations(settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch) -> Rotations:
    """The steps for here.test, which has an RSA key. Keys are short here, for they are made for each test."""
    monkeypatch.setattr(dkim_keys, "_NEW_RSA_BITS", 1024)
    dkim_keys.generate(settings.certs_dir, DOMAIN)
    return Rotations(database, settings)


def signs(found: DomainKeys) -> list[str]:
    return [key.selector for key in found.signing]


def states(found: DomainKeys) -> dict[str, str]:
    return {row.selector: row.state for row in found.rows}


def seen(check: RecordCheck, *names: str) -> dict[str, RecordCheck]:
    return {f"{name}._domainkey.{DOMAIN}": check for name in names or ("mail-202611",)}


def files(settings: Settings) -> list[str]:
    return sorted(path.name for path in (settings.certs_dir / DOMAIN).iterdir())


def is_consistent(found: DomainKeys) -> bool:
    """What must hold at every moment: each key that signs does so under the name that its record has."""
    names = {row.fingerprint: row.selector for row in found.rows}
    return all(names.get(key.fingerprint, "mail") == key.selector for key in found.signing)


def test_a_rotation_from_beginning_to_end(rotations: Rotations, settings: Settings) -> None:
    begun = rotations.begin(DOMAIN, NOW)
    assert signs(begun) == ["mail"]
    assert states(begun) == {"mail-202611": "publishing", "mail": "active"}
    assert not rotations.look(DOMAIN, seen(SHOWN), NOW)
    assert rotations.look(DOMAIN, seen(SHOWN), NOW + HOUR)
    switched = rotations.switch(DOMAIN, NOW + HOUR)
    assert signs(switched) == ["mail-202611"]
    assert states(switched) == {"mail-202611": "active", "mail": "retiring"}
    assert files(settings) == ["dkim_private.mail.rsa.pem", "dkim_private.pem"]
    kept = rotations.mend(DOMAIN, NOW + HOUR + 7 * DAY - 1)
    assert states(kept)["mail"] == "retiring"
    retired = rotations.mend(DOMAIN, NOW + HOUR + 7 * DAY)
    assert states(retired) == {"mail-202611": "active", "mail": "retired"}
    assert files(settings) == ["dkim_private.pem"]
    rotations.look(DOMAIN, seen(MISSING, "mail"), NOW + 9 * DAY)
    assert states(rotations.standing(DOMAIN))["mail"] == "removed"


def test_a_second_key_rotates_along(rotations: Rotations, settings: Settings) -> None:
    path = dkim_keys.signing_path(settings.certs_dir, DOMAIN, "ed25519-sha256")
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", path], check=True)
    rotations.begin(DOMAIN, NOW)
    both = ("mail-202611", "mail-202611-ed25519")
    rotations.look(DOMAIN, seen(SHOWN, both[0]), NOW)
    assert not rotations.look(DOMAIN, seen(SHOWN, both[0]), NOW + HOUR), "the second record is missing"
    rotations.look(DOMAIN, seen(SHOWN, *both), NOW + HOUR)
    assert rotations.look(DOMAIN, seen(SHOWN, *both), NOW + 2 * HOUR)
    switched = rotations.switch(DOMAIN, NOW + 2 * HOUR)
    assert signs(switched) == list(both)
    assert [key.algorithm for key in switched.signing] == ["rsa-sha256", "ed25519-sha256"]
    assert states(switched)["mail-ed25519"] == "retiring"


@pytest.mark.parametrize(("between", "is_ripe"), [(SHOWN, True), (SILENT, True), (MISSING, False)])
def test_dns_must_have_shown_the_key_without_a_break(rotations: Rotations, between: RecordCheck, is_ripe: bool) -> None:
    rotations.begin(DOMAIN, NOW)
    rotations.look(DOMAIN, seen(SHOWN), NOW)
    rotations.look(DOMAIN, seen(between), NOW + HOUR / 2)
    assert rotations.look(DOMAIN, seen(SHOWN), NOW + HOUR) is is_ripe


def test_even_without_a_wait_no_single_look_that_fails_switches(rotations: Rotations) -> None:
    rotations.begin(DOMAIN, NOW)
    assert not rotations.look(DOMAIN, seen(MISSING), NOW)
    assert not rotations.look(DOMAIN, seen(SILENT), NOW + DAY)
    assert not rotations.look(DOMAIN, {}, NOW + DAY)


@pytest.mark.parametrize("step", [Rotations.switch, Rotations.abort, Rotations.retire])
def test_a_step_that_does_not_apply_is_refused(
    rotations: Rotations, step: Callable[[Rotations, str, float], DomainKeys]
) -> None:
    with pytest.raises(RotationError):
        step(rotations, DOMAIN, NOW)


def test_a_domain_without_a_key_has_nothing_to_rotate(rotations: Rotations) -> None:
    with pytest.raises(RotationError, match="no key yet"):
        rotations.begin("other.test", NOW)


def test_one_rotation_at_a_time(rotations: Rotations) -> None:
    rotations.begin(DOMAIN, NOW)
    with pytest.raises(RotationError, match="under way"):
        rotations.begin(DOMAIN, NOW)


def test_a_rotation_that_is_given_up_leaves_all_as_it_was(rotations: Rotations, settings: Settings) -> None:
    before = rotations.standing(DOMAIN).signing
    rotations.begin(DOMAIN, NOW)
    given_up = rotations.abort(DOMAIN, NOW)
    assert given_up.signing == before
    assert files(settings) == ["dkim_private.pem"]
    assert signs(rotations.begin(DOMAIN, NOW)) == ["mail"]
    assert states(rotations.standing(DOMAIN))["mail-202611-2"] == "publishing", "a name is never used again"


def test_the_next_rotation_begins_where_the_last_one_ended(rotations: Rotations) -> None:
    for number, name in enumerate(("mail-202611", "mail-202611-2", "mail-202612")):
        now = NOW + number * 8 * DAY
        rotations.begin(DOMAIN, now)
        assert signs(rotations.switch(DOMAIN, now)) == [name]


# Crashes


def test_a_crash_after_the_new_key_was_written_costs_nothing(rotations: Rotations, settings: Settings) -> None:
    path = dkim_keys.aside_path(settings.certs_dir, DOMAIN, "rsa-sha256", "mail-202611")
    orphan = dkim_keys.write_new(path, "mail-202611", "rsa-sha256")
    begun = rotations.begin(DOMAIN, NOW)
    assert begun.in_state("publishing")[0].fingerprint == orphan.fingerprint


class Crash(BaseException):
    """The program ends here."""


@pytest.mark.parametrize("operation", ["hardlink_to", "replace", "unlink"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_switch_may_be_killed_at_any_file_operation(
    rotations: Rotations, settings: Settings, monkeypatch: pytest.MonkeyPatch, operation: str, after: bool
) -> None:
    new = rotations.begin(DOMAIN, NOW).in_state("publishing")[0]
    real = getattr(Path, operation)

    def dying(path: Path, *arguments: object, **more: object) -> object:
        if after:
            real(path, *arguments, **more)
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(Path, operation, dying)
        with contextlib.suppress(Crash):
            rotations.switch(DOMAIN, NOW)
    assert is_consistent(rotations.standing(DOMAIN)), "between the crash and the next start"
    assert is_consistent(rotations.mend(DOMAIN, NOW))
    if rotations.standing(DOMAIN).in_state("publishing"):
        rotations.switch(DOMAIN, NOW)
    ended = rotations.standing(DOMAIN)
    assert [key.fingerprint for key in ended.signing] == [new.fingerprint]
    assert states(ended) == {"mail-202611": "active", "mail": "retiring"}
    assert files(settings) == ["dkim_private.mail.rsa.pem", "dkim_private.pem"]


def test_a_crash_between_the_files_and_the_table_is_mended(
    rotations: Rotations, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rotations.begin(DOMAIN, NOW)
    calls = []

    def dying(self: Rotations, domain: str, now: float) -> DomainKeys:
        calls.append(domain)
        if len(calls) > 1:
            raise Crash
        return self.standing(domain)

    with monkeypatch.context() as patch:
        patch.setattr(Rotations, "mend", dying)
        with pytest.raises(Crash):
            rotations.switch(DOMAIN, NOW)
    torn = rotations.standing(DOMAIN)
    assert states(torn) == {"mail-202611": "publishing", "mail": "active"}
    assert signs(torn) == ["mail-202611"], "the key that signs has its own name all the same"
    assert [key.state for key in report.of(torn).keys] == ["active"]
    assert states(rotations.mend(DOMAIN, NOW)) == {"mail-202611": "active", "mail": "retiring"}


def test_two_programs_may_switch_at_once(rotations: Rotations, settings: Settings, database: Database) -> None:
    rotations.begin(DOMAIN, NOW)
    other = Rotations(database, settings)
    stale = other.standing(DOMAIN)
    rotations.switch(DOMAIN, NOW)
    row = stale.in_state("publishing")[0]
    other._exchange(row, rotations.standing(DOMAIN).signing[0])
    assert signs(other.mend(DOMAIN, NOW)) == ["mail-202611"]


# What the panel does


def test_a_key_that_the_panel_writes_signs_under_the_settings_selector(
    rotations: Rotations, settings: Settings
) -> None:
    rotations.begin(DOMAIN, NOW)
    rotations.switch(DOMAIN, NOW)
    path = dkim_keys.signing_path(settings.certs_dir, DOMAIN, "rsa-sha256")
    path.unlink()
    dkim_keys.generate(settings.certs_dir, DOMAIN)
    found = rotations.mend(DOMAIN, NOW)
    assert signs(found) == ["mail"]
    assert states(found) == {"mail-202611": "retiring", "mail": "removed"}, "one name in DNS has one key"
    assert [(key.selector, key.state) for key in report.of(found).keys] == [
        ("mail", "active"),
        ("mail-202611", "retiring"),
    ]
    again = rotations.begin(DOMAIN, NOW)
    assert is_consistent(again) and states(again)["mail"] == "active"


def test_a_key_of_the_panel_in_the_midst_of_a_rotation_is_not_overwritten_by_itself(
    rotations: Rotations, settings: Settings
) -> None:
    rotations.begin(DOMAIN, NOW)
    dkim_keys.signing_path(settings.certs_dir, DOMAIN, "rsa-sha256").unlink()
    panels = dkim_keys.generate(settings.certs_dir, DOMAIN)
    assert rotations.standing(DOMAIN).is_replaced
    switched = rotations.switch(DOMAIN, NOW)  # somebody decides
    assert signs(switched) == ["mail-202611"]
    assert {row.fingerprint: row.state for row in switched.rows}[panels.fingerprint] == "retiring"


def test_an_old_key_that_is_put_back_has_its_old_name(rotations: Rotations, settings: Settings) -> None:
    path = dkim_keys.signing_path(settings.certs_dir, DOMAIN, "rsa-sha256")
    old = path.read_bytes()
    rotations.begin(DOMAIN, NOW)
    rotations.switch(DOMAIN, NOW)
    path.write_bytes(old)
    found = rotations.mend(DOMAIN, NOW + 1)
    assert signs(found) == ["mail"]
    assert states(found) == {"mail-202611": "retiring", "mail": "active"}


def test_another_setting_does_not_rename_keys_that_are_published(
    rotations: Rotations, settings: Settings, database: Database
) -> None:
    rotations.begin(DOMAIN, NOW)
    renamed = Rotations(database, replace(settings, dkim_selector="new"))
    assert signs(renamed.standing(DOMAIN)) == ["mail"]


def test_a_new_key_that_was_swapped_is_not_switched_to(rotations: Rotations, settings: Settings) -> None:
    rotations.begin(DOMAIN, NOW)
    path = dkim_keys.aside_path(settings.certs_dir, DOMAIN, "rsa-sha256", "mail-202611")
    path.unlink()
    with pytest.raises(RotationError, match="missing"):
        rotations.switch(DOMAIN, NOW)
    dkim_keys.write_new(path, "mail-202611", "rsa-sha256")
    with pytest.raises(RotationError, match="not the key that was published"):
        rotations.switch(DOMAIN, NOW)
    assert signs(rotations.standing(DOMAIN)) == ["mail"]


# Names


@pytest.mark.parametrize(
    ("base", "taken", "name"),
    [
        ("mail", [], "mail-202611"),
        ("mail", ["mail-202611"], "mail-202611-2"),
        ("mail", ["mail-202611-ed25519", "MAIL-202611-2"], "mail-202611-3"),
        ("mail-202611", [], "mail-202611-2"),
        ("mail-202610-4", [], "mail-202611"),
        ("x" * 63, [], "x" * 45 + "-202611"),
    ],
)
def test_names_tell_the_month_and_are_used_once(base: str, taken: list[str], name: str) -> None:
    found = unused_name(base, taken, NOW)
    assert found == name
    assert len(f"{found}-ed25519") <= 63


# The store


def test_each_domains_next_look_is_given_to_one(rotations: Rotations, database: Database) -> None:
    assert not database.read(lambda tx: selectors.anything_due(tx, NOW))
    rotations.begin(DOMAIN, NOW)
    assert database.read(lambda tx: selectors.anything_due(tx, NOW))
    looks = [database.write(lambda tx: selectors.due(tx, NOW, NOW + 300)) for _ in range(2)]
    assert looks == [[DOMAIN], []]


@pytest.mark.parametrize("state", STATES)
def test_time_files_and_dns_take_only_the_steps_of_the_table(state: str) -> None:
    row = Selector(DOMAIN, "mail-202611", "rsa-sha256", "ours", "p=", state, NOW, retire_ts=NOW + DAY)
    signing: tuple[dict[str, str], ...] = ({}, {"ours": "mail-202611"}, {"another": "mail-202611"}, {"another": "mail"})
    followed = {rotation.followed(row, keys, now, DAY).state for keys in signing for now in (NOW, NOW + 2 * DAY)}
    looked = {rotation.looked(row, check, NOW).state for check in (SHOWN, MISSING, SILENT, None)}
    by_command = {selectors.ABORTED} & set(TRANSITIONS[state])
    assert (followed | looked | by_command) - {state} == set(TRANSITIONS[state])


# What people are told


def test_the_advice_follows_the_rotation(rotations: Rotations) -> None:
    def advice(checks: dict[str, RecordCheck] | None = None) -> str:
        return report.advice(report.of(rotations.standing(DOMAIN), checks), HOUR)

    assert advice() == "" and advice(seen(MISSING, "mail")) == f"Publish mail._domainkey.{DOMAIN}."
    rotations.begin(DOMAIN, NOW)
    assert advice().startswith("Add mail-202611._domainkey")
    rotations.look(DOMAIN, seen(SHOWN), NOW)
    assert "by itself, not before 2026-" in advice()
    rotations.switch(DOMAIN, NOW)
    assert advice().startswith(f"Keep mail._domainkey.{DOMAIN} until 2026-")
    rotations.retire(DOMAIN, NOW)
    assert advice() == f"mail._domainkey.{DOMAIN} is needed no more: remove it from DNS."


def test_what_hinders_a_switch_is_shown(rotations: Rotations) -> None:
    rotations.begin(DOMAIN, NOW)
    rotations.note(DOMAIN, "Somebody has to help.")
    (waiting,) = report.of(rotations.standing(DOMAIN)).in_state("publishing")
    assert waiting.check == RecordCheck(None, "Somebody has to help.")


def test_a_row_keeps_all_that_it_is_given(database: Database) -> None:
    row = Selector("a.test", "s", "rsa-sha256", "f" * 64, "v=DKIM1; p=x", "retiring", 1, 2, 3, 4, 5, "p")
    database.write(lambda tx: selectors.put(tx, row))
    assert database.read(lambda tx: selectors.list_for(tx, "a.test")) == [row]
