"""PHP, and its two ways to send mail that the panel's documentation prints: mail() with msmtp, and PHPMailer."""

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_PATIENCE = 60.0  # seconds
_AUTOLOAD = "/usr/share/php/libphp-phpmailer/autoload.php"  # Debian's place for vendor/autoload.php

# Option A of the documentation as printed, but for the log file, the host and the port.
_MSMTPRC = """\
defaults
auth off
tls off
logfile {logfile}
account onifast
host {host}
port {port}
from webmaster@localhost
account default : onifast
"""
_PHP_INI = 'sendmail_path = "/usr/bin/msmtp --file={msmtprc} -t"\n'
_MAIL = "<?php exit(mail({to}, {subject}, {body}, {headers}) ? 0 : 1);\n"

# Option B of the documentation as printed; what differs from site to site is replaced at each run.
_PHPMAILER = """\
<?php
use PHPMailer\\PHPMailer\\PHPMailer;
require 'vendor/autoload.php';
$mail = new PHPMailer(true);
$mail->isSMTP();
$mail->Host = '127.0.0.1';
$mail->SMTPAuth = true;
$mail->Username = 'your_onifast_user';
$mail->Password = 'your_panel_password';
$mail->Port = 587;
$mail->setFrom('you@yourdomain.com', 'Your App');
$mail->addAddress('recipient@example.com');
$mail->isHTML(true);
$mail->Subject = 'Test Email';
$mail->Body = '<p>Hello from Onifast!</p>';
$mail->send();
"""


@dataclass(frozen=True)
class Run:
    """What a PHP program came to: its exit *status* (0 is success) and its *output*, with errors and msmtp's log."""

    status: int
    output: str


def mail(
    directory: Path,
    port: int,
    *,
    to: str,
    subject: str = "Test Email",
    body: str = "Hello from Onifast!",
    headers: str = "",
    host: str = "127.0.0.1",
    user: str | None = None,
) -> Run:
    """Option A: call PHP's ``mail()``, which runs msmtp, with files in *directory*.

    The status is 1 if ``mail()`` returns false. As root, *user* is who runs it; the directory becomes theirs.
    """
    logfile = directory / "msmtp.log"
    msmtprc = _write(directory / "msmtprc", _MSMTPRC.format(logfile=logfile, host=host, port=port))
    ini = _write(directory / "php.ini", _PHP_INI.format(msmtprc=msmtprc))
    call = _MAIL.format(to=_quoted(to), subject=_quoted(subject), body=_quoted(body), headers=_quoted(headers))
    run = _run_php(directory, _write(directory / "mail.php", call), "-c", str(ini), user=user)
    return Run(run.status, run.output + (logfile.read_text() if logfile.exists() else ""))


def phpmailer(
    directory: Path,
    port: int,
    *,
    username: str,
    password: str,
    sender: str,
    recipient: str,
    host: str = "127.0.0.1",
    user: str | None = None,
    authority: Path | None = None,
) -> Run:
    """Option B: run the documentation's PHPMailer program, from a file in *directory*; *user* as for ``mail``.

    Certificates are trusted if *authority* signed them.
    """
    program = (
        _PHPMAILER.replace("'vendor/autoload.php'", _quoted(_AUTOLOAD))
        .replace("'127.0.0.1'", _quoted(host))
        .replace("587", str(port))
        .replace("'your_onifast_user'", _quoted(username))
        .replace("'your_panel_password'", _quoted(password))
        .replace("'you@yourdomain.com'", _quoted(sender))
        .replace("'recipient@example.com'", _quoted(recipient))
    )
    options = ("-d", f"openssl.cafile={authority}") if authority else ()
    return _run_php(directory, _write(directory / "phpmailer.php", program), *options, user=user)


def _run_php(directory: Path, script: Path, *options: str, user: str | None) -> Run:
    if user:
        for path in (directory, *directory.iterdir()):
            shutil.chown(path, user)
    run = subprocess.run(
        ["php", *options, "-d", "display_errors=stderr", str(script)],
        cwd=directory,
        env={"PATH": os.defpath, "HOME": str(directory)},
        user=user,
        group=pwd.getpwnam(user).pw_gid if user else None,
        extra_groups=[] if user else None,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=_PATIENCE,
        check=False,
    )
    return Run(run.returncode, run.stdout)


def _write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def _quoted(text: str) -> str:
    """Returns *text* as a PHP string in single quotes."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
