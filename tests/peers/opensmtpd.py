"""A real OpenSMTPD as an independent remote site that receives mail, on a loopback address.

Runs Debian's OpenSMTPD from where ``tests/peers/install`` unpacked it. Its paths and accounts are compiled in, so each
one runs in a mount namespace of its own, where they are there and nothing outside changes. Needs root.

Debian 12's OpenSMTPD 6.8 was written for OpenSSL 1.1: with OpenSSL 3 its way to keep private keys in a process of
their own fails, and each handshake ends with "tlsv1 alert internal error". So it offers STARTTLS and never does it: a
broken site as there are some, that mail has to reach in the clear.
"""

import os
import shutil
from pathlib import Path

from peers.remote_site import RemoteSite
from peers.unpacked import unpacked

_UID = 64901  # of its own account, which exists in its namespace alone
_NOBODY = 65534

_CONFIGURATION = """\
pki {hostname} cert "{folder}/chain.pem"
pki {hostname} key "{folder}/key.pem"
smtp max-message-size "{size_limit}"
table users {{ {users} }}
listen on {host} port {port} tls pki {hostname} hostname {hostname}
action "mailbox" maildir "{folder}/mail/%{{dest.user}}" virtual <users>
match from any for domain "{domain}" action "mailbox"
"""

_NAMESPACE = """\
set -e
mount --bind {folder}/passwd /etc/passwd
mount --bind {folder}/group /etc/group
for each in /var/lib /var/spool /run /usr/libexec; do mount -t tmpfs none $each; done
mkdir -p -m 755 /var/lib/opensmtpd/empty /usr/libexec/opensmtpd
mkdir -m 711 /var/spool/smtpd
cp {root}/usr/libexec/opensmtpd/* /usr/libexec/opensmtpd/
exec {root}/usr/sbin/smtpd -d -f {folder}/smtpd.conf
"""


class OpenSmtpd(RemoteSite):
    """An OpenSMTPD with mailboxes."""

    def lay_out(self) -> None:
        """Writes its configuration, and the accounts that it insists on."""
        self.mailboxes.mkdir()
        os.chown(self.mailboxes, _NOBODY, _NOBODY)
        shutil.copy(self.certificate.chain, self.folder / "chain.pem")
        shutil.copy(self.certificate.key, self.folder / "key.pem")
        # It takes neither where others may write, whatever the umask of the tests is just now.
        (self.folder / "chain.pem").chmod(0o644)
        (self.folder / "key.pem").chmod(0o600)
        accounts, groups = Path("/etc/passwd").read_text(), Path("/etc/group").read_text()
        for number, name in enumerate(("opensmtpd", "opensmtpq"), _UID):
            accounts += f"{name}:x:{number}:{number}::/nonexistent:/usr/sbin/nologin\n"
            groups += f"{name}:x:{number}:\n"
        (self.folder / "passwd").write_text(accounts)
        (self.folder / "group").write_text(groups)
        (self.folder / "smtpd.conf").write_text(
            _CONFIGURATION.format(
                hostname=self.hostname,
                folder=self.folder,
                size_limit=self.size_limit,
                users=", ".join(f'"{user}@{self.domain}" = "nobody"' for user in self.users),
                host=self.host,
                port=self.port,
                domain=self.domain,
            )
        )
        (self.folder / "start").write_text(_NAMESPACE.format(folder=self.folder, root=unpacked("opensmtpd")))

    def command(self) -> list[str | Path]:
        """Returns the program in its namespace, in the foreground."""
        return ["unshare", "--mount", "sh", self.folder / "start"]
