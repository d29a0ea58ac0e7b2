"""What is installed: the systemd units, and both ways to run it, in a root of its own by the manual."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from supervision.fresh_root import commands, follow
from tools.embedded import PROGRAMS
from tools.environment import PROJECT
from tools.install import install

UNITS = sorted(
    file for file in (PROJECT / "systemd").iterdir() if file.suffix in {".service", ".socket", ".target", ".timer"}
)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the project installed at prefix/ and etc/."""
    root = tmp_path_factory.mktemp("installed")
    install("", root / "prefix", root / "etc")
    return root


@pytest.mark.slow
@pytest.mark.peers
@pytest.mark.timeout(300)
def test_systemd_has_nothing_to_say_against_the_installed_units(installed: Path) -> None:
    units = sorted(str(unit) for unit in (installed / "etc/systemd/system").iterdir())
    assert len(units) == len(UNITS)
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.peers
@pytest.mark.timeout(300)
def test_systemd_rates_every_service_as_well_confined(installed: Path) -> None:
    for program in PROGRAMS:
        unit = installed / f"etc/systemd/system/onifast-{program}.service"
        command = ["systemd-analyze", "security", "--offline=true", "--threshold=35", "--no-pager", str(unit)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_an_installation_below_destdir_works_at_its_final_place(tmp_path: Path) -> None:
    install(str(tmp_path / "dest"), Path("/opt/onifast-mail"), Path("/etc"))
    script = tmp_path / "dest/opt/onifast-mail/bin/onifast-web"
    assert script.read_text().startswith("#!/opt/onifast-mail/bin/python")
    assert (tmp_path / "dest/etc/onifast-mail/supervisord.conf").exists()
    assert (tmp_path / "dest/etc/sysusers.d/onifast-mail.conf").exists()


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_service_is_confined_and_has_an_account_of_its_own(program: str) -> None:
    unit = (PROJECT / f"systemd/onifast-{program}.service").read_text()
    for line in (
        f"ExecStart=/opt/onifast-mail/bin/onifast-{program}",
        f"User=onifast-{program}",
        "Group=onifast-mail",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "PrivateTmp=yes",
        "MemoryDenyWriteExecute=yes",
        "SystemCallFilter=@system-service",
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
        "Restart=always",
        "RestartPreventExitStatus=2",
        "ExecReload=/bin/kill -HUP $MAINPID",
    ):
        assert line in unit.splitlines(), line


@pytest.mark.parametrize(
    ("program", "capabilities"),
    [
        ("smtpd", {"CAP_NET_BIND_SERVICE", "CAP_DAC_READ_SEARCH"}),
        ("web", {"CAP_DAC_READ_SEARCH"}),
        ("outbox", {"CAP_DAC_READ_SEARCH", "CAP_SETUID", "CAP_SETGID", "CAP_KILL"}),
    ],
)
def test_a_service_has_no_capability_that_it_does_not_need(program: str, capabilities: set[str]) -> None:
    lines = (PROJECT / f"systemd/onifast-{program}.service").read_text().splitlines()
    for setting in ("AmbientCapabilities=", "CapabilityBoundingSet="):
        (line,) = [line for line in lines if line.startswith(setting)]
        assert set(line.removeprefix(setting).split()) == capabilities


@pytest.mark.parametrize("program", ["smtpd", "web"])
def test_homes_are_hidden_from_the_programs_that_face_the_network(program: str) -> None:
    lines = (PROJECT / f"systemd/onifast-{program}.service").read_text().splitlines()
    assert "ProtectHome=tmpfs" in lines
    assert any(line.startswith("TemporaryFileSystem=/var:ro /etc:ro") for line in lines)


# In a root of its own, by the manual's commands


@pytest.mark.slow
@pytest.mark.peers
@pytest.mark.root
@pytest.mark.timeout(400)
def test_from_nothing_to_a_first_mail_in_and_out_by_setup(installed: Path, tmp_path: Path) -> None:
    follow(installed, tmp_path / "root", f"first_mail:{commands('With supervisord')}")


@pytest.mark.slow
@pytest.mark.peers
@pytest.mark.root
@pytest.mark.timeout(400)
def test_by_the_manual_alone_a_container_with_supervisord_serves_users(installed: Path, tmp_path: Path) -> None:
    accounts, settings = commands("Install", 2), commands("Install", 3)
    start = commands("With supervisord")
    follow(
        installed,
        tmp_path / "root",
        f"run:{accounts}",
        f"run:{settings}",
        "panel",
        f"start_supervisord:{start}",
        "a_user_works",
        "kill_supervisord",
        f"start_supervisord:{start}",
        "a_user_works",
    )


@pytest.mark.slow
@pytest.mark.peers
@pytest.mark.root
@pytest.mark.timeout(400)
def test_a_host_goes_from_systemd_to_supervisord_and_back(installed: Path, tmp_path: Path) -> None:
    accounts, settings = commands("Install", 1), commands("Install", 3)
    there = (f"start_supervisord:{commands('With supervisord')}", "a_user_works", "kill_supervisord")
    back = ("units", "a_user_works", "stop_units")
    follow(installed, tmp_path / "root", f"run:{accounts}", f"run:{settings}", "panel", *back, *there, *back)
