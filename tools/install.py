"""Install onifast-mail on this machine: `python -m tools.install DESTDIR PREFIX SYSCONFDIR`.

Makes a venv at PREFIX with the wheel of this checkout and all three programs in it, and lays supervisord.conf, the
systemd units, the accounts (sysusers.d) and the directories (tmpfiles.d) below SYSCONFDIR. Everything goes under
DESTDIR when that is not empty, and still works at its final place. Starts nothing: onifast-mailctl setup goes on.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.environment import LOCKS, PROJECT, CannotGoOn, base_python, complain
from tools.wheel import build

UNIT_PREFIX = "/opt/onifast-mail"  # what the files in systemd/ say


def install(destdir: str, prefix: Path, sysconfdir: Path) -> None:
    """Raises CannotGoOn, OSError."""
    home = Path(f"{destdir}{prefix}")
    _make_venv(home)
    if destdir:
        move_scripts(home, prefix)
    _copy_files(home, prefix, Path(f"{destdir}{sysconfdir}"))


def _make_venv(home: Path) -> None:
    """A venv of its own, with the pip that an administrator expects there."""
    with tempfile.TemporaryDirectory() as scratch:
        wheel = build(Path(scratch))
        pip = [str(home / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "-q"]
        for command in (
            [base_python(), "-m", "venv", str(home)],
            [*pip, "--upgrade", "--require-hashes", "-r", str(LOCKS["all"])],
            [*pip, "--force-reinstall", "--no-deps", str(wheel)],
        ):
            if subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode != 0:
                raise CannotGoOn(f"this failed, and says above why: {' '.join(command)}")


def move_scripts(home: Path, prefix: Path) -> None:
    """Lets the scripts name the interpreter at its final place."""
    for script in [*(home / "bin").iterdir(), home / "pyvenv.cfg"]:
        if script.is_symlink() or not script.is_file():
            continue
        content = script.read_bytes()
        if content.startswith(b"\x7fELF"):
            continue
        script.write_bytes(content.replace(str(home).encode(), str(prefix).encode()))


def _copy_files(home: Path, prefix: Path, etc: Path) -> None:
    units = PROJECT / "systemd"
    for pattern in ("*.service", "*.socket", "*.target", "*.timer"):
        for unit in units.glob(pattern):
            _copy(unit, etc / "systemd" / "system" / unit.name, prefix)
    _copy(units / "onifast-mail.sysusers", etc / "sysusers.d" / "onifast-mail.conf", prefix)
    _copy(units / "onifast-mail.tmpfiles", etc / "tmpfiles.d" / "onifast-mail.conf", prefix)
    _copy(PROJECT / "supervisord.conf", etc / "onifast-mail" / "supervisord.conf", prefix)
    shutil.copytree(PROJECT / "docs", home / "share" / "doc" / "onifast-mail", dirs_exist_ok=True)


def _copy(source: Path, target: Path, prefix: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(source.read_text().replace(UNIT_PREFIX, str(prefix)))
    target.chmod(0o644)


def main() -> None:
    destdir, prefix, sysconfdir = sys.argv[1:]
    try:
        install(destdir, Path(prefix), Path(sysconfdir))
    except CannotGoOn as problem:
        sys.exit(complain(str(problem)))
    except OSError as error:
        sys.exit(complain(f"cannot write {error.filename}: {error.strerror}; as root, or with DESTDIR= or PREFIX="))
    print(f"Installed into {destdir}{prefix}. To a first mail: {prefix}/bin/onifast-mailctl setup example.org")


if __name__ == "__main__":
    main()
