"""The Debian package, built and then installed, upgraded, removed and purged on a system that is thrown away.

That system is this machine's, with a layer over it in memory: dpkg has its own database there, nothing here changes.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from supervision.fresh_root import commands
from tools import deb

_NO_LAYER = 77  # exit status
_LAYER = """
set -eu
mount -t tmpfs none {root}
mkdir {root}/upper {root}/work {root}/system
mount -t overlay overlay -o lowerdir=/,upperdir={root}/upper,workdir={root}/work {root}/system || exit {no_layer}
cd {root}/system
mount --rbind /dev dev; mount -t proc none proc; mount -t tmpfs none tmp; mount -t tmpfs none run
cp {packages}/*.deb {packages}/script.sh tmp/
ip link set lo up
exec chroot . /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root sh -eux /tmp/script.sh
"""

_SCRIPT = """
exec 2>&1
dpkg -i /tmp/onifast-mail_0.0.1_*.deb
! ls /home/root/onifast/config/onifast-mail.db
test "$(stat -c '%a %G' /home/root/onifast/config)" = '2770 onifast-mail'
onifast-mailctl setup example.org --hostname mail.example.org --user alice
{start} &
onifast-mailctl test-mail alice@example.org | grep '\tsent\t'
onifast-mailctl queue list > /tmp/before
dpkg -i /tmp/onifast-mail_{version}_*.deb
test "$(onifast-mailctl --version)" = 'onifast-mailctl {version}'
onifast-mailctl test-mail alice@example.org | grep '\tsent\t'
onifast-mailctl queue list | grep -F "$(cut -f1,2 /tmp/before)"
dpkg --verify onifast-mail
{sendmail}
bash -c '. /usr/share/bash-completion/completions/onifast-mailctl && complete -p onifast-mailctl'
for page in mailctl smtpd web outbox; do
    zcat /usr/share/man/man8/onifast-$page.8.gz | grep -q '^.SH DESCRIPTION'
done
dpkg -r onifast-mail
! ls -d /opt/onifast-mail
test -e /etc/onifast-mail/supervisord.conf
dpkg -P onifast-mail
! ls -d /etc/onifast-mail
! ls -d /var/log/onifast-mail
test -s /home/root/onifast/config/onifast-mail.db && test -s /home/root/onifast/certs/example.org/dkim_private.pem
test -s /home/root/onifast/config/onifast-mail.toml
echo all of it
"""


_SENDMAIL = r"""
dpkg -i /tmp/onifast-mail-sendmail_*.deb
cat > /tmp/speak.py <<'END'
import subprocess
with subprocess.Popen(["/usr/sbin/sendmail", "-bs"], stdin=-1, stdout=-1) as program:
    assert program.stdout.readline().startswith(b"220 ")
    for line, code in ((b"HELO x", b"250"), (b"QUIT", b"221")):
        program.stdin.write(line + bytes((13, 10)))
        program.stdin.flush()
        assert program.stdout.readline().startswith(code)
END
useradd --create-home --shell /bin/sh alice
supervisor='env ONIFAST_BIN=/opt/onifast-mail/bin ONIFAST_RUN=/run/onifast-mail ONIFAST_LOG=/var/log/onifast-mail
    /opt/onifast-mail/bin/supervisorctl -c /etc/onifast-mail/supervisord.conf'
say() { su alice -c "printf 'Subject: $1\nTo: alice@example.org\n\nhello\n' | /usr/sbin/sendmail -t -i"; }
has() {
    for second in $(seq 120); do
        grep -rlqs "^Subject: $1" /home/alice/.onifast/mail && return; sleep 1
    done
    cat /var/log/onifast-mail/*.log; return 1
}
say handed-in
has handed-in
su alice -c '/usr/bin/python3 /tmp/speak.py'
$supervisor stop smtpd
say kept
su alice -c mailq | grep 'waits: <alice@localhost> to alice@example.org'
test "$(stat -c '%U %a' /home/alice/.onifast/submit/*.msg)" = 'alice 600'
$supervisor start smtpd
has kept
test -z "$(ls /home/alice/.onifast/submit)"
dpkg -P onifast-mail-sendmail
! ls /usr/sbin/sendmail
"""


def older(package: Path, scratch: Path) -> Path:
    """The same package as version 0.0.1."""
    subprocess.run(["dpkg-deb", "-R", package, scratch / "older"], check=True)
    control = scratch / "older/DEBIAN/control"
    control.write_text(re.sub(r"(?m)^Version: .*$", "Version: 0.0.1", control.read_text()))
    target = scratch / "packages" / re.sub(r"_[^_]+_", "_0.0.1_", package.name)
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", scratch / "older", target], check=True)
    return target


@pytest.mark.slow
@pytest.mark.peers
@pytest.mark.root
@pytest.mark.timeout(900)
def test_the_package_is_installed_upgraded_removed_and_purged_and_the_mail_stays(tmp_path: Path) -> None:
    (packages := tmp_path / "packages").mkdir()
    package = next(each for each in deb.build(packages) if each.name.startswith("onifast-mail_"))
    older(package, tmp_path)
    # In one line, so that it goes on in the background.
    start = commands("With supervisord").replace("\\\n", " ").replace("\n", " && ").rstrip("& ")
    version = package.name.split("_")[1]
    (packages / "script.sh").write_text(_SCRIPT.format(start=f"({start})", version=version, sendmail=_SENDMAIL))
    (root := tmp_path / "root").mkdir()
    layer = _LAYER.format(root=shlex.quote(str(root)), packages=shlex.quote(str(packages)), no_layer=_NO_LAYER)
    isolated = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", layer]
    done = subprocess.run(isolated, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode == _NO_LAYER:
        pytest.skip("this machine's kernel lays nothing over its file system")
    assert done.returncode == 0 and done.stdout.endswith("all of it\n"), done.stdout[-6000:] + done.stderr
