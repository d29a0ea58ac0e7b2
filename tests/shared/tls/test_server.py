"""TLS contexts: chosen by SNI, renewed without a restart, never worse than before."""

from __future__ import annotations

import logging
import ssl
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from onifast_shared.tls.server import ServerContexts, end_point, end_point_of

HOST = "mail.host.test"


def certify(certs_dir: Path, domain: str, name: str = "") -> None:
    """A self-signed pair in place of whatever was there."""
    directory = certs_dir / domain
    directory.mkdir(exist_ok=True)
    command = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    files = ["-keyout", str(directory / "new.key"), "-out", str(directory / "new.crt")]
    subprocess.run(["openssl", *command, "-subj", f"/CN={name or domain}", *files], check=True, capture_output=True)
    (directory / "new.crt").replace(directory / "fullchain.pem")
    (directory / "new.key").replace(directory / "privkey.pem")


def shown(server: ssl.SSLContext, server_name: str | None, maximum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> str:
    """The common name that a client sees, by a handshake in memory."""
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.check_hostname = False
    client_context.verify_mode = ssl.CERT_NONE
    client_context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    client_context.maximum_version = maximum
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=server_name)
    serving = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (client, serving):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    certificate = client.getpeercert(binary_form=True)
    assert certificate
    return x509.load_der_x509_certificate(certificate).subject.rfc4514_string().removeprefix("CN=")


@pytest.fixture
def contexts(tmp_path: Path) -> ServerContexts:
    return ServerContexts(tmp_path, HOST)


def context_of(contexts: ServerContexts) -> ssl.SSLContext:
    context = contexts.context()
    assert context is not None
    return context


def test_without_a_certificate_tls_is_not_offered(contexts: ServerContexts) -> None:
    assert contexts.context() is None


def test_a_listener_without_a_certificate_fails_handshakes(contexts: ServerContexts, tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLError):
        shown(contexts.listening_context(), HOST)
    certify(tmp_path, HOST)
    assert shown(contexts.listening_context(), HOST) == HOST


def test_the_client_gets_the_certificate_of_the_name_that_it_asks_for(contexts: ServerContexts, tmp_path: Path) -> None:
    for domain in (HOST, "a.test", "b.test"):
        certify(tmp_path, domain)
    context = context_of(contexts)
    assert [shown(context, name) for name in ("a.test", "b.test", "A.TEST", HOST)] == [
        "a.test",
        "b.test",
        "a.test",
        HOST,
    ]


@pytest.mark.parametrize("name", [None, "unknown.test", "127.0.0.1", "a" * 63])
def test_any_other_client_gets_the_hosts_certificate(
    contexts: ServerContexts, tmp_path: Path, name: str | None
) -> None:
    certify(tmp_path, HOST)
    assert shown(context_of(contexts), name) == HOST


def test_a_new_certificate_counts_from_the_next_handshake_on(contexts: ServerContexts, tmp_path: Path) -> None:
    certify(tmp_path, HOST, "old")
    context = context_of(contexts)
    assert shown(context, HOST) == "old"
    certify(tmp_path, HOST, "new")
    assert shown(context, HOST) == "new"


def test_a_broken_new_certificate_keeps_the_old_one_and_is_logged_once(
    contexts: ServerContexts, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    certify(tmp_path, HOST)
    context = context_of(contexts)
    (tmp_path / HOST / "fullchain.pem").write_text("nonsense")
    with caplog.at_level(logging.ERROR):
        assert [shown(context, HOST), shown(context, HOST)] == [HOST, HOST]
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "fullchain.pem" in caplog.text


def test_a_certificate_that_does_not_fit_its_key_keeps_the_old_one(contexts: ServerContexts, tmp_path: Path) -> None:
    certify(tmp_path, HOST, "old")
    certify(tmp_path, "other.test")
    context = context_of(contexts)
    (tmp_path / "other.test" / "fullchain.pem").replace(tmp_path / HOST / "fullchain.pem")
    assert shown(context, HOST) == "old"


def test_half_a_renewal_keeps_the_old_one(contexts: ServerContexts, tmp_path: Path) -> None:
    certify(tmp_path, HOST)
    context = context_of(contexts)
    (tmp_path / HOST / "privkey.pem").unlink()
    assert shown(context, HOST) == HOST


def test_a_domain_whose_certificate_is_taken_away_gets_the_hosts(contexts: ServerContexts, tmp_path: Path) -> None:
    certify(tmp_path, HOST)
    certify(tmp_path, "a.test")
    context = context_of(contexts)
    assert shown(context, "a.test") == "a.test"
    for name in ("fullchain.pem", "privkey.pem"):
        (tmp_path / "a.test" / name).unlink()
    assert shown(context, "a.test") == HOST


def test_an_encrypted_key_does_not_ask_on_the_terminal(contexts: ServerContexts, tmp_path: Path) -> None:
    certify(tmp_path, HOST)
    key = tmp_path / HOST / "privkey.pem"
    locked = tmp_path / "locked.pem"
    command = ["openssl", "pkey", "-in", str(key), "-aes256", "-passout", "pass:secret", "-out", str(locked)]
    subprocess.run(command, check=True, capture_output=True)
    locked.replace(key)
    assert contexts.context() is None


def test_nothing_older_than_tls_1_2_is_spoken(contexts: ServerContexts, tmp_path: Path) -> None:
    certify(tmp_path, HOST)
    context = context_of(contexts)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert shown(context, HOST, ssl.TLSVersion.TLSv1_2) == HOST


def binding_shown(server: ServerContexts, server_name: str | None = None) -> bytes | None:
    """The channel binding that the server knows of a connection, after a handshake in memory."""
    context = server.context()
    assert context is not None
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.check_hostname = False
    client_context.verify_mode = ssl.CERT_NONE
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=server_name)
    ours = context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for end in (client, ours):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return end_point_of(ours.context)


def fingerprint(certificate: Path, digest: str) -> bytes:
    command = ["openssl", "x509", "-in", str(certificate), "-noout", "-fingerprint", f"-{digest}"]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return bytes.fromhex(answer.partition("=")[2].strip().replace(":", ""))


@pytest.mark.parametrize(
    ("options", "digest"),
    [
        (["-newkey", "rsa:2048", "-sha256"], "sha256"),
        (["-newkey", "rsa:2048", "-sha384"], "sha384"),
        (["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1", "-sha512"], "sha512"),
        (["-newkey", "rsa:2048", "-sha512", "-sigopt", "rsa_padding_mode:pss"], "sha512"),
        (["-newkey", "rsa:2048", "-sha1"], "sha256"),  # RFC 5929 section 4.1: instead of what is broken
        (["-newkey", "ed25519"], None),
    ],
)
def test_the_channel_binding_is_the_certificate_in_its_signatures_hash(
    tmp_path: Path, options: list[str], digest: str | None
) -> None:
    file = tmp_path / "cert.pem"
    command = ["openssl", "req", "-x509", *options, "-nodes", "-subj", "/CN=x", "-keyout", str(tmp_path / "key.pem")]
    subprocess.run([*command, "-out", str(file)], check=True, capture_output=True)
    assert end_point(file.read_bytes()) == (fingerprint(file, digest) if digest else None)


@pytest.mark.parametrize("name", ["..", "../elsewhere.test", "elsewhere.test/../../elsewhere.test", "/etc"])
def test_a_name_that_would_be_a_path_gets_the_hosts_certificate(tmp_path: Path, name: str) -> None:
    certify(tmp_path, "elsewhere.test")
    certs = tmp_path / "certs"
    certs.mkdir()
    certify(certs, HOST)
    context = context_of(ServerContexts(certs, HOST))
    connection = context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=True)
    assert context.sni_callback is not None
    context.sni_callback(connection, name, context)
    assert end_point_of(connection.context) == fingerprint(certs / HOST / "fullchain.pem", "sha256")


def test_what_is_no_certificate_has_no_channel_binding() -> None:
    assert end_point(b"nonsense") is None


def test_a_connection_is_bound_to_the_certificate_that_it_was_shown(tmp_path: Path) -> None:
    server = ServerContexts(tmp_path, HOST)
    for name in (HOST, "other.test"):
        certify(tmp_path, name)
        assert binding_shown(server, name) == fingerprint(tmp_path / name / "fullchain.pem", "sha256")
    before = binding_shown(server)
    certify(tmp_path, HOST)
    assert binding_shown(server) == fingerprint(tmp_path / HOST / "fullchain.pem", "sha256") != before
