"""The TLS contexts of all outgoing connections: made once, since one that verifies reads every authority there is."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Self

from onifast_shared.machine.config import Settings

from onifast_outbox.tls_policy.certificates import bad_authorities


@dataclass(frozen=True)
class Contexts:
    """`verifying` refuses a server that does not prove its name; `encrypting` asks for no name.

    A mail exchanger's name comes from the DNS, unproven in any case, where no policy says more.
    """

    verifying: ssl.SSLContext
    encrypting: ssl.SSLContext

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """As the settings have them. Raises ConfigError for authorities that are none."""
        try:
            verifying = ssl.create_default_context(cafile=settings.outbound_tls_ca)
        except (OSError, ssl.SSLError):
            raise bad_authorities(settings.outbound_tls_ca) from None
        # A name stands in subjectAltName, or nowhere (RFC 8461 section 4.2).
        verifying.hostname_checks_common_name = False
        encrypting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        encrypting.check_hostname = False
        encrypting.verify_mode = ssl.CERT_NONE
        return cls(verifying, encrypting)
