"""What a program that was started as root can still read."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from onifast_shared.machine import landlock

PROGRAM = """
import pwd, sys, tempfile
from dataclasses import replace
from pathlib import Path
from onifast_shared.machine import rights
from onifast_shared.machine.config import Settings
root, secret = map(Path, sys.argv[1:])
tempfile.tempdir = str(root)
rights.give_up_root(Settings(root=root, run_as="nobody"))
print((root / "users" / "ann.json").read_text(), pwd.getpwnam("root").pw_uid)
(root / "config" / "a").write_text("moved")
(root / "config" / "a").rename(root / "config" / "below" / "a")
for closed in (secret, secret.parent):
    try:
        print(closed.read_text() if closed.is_file() else list(closed.iterdir()))
    except PermissionError:
        print("closed")
"""


@pytest.fixture
def on_disk() -> Iterator[Path]:
    """A directory where none of the kernel's own file systems is, as other tests' are: these stay open to programs."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        yield Path(directory)


@pytest.mark.root
def test_the_panels_root_and_no_home(on_disk: Path) -> None:
    root, home = on_disk / "onifast", on_disk / "home"
    on_disk.chmod(0o755)
    for directory in (root, root / "users", root / "config", root / "config" / "below", home):
        directory.mkdir(0o700)
    for shared in (root / "config", root / "config" / "below"):
        shared.chmod(0o777)
    for file, text in ((root / "users" / "ann.json", "{}"), (home / "wp-config.php", "secret")):
        file.write_text(text)
        file.chmod(0o600)
    command = [sys.executable, "-c", PROGRAM, str(root), str(home / "wp-config.php")]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    # A container's kernel may lack it, and then the log says so; Debian 12's has it.
    beyond = "closed\nclosed\n" if landlock.kernel_version() else f"secret\n{[home / 'wp-config.php']}\n"
    assert (child.stdout, child.stderr) == ("{} 0\n" + beyond, "")
