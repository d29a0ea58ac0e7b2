"""A real Dovecot as an IMAP server elsewhere, over TLS, on a loopback address.

Runs Debian's Dovecot from where ``tests/peers/install`` unpacked it. Its paths are compiled in, so it runs in a mount
namespace of its own, where its files lie over the machine's and nothing outside changes. Needs root.
"""

import imaplib
import os
import shutil
from pathlib import Path

from peers.remote_site import RemoteSite, SiteError
from peers.unpacked import unpacked

PASSWORD = "sesame"

_CONFIGURATION = """\
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/log
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = nobody
protocols = imap
listen = {host}
ssl = required
ssl_cert = <{folder}/chain.pem
ssl_key = <{folder}/key.pem
mail_location = maildir:{folder}/mail/%u
first_valid_uid = 1
first_valid_gid = 1
mail_max_userip_connections = 100
service imap-login {{
  chroot =
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    address = {host}
    port = {port}
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Verschickt {{
    auto = create
    special_use = \\Sent
  }}
}}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={folder}/mail/%u
}}
"""

_NAMESPACE = """\
set -e
cd {folder}
for kind in lib bin; do
    mkdir $kind below-$kind
    mount --bind /usr/$kind below-$kind
    ln -s {folder}/below-$kind/* $kind
done
rm -f lib/dovecot
mkdir lib/dovecot
cp -R {core}/usr/lib/dovecot/. {imapd}/usr/lib/dovecot/. lib/dovecot
ln -sf {core}/usr/bin/* bin
mount --bind lib /usr/lib
mount --bind bin /usr/bin
exec {core}/usr/sbin/dovecot -F -c {folder}/dovecot.conf
"""
"""It looks for its parts below /usr: these are there with all else that is."""


class Dovecot(RemoteSite):
    """A Dovecot with a mailbox for every user who has the password."""

    def lay_out(self) -> None:
        """Writes its configuration, and what it starts from."""
        self.mailboxes.mkdir()
        os.chown(self.mailboxes, 65534, 65534)
        shutil.copy(self.certificate.chain, self.folder / "chain.pem")
        shutil.copy(self.certificate.key, self.folder / "key.pem")
        values = {"folder": self.folder, "host": self.host, "port": self.port, "password": PASSWORD}
        (self.folder / "dovecot.conf").write_text(_CONFIGURATION.format(**values))
        core, imapd = unpacked("dovecot-core"), unpacked("dovecot-imapd")
        (self.folder / "start").write_text(_NAMESPACE.format(folder=self.folder, core=core, imapd=imapd))

    def command(self) -> list[str | Path]:
        """Returns the program in its namespace, in the foreground."""
        return ["unshare", "--mount", "sh", self.folder / "start"]

    def client(self, user: str) -> imaplib.IMAP4_SSL:
        """Returns a connection that is logged in."""
        context = self.certificate.client_context()
        client = imaplib.IMAP4_SSL(self.host, self.port, ssl_context=context, timeout=30)
        try:
            client.login(user, PASSWORD)
        except imaplib.IMAP4.error:
            client.shutdown()
            raise
        return client

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise SiteError(f"it ended with status {self._process.returncode}\n{self.log()}")
        try:
            self.client("nobody-yet").logout()
        except (OSError, imaplib.IMAP4.error):
            return False
        return True
