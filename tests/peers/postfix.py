"""A real Postfix as an independent remote site, or as a smart host, on a loopback address.

Runs Debian's Postfix from where ``tests/peers/install`` unpacked it, with its configuration, queue and mailboxes in a
temporary directory; nothing of it is installed and several may run at once. Needs root, as Postfix itself does.
"""

import contextlib
import os
import shutil
import signal
import smtplib
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from fakes.certificates import Certificate
from peers.ports import free_port
from peers.unpacked import unpacked

_PATIENCE = 20.0  # seconds for starting, stopping and one delivery, on a busy machine
_POLL = 0.02
_MAIL_USER = "postfix"  # made by tests/peers/install
_SETGID_GROUP = "postdrop"
_NOBODY = 65534  # owns the mailboxes: Postfix refuses to deliver as its own user or as root
# It ends when the tests are killed, too; and master closes every descriptor that it might have inherited, which takes
# long where a million are allowed.
_CONTAINED = ("setpriv", "--pdeathsig", "TERM", "prlimit", "--nofile=4096:4096")
_PRIVATE_QUEUE_FOLDERS = (
    *("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace"),
)


class Login(NamedTuple):
    """A user name and a password."""

    user: str
    password: str


class Delivered(NamedTuple):
    """A message as it lies in a mailbox; *mail_from* is empty for the null reverse-path."""

    mail_from: str
    rcpt_to: str
    raw: bytes


class PostfixError(Exception):
    """Postfix did not start, stop or deliver; the text ends with its log."""


class RemotePostfix:
    """A Postfix that runs from ``__enter__`` to ``__exit__``.

    It has mailboxes for *users* of *domain*, answers ``550 5.1.1`` for other users and ``554 5.7.1`` for other
    domains. What ``send`` is given for other domains goes to *relay* (host, port), from *bind_address*: so it is a
    remote site that mail comes from. With *certificate* it offers STARTTLS. With *logins* it is a smart host too: who
    logs in (only under TLS where it has a certificate) may send to any domain, and that mail lies in the mailbox
    ``relayed``. *settings* are further lines of main.cf.
    """

    def __init__(
        self,
        domain: str = "remote.test",
        *,
        host: str = "127.0.0.25",
        port: int = 0,
        users: Sequence[str] = ("alice", "bob"),
        hostname: str = "",
        relay: tuple[str, int] | None = None,
        bind_address: str = "127.0.0.9",
        certificate: Certificate | None = None,
        logins: Sequence[Login] = (),
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.domain = domain
        self.host = host
        self.port = port
        self.hostname = hostname or f"mx.{domain}"
        self._users = users
        self._relay = relay
        self._bind_address = bind_address
        self._certificate = certificate
        self._logins = logins
        self._settings = settings or {}
        self._program = unpacked("postfix") / "usr"
        self._libraries = self._program / "lib/postfix"

    @property
    def address(self) -> str:
        """``HOST:PORT`` of its SMTP server."""
        return f"{self.host}:{self.port}"

    def messages(self, user: str) -> list[Delivered]:
        """Returns the messages in the mailbox of *user*, oldest first."""
        files = sorted((self._mailboxes / user / "new").glob("*"), key=lambda path: path.stat().st_mtime_ns)
        return [_delivered(path.read_bytes()) for path in files]

    def wait_for(self, user: str, count: int = 1, timeout: float = _PATIENCE) -> list[Delivered]:
        """Returns the messages of *user* as soon as there are *count*; raises PostfixError after *timeout* seconds."""
        self._wait(lambda: len(self.messages(user)) >= count, f"{count} message(s) for {user}", timeout)
        return self.messages(user)

    def wait_for_one(self, user: str, text: bytes, timeout: float = _PATIENCE) -> Delivered:
        """Returns the newest message of *user* that holds *text* as soon as there is one; raises PostfixError.

        Where several tests share a site, a count of messages also counts what an earlier test has left on its way.
        """

        def found() -> list[Delivered]:
            return [message for message in self.messages(user) if text in message.raw]

        self._wait(lambda: bool(found()), f"{text!r} for {user}", timeout)
        return found()[-1]

    def wait_for_log(self, text: str, timeout: float = _PATIENCE) -> str:
        """Returns the first line of the log with *text*; raises PostfixError after *timeout* seconds."""
        self._wait(lambda: text in self.log(), f"{text!r} in the log", timeout)
        return next(line for line in self.log().splitlines() if text in line)

    def send(
        self,
        mail_from: str,
        rcpt_to: str | Sequence[str],
        message: str | bytes,
        mail_options: Sequence[str] = (),
        rcpt_options: Sequence[str] = (),
    ) -> None:
        """Queues *message* here, as a user of this site would; Postfix then delivers or relays it by itself.

        The options are parameters of MAIL and RCPT, such as ``SMTPUTF8`` and ``NOTIFY=SUCCESS``.
        """
        with smtplib.SMTP(self.host, self._submission_port, timeout=_PATIENCE) as client:
            client.sendmail(mail_from, rcpt_to, message, mail_options, rcpt_options)

    def flush(self) -> None:
        """Tries everything in the queue now."""
        self.command("postqueue", "-f")

    def queue(self) -> str:
        """Returns the queue as ``postqueue -j`` prints it, one JSON object a line."""
        return self.command("postqueue", "-j")

    def log(self) -> str:
        """Returns the mail log."""
        return self._log_file.read_text(errors="replace") if self._log_file.exists() else ""

    def command(self, name: str, *arguments: str) -> str:
        """Runs one of Postfix's own commands (postqueue, postsuper, postconf, postcat) and returns its output."""
        return subprocess.run(
            [self._program / "sbin" / name, "-c", self._config, *arguments],
            env=self._environment(),
            check=True,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
        ).stdout

    def start(self) -> Self:
        """Starts it and waits until it answers 220."""
        self.port = self.port or free_port(self.host)
        self._submission_port = free_port(self.host)
        with socket.create_server((self.host, self.port)):
            pass  # a master that cannot bind tells it to syslog only; this raises OSError
        self._directory = Path(tempfile.mkdtemp(prefix="postfix-"))
        self._lay_out()
        with self._log_file.open("ab") as log:
            self._master = subprocess.Popen(
                [*_CONTAINED, self._libraries / "sbin/master", "-c", self._config, "-s"],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # at its end master signals its whole process group
            )
        try:
            self._wait(self._answers, "the greeting 220", _PATIENCE)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Ends it, and with it its mailboxes and its queue."""
        self._master.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._master.wait(_PATIENCE)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._master.pid, signal.SIGKILL)  # postlogd lingers for seconds
        self._master.wait()
        self._wait(self._is_removed, f"empty {self._directory}", _PATIENCE)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _config(self) -> Path:
        return self._directory / "config"

    @property
    def _mailboxes(self) -> Path:
        return self._directory / "mailboxes"

    @property
    def _log_file(self) -> Path:
        return self._directory / "log/mail.log"

    def _environment(self) -> dict[str, str]:
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LD_LIBRARY_PATH": str(self._libraries)}

    def _answers(self) -> bool:
        if self._master.poll() is not None:
            raise PostfixError(f"master ended with status {self._master.returncode}\n{self.log()}")
        try:
            with smtplib.SMTP(self.host, self.port, timeout=_PATIENCE):
                return True
        except OSError:
            return False

    def _is_removed(self) -> bool:
        shutil.rmtree(self._directory, ignore_errors=True)  # a process that is about to die may still write there
        return not self._directory.exists()

    def _wait(self, happened: Callable[[], bool], what: str, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not happened():
            if time.monotonic() > deadline:
                raise PostfixError(f"no {what} within {timeout:g} s\n{self.log()}")
            time.sleep(_POLL)

    def _lay_out(self) -> None:
        self._directory.chmod(0o755)  # Postfix's own user walks through it
        for folder in ("config", "queue", "queue/pid", "data", "log", "mailboxes"):
            (self._directory / folder).mkdir()
        for folder in _PRIVATE_QUEUE_FOLDERS:
            self._make_queue_folder(folder, 0o700)
        self._make_queue_folder("public", 0o710, _SETGID_GROUP)
        self._make_queue_folder("maildrop", 0o730, _SETGID_GROUP)
        shutil.chown(self._directory / "data", _MAIL_USER)
        os.chown(self._mailboxes, _NOBODY, _NOBODY)
        if self._logins:
            self._write_passwords()
        settings = self._main_settings() | self._tls_settings() | self._login_settings() | dict(self._settings)
        main = self._config / "main.cf"
        main.write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))
        os.utime(main, (0, 0))  # Postfix waits until a new main.cf is two seconds old, lest it read half of one
        (self._config / "master.cf").write_text(
            _MASTER_CF.format(smtp=f"{self.host}:{self.port}", submission=f"{self.host}:{self._submission_port}")
        )

    def _make_queue_folder(self, name: str, mode: int, group: str | None = None) -> None:
        folder = self._directory / "queue" / name
        folder.mkdir()
        shutil.chown(folder, _MAIL_USER, group)
        folder.chmod(mode)

    def _main_settings(self) -> dict[str, str]:
        mailboxes = ", ".join(f"{{{user}@{self.domain} = {user}/}}" for user in self._users)
        relay = f"smtp:[{self._relay[0]}]:{self._relay[1]}" if self._relay else "error:5.4.4 no route from here"
        return {
            "compatibility_level": "3.6",
            "config_directory": f"{self._config}",
            "queue_directory": f"{self._directory}/queue",
            "data_directory": f"{self._directory}/data",
            "daemon_directory": f"{self._libraries}/sbin",
            "command_directory": f"{self._program}/sbin",
            "shlib_directory": f"{self._libraries}",
            "meta_directory": f"{self._program}/share/postfix",
            "import_environment": f"MAIL_CONFIG TZ LANG=C LD_LIBRARY_PATH={self._libraries}",
            "mail_owner": _MAIL_USER,
            "setgid_group": _SETGID_GROUP,
            "maillog_file": f"{self._log_file}",
            "maillog_file_prefixes": f"{self._directory}",
            "myhostname": self.hostname,
            "mydomain": self.domain,
            "myorigin": self.domain,
            "mydestination": "",
            "mynetworks": "127.255.255.255/32",  # nobody
            "inet_interfaces": "127.0.0.1",  # must be an interface; what it listens on stands in master.cf
            "inet_protocols": "ipv4",
            "local_header_rewrite_clients": "",  # what comes from elsewhere is kept as it is, bytes that are signed too
            "alias_maps": "",
            "alias_database": "",
            "local_recipient_maps": "",
            "virtual_mailbox_domains": self.domain,
            "virtual_mailbox_maps": f"inline:{{{mailboxes}}}",
            "virtual_mailbox_base": f"{self._mailboxes}",
            "virtual_uid_maps": f"static:{_NOBODY}",
            "virtual_gid_maps": f"static:{_NOBODY}",
            "smtpd_relay_restrictions": "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination",
            "smtpd_peername_lookup": "no",
            "smtputf8_enable": "yes",
            "default_transport": relay,
            "smtp_dns_support_level": "disabled",  # everything goes to [address]:port
            "smtp_bind_address": self._bind_address,
            "smtp_tls_security_level": "may",
            "smtp_tls_loglevel": "1",
            "minimal_backoff_time": "1s",
            "maximal_backoff_time": "1s",  # else a message waits as long again as it took to come to its first attempt
            "queue_run_delay": "1s",
        }

    def _tls_settings(self) -> dict[str, str]:
        if not self._certificate:
            return {}
        return {
            "smtpd_tls_security_level": "may",
            "smtpd_tls_chain_files": f"{self._certificate.key}, {self._certificate.chain}",
            "smtpd_tls_received_header": "yes",
            "smtpd_tls_loglevel": "1",
            "smtpd_tls_auth_only": "yes",
        }

    def _login_settings(self) -> dict[str, str]:
        if not self._logins:
            return {}
        return {
            "smtpd_sasl_auth_enable": "yes",
            "smtpd_sasl_local_domain": self.domain,
            "smtpd_sasl_authenticated_header": "yes",
            "default_transport": "virtual",
            "virtual_mailbox_maps": f"{self._main_settings()['virtual_mailbox_maps']}, static:relayed/",
            # The catch-all above knows every user, so the domain's own unknown ones are refused by name here.
            "smtpd_recipient_restrictions": f"check_recipient_access inline:{{{self._known_users()}}}",
        }

    def _known_users(self) -> str:
        known = [f"{{{user}@{self.domain} = OK}}" for user in self._users]
        return ", ".join([*known, f"{{{self.domain} = 550 5.1.1 User unknown}}"])

    def _write_passwords(self) -> None:
        folder = self._config / "sasl"  # where Debian's build looks
        folder.mkdir()
        database = folder / "sasldb2"
        (folder / "smtpd.conf").write_text(
            "pwcheck_method: auxprop\nauxprop_plugin: sasldb\n"
            f"mech_list: PLAIN LOGIN CRAM-MD5\nsasldb_path: {database}\n"
        )
        for login in self._logins:
            subprocess.run(
                [
                    unpacked("sasl2-bin") / "usr/sbin/saslpasswd2",
                    *("-p", "-c", "-f", database, "-u", self.domain, login.user),
                ],
                input=login.password,
                text=True,
                check=True,
                capture_output=True,
                timeout=_PATIENCE,
            )
        shutil.chown(database, _MAIL_USER)


def _delivered(raw: bytes) -> Delivered:
    """Takes apart what virtual(8) wrote: its own three lines on top tell the envelope."""
    envelope: dict[bytes, str] = {}
    while True:
        line, _, rest = raw.partition(b"\n")
        name, _, value = line.partition(b": ")
        if name not in (b"Return-Path", b"Delivered-To", b"X-Original-To"):
            return Delivered(envelope[b"Return-Path"].strip("<>"), envelope[b"Delivered-To"], raw)
        envelope[name] = value.decode()
        raw = rest


# service  type  private  unprivileged  chroot  wakeup  maxproc  command
_MASTER_CF = """\
{smtp}        inet  n - n - - smtpd
{submission}  inet  n - n - - smtpd -o mynetworks=127.0.0.0/8 -o local_header_rewrite_clients=permit_mynetworks
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
showq     unix  n - n - - showq
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
virtual   unix  - n n - - virtual
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""
