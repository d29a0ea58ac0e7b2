"""Encryption of backups by age: whoever has the recipient's identity reads them, and this host need not."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

SECONDS = 120.0
"""How long one chunk may take."""

_RECIPIENT = re.compile(r"age1[02-9ac-hj-np-z]{58}|ssh-(?:ed25519|rsa) [A-Za-z0-9+/=]+(?: .*)?")

Transformation = Callable[[bytes], bytes]


class EncryptionError(Exception):
    """Encryption or decryption cannot be done; the text says why and what helps."""


def check_recipient(text: str) -> str:
    """A recipient of age's: `age1…`, or a public key of SSH's. Raises EncryptionError."""
    if not _RECIPIENT.fullmatch(text):
        raise EncryptionError(f"{text!r} is no recipient: age1… (from age-keygen), or a line of an SSH public key")
    return text


def encrypting(recipients: tuple[str, ...]) -> Transformation:
    """What encrypts to all of these recipients."""
    options = [word for each in recipients for word in ("--recipient", check_recipient(each))]
    return lambda data: _run(["age", "--encrypt", *options], data)


def decrypting(identity: Path) -> Transformation:
    """What decrypts with the identity in a file, as age-keygen or ssh-keygen made it; raises EncryptionError."""
    if not identity.is_file():
        raise EncryptionError(f"there is no identity file {identity}")
    return lambda data: _run(["age", "--decrypt", "--identity", str(identity)], data)


def _run(command: list[str], data: bytes) -> bytes:
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=SECONDS, check=False)
    except FileNotFoundError:
        raise EncryptionError("age is not installed: `apt install age`") from None
    except subprocess.TimeoutExpired:
        raise EncryptionError(f"age took more than {SECONDS:.0f} seconds") from None
    if done.returncode != 0:
        words = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise EncryptionError(f"age: {words[0] if words else f'it ended with status {done.returncode}'}")
    return done.stdout
