"""Hands messages to smtpd on loopback, which sees by the socket who runs this."""

from __future__ import annotations

import smtplib
from typing import NamedTuple

from onifast_shared.sendmail.taking import SendmailEnvelope

SERVER = ("127.0.0.1", 25)
SECONDS = 30.0

Server = tuple[str, int]


class HandedIn(NamedTuple):
    """What became of it: `taken`, or not, `for_good` or for now, and what the server said."""

    taken: bool
    for_good: bool = False
    said: str = ""


def hand_in(envelope: SendmailEnvelope, message: bytes, server: Server = SERVER, seconds: float = SECONDS) -> HandedIn:
    """One transaction. Where a server takes some of the recipients, those that it refuses are told in `said`."""
    needs_utf8 = not "".join((envelope.sender, *envelope.recipients)).isascii()
    try:
        with smtplib.SMTP(*server, local_hostname="localhost", timeout=seconds) as client:
            client.ehlo_or_helo_if_needed()
            options = ["BODY=8BITMIME"] if not message.isascii() and client.has_extn("8bitmime") else []
            options += ["SMTPUTF8"] if needs_utf8 else []
            refused = client.sendmail(envelope.sender, envelope.recipients, message, options)
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        return HandedIn(False, all(code >= 500 for code in codes), _said(error.recipients))
    except smtplib.SMTPResponseException as error:
        return HandedIn(False, error.smtp_code >= 500, f"{error.smtp_code} {_text(error.smtp_error)}")
    except (smtplib.SMTPNotSupportedError, UnicodeError) as error:
        return HandedIn(False, True, str(error))
    except (OSError, smtplib.SMTPException) as error:
        return HandedIn(False, False, str(error) or type(error).__name__)
    return HandedIn(True, said=_said(refused) if refused else "")


def _said(refused: dict[str, tuple[int, bytes]]) -> str:
    return "; ".join(f"{address}: {code} {_text(text)}" for address, (code, text) in refused.items())


def _text(said: bytes | str) -> str:
    return " ".join((said.decode("utf-8", "replace") if isinstance(said, bytes) else said).split())
