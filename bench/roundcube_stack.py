"""Roundcube over Dovecot, as Debian has them, for what compares webmails: nginx, PHP's FPM, SQLite, Maildir or mdbox.

Their packages are unpacked, never installed: no service starts, and no file of the machine changes. Everything runs in
a mount namespace of its own, where the unpacked files lie over `/usr` and `/etc`, since Debian's packages know where
they are. That takes root, and overlayfs.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import web_memory
from bench.letters import LARGE, Letters, Numbers
from peers.ports import free_port

PACKAGES = (
    *(
        "roundcube-core",
        "roundcube-plugins",
        "roundcube-sqlite3",
        "dovecot-core",
        "dovecot-imapd",
        "nginx",
        "nginx-common",
    ),
    *(
        "php8.2-fpm",
        "php8.2-intl",
        "php8.2-mbstring",
        "php8.2-xml",
        "php8.2-sqlite3",
        "php-pear",
        "php-auth-sasl",
        "php-mail-mime",
    ),
    *("php-net-socket", "php-net-smtp", "php-net-sieve", "php-masterminds-html5", "php-guzzlehttp-guzzle"),
    *("php-guzzlehttp-promises", "php-guzzlehttp-psr7", "php-psr-http-client", "php-psr-http-factory"),
    *("php-psr-http-message", "php-getallheaders", "php-symfony-deprecation-contracts", "libjs-bootstrap4"),
    *("libjs-jquery", "libjs-jquery-ui", "libjs-jquery-minicolors", "libjs-jstimezonedetect", "libjs-codemirror"),
    *("liblua5.4-0", "libexttextcat-2.0-0", "libstemmer0d", "libsodium23", "libwrap0", "libtirpc3", "libunwind8"),
)
"""Debian 12's, which `php-cli`, `sqlite3` and `libicu72` of tests/peers go with."""

FORMATS = ("maildir", "mdbox")
LONGEST_FILLING = 900.0
_PATIENCE = 30.0
_MODULES = (
    "ctype",
    "iconv",
    "fileinfo",
    "pdo",
    "tokenizer",
    "exif",
    "xml",
    "dom",
    "simplexml",
    "xmlreader",
    "xmlwriter",
    "intl",
    "mbstring",
    "pdo_sqlite",
    "sqlite3",
)
_WEB, _MAIL, _NOBODY = "www-data", "mail", "nobody"


class StackMissing(Exception):
    """Roundcube cannot be measured here; the text is a sentence that says why, and what helps."""


@dataclass(frozen=True)
class RoundcubeStack:
    """A running one: where it listens, the process that started all others, and the sessions that they made."""

    address: tuple[str, int]
    pid: int
    sessions: tuple[int, ...]


def unpack(packages: Path) -> None:
    """Downloads and unpacks the packages, once. Raises CalledProcessError."""
    if (packages / ".complete").exists():
        return
    files = packages / "files"
    files.mkdir(parents=True, exist_ok=True)
    subprocess.run(["apt-get", "-qq", "download", *PACKAGES], cwd=files, check=True)
    for file in sorted(files.glob("*.deb")):
        subprocess.run(["dpkg", "-x", str(file), str(packages)], check=True)
    shutil.rmtree(files)
    (packages / ".complete").touch()


def check(packages: Path) -> None:
    """Raises StackMissing unless it can be started."""
    if os.geteuid() != 0:
        raise StackMissing("Roundcube is left out: a mount namespace of its own takes root.")
    if not (packages / ".complete").exists():
        raise StackMissing(
            f"Roundcube is left out: it is not below {packages}. --unpack brings {len(PACKAGES)} packages of Debian"
            " there (some 20 MB), and installs none."
        )
    for command in ("php", "sqlite3", "unshare"):
        if shutil.which(command) is None:
            raise StackMissing(f"Roundcube is left out: there is no {command}; tests/peers/install brings it.")


def fill(directory: Path, numbers: Numbers) -> None:
    """Writes the same messages as `mailbox_database` into a Maildir, unless that has been done.

    Raises TimeoutError after LONGEST_FILLING.
    """
    done = directory / f"{numbers.messages}.filled"
    if done.exists():
        return
    shutil.rmtree(directory, ignore_errors=True)
    maildir, deadline = directory / "maildir", time.monotonic() + LONGEST_FILLING
    for name in ("cur", "new", "tmp"):
        (maildir / name).mkdir(parents=True)
    letters = Letters(numbers)
    for number in letters.numbers_of(LARGE):
        envelope = letters.envelope(number)
        content = letters.raw(envelope, letters.text(envelope))
        flags = "S" if envelope.is_read else ""
        path = maildir / "cur" / f"{envelope.at}.{number}.bench,S={len(content)}:2,{flags}"
        path.write_bytes(content)
        os.utime(path, (envelope.at, envelope.at))
        if time.monotonic() > deadline:
            raise TimeoutError(f"{number} messages took {LONGEST_FILLING:.0f} s")
    subprocess.run(["chown", "-R", f"{_MAIL}:{_MAIL}", str(directory)], check=True)
    done.touch()


@contextmanager
def roundcube(packages: Path, mail: Path, format: str, folder: Path) -> Iterator[RoundcubeStack]:
    """Roundcube on the mail of `fill`, until the block ends; what it writes lies in `folder`.

    Raises StackMissing where it does not start.
    """
    ports = {name: free_port() for name in ("imap", "http")}
    _configure(packages, mail, format, folder, ports)
    with (folder / "start.log").open("w") as log:
        process = subprocess.Popen(
            ["unshare", "--mount", "sh", "-eu", str(folder / "start")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait(process, ports.values(), folder)
        # PHP's FPM begins a session of its own.
        sessions = {os.getsid(pid) for pid in web_memory.family(process.pid)}
        yield RoundcubeStack(("127.0.0.1", ports["http"]), process.pid, tuple(sessions))
    finally:
        for pid in web_memory.family(process.pid) if process.poll() is None else ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        process.wait(_PATIENCE)


def _wait(process: subprocess.Popen[bytes], ports: Iterable[int], folder: Path) -> None:
    deadline = time.monotonic() + LONGEST_FILLING
    for port in ports:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    lines = (folder / "start.log").read_text().strip().splitlines()
                    lines += [] if process.poll() is not None else [f"not within {LONGEST_FILLING:.0f} s"]
                    raise StackMissing(
                        f"Roundcube is left out: it does not start ({' | '.join(lines[-3:])})."
                    ) from None
                time.sleep(0.1)


def _configure(packages: Path, mail: Path, format: str, folder: Path, ports: dict[str, int]) -> None:
    etc = folder / "etc"
    for name in ("roundcube", "dovecot", "nginx", "php"):
        (etc / name).mkdir(parents=True)
    location = f"{format}:{mail / format}:INDEX={folder}/index"
    (etc / "dovecot/bench.conf").write_text(_DOVECOT.format(folder=folder, port=ports["imap"], location=location))
    (etc / "roundcube/config.inc.php").write_text(_ROUNDCUBE.format(folder=folder, port=ports["imap"]))
    (etc / "nginx/bench.conf").write_text(_NGINX.format(folder=folder, port=ports["http"]))
    modules = "".join(f"extension={name}.so\n" for name in _MODULES)
    (etc / "php/bench.ini").write_text(
        f"{modules}zend_extension=opcache.so\nopcache.enable=1\nsession.gc_maxlifetime=3600\n"
    )
    (etc / "php/bench.conf").write_text(_FPM.format(folder=folder))
    conversion = _MDBOX.format(mail=mail) if format == "mdbox" else ""
    (folder / "start").write_text(_START.format(packages=packages, folder=folder, user=LARGE, conversion=conversion))
    for name in ("index", "temp", "logs", "run", "state"):
        (folder / name).mkdir()
    folder.chmod(0o755)
    for name, user in (("index", _MAIL), ("temp", _WEB), ("logs", _WEB)):
        os.chown(folder / name, pwd.getpwnam(user).pw_uid, -1)


_DOVECOT = """
protocols = imap
listen = 127.0.0.1
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
ssl = no
disable_plaintext_auth = no
default_internal_user = mail
default_internal_group = mail
default_login_user = nobody
first_valid_uid = 1
mail_location = {location}
mail_max_userip_connections = 100
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={folder}/index
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
service imap-login {{
  process_min_avail = 1
  service_count = 0
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
"""
_ROUNDCUBE = """<?php
$config = [];
$config['db_dsnw'] = 'sqlite:///{folder}/temp/roundcube.db?mode=0640';
$config['imap_host'] = '127.0.0.1:{port}';
$config['smtp_host'] = '127.0.0.1:1';
$config['des_key'] = 'a-key-for-a-benchmark-24';
$config['plugins'] = ['archive', 'markasjunk'];
$config['create_default_folders'] = true;
$config['archive_mbox'] = 'Archive';
$config['skin'] = 'elastic';
$config['mail_pagesize'] = 50;
$config['log_dir'] = '{folder}/logs/';
$config['temp_dir'] = '{folder}/temp/';
$config['ip_check'] = false;
"""
_NGINX = """
user www-data;
worker_processes 2;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 256; }}
http {{
  access_log off;
  include /etc/nginx/mime.types;
  keepalive_requests 100000;
  client_body_temp_path {folder}/temp/body;
  fastcgi_temp_path {folder}/temp/fastcgi;
  proxy_temp_path {folder}/temp/proxy;
  uwsgi_temp_path {folder}/temp/uwsgi;
  scgi_temp_path {folder}/temp/scgi;
  server {{
    listen 127.0.0.1:{port};
    root /usr/share/roundcube;
    index index.php;
    location ~ \\.php$ {{
      include /etc/nginx/fastcgi_params;
      fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
      fastcgi_pass unix:{folder}/fpm.sock;
      fastcgi_buffers 64 16k;
    }}
  }}
}}
"""
_FPM = """
[global]
pid = {folder}/fpm.pid
error_log = {folder}/fpm.log
daemonize = no
[www]
user = www-data
group = www-data
listen = {folder}/fpm.sock
listen.owner = www-data
pm = dynamic
pm.max_children = 8
pm.start_servers = 2
pm.min_spare_servers = 1
pm.max_spare_servers = 3
"""
_MDBOX = """
[ -e {mail}/mdbox/mailboxes ] || doveadm -c /etc/dovecot/bench.conf \
  -o mail_location=maildir:{mail}/maildir:INDEX=MEMORY backup -u large mdbox:{mail}/mdbox
"""
_START = """
trap 'kill $(jobs -p)' EXIT
mount --make-rprivate /
mount -t overlay overlay -o lowerdir={packages}/usr:/usr /usr
mount -t overlay overlay -o lowerdir={folder}/etc:{packages}/etc:/etc /etc
mount -t overlay overlay -o lowerdir={packages}/var/lib:/var/lib /var/lib
sqlite3 {folder}/temp/roundcube.db < /usr/share/roundcube/SQL/sqlite.initial.sql
chown www-data {folder}/temp/roundcube.db
dovecot -F -c /etc/dovecot/bench.conf &
while ! [ -S {folder}/run/auth-userdb ]; do sleep 0.1; done
{conversion}
doveadm -c /etc/dovecot/bench.conf index -u {user} INBOX
PHP_INI_SCAN_DIR= php-fpm8.2 -F -c /etc/php/bench.ini -y /etc/php/bench.conf &
while ! [ -S {folder}/fpm.sock ]; do sleep 0.1; done
nginx -c /etc/nginx/bench.conf &
wait
"""
