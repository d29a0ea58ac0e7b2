"""A real Exim as an independent remote site that receives mail, on a loopback address.

Runs Debian's Exim from where ``tests/peers/install`` unpacked it, in the foreground; nothing of it is installed, and
several may run at once. Needs root.
"""

import shutil
from pathlib import Path

from peers.remote_site import RemoteSite
from peers.unpacked import unpacked

_USER = "Debian-exim"  # compiled into Debian's Exim; made by tests/peers/install

_CONFIGURATION = """\
exim_path = {program}
spool_directory = {folder}/spool
log_file_path = {folder}/spool/%slog
primary_hostname = {hostname}
local_interfaces = {host}
daemon_smtp_ports = {port}
tls_advertise_hosts = *
tls_certificate = {folder}/chain.pem
tls_privatekey = {folder}/key.pem
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
message_size_limit = {size_limit}
keep_environment =
acl_smtp_rcpt = recipient
host_lookup =
rfc1413_query_timeout = 0s
deliver_drop_privilege
begin acl
recipient:
  accept domains = {domain}
         local_parts = {users}
  deny message = no such user here
begin routers
boxes:
  driver = accept
  domains = {domain}
  local_parts = {users}
  transport = box
begin transports
box:
  driver = appendfile
  directory = {folder}/mail/$local_part_data
  maildir_format
  create_directory
  user = {owner}
  return_path_add
  envelope_to_add
begin retry
begin rewrite
begin authenticators
"""


class EximSite(RemoteSite):
    """An Exim with mailboxes."""

    def lay_out(self) -> None:
        """Writes its configuration. Key and program are where Exim's own user reaches them: it soon gives root up."""
        shutil.copy(unpacked("exim4-daemon-light") / "usr/sbin/exim4", self._program)
        for name in ("spool", "mail"):
            (self.folder / name).mkdir(mode=0o750)
            shutil.chown(self.folder / name, _USER, _USER)
        for name, source in (("chain.pem", self.certificate.chain), ("key.pem", self.certificate.key)):
            shutil.copy(source, self.folder / name)
            shutil.chown(self.folder / name, _USER, _USER)
        self._config.write_text(
            _CONFIGURATION.format(
                program=self._program,
                folder=self.folder,
                hostname=self.hostname,
                host=self.host,
                port=self.port,
                size_limit=self.size_limit,
                domain=self.domain,
                users=" : ".join(self.users),
                owner=_USER,
            )
        )

    def command(self) -> list[str | Path]:
        """Returns the daemon that stays in the foreground and delivers at once."""
        return [self._program, "-C", self._config, "-bdf", "-odi"]

    @property
    def _program(self) -> Path:
        return self.folder / "exim4"

    @property
    def _config(self) -> Path:
        return self.folder / "exim.conf"
