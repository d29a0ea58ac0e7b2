"""Settings: read once, checked whole, and clear about what is wrong."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from onifast_shared.machine import log
from onifast_shared.machine.config import ConfigError, Listen, Settings, describe
from onifast_shared.machine.log import Secret


def load(tmp_path: Path, toml: str = "", **environ: str) -> Settings:
    (tmp_path / "config").mkdir(exist_ok=True)
    (tmp_path / "config" / "onifast-mail.toml").write_text(toml, "utf-8")
    given = {f"ONIFAST_MAIL_{name.upper()}": value for name, value in environ.items()}
    return Settings.load({"ONIFAST_MAIL_ROOT": str(tmp_path), **given})


def test_defaults_are_the_panels() -> None:
    settings = Settings(hostname="mail.example.test")
    assert str(settings.database) == "/home/root/onifast/config/onifast-mail.db"
    assert str(settings.users_dir) == "/home/root/onifast/users"
    assert settings.http_listen == (Listen("127.0.0.1", 4031),)
    assert settings.allow_insecure_auth == "loopback"


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    toml = 'hostname = "file.test"\nmax_message_size = "2 MiB"\nadministrators = ["ann", "bob"]\nfile_copies = false\n'
    settings = load(tmp_path, toml, hostname="env.test")
    assert settings.hostname == "env.test"
    assert settings.max_message_size == 2 * 1024 * 1024
    assert settings.administrators == ("ann", "bob")
    assert settings.file_copies is False


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("delivery", "directly", "direct, sandbox"),
        ("smtp_listen", "25", "HOST:PORT"),
        ("smtp_listen", "127.0.0.1:99999", "HOST:PORT"),
        ("loopback_networks", "127.0.0.1/8", "127.0.0.0/8"),
        ("outbound_port", "0", "1 to 65535"),
        ("max_message_size", "lots", "50 MiB"),
        ("retry_first", "-5", "30s, 5m"),
        ("url_prefix", "mail/", "/mail"),
        ("root", "relative", "absolute"),
        ("dns_servers", "ns.example.test", "HOST[:PORT]"),
        ("file_copies", "maybe", "true or false"),
        ("hostname", "bad host", "host name"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(tmp_path: Path, name: str, value: str, allowed: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, **{name: value})
    text = str(caught.value)
    assert f"ONIFAST_MAIL_{name.upper()}" in text
    assert repr(value) in text
    assert allowed in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("name", "value", "unguarded"),
    [
        ("proxy_networks", "127.0.0.0/8", "127.0.0.0/8"),
        ("proxy_networks", "192.0.2.1/32, 0.0.0.0/0", "127.0.0.0/8"),
        ("xclient_networks", "127.0.0.9/32", "127.0.0.9/32"),
        ("xclient_networks", "::/0", "::1/128"),
    ],
)
def test_a_proxy_on_this_machine_must_count_as_this_machine(
    tmp_path: Path, name: str, value: str, unguarded: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, loopback_networks="127.0.0.1/32", **{name: value})
    assert str(caught.value) == f"{unguarded} is in proxy_networks or xclient_networks, but not in loopback_networks"


@pytest.mark.parametrize("value", ["127.0.0.1/32, ::1/128", "0.0.0.0/0, ::/0", "192.0.2.0/24, 2001:db8::/32", ""])
def test_proxies_on_this_machine_and_elsewhere_are_allowed(tmp_path: Path, value: str) -> None:
    assert load(tmp_path, proxy_networks=value, xclient_networks=value)


def test_a_setting_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="hostnam"):
        load(tmp_path, 'hostnam = "x"\n')
    with pytest.raises(ConfigError, match="ONIFAST_MAIL_HOSTNAM"):
        load(tmp_path, hostnam="x")


def test_a_file_that_is_not_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"onifast-mail\.toml is not TOML"):
        load(tmp_path, "hostname = \n")


def test_lists_of_listeners_and_servers_are_read(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        smtp_listen="127.0.0.1:2525, [::1]:2525",
        submissions_listen="",
        http_listen="unix:/run/onifast/web.sock",
        dns_servers="127.0.0.1:5353, ::1, [::1]:54",
        session_lifetime="2d",
    )
    assert settings.smtp_listen == (Listen("127.0.0.1", 2525), Listen("::1", 2525))
    assert settings.submissions_listen == ()
    assert settings.http_listen == (Listen("", 0, Path("/run/onifast/web.sock")),)
    assert settings.dns_servers == (("127.0.0.1", 5353), ("::1", 53), ("::1", 54))
    assert settings.session_lifetime == 2 * 86400


def test_every_setting_is_described() -> None:
    names = [item.name for item in describe()]
    assert names == list(Settings.__dataclass_fields__)
    assert all(item.meaning.endswith(".") for item in describe())


def test_a_secret_cannot_be_printed() -> None:
    secret = Secret("hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {secret!s} {[secret]} %s" % secret
    assert secret.reveal() == "hunter2"


def test_an_event_stays_on_one_line_whatever_a_client_sent(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="onifast"):
        log.event(log.get("test"), "refused", sender='a"\r\nforged: line', size=3, nothing=None)
    (record,) = caplog.records
    assert record.getMessage() == 'refused sender="a\\"\\r\\nforged: line" size=3'


def test_some_of_several_words_may_be_chosen_in_any_order(tmp_path: Path) -> None:
    chosen = Settings.load({"ONIFAST_MAIL_ROOT": str(tmp_path), "ONIFAST_MAIL_AUTH_MECHANISMS": "login, plain"})
    assert chosen.auth_mechanisms == ("PLAIN", "LOGIN")
    for text in ("", "plain, cram-md5"):
        with pytest.raises(ConfigError, match="some of SCRAM-SHA-256-PLUS"):
            Settings.load({"ONIFAST_MAIL_ROOT": str(tmp_path), "ONIFAST_MAIL_AUTH_MECHANISMS": text})


def test_memory_that_holds_no_whole_message_is_refused_with_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, bytes_in_flight="299 MiB", max_message_size="100 MiB")
    text = str(caught.value)
    assert "bytes_in_flight" in text and "max_message_size" in text and "\n" not in text
    needed = text.rpartition(" ")[2]
    assert load(tmp_path, bytes_in_flight=needed, max_message_size="100 MiB").bytes_in_flight == 300 << 20
