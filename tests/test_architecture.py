"""The rules that hold the parts apart, checked on the source itself."""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.floors import FLOORS

PROJECT = Path(__file__).resolve().parent.parent
PROGRAMS = {
    "onifast_smtpd": PROJECT / "services/smtpd/onifast_smtpd",
    "onifast_web": PROJECT / "services/web/onifast_web",
    "onifast_outbox": PROJECT / "services/outbox/onifast_outbox",
}
SHARED = PROJECT / "shared/onifast_shared"
PACKAGES = {"onifast_shared": SHARED, **PROGRAMS}
NOT_OURS = {".git", ".venv", ".venv-node", ".hypothesis", "var", "dist", "build", "node_modules", "__pycache__"}
MAX_LINES = 400

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


def standing(package: Path) -> set[str]:
    """The rooms of a package, and the modules that stand alone at its root."""
    rooms = {entry.name for entry in package.iterdir() if (entry / "__init__.py").exists()}
    return rooms | {module.stem for module in package.glob("*.py")} - {"__init__"}


def imported_names(module: Path) -> set[str]:
    """The dotted names that a module imports, anywhere in it; of `from a import b`, both `a` and `a.b`."""
    found = set()
    for node in ast.walk(ast.parse(module.read_text(), str(module))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("package", PACKAGES.values(), ids=PACKAGES)
def test_every_room_and_every_module_at_a_root_has_its_floor(package: Path) -> None:
    placed = [name for floor in FLOORS[package.name] for name in floor]
    assert sorted(placed) == sorted(standing(package))


@pytest.mark.parametrize("package", PACKAGES.values(), ids=PACKAGES)
def test_no_import_goes_up_or_across_a_floor(package: Path) -> None:
    floor_of = {name: number for number, floor in enumerate(FLOORS[package.name]) for name in floor}
    guilty = []
    for module in modules(package):
        own = module.relative_to(package).parts[0].removesuffix(".py")
        for name in imported_names(module):
            parts = name.split(".")
            if parts[0] != package.name or len(parts) < 2 or parts[1] not in floor_of or parts[1] == own:
                continue
            if own == "__init__" or floor_of[parts[1]] >= floor_of[own]:
                guilty.append(f"{module.relative_to(PROJECT)} imports {name}")
    assert not guilty


def test_every_room_says_what_it_is() -> None:
    rooms = [entry for package in PACKAGES.values() for entry in package.rglob("__init__.py")]
    assert not [str(room) for room in rooms if not ast.get_docstring(ast.parse(room.read_text()))]


def test_the_page_on_the_architecture_shows_the_floors() -> None:
    from tools.docs import ARCHITECTURE, with_floors

    assert ARCHITECTURE.read_text() == with_floors(ARCHITECTURE.read_text()), "run `make docs`"


def changed_libraries(module: Path) -> list[str]:
    """Assignments to attributes of what a module imports from others than us and the standard library."""
    tree = ast.parse(module.read_text())
    foreign = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                package = (getattr(node, "module", None) or alias.name).split(".")[0]
                # Flask's `g` and `session` are there to be written to.
                if package not in {*PACKAGES, "flask"} and package not in sys.stdlib_module_names:
                    foreign.add(alias.asname or alias.name.split(".")[0])
    targets = [target for node in ast.walk(tree) if isinstance(node, ast.Assign) for target in node.targets]
    written = [ast.unparse(target) for target in targets if isinstance(target, ast.Attribute)]
    return [target for target in written if target.split(".")[0] in foreign]


def test_a_library_is_changed_in_one_place_at_the_start_of_each_program_that_uses_it() -> None:
    changing = {module for package in PACKAGES.values() for module in modules(package) if changed_libraries(module)}
    assert changing == {SHARED / "dkim/white_space.py"}
    for name, begins in (("onifast_smtpd", "main.py"), ("onifast_outbox", "launch.py")):
        callers = [module for module in modules(PROGRAMS[name]) if "put_in_place(" in module.read_text()]
        assert callers == [PROGRAMS[name] / begins]
    assert not any(
        name.split(".")[0] == "dkim" for module in modules(PROGRAMS["onifast_web"]) for name in imports(module)
    )


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


def test_no_group_of_a_pattern_is_possessive() -> None:
    """Python 3.11.2, which is Debian 12's, counts what a failed last round of such a group has consumed."""
    possessive = re.compile(r"\)(?:[*+?]|\{[0-9,]+\})\+|\(\?>")
    found = [
        f"{module.relative_to(PROJECT)}:{node.lineno}: {pattern}"
        for module in all_modules()
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("re.") and node.args
        for pattern in [ast.unparse(node.args[0])]
        if possessive.search(pattern)
    ]
    assert not found


def test_only_the_settings_read_the_environment() -> None:
    # systemd hands sockets over in LISTEN_FDS; asks for states at NOTIFY_SOCKET; supervisord says SUPERVISOR_ENABLED
    allowed = {
        SHARED / "machine/config.py",
        SHARED / "machine/sockets.py",
        SHARED / "programs/notifying.py",
        SHARED / "programs/supervised.py",
    }
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


def test_no_rfc_has_two_rows_in_one_table() -> None:
    for section in (PROJECT / "docs/rfc.md").read_text().split("\n## "):
        rows = re.findall(r"^\| \[RFC (\d+)\]", section, re.MULTILINE)
        assert sorted(set(rows), key=int) == sorted(rows, key=int), section.partition("\n")[0]


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


def test_a_class_name_means_one_thing_in_all_packages() -> None:
    defined: dict[str, list[str]] = {}
    for module in all_modules():
        for node in ast.walk(ast.parse(module.read_text(), str(module))):
            if isinstance(node, ast.ClassDef):
                defined.setdefault(node.name, []).append(str(module.relative_to(PROJECT)))
    assert {name: where for name, where in defined.items() if len(where) > 1} == {}


def test_the_glossary_names_classes_where_they_are() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| `(onifast_\w+)/([\w/]+\.py)` \|", (PROJECT / "docs/glossary.md").read_text(), re.M
    )
    assert len(rows) > 40
    for name, package, module in rows:
        tree = ast.parse((PACKAGES[package] / module).read_text())
        assert name in {node.name for node in tree.body if isinstance(node, ast.ClassDef)}, f"{name} in {module}"


def names_in(module: Path) -> Iterator[str]:
    """What a module calls things: itself, its classes and functions, their parameters, variables and log events."""
    yield module.stem
    for node in ast.walk(ast.parse(module.read_text(), str(module))):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name
            case ast.Call(func=ast.Attribute(attr="event") | ast.Name(id="event"), args=[*arguments]):
                texts = [each.value for each in arguments if isinstance(each, ast.Constant)]
                yield from (text for text in texts if isinstance(text, str))


def test_one_thing_has_one_word_in_names_settings_and_log_events() -> None:
    section = (PROJECT / "docs/glossary.md").read_text().partition("## One word a thing")[2]
    rows = re.findall(r"^\| (?!word )([^|]+) \| [^|]+ \| ([a-z, –]+) \|$", section, re.MULTILINE)
    word_for = {never: word for word, others in rows for never in others.split(", ")}
    assert len(rows) > 8
    assert len(word_for) > 15
    found = {
        f"{name} in {module.relative_to(PROJECT)}": f"say {word_for[word]}"
        for module in all_modules()
        for name in names_in(module)
        for word in map(str.lower, re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name))
        if word in word_for
    }
    assert not found


def test_people_are_they() -> None:
    """In docs, and in the code's comments, docstrings and texts; in quotes it is Hebrew's tag."""
    men = re.compile(r"(?<![\"`])\b([Hh]e|[Hh]im|[Hh]is|[Hh]imself)\b")
    files = [*(PROJECT / "docs").glob("*.md"), *PROJECT.glob("*.md"), *all_modules()]
    files += [*(PROGRAMS["onifast_web"] / "templates").glob("*.html")]
    found = [
        f"{file.relative_to(PROJECT)}:{number}: {line.strip()}"
        for file in files
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if men.search(line)
    ]
    assert not found
