"""DKIM keys: those that openssl makes, those that cannot be used, new ones, and their DNS records."""

from __future__ import annotations

import base64
import os
import re
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from onifast_shared.dkim.keys import (
    DkimKeyError,
    DkimKeyExists,
    KeyRing,
    aside_path,
    dns_record,
    dns_value,
    exchange,
    generate,
    load,
    write_new,
)

DOMAIN = "example.org"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / DOMAIN).mkdir()
    return tmp_path / DOMAIN


def openssl(*words: str, out: Path) -> None:
    subprocess.run(["openssl", *words, "-out", str(out)], check=True, capture_output=True)
    out.chmod(0o600)


def rsa(out: Path, *options: str, bits: int = 1024) -> None:
    openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}", *options, out=out)


def public_of(path: Path) -> str:
    """The public key as openssl computes it."""
    command = ["openssl", "pkey", "-in", str(path), "-pubout", "-outform", "DER"]
    return base64.b64encode(subprocess.run(command, check=True, capture_output=True).stdout).decode()


def test_a_domain_without_keys_has_none(tmp_path: Path, directory: Path) -> None:
    assert load(tmp_path, DOMAIN, "mail") == []
    assert load(tmp_path, "other.example", "mail") == []


@pytest.mark.parametrize("form", ["pkcs8", "pkcs1"])
def test_rsa_keys_of_openssl_are_read(tmp_path: Path, directory: Path, form: str) -> None:
    path = directory / "dkim_private.pem"
    rsa(path)
    if form == "pkcs1":
        plain = directory / "plain.pem"
        openssl("rsa", "-in", str(path), "-traditional", out=plain)
        assert b"BEGIN RSA PRIVATE KEY" in plain.read_bytes()
        plain.replace(path)
    (key,) = load(tmp_path, "EXAMPLE.org", "mail")
    assert (key.domain, key.selector, key.algorithm, key.exposed) == (DOMAIN, "mail", "rsa-sha256", False)
    assert dns_value(key) == f"v=DKIM1; k=rsa; p={public_of(path)}"


def test_an_ed25519_key_beside_it_has_a_selector_of_its_own(tmp_path: Path, directory: Path) -> None:
    rsa(directory / "dkim_private.pem")
    path = directory / "dkim_private.ed25519.pem"
    openssl("genpkey", "-algorithm", "ed25519", out=path)
    first, second = load(tmp_path, DOMAIN, "s1")
    assert (first.selector, first.algorithm) == ("s1", "rsa-sha256")
    assert (second.selector, second.algorithm) == ("s1-ed25519", "ed25519-sha256")
    raw = base64.b64decode(dns_value(second).removeprefix("v=DKIM1; k=ed25519; p="))
    Ed25519PublicKey.from_public_bytes(raw)
    assert base64.b64decode(public_of(path)).endswith(raw)


def test_a_key_that_others_can_read_is_used_and_marked(tmp_path: Path, directory: Path) -> None:
    rsa(directory / "dkim_private.pem")
    (directory / "dkim_private.pem").chmod(0o644)
    assert [key.exposed for key in load(tmp_path, DOMAIN, "mail")] == [True]


def test_a_key_ring_checks_a_key_once_and_sees_each_change(tmp_path: Path, directory: Path) -> None:
    ring = KeyRing(tmp_path, "mail")
    path = directory / "dkim_private.pem"
    rsa(path)
    (first,), (again,) = ring.load(DOMAIN), ring.load(DOMAIN)
    assert first.private is again.private
    rsa(path)
    (changed,) = ring.load(DOMAIN)
    assert dns_value(changed) == f"v=DKIM1; k=rsa; p={public_of(path)}"
    path.write_text("nonsense")
    with pytest.raises(DkimKeyError):
        ring.load(DOMAIN)
    path.unlink()
    assert ring.load(DOMAIN) == []


def test_the_key_itself_is_never_printed(tmp_path: Path, directory: Path) -> None:
    rsa(directory / "dkim_private.pem")
    assert "private=" not in repr(load(tmp_path, DOMAIN, "mail"))


def test_a_short_key_is_refused(tmp_path: Path, directory: Path) -> None:
    rsa(directory / "dkim_private.pem", bits=768)
    with pytest.raises(DkimKeyError, match=r"768 bits|not a private key"):
        load(tmp_path, DOMAIN, "mail")


def test_an_encrypted_key_is_refused(tmp_path: Path, directory: Path) -> None:
    rsa(directory / "dkim_private.pem", "-aes256", "-pass", "pass:x")
    with pytest.raises(DkimKeyError, match="encrypted"):
        load(tmp_path, DOMAIN, "mail")


def test_a_key_of_another_kind_is_refused(tmp_path: Path, directory: Path) -> None:
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", out=directory / "dkim_private.pem")
    with pytest.raises(DkimKeyError, match="not an RSA key"):
        load(tmp_path, DOMAIN, "mail")


@pytest.mark.parametrize("content", [b"", b"secret nonsense", b"\xff" * 100, b"x" * 70_000])
def test_what_is_no_key_is_named_and_not_shown(tmp_path: Path, directory: Path, content: bytes) -> None:
    (directory / "dkim_private.pem").write_bytes(content)
    with pytest.raises(DkimKeyError, match=re.escape(str(directory / "dkim_private.pem"))) as raised:
        load(tmp_path, DOMAIN, "mail")
    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_directory_or_pipe_in_the_keys_place_is_refused(tmp_path: Path, directory: Path) -> None:
    os.mkfifo(directory / "dkim_private.pem")
    with pytest.raises(DkimKeyError):
        load(tmp_path, DOMAIN, "mail")
    (directory / "dkim_private.pem").unlink()
    (directory / "dkim_private.pem").mkdir()
    with pytest.raises(DkimKeyError):
        load(tmp_path, DOMAIN, "mail")


@pytest.mark.parametrize("domain", ["", "..", "../x", "a/b", "a\0b", "a..b"])
def test_what_is_no_domain_never_becomes_a_path(tmp_path: Path, domain: str) -> None:
    with pytest.raises(DkimKeyError):
        load(tmp_path, domain, "mail")
    with pytest.raises(DkimKeyError):
        generate(tmp_path, domain)


def test_an_address_literal_has_no_key_and_gets_none(tmp_path: Path) -> None:
    assert load(tmp_path, "[127.0.0.1]", "mail") == []
    with pytest.raises(DkimKeyError, match="literal"):
        generate(tmp_path, "[127.0.0.1]")


def test_a_new_key_can_be_loaded_and_is_private(tmp_path: Path) -> None:
    made = generate(tmp_path, "bücher.example", "s1")
    (key,) = load(tmp_path, "bücher.example", "s1")
    assert dns_record(key) == dns_record(made)
    assert key.path == tmp_path / "xn--bcher-kva.example" / "dkim_private.pem"
    assert key.path.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in key.path.parent.iterdir()] == ["dkim_private.pem"]
    assert base64.b64decode(public_of(key.path))


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    path = generate(tmp_path, DOMAIN).path
    before = path.read_bytes()
    with pytest.raises(DkimKeyExists, match="exists already"):
        generate(tmp_path, DOMAIN)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["dkim_private.pem"]


def test_an_exchange_puts_a_new_key_in_place_and_keeps_the_old_one(tmp_path: Path) -> None:
    old = generate(tmp_path, DOMAIN)
    before = old.path.read_bytes()
    new = write_new(aside_path(tmp_path, DOMAIN, "rsa-sha256", "s2"), "s2", "rsa-sha256")
    kept = aside_path(tmp_path, DOMAIN, "rsa-sha256", "mail")
    exchange(new, old, kept)
    (key,) = load(tmp_path, DOMAIN, "mail")
    assert key.fingerprint == new.fingerprint != old.fingerprint
    assert kept.read_bytes() == before
    assert sorted(path.name for path in old.path.parent.iterdir()) == ["dkim_private.mail.rsa.pem", "dkim_private.pem"]


def test_an_exchange_goes_on_where_a_crash_stopped_it(tmp_path: Path) -> None:
    old = generate(tmp_path, DOMAIN)
    new = write_new(aside_path(tmp_path, DOMAIN, "rsa-sha256", "s2"), "s2", "rsa-sha256")
    kept = aside_path(tmp_path, DOMAIN, "rsa-sha256", "mail")
    kept.hardlink_to(old.path)
    exchange(new, old, kept)
    assert load(tmp_path, DOMAIN, "mail")[0].fingerprint == new.fingerprint


def test_a_key_that_may_not_be_linked_is_kept_as_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = generate(tmp_path, DOMAIN)
    before = old.path.read_bytes()
    new = write_new(aside_path(tmp_path, DOMAIN, "rsa-sha256", "s2"), "s2", "rsa-sha256")
    kept = write_new(aside_path(tmp_path, DOMAIN, "rsa-sha256", "mail"), "mail", "rsa-sha256").path  # of long ago
    link = Path.hardlink_to

    def protected(path: Path, target: Path) -> None:
        if target == old.path and not path.exists():
            raise PermissionError(1, "Operation not permitted")
        link(path, target)

    monkeypatch.setattr(Path, "hardlink_to", protected)
    exchange(new, old, kept)
    assert kept.read_bytes() == before and kept.stat().st_mode & 0o777 == 0o640
    assert load(tmp_path, DOMAIN, "mail")[0].fingerprint == new.fingerprint


def test_an_exchange_overwrites_no_key_that_was_kept_before(tmp_path: Path) -> None:
    old = generate(tmp_path, DOMAIN)
    kept = write_new(aside_path(tmp_path, DOMAIN, "rsa-sha256", "mail"), "mail", "rsa-sha256").path
    earlier = kept.read_bytes()
    exchange(write_new(aside_path(tmp_path, DOMAIN, "rsa-sha256", "s2"), "s2", "rsa-sha256"), old, kept)
    assert [path.read_bytes() for path in kept.parent.glob("dkim_private.mail.rsa.pem.*")] == [earlier]


def test_no_selector_gives_a_key_the_name_of_one_that_signs(tmp_path: Path) -> None:
    names = {aside_path(tmp_path, DOMAIN, "rsa-sha256", selector).name for selector in ("ed25519", "rsa", "mail")}
    assert not names & {"dkim_private.pem", "dkim_private.ed25519.pem"}


def test_a_new_ed25519_key_is_one_for_openssl_too(tmp_path: Path) -> None:
    made = write_new(tmp_path / DOMAIN / "dkim_private.ed25519.pem", "s-ed25519", "ed25519-sha256")
    assert base64.b64decode(public_of(made.path)).endswith(base64.b64decode(dns_value(made).partition("p=")[2]))


def test_a_key_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / DOMAIN).touch()
    with pytest.raises(DkimKeyError):
        generate(tmp_path, DOMAIN)


def test_the_zone_line_divides_the_value_into_strings(tmp_path: Path) -> None:
    record = dns_record(generate(tmp_path, DOMAIN))
    assert record.name == "mail._domainkey.example.org"
    assert record.zone_line.startswith('mail._domainkey.example.org. IN TXT ( "v=DKIM1; k=rsa; p=')
    strings = re.findall(r'"([^"]*)"', record.zone_line)
    assert "".join(strings) == record.value
    assert all(len(string) <= 255 for string in strings)


@pytest.mark.root
def test_a_new_key_goes_to_the_group_of_its_directory(tmp_path: Path) -> None:
    os.chown(tmp_path, -1, 65534)
    path = generate(tmp_path, DOMAIN).path
    assert [path.stat().st_gid, path.parent.stat().st_gid] == [65534, 65534]
