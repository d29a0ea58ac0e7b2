"""Build the Debian packages: `python -m tools.deb DIRECTORY` prints the paths of the files that it made there.

The package holds a venv at /opt/onifast-mail with the wheel of this checkout and the libraries that requirements/ pins,
on Debian's own Python, and what the system wants beside it: units, accounts, manual pages, completion. It is built by
dpkg-deb alone, for the architecture and the Python of the machine that it is built on, which need no root.
"""

from __future__ import annotations

import gzip
import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import shtab
from onifast_shared.ctl import main as ctl

from tools import environment, manpages
from tools.environment import LOCKS, PROJECT, VENV, CannotGoOn, complain
from tools.install import UNIT_PREFIX, move_scripts
from tools.wheel import build as build_wheel

SYSTEM_PYTHON = Path("/usr/bin/python3")
SCRIPTS = PROJECT / "debian"
MAINTAINER = "The onifast-mail developers <onifast-mail@localhost>"
COMPLETIONS = {
    "bash": "usr/share/bash-completion/completions/onifast-mailctl",
    "zsh": "usr/share/zsh/vendor-completions/_onifast-mailctl",
    "fish": "usr/share/fish/vendor_completions.d/onifast-mailctl.fish",
}
_UNITS = {
    "*.service": "lib/systemd/system",
    "*.socket": "lib/systemd/system",
    "*.target": "lib/systemd/system",
    "*.timer": "lib/systemd/system",
}
_MAIN = """\
Package: onifast-mail
Version: {version}
Architecture: {architecture}
Maintainer: {maintainer}
Installed-Size: {size}
Depends: python3 (>= {python}), python3 (<< {next_python}), passwd, ca-certificates
Recommends: systemd
Suggests: onifast-mail-sendmail
Section: mail
Priority: optional
Description: mail transfer agent with DKIM signing and an embedded webmail
 It receives mail from the Internet, from the PHP programs on its host and from users who log in, keeps it in one SQLite
 database, shows it in a webmail that signs in with a hosting panel's users, and delivers what goes out, signed.
"""

_SENDMAIL = """\
Package: onifast-mail-sendmail
Version: {version}
Architecture: all
Maintainer: {maintainer}
Installed-Size: {size}
Depends: onifast-mail (= {version})
Provides: mail-transport-agent
Conflicts: mail-transport-agent
Replaces: mail-transport-agent
Section: mail
Priority: optional
Description: sendmail command that hands mail to onifast-mail
 Programs that run sendmail, such as PHP and cron, hand their mail to onifast-mail by it, with no rights but their own.
 While onifast-mail is down it is kept in their user's home.
"""


def build(directory: Path) -> list[Path]:
    """The packages of this checkout, in `directory`. Raises CannotGoOn, OSError."""
    environment.ensure("all,dev")
    for needed in (SYSTEM_PYTHON, Path("/usr/bin/dpkg-deb")):
        if not needed.exists():
            raise CannotGoOn(f"{needed} is not here: the packages are built on Debian, for its Python")
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        stage = Path(scratch) / "onifast-mail"
        _fill(stage, Path(scratch))
        sendmail = Path(scratch) / "onifast-mail-sendmail"
        _fill_sendmail(sendmail)
        return [_pack(stage, _MAIN, directory), _pack(sendmail, _SENDMAIL, directory)]


def _fill(stage: Path, scratch: Path) -> None:
    home, prefix = stage / UNIT_PREFIX.lstrip("/"), Path(UNIT_PREFIX)
    _make_venv(home, build_wheel(scratch))
    move_scripts(home, prefix)
    _run(SYSTEM_PYTHON, "-m", "compileall", "-q", "-s", stage, "-p", "/", home / "lib")
    shutil.copytree(PROJECT / "docs", home / "share" / "doc" / "onifast-mail")
    for pattern, folder in _UNITS.items():
        for unit in (PROJECT / "systemd").glob(pattern):
            _put(stage / folder / unit.name, unit.read_text())
    for kind in ("sysusers", "tmpfiles"):
        _put(stage / f"usr/lib/{kind}.d/onifast-mail.conf", (PROJECT / f"systemd/onifast-mail.{kind}").read_text())
    _put(stage / "etc/onifast-mail/supervisord.conf", (PROJECT / "supervisord.conf").read_text())
    _put(stage / "etc/logrotate.d/onifast-mail", (SCRIPTS / "onifast-mail.logrotate").read_text())
    tool = stage / "usr/sbin/onifast-mailctl"
    tool.parent.mkdir(parents=True)
    tool.symlink_to(prefix / "bin" / "onifast-mailctl")
    for shell, place in COMPLETIONS.items():
        _put(stage / place, shtab.complete(ctl.parser(), shell=shell))
    for page in manpages.write(scratch / "man"):
        _compress(stage / f"usr/share/man/man8/{page.name}.gz", page.read_bytes())
    papers(stage, "onifast-mail")


def _fill_sendmail(stage: Path) -> None:
    """The names that programs know it by, and its manual page."""
    program = Path(UNIT_PREFIX) / "bin" / "onifast-sendmail"
    for name in ("usr/sbin/sendmail", "usr/lib/sendmail", "usr/bin/mailq", "usr/bin/newaliases"):
        link = stage / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(program)
    _compress(stage / "usr/share/man/man8/sendmail.8.gz", manpages.sendmail().encode())
    papers(stage, "onifast-mail-sendmail")


def _make_venv(home: Path, wheel: Path) -> None:
    """A venv on Debian's Python without a pip of its own: .venv's installs into it."""
    _run(SYSTEM_PYTHON, "-m", "venv", "--without-pip", home)
    pip: list[str | Path] = [
        VENV / "bin" / "python",
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--python",
        home / "bin" / "python",
    ]
    install = [*pip, "install", "-q", "--no-compile", "--no-warn-script-location"]
    _run(*install, "--require-hashes", "-r", LOCKS["all"])
    _run(*install, "--no-deps", wheel)


def papers(stage: Path, name: str) -> None:
    """What every Debian package has in its documentation."""
    doc = stage / "usr/share/doc" / name
    _put(doc / "copyright", (PROJECT / "LICENSE").read_text())
    _compress(doc / "changelog.gz", (PROJECT / "CHANGELOG.md").read_bytes())


def _put(file: Path, text: str, mode: int = 0o644) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(mode)


def _compress(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(gzip.compress(content, mtime=0))


def _pack(stage: Path, control: str, directory: Path) -> Path:
    """The package of what lies in a directory, with its control files."""
    name, files = stage.name, sorted(each for each in stage.rglob("*") if each.is_file() and not each.is_symlink())
    major, minor = map(int, _said(SYSTEM_PYTHON, "-c", "import sys; print(*sys.version_info[:2])").split())
    values = {
        "version": version("onifast-mail"),
        "architecture": _said("/usr/bin/dpkg", "--print-architecture"),
        "maintainer": MAINTAINER,
        "size": sum(file.stat().st_size for file in files) // 1024 + 1,
        "python": f"{major}.{minor}",
        "next_python": f"{major}.{minor + 1}",
    }
    _put(stage / "DEBIAN/control", control.format(**values))
    _put(stage / "DEBIAN/md5sums", "".join(_sums(stage, files)))
    if settings := [file for file in files if file.is_relative_to(stage / "etc")]:
        _put(stage / "DEBIAN/conffiles", "".join(f"/{file.relative_to(stage)}\n" for file in settings))
    for script in ("postinst", "prerm", "postrm"):
        if (source := SCRIPTS / f"{name}.{script}").exists():
            _put(stage / "DEBIAN" / script, source.read_text(), 0o755)
    for folder in [stage, *(each for each in stage.rglob("*") if each.is_dir() and not each.is_symlink())]:
        folder.chmod(0o755)
    architecture = "all" if "Architecture: all" in control else values["architecture"]
    package = directory / f"{name}_{values['version']}_{architecture}.deb"
    _run("/usr/bin/dpkg-deb", "--root-owner-group", "-Zzstd", "--build", stage, package)
    return package


def _sums(stage: Path, files: list[Path]) -> Iterator[str]:
    for file in files:
        digest = hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()
        yield f"{digest}  {file.relative_to(stage)}\n"


def _said(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise CannotGoOn(f"this failed, and says above why: {' '.join(map(str, command))}")


def main() -> None:
    try:
        for package in build(Path(sys.argv[1])):
            print(package)
    except (CannotGoOn, OSError, subprocess.SubprocessError) as problem:
        sys.exit(complain(str(problem)))


if __name__ == "__main__":
    main()
