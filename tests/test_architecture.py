"""The rules that hold the parts apart, checked on the source itself."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
PROGRAMS = {
    "onifast_smtpd": PROJECT / "services/smtpd/onifast_smtpd",
    "onifast_web": PROJECT / "services/web/onifast_web",
    "onifast_outbox": PROJECT / "services/outbox/onifast_outbox",
}
SHARED = PROJECT / "shared/onifast_shared"
NOT_OURS = {".git", ".venv", ".venv-node", ".hypothesis", "var", "dist", "build", "node_modules", "__pycache__"}
MAX_LINES = 450

SQL = re.compile(
    r"^\s*(SELECT\s.+\sFROM\s|INSERT\s+(OR\s+\w+\s+)?INTO\s|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s|CREATE\s+TABLE\s"
    r"|ALTER\s+TABLE\s|PRAGMA\s|BEGIN\s+IMMEDIATE|WITH\s+\w+\s.*\bAS\s*\()",
    re.DOTALL,
)
RFC = re.compile(r"\bRFC\s?(\d{3,5})\b")


def modules(package: Path) -> list[Path]:
    return sorted(package.rglob("*.py"))


def imports(module: Path) -> set[str]:
    """The top-level packages that a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(module.read_text(), str(module))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add((node.module or "").partition(".")[0])
    return found


def own_files() -> Iterator[Path]:
    """Every file of the project, whether or not it is committed yet; nothing that was installed or made by running."""
    for directory, subdirectories, names in os.walk(PROJECT):
        subdirectories[:] = [name for name in subdirectories if name not in NOT_OURS and not name.endswith("_cache")]
        yield from (Path(directory) / name for name in names if name not in NOT_OURS)


def own_text() -> Iterator[tuple[str, str]]:
    for file in own_files():
        try:
            yield str(file.relative_to(PROJECT)), file.read_text()
        except UnicodeDecodeError:
            continue


def all_modules() -> list[Path]:
    return [module for package in (SHARED, *PROGRAMS.values()) for module in modules(package)]


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_imports_no_other_program(program: str) -> None:
    others = set(PROGRAMS) - {program}
    guilty = {str(module): imports(module) & others for module in modules(PROGRAMS[program])}
    assert not {module: found for module, found in guilty.items() if found}


def test_the_shared_package_imports_no_program() -> None:
    guilty = {str(module): imports(module) & set(PROGRAMS) for module in modules(SHARED)}
    assert not {module: found for module, found in guilty.items() if found}


def test_no_package_imports_the_tests_or_the_tools() -> None:
    assert not [str(module) for module in all_modules() if imports(module) & {"tests", "tools", "fakes", "peers"}]


def test_only_one_sqlite_library_touches_the_database() -> None:
    assert not [str(module) for module in all_modules() if "sqlite3" in imports(module)]


def test_sql_is_written_in_the_shared_package_only() -> None:
    guilty = []
    for package in PROGRAMS.values():
        for module in modules(package):
            for node in ast.walk(ast.parse(module.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.match(node.value):
                    guilty.append(f"{module.relative_to(PROJECT)}:{node.lineno}: {node.value[:60]!r}")
    assert not guilty


def test_programs_do_not_use_the_sqlite_library_themselves() -> None:
    assert not [
        str(module) for package in PROGRAMS.values() for module in modules(package) if "apsw" in imports(module)
    ]


def test_only_the_settings_read_the_environment() -> None:
    # systemd hands sockets over in LISTEN_FDS; supervisord says SUPERVISOR_ENABLED
    allowed = {SHARED / "config.py", SHARED / "sockets.py", SHARED / "supervised.py"}
    environment = re.compile(r"\bos\.(environ|getenv)\b")
    guilty = [module for module in all_modules() if module not in allowed and environment.search(module.read_text())]
    assert not [str(module.relative_to(PROJECT)) for module in guilty]


def test_modules_stay_small_enough_to_read() -> None:
    sizes = {str(module.relative_to(PROJECT)): len(module.read_text().splitlines()) for module in all_modules()}
    assert not {module: size for module, size in sizes.items() if size > MAX_LINES}


def test_every_module_says_what_it_is() -> None:
    assert not [str(module) for module in all_modules() if not ast.get_docstring(ast.parse(module.read_text()))]


def test_every_rfc_that_the_code_names_stands_in_the_table() -> None:
    table = set(RFC.findall((PROJECT / "docs/rfc.md").read_text()))
    named: dict[str, str] = {}
    for module in all_modules():
        named |= {number: str(module.relative_to(PROJECT)) for number in RFC.findall(module.read_text())}
    assert not {number: where for number, where in named.items() if number not in table}


def test_the_rfc_table_has_a_status_for_every_row() -> None:
    rows = [line for line in (PROJECT / "docs/rfc.md").read_text().splitlines() if line.startswith("| [RFC")]
    assert rows
    assert not [row for row in rows if row.split("|")[3].strip() not in {"yes", "partly", "no"}]


def test_no_file_names_the_host_of_a_package_registry() -> None:
    hosts = ["pypi" + ".org", "pythonhosted" + ".org", "registry.npmjs" + ".org", "deb.debian" + ".org"]
    assert not [name for name, text in own_text() if any(host in text for host in hosts)]


def test_no_file_names_a_path_of_one_machine() -> None:
    machine_path = re.compile(r"(?<![\w.$}])/(work|tmp/plan|root/\.\w+)/")
    assert not [name for name, text in own_text() if machine_path.search(text)]


def test_links_between_the_pages_lead_somewhere() -> None:
    link = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
    pages = [page for page in own_files() if page.suffix == ".md"]
    broken = [
        f"{page.relative_to(PROJECT)}: {target}"
        for page in pages
        for target in link.findall(page.read_text())
        if not (page.parent / target).exists()
    ]
    assert not broken


def test_the_readme_is_short() -> None:
    assert len((PROJECT / "README.md").read_text().splitlines()) < 150


def test_the_page_on_configuration_is_what_the_settings_say() -> None:
    from tools.docs import TARGET, render

    assert TARGET.read_text() == render(), "run `make docs`"
