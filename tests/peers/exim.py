"""A real Exim as another site that relays everything to one server, from a loopback address of its own.

Runs Debian's Exim from where ``tests/peers/install`` unpacked it, with its configuration and spool in a temporary
directory; nothing of it is installed, and no daemon runs: each ``send`` is one run that delivers at once. Needs root.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from peers.unpacked import unpacked

_PATIENCE = 60.0  # seconds for one run, on a busy machine
_USER = "Debian-exim"  # compiled into Debian's Exim; made by tests/peers/install

_CONFIGURATION = """\
exim_path = {program}
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
primary_hostname = {hostname}
qualify_domain = {domain}
deliver_drop_privilege
log_selector = +all
tls_require_ciphers = NORMAL
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
keep_environment =
acl_smtp_rcpt = accept
no_local_from_check
message_size_limit = 0
{settings}
begin acl
begin routers
everything:
  driver = manualroute
  route_list = * {relay}
  self = send
  transport = to_relay
begin transports
to_relay:
  driver = smtp
  port = {port}
  interface = {bind_address}
  helo_data = {hostname}
  hosts_try_dane =
  tls_verify_hosts =
  tls_try_verify_hosts =
begin retry
* * F,1h,1s
begin rewrite
begin authenticators
"""


class Run(NamedTuple):
    """What a run of Exim came to: its exit *status*, and what it said: with ``-v``, the dialogue with the relay."""

    status: int
    output: str


class Exim:
    """An Exim that has a directory from ``__enter__`` to ``__exit__``.

    What ``send`` is given goes to *relay* (host, port), from *bind_address*. *settings* are further main settings.
    """

    def __init__(
        self,
        relay: tuple[str, int],
        *,
        domain: str = "remote.test",
        hostname: str = "",
        bind_address: str = "127.0.0.9",
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._program = unpacked("exim4-daemon-light") / "usr/sbin/exim4"
        self._relay = relay
        self._domain = domain
        self._hostname = hostname or f"mx.{domain}"
        self._bind_address = bind_address
        self._settings = settings or {}

    def send(self, mail_from: str, rcpt_to: Sequence[str], message: bytes) -> Run:
        """Hands *message* (lines end with LF) to Exim as a program of its machine would; relayed before it ends."""
        return self._exim("-v", "-odf", "-oi", "-f", mail_from or "<>", "--", *rcpt_to, stdin=message)

    def submit(
        self,
        mail_from: str,
        rcpt_to: Sequence[str],
        message: bytes,
        mail_options: Sequence[str] = (),
        rcpt_options: Sequence[str] = (),
    ) -> Run:
        """Hands *message* (lines end with LF) to Exim by SMTP, with parameters of extensions; it relays it at once."""
        commands = [
            "EHLO localhost",
            " ".join((f"MAIL FROM:<{mail_from}>", *mail_options)),
            *(" ".join((f"RCPT TO:<{recipient}>", *rcpt_options)) for recipient in rcpt_to),
            "DATA",
        ]
        dialogue = "".join(f"{command}\r\n" for command in commands).encode()
        body = message.replace(b"\n", b"\r\n").replace(b"\r\n.", b"\r\n..")
        return self._exim("-v", "-odf", "-bs", stdin=dialogue + body + b".\r\nQUIT\r\n")

    def flush(self) -> Run:
        """Tries everything in the queue now."""
        return self._exim("-v", "-qff")

    def queue(self) -> str:
        """Returns the queue as ``exim -bp`` prints it; empty when nothing waits."""
        return self._exim("-bp").output

    def log(self) -> str:
        """Returns the main log."""
        path = self._folder / "log/mainlog"
        return path.read_text(errors="replace") if path.exists() else ""

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="exim-"))
        self._folder.chmod(0o755)
        for name in ("spool", "log"):
            (self._folder / name).mkdir(mode=0o750)
            shutil.chown(self._folder / name, _USER, _USER)
        self._config.write_text(
            _CONFIGURATION.format(
                program=self._program,
                folder=self._folder,
                hostname=self._hostname,
                domain=self._domain,
                relay=self._relay[0],
                port=self._relay[1],
                bind_address=self._bind_address,
                settings="".join(f"{name} = {value}\n" for name, value in self._settings.items()),
            )
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._folder)

    @property
    def _config(self) -> Path:
        return self._folder / "exim.conf"

    def _exim(self, *arguments: str, stdin: bytes = b"") -> Run:
        run = subprocess.run(
            [self._program, "-C", self._config, *arguments],
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_PATIENCE,
            check=False,
        )
        return Run(run.returncode, run.stdout.decode(errors="replace"))
