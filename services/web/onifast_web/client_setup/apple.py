"""The profile by which iPhones, iPads and Macs set up a mail account: Apple's Configuration Profile."""

from __future__ import annotations

import plistlib
import uuid
from typing import Any

from onifast_web.client_setup.servers import MailServers

_NAMESPACE = uuid.UUID("7b0e2a52-6f0c-5c39-9d62-6f1f3d0b7c55")


def profile(address: str, servers: MailServers) -> bytes:
    """The profile for an address. It holds no password: the device asks for it.

    The same address has the same identifiers, so that a new profile takes the place of the one before.
    """
    host = servers.outgoing[0].host
    identifier = ".".join(reversed(host.split("."))) + f".mail.{_uuid(address)}"
    whole: dict[str, Any] = {
        "PayloadContent": [_account(address, servers, identifier)],
        "PayloadDescription": f"Sets up mail for {address}.",
        "PayloadDisplayName": f"Mail: {address}",
        "PayloadIdentifier": identifier,
        "PayloadOrganization": host,
        "PayloadRemovalDisallowed": False,
        "PayloadType": "Configuration",
        "PayloadUUID": _uuid(f"profile {address}"),
        "PayloadVersion": 1,
    }
    return plistlib.dumps(whole)


def _account(address: str, servers: MailServers, identifier: str) -> dict[str, Any]:
    incoming, outgoing = servers.incoming[0], servers.outgoing[0]
    return {
        "EmailAccountDescription": address,
        "EmailAccountType": "EmailTypeIMAP",
        "EmailAddress": address,
        "IncomingMailServerAuthentication": "EmailAuthPassword",
        "IncomingMailServerHostName": incoming.host,
        "IncomingMailServerPortNumber": incoming.port,
        "IncomingMailServerUseSSL": True,
        "IncomingMailServerUsername": address,
        "OutgoingMailServerAuthentication": "EmailAuthPassword",
        "OutgoingMailServerHostName": outgoing.host,
        "OutgoingMailServerPortNumber": outgoing.port,
        "OutgoingMailServerUseSSL": True,
        "OutgoingMailServerUsername": address,
        "OutgoingPasswordSameAsIncomingPassword": True,
        "PayloadDescription": f"Mail account {address}",
        "PayloadDisplayName": address,
        "PayloadIdentifier": f"{identifier}.account",
        "PayloadType": "com.apple.mail.managed",
        "PayloadUUID": _uuid(f"account {address}"),
        "PayloadVersion": 1,
    }


def _uuid(text: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, text)).upper()
