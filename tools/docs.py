"""Write docs/configuration.md from the settings' own definition (`make docs`)."""

from __future__ import annotations

from onifast_shared.machine.config import SettingDescription, describe

from tools import licences
from tools.environment import PROJECT

TARGET = PROJECT / "docs" / "configuration.md"

INTRODUCTION = """\
# Configuration

<!-- Written by `make docs` from shared/onifast_shared/config.py; a test keeps it current. -->

All three programs read the same settings, at start and again at SIGHUP:

1. `<root>/config/onifast-mail.toml`, where every setting below is a key at the top level;
2. environment variables `ONIFAST_MAIL_<NAME>`, which go before the file. `root` itself can only be set this way.

A value that cannot be used, or a name that is not known, stops the program with exit status 2 and one line that names
the setting, the value and what is allowed. `onifast-mailctl check-config` says the same without starting anything.
What the programs run with, they say in one line at start. At SIGHUP such a value changes nothing, and the log says so
(`reload-refused`); settings with a † count from the next start on (`need_restart` in the line `reloaded`).

```toml
# /home/root/onifast/config/onifast-mail.toml
hostname = "mail.example.com"
max_message_size = "25 MiB"
retry_first = "10m"
```

Durations are numbers of seconds, or carry a unit (`90s`, `5m`, `4h`, `5d`); sizes are bytes, or carry one (`50 MiB`).
The smart host is no setting of this file: the webmail's administrators set it at run time, and it lies in the database
(`mail_config`).

| setting | default | allowed | meaning |
| --- | --- | --- | --- |
"""

AFTERWORD = """
Not settings, because a supervisor needs them before any program runs: `ONIFAST_BIN`, `ONIFAST_RUN` and `ONIFAST_LOG`
for supervisord.conf ([operations.md](operations.md)). `make run` sets the embedded default: see `tools/embedded.py`.
"""


def render() -> str:
    """The whole page."""
    return INTRODUCTION + "".join(_row(setting) for setting in describe()) + AFTERWORD


def _row(setting: SettingDescription) -> str:
    default = f"`{setting.default}`" if setting.default else "empty"
    cells = (f"`{setting.name}`" + " †" * setting.fixed, default, setting.allowed, setting.meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def main() -> None:
    TARGET.write_text(render())
    licences.TARGET.write_text(licences.render())
    print(f"wrote {TARGET.relative_to(PROJECT)}, {licences.TARGET.relative_to(PROJECT)}")


if __name__ == "__main__":
    main()
