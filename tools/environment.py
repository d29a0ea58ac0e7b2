"""Make .venv and install the project and its libraries into it, only when something has changed.

`python -m tools.environment [EXTRA,…]` (default: all). Exit 0 when .venv is ready, 2 with one line when it cannot be.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
VENV = PROJECT / ".venv"
LOCKS = {
    "all": PROJECT / "requirements" / "run.txt",
    "all,dev": PROJECT / "requirements" / "dev.txt",
}
"""For each set of extras, the versions (with hashes) that were tried together; `make update` renews them."""

FRONTEND = (
    PROJECT / "services" / "web" / "npm" / "package-lock.json",
    PROJECT / "services" / "web" / "npm" / "icons.json",
    PROJECT / "tools" / "frontend.py",
)
"""What the webmail's scripts and icons are made from, as the project is installed (tools/frontend.py)."""
SCRIPTS = PROJECT / "services" / "web" / "onifast_web" / "static" / "vendor"
ICONS = PROJECT / "services" / "web" / "onifast_web" / "templates" / "icons"
CATALOGUES = PROJECT / "services" / "web" / "onifast_web" / "languages" / "catalogues"
JS_TEXTS = PROJECT / "services" / "web" / "onifast_web" / "static" / "texts"
"""What the webmail's languages are compiled from and to (tools/translations.py)."""


class CannotGoOn(Exception):
    """Something that the user must mend first. Its text is one line: what is wrong, and what to do."""


def ensure(extras: str) -> None:
    """Brings .venv up to date with these extras of pyproject.toml. Raises CannotGoOn."""
    with _alone():
        if not _is_made_here():
            _make()
        elif _is_current(extras):
            _compile_languages()
            return
        _install(extras)
        _stamp(extras).write_text(_wanted())


def make() -> None:
    """Makes .venv where there is none: all of `ensure` that may need apt, which serves one at a time."""
    with _alone():
        if not _is_made_here():
            _make()


def base_python() -> str:
    """The interpreter that no venv owns: what is made with it outlives .venv."""
    return str(Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}")


def _is_made_here() -> bool:
    """Whether .venv is whole, and was not copied or moved: its scripts name the place that they were made for."""
    try:
        pip = (VENV / "bin" / "pip").read_bytes()
    except OSError:
        return False
    return bytes(VENV / "bin") in pip[:1000] and (VENV / "bin" / "python").exists()


def _stamp(extras: str) -> Path:
    return VENV / f".installed-{extras.replace(',', '-')}"


def _wanted() -> str:
    """What an installation stands for: the project's description, its locks, and the place that scripts name."""
    files = [PROJECT / "pyproject.toml", *LOCKS.values(), *FRONTEND]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files) + str(VENV).encode()).hexdigest()


def _is_current(extras: str) -> bool:
    """Whether these extras, or more, were installed from today's pyproject.toml."""
    if not (SCRIPTS.is_dir() and ICONS.is_dir()):  # git may have taken them away
        return False
    wanted = set(extras.split(","))
    return any(
        wanted <= set(stamp.name.removeprefix(".installed-").split("-")) and stamp.read_text() == _wanted()
        for stamp in VENV.glob(".installed-*")
    )


@contextmanager
def _alone() -> Iterator[None]:
    """Keeps `make run` and `make check` from installing into one .venv at the same time."""
    directory = os.open(PROJECT, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def _make() -> None:
    if importlib.util.find_spec("ensurepip") is None:
        _add_ensurepip()
    print("Making .venv", flush=True)
    _run([base_python(), "-m", "venv", "--clear", str(VENV)], "python -m venv does not work here")


def _add_ensurepip() -> None:
    """Debian keeps the part of Python that fills a venv in a package of its own."""
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    apt_get = shutil.which("apt-get")
    if apt_get is None or os.geteuid() != 0:
        raise CannotGoOn(f"this Python cannot make a venv: as root, apt-get install {package}; then try again")
    print(f"Installing the Debian package {package}", flush=True)
    environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run([apt_get, "-q", "update"], stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, check=False)
    command = [apt_get, "-q", "install", "-y", "--no-install-recommends", package]
    _run(command, f"{package} could not be installed", environ)


def _install(extras: str) -> None:
    print("Installing onifast-mail and its libraries into .venv (once, under a minute as a rule)", flush=True)
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "-q"]
    # Debian's pip leaves compiling some libraries to themselves. What is not compiled now warns as a test imports it.
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    libraries = ["--require-hashes", "-r", str(LOCKS[extras])]
    _run([*pip, *libraries], "pip could not install the libraries (is there a network?)", environ)
    # What builds the project is among the libraries: no other version of it is brought in for a build alone.
    itself = ["--no-deps", "--no-build-isolation", "-e", str(PROJECT)]
    _run([*pip, *itself], "pip could not install the project itself", environ)


def _compile_languages() -> None:
    """Catalogues that changed since the installation."""
    compiled = CATALOGUES / ".compiled"
    sources = [*CATALOGUES.glob("*.po"), *JS_TEXTS.parent.glob("*.js")]
    written = max((file.stat().st_mtime for file in sources), default=0.0)
    if not compiled.exists() or compiled.stat().st_mtime < written:
        command = [str(VENV / "bin" / "python"), "-m", "tools.translations", "compile"]
        _run(command, "the webmail's languages could not be compiled")


def _run(command: list[str], problem: str, environ: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environ, check=False
    )
    if done.returncode == 0:
        return
    output = done.stdout.decode(errors="replace").strip().splitlines() or ["it said nothing"]
    telling = [line for line in output if "error" in line.lower()] or output
    raise CannotGoOn(f"{problem}: {telling[-1].strip()}; tried: {' '.join(command)}")


def main() -> None:
    try:
        ensure(sys.argv[1] if len(sys.argv) > 1 else "all")
    except CannotGoOn as problem:
        sys.exit(complain(str(problem)))
    except OSError as error:
        sys.exit(complain(f"cannot write {error.filename or VENV}: {error.strerror}; make {PROJECT} yours to write"))


def complain(line: str) -> int:
    """Prints the one line and returns the exit status that goes with it."""
    print(line, file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()
