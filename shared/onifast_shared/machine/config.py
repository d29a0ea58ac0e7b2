"""The settings of all three programs: one frozen object, read once at start and checked whole.

Values come from `<root>/config/onifast-mail.toml`; environment variables `ONIFAST_MAIL_<NAME>` go before it. Nothing
else in the project reads the environment.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from onifast_shared.machine import setting_types as kinds
from onifast_shared.machine.setting_types import Kind, Listen
from onifast_shared.machine.settings.delivering import DeliveringSettings
from onifast_shared.machine.settings.host import HostSettings
from onifast_shared.machine.settings.receiving import COPIES, ReceivingSettings
from onifast_shared.machine.settings.sending import SendingSettings
from onifast_shared.machine.settings.storing import StoringSettings
from onifast_shared.machine.settings.transport import TransportSettings

__all__ = ["ConfigError", "Listen", "SettingDescription", "Settings", "describe"]

PREFIX = "ONIFAST_MAIL_"


class ConfigError(Exception):
    """A setting that cannot be used. Its text is one line: the setting, the value, and what is allowed."""


@dataclass(frozen=True, kw_only=True)
class Settings(
    StoringSettings, TransportSettings, DeliveringSettings, SendingSettings, ReceivingSettings, HostSettings
):
    """Every setting, typed. Durations are seconds, sizes bytes. See docs/configuration.md."""

    @property
    def config_dir(self) -> Path:
        """The directory of the settings file, the database and the panel's token."""
        return self.root / "config"

    @property
    def database(self) -> Path:
        """The SQLite database that the three programs share."""
        return self.config_dir / "onifast-mail.db"

    @property
    def users_dir(self) -> Path:
        """One JSON file for each panel user."""
        return self.root / "users"

    @property
    def sso_dir(self) -> Path:
        """One file for each single sign-on token that the panel made by itself."""
        return self.root / "sso"

    @property
    def certs_dir(self) -> Path:
        """A directory for each domain: TLS certificate and DKIM keys."""
        return self.root / "certs"

    @property
    def panel_token_path(self) -> Path:
        """The file that holds the panel's service token."""
        return self.config_dir / "panel.token"

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """The settings of this machine. Raises ConfigError for the first one that cannot be used."""
        given = {
            name.removeprefix(PREFIX).lower(): value
            for name, value in (os.environ if environ is None else environ).items()
            if name.startswith(PREFIX)
        }
        root = _value(_field("root"), given["root"], PREFIX + "ROOT") if "root" in given else cls().root
        file = root / "config" / "onifast-mail.toml"
        from_file = _read_toml(file)
        _refuse_unknown(from_file, f"in {file}")
        _refuse_unknown(given, "in the environment", PREFIX)
        values: dict[str, Any] = {
            name: _value(_field(name), value, f"{name} in {file}") for name, value in from_file.items()
        }
        values |= {name: _value(_field(name), value, PREFIX + name.upper()) for name, value in given.items()}
        settings = cls(**(values | {"root": root}))
        _check_together(settings)
        return settings

    @property
    def source(self) -> str:
        """Where the settings came from, for a program's start line."""
        file = self.config_dir / "onifast-mail.toml"
        return str(file) if file.is_file() else f"defaults and environment (no {file})"


class SettingDescription(NamedTuple):
    """A setting as docs/configuration.md shows it."""

    name: str
    default: str
    allowed: str
    meaning: str
    fixed: bool


def describe() -> list[SettingDescription]:
    """All settings, in the order of their definition."""
    return [
        SettingDescription(
            item.name,
            item.metadata["default"],
            item.metadata["kind"].allowed,
            item.metadata["meaning"],
            item.metadata["fixed"],
        )
        for item in fields(Settings)
    ]


def fixed_settings() -> list[str]:
    """Those that count when a program starts, and never change while it runs."""
    return [item.name for item in fields(Settings) if item.metadata["fixed"]]


def _field(name: str) -> Field[Any]:
    return Settings.__dataclass_fields__[name]


def _value(item: Field[Any], value: Any, where: str) -> Any:
    kind: Kind = item.metadata["kind"]
    try:
        return kind.parse(value)
    except ValueError:
        raise ConfigError(f"setting {where}: {value!r} is not allowed; give {kind.allowed}") from None


def _check_together(settings: Settings) -> None:
    """What settings that are right by themselves must not be together."""
    proxies = (*settings.proxy_networks, *settings.xclient_networks)
    if network := kinds.unguarded_loopback(proxies, settings.loopback_networks):
        raise ConfigError(f"{network} is in proxy_networks or xclient_networks, but not in loopback_networks")
    needed = COPIES * settings.max_message_size
    if settings.bytes_in_flight < needed:
        raise ConfigError(
            f"setting bytes_in_flight: {settings.bytes_in_flight} bytes are too few for one message of max_message_size"
            f" ({settings.max_message_size}), which takes {COPIES} times its size; give at least {needed}"
        )


def _refuse_unknown(given: Mapping[str, Any], where: str, prefix: str = "") -> None:
    for name in given:
        if name not in Settings.__dataclass_fields__:
            shown = prefix + name.upper() if prefix else name
            raise ConfigError(f"setting {shown} {where} is not known; docs/configuration.md lists the settings")


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            return tomllib.load(stream)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(f"settings file {file} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"settings file {file} is not TOML: {str(error).splitlines()[0]}") from None
