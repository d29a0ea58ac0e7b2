"""Write docs/configuration.md from the settings' own definition (`make docs`)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from onifast_shared.machine.config import SettingDescription, describe
from onifast_shared.metrics.declared import METRICS, PROGRAM, MetricKind

from tools import licences, mailctl_page
from tools.environment import PROJECT
from tools.floors import FLOORS

METRICS_PAGE = PROJECT / "docs" / "metrics.md"
TARGET = PROJECT / "docs" / "configuration.md"
ARCHITECTURE = PROJECT / "docs" / "architecture.md"

INTRODUCTION = """\
# Configuration

<!-- Written by `make docs` from shared/onifast_shared/machine/settings/; a test keeps it current. -->

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


def with_metrics(page: str) -> str:
    """The page on metrics with its table as it is now."""
    begin, end = "<!-- metrics, written by `make docs` -->\n", "<!-- end of metrics -->"
    before, _, rest = page.partition(begin)
    return before + begin + "".join(_metrics()) + end + rest.partition(end)[2]


def _metrics() -> Iterator[str]:
    yield "\n| name | kind | labels | meaning |\n| --- | --- | --- | --- |\n"
    for metric in METRICS:
        labels = metric.labels if metric.kind is MetricKind.GAUGE else (PROGRAM, *metric.labels)
        shown = ", ".join(f"`{label}`" for label in labels)
        yield f"| `{metric.exposed}` | {metric.kind} | {shown} | {metric.meaning} |\n"
    yield "\n"


def with_floors(page: str) -> str:
    """The page on the architecture with its tables of floors as they are now."""
    begin, end = "<!-- floors, written by `make docs` -->\n", "<!-- end of floors -->"
    before, _, rest = page.partition(begin)
    return before + begin + "".join(_floors(package) for package in FLOORS) + end + rest.partition(end)[2]


def _floors(package: str) -> str:
    """A table of one package, from the top floor down, with what each room or module says of itself."""
    rows = [f"\n### {package}\n\n", "| floor | room or module | what it is | modules |\n| --- | --- | --- | --- |\n"]
    for number, names in reversed(list(enumerate(FLOORS[package], 1))):
        rows += [f"| {number} | {_place(_root(package), name)} |\n" for name in names]
    return "".join(rows) + "\n"


def _root(package: str) -> Path:
    program = package.removeprefix("onifast_")
    return PROJECT / ("shared" if program == "shared" else f"services/{program}") / package


def _place(root: Path, name: str) -> str:
    """The cells of a room, or of a module that stands alone."""
    module, room = root / f"{name}.py", root / name
    if module.exists():
        return f"`{name}` | {_says(module)} |"
    inside = sorted({entry.stem for entry in room.iterdir() if _is_part(entry)})
    return f"`{name}/` | {_says(room / '__init__.py')} | {', '.join(f'`{each}`' for each in inside)}"


def _is_part(entry: Path) -> bool:
    return entry.name != "__init__.py" and (entry.suffix == ".py" or (entry / "__init__.py").exists())


def _says(module: Path) -> str:
    docstring = ast.get_docstring(ast.parse(module.read_text())) or ""
    return docstring.partition("\n\n")[0].replace("\n", " ").replace("|", "\\|")


def main() -> None:
    TARGET.write_text(render())
    ARCHITECTURE.write_text(with_floors(ARCHITECTURE.read_text()))
    METRICS_PAGE.write_text(with_metrics(METRICS_PAGE.read_text()))
    licences.TARGET.write_text(licences.render())
    mailctl_page.TARGET.write_text(mailctl_page.render())
    pages = (TARGET, ARCHITECTURE, METRICS_PAGE, licences.TARGET, mailctl_page.TARGET)
    print(f"wrote {', '.join(str(page.relative_to(PROJECT)) for page in pages)}")


if __name__ == "__main__":
    main()
