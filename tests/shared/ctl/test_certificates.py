"""onifast-mailctl certificate: what certbot's and lego's hooks call, and when certificates end."""

from __future__ import annotations

import json
import os
import re
import shlex
import stat
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from onifast_shared.ctl import main as ctl
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.tls.server import ServerContexts

Run = Callable[..., tuple[int, str, str]]
OPERATIONS = Path(__file__).parents[3] / "docs/operations.md"


@pytest.fixture
def environ(settings: Settings, database: Database) -> dict[str, str]:
    return {"ONIFAST_MAIL_ROOT": str(settings.root), "ONIFAST_MAIL_HOSTNAME": "mail.example.test"}


@pytest.fixture
def run(environ: dict[str, str], capsys: pytest.CaptureFixture[str]) -> Run:
    def run_command(*words: object) -> tuple[int, str, str]:
        try:
            status = ctl.main([str(word) for word in words], environ)
        except SystemExit as ended:
            status = int(str(ended.code))
        return status, *capsys.readouterr()

    return run_command


def pair(folder: Path, names: Sequence[str], days: float = 90, key_file: str = "privkey.pem") -> tuple[Path, Path]:
    """A certificate for these names and its key, in files as certbot leaves them."""
    folder.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=True)
        .sign(key, SHA256())
    )
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "fullchain.pem").write_bytes(made.public_bytes(pem))
    (folder / key_file).write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
    return folder / "fullchain.pem", folder / key_file


def test_a_pair_is_taken_up_for_all_its_names(settings: Settings, run: Run, tmp_path: Path) -> None:
    chain, key = pair(tmp_path / "live", ["mail.example.test", "*.example.test", "mx.example.test"])
    assert run("certificate", "install", chain, key) == (0, "mail.example.test\nmx.example.test\n", "")
    for name in ("mail.example.test", "mx.example.test"):
        directory = settings.certs_dir / name
        assert (directory / "fullchain.pem").read_bytes() == chain.read_bytes()
        assert (directory / "privkey.pem").read_bytes() == key.read_bytes()
        assert stat.S_IMODE((directory / "privkey.pem").stat().st_mode) == 0o600
        assert sorted(each.name for each in directory.iterdir()) == ["fullchain.pem", "privkey.pem"]
    assert ServerContexts(settings.certs_dir, "mail.example.test").context() is not None
    status, out, _ = run("certificate", "list", "--json")
    first, _second = json.loads(out)
    assert status == 0 and first["domain"] == "mail.example.test" and "*.example.test" in first["names"]


def test_a_wildcard_is_for_the_name_that_is_said(settings: Settings, run: Run, tmp_path: Path) -> None:
    chain, key = pair(tmp_path / "live", ["*.example.test"])
    status, _, error = run("certificate", "install", chain, key)
    assert status == 2 and "no single host" in error
    assert run("certificate", "install", chain, key, "--domain", "MAIL.example.test")[:2] == (0, "mail.example.test\n")
    for wrong in ("a.b.example.test", "example.test", "other.test"):
        status, _, error = run("certificate", "install", chain, key, "--domain", wrong)
        assert status == 2 and f"is not for {wrong}" in error
    assert [each.name for each in settings.certs_dir.iterdir()] == ["mail.example.test"]


def test_a_renewal_takes_the_place_of_the_pair_before(settings: Settings, run: Run, tmp_path: Path) -> None:
    for folder in ("first", "second"):
        chain, key = pair(tmp_path / folder, ["mail.example.test"])
        assert run("certificate", "install", chain, key)[0] == 0
        assert (settings.certs_dir / "mail.example.test/fullchain.pem").read_bytes() == chain.read_bytes()
        assert ServerContexts(settings.certs_dir, "mail.example.test").context() is not None


def test_what_does_not_fit_is_refused_and_nothing_changes(settings: Settings, run: Run, tmp_path: Path) -> None:
    chain, key = pair(tmp_path / "one", ["mail.example.test"])
    other_chain, other_key = pair(tmp_path / "two", ["mail.example.test"])
    old_chain, old_key = pair(tmp_path / "old", ["mail.example.test"], days=-1)
    for files, said in (
        ((chain, other_key), "is not the key of that certificate"),
        ((other_chain, key), "is not the key of that certificate"),
        ((key, chain), "holds no certificate in PEM"),
        ((chain, chain), "holds no private key in PEM"),
        ((old_chain, old_key), "not valid any more since"),
        ((tmp_path / "nowhere.pem", key), "cannot be read: No such file"),
    ):
        status, out, error = run("certificate", "install", *files)
        assert (status, out, error.count("\n")) == (2, "", 1) and said in error, error
    status, _, error = run("certificate", "install", chain, key, "--domain", "../etc")
    assert status == 2 and not list(settings.certs_dir.iterdir()), error


@pytest.mark.parametrize("tool", ["certbot", "lego"])
def test_the_hook_in_the_manual_works(settings: Settings, environ: dict[str, str], tmp_path: Path, tool: str) -> None:
    text = OPERATIONS.read_text().replace("\\\n", " ")
    (line,) = re.findall(rf"^    {tool} .*hook.*$", text, re.MULTILINE)
    hook = shlex.split(line)[-1].replace("/opt/onifast-mail/bin", str(Path(sys.executable).parent))
    chain, key = pair(tmp_path / "live/mail.example.test", ["mail.example.test"])
    told = {"RENEWED_LINEAGE": str(chain.parent), "LEGO_CERT_PATH": str(chain), "LEGO_CERT_KEY_PATH": str(key)}
    subprocess.run(["sh", "-c", hook], env={**os.environ, **environ, **told}, check=True, timeout=60)
    assert (settings.certs_dir / "mail.example.test/privkey.pem").read_bytes() == key.read_bytes()
