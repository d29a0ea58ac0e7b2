"""A root of its own, with Debian's programs and an installation in it and nothing else, where tests follow the manual.

It has namespaces of its own for mounts, processes and the network, so that the default ports are free.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

from tools.environment import PROJECT

MANUAL = PROJECT / "docs" / "operations.md"
DRIVER = Path(__file__).with_name("inside_fresh_root.py")
PREFIX = "/opt/onifast-mail"  # as the manual has it

_SETUP = """
set -eu
mount -t tmpfs -o mode=0755 none {root}
cd {root}
mkdir -m 0755 usr etc home proc dev var var/log run opt trial
mkdir -m 0700 root; mkdir -m 1777 tmp
for name in bin sbin lib lib64; do ln -s usr/$name $name; done
mount --bind /usr usr; mount --rbind /dev dev; mount -t proc none proc
for path in {shown}; do mkdir -p .$path; mount --bind $path .$path; done
for file in nsswitch.conf login.defs ssl ld.so.cache localtime alternatives; do cp -a /etc/$file etc/ || true; done
for file in passwd group shadow gshadow; do grep -E '^(root|nobody|nogroup):' /etc/$file > etc/$file || true; done
printf '127.0.0.1 localhost\\n' > etc/hosts
printf 'nameserver 127.0.0.1\\n' > etc/resolv.conf
cp -a {etc}/. etc/
[ -e .{prefix} ] || ln -s {installed} .{prefix}
cp {driver} trial/driver.py
ip link set lo up
exec chroot {root} /usr/bin/env -i PATH=/usr/sbin:/usr/bin {python} /trial/driver.py "$@"
"""


def commands(heading: str, number: int = 0) -> str:
    """A block of commands of the manual: the `number`-th below a heading."""
    section = MANUAL.read_text().split(f"# {heading}\n", 1)[1].split("\n#", 1)[0]
    blocks = re.findall(r"(?:^    .*\n)+", section, re.MULTILINE)
    return "".join(line.removeprefix("    ") for line in blocks[number].splitlines(keepends=True))


def follow(installed: Path, root: Path, *steps: str) -> str:
    """What the driver says of its steps inside a fresh root, with what is installed below `installed`."""
    root.mkdir()
    prefix = installed / "prefix"
    shown = [str(prefix), *([sys.base_prefix] if sys.base_prefix != "/usr" else [])]
    setup = _SETUP.format(
        root=shlex.quote(str(root)),
        shown=shlex.join(shown),
        etc=shlex.quote(str(installed / "etc")),
        installed=shlex.quote(str(prefix)),
        prefix=PREFIX,
        driver=shlex.quote(str(DRIVER)),
        python=shlex.quote(str(prefix / "bin" / "python")),
    )
    isolated = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child"]
    done = subprocess.run(
        [*isolated, "sh", "-c", setup, "sh", *steps], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
