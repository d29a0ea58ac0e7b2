"""Giving up root for good."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest
from onifast_shared.machine.privileges import PrivilegeError, drop

READ = 1 << 2  # CAP_DAC_READ_SEARCH

# Nothing may be imported after the drop: the interpreter may lie where only root can read.
DROPPER = """
import os, socket
from onifast_shared.machine.privileges import drop
from onifast_shared.machine.sockets import bind, socket_owner
from onifast_shared.machine.setting_types import Listen
listening = bind(Listen("127.0.0.1", 0))
drop("nobody")
print(os.getresuid(), os.getresgid(), os.getgroups())
try:
    os.setuid(0)
    print("root again")
except PermissionError:
    print("for good")
status = dict(line.split(":", 1) for line in open("/proc/thread-self/status"))
print([int(status[name], 16) for name in ("CapPrm", "CapEff", "CapInh", "CapAmb")], status["NoNewPrivs"].strip())
client = socket.socket()
client.connect(listening.getsockname())
print(socket_owner(listening.getsockname(), client.getsockname()) == os.getuid())
"""


@pytest.mark.root
def test_root_becomes_the_user_with_no_way_back() -> None:
    assert os.geteuid() == 0, "this test needs root"
    nobody = pwd.getpwnam("nobody")
    child = subprocess.run([sys.executable, "-c", DROPPER], capture_output=True, text=True, check=True)
    ids, way_back, capabilities, traced = child.stdout.splitlines()
    assert ids == f"{(nobody.pw_uid,) * 3} {(nobody.pw_gid,) * 3} {os.getgrouplist('nobody', nobody.pw_gid)}"
    assert (way_back, capabilities, traced) == ("for good", f"[{READ}, {READ}, 0, 0] 1", "True")


READER = """
import os, sys
from pathlib import Path
from onifast_shared.machine.privileges import drop
drop("nobody")
file = Path(sys.argv[1])
print(file.read_text())
try:
    file.write_text("x")
except PermissionError:
    print("reads only")
os.execv("/bin/cat", ["cat", str(file)])
"""


@pytest.mark.root
def test_it_still_reads_what_the_panel_keeps_for_root_and_writes_and_hands_on_nothing(tmp_path: Path) -> None:
    (tmp_path / "users").mkdir(0o700)
    file = tmp_path / "users" / "ann.json"
    file.touch(0o600)
    file.write_text("{}")
    child = subprocess.run([sys.executable, "-c", READER, file], capture_output=True, text=True, check=False)
    assert child.stdout == "{}\nreads only\n"
    assert child.returncode == 1 and "Permission denied" in child.stderr


@pytest.mark.root
def test_a_user_that_does_not_exist_is_named_with_the_setting() -> None:
    assert os.geteuid() == 0, "this test needs root"
    with pytest.raises(PrivilegeError, match="setting run_as: there is no user 'no-such-user'"):
        drop("no-such-user")


def test_root_may_stay_root_where_the_administrator_says_so() -> None:
    before = (os.getresuid(), os.getresgid(), os.getgroups())
    drop("root")
    assert (os.getresuid(), os.getresgid(), os.getgroups()) == before


def test_a_program_started_unprivileged_stays_what_it_is() -> None:
    code = (
        "import os; from onifast_shared.machine.privileges import drop; os.getuid() or os.setuid(65534);"
        "before = os.getresuid(); drop('no-such-user'); print(os.getresuid() == before)"
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert child.stdout == "True\n"
