"""The junk filter: a message is shown to rspamd or SpamAssassin, if one is configured, which gives it points."""

from __future__ import annotations

import asyncio
from typing import Any

from onifast_shared.junk.exchange import MOST_SCANNED, ScanTrouble
from onifast_shared.machine.config import Settings

from onifast_smtpd import maillog
from onifast_smtpd.milter.filters import FilteredMessage
from onifast_smtpd.screening import rspamd, spamd
from onifast_smtpd.screening.scan import Scan

__all__ = ["Scan", "Scanner"]


class Scanner:
    """Asks the configured filter; one for a program."""

    def __init__(self, settings: Settings) -> None:
        self._where = settings.scanner
        self._timeout = settings.scanner_timeout

    async def scan(self, message: FilteredMessage) -> Scan | None:
        """The filter's word; None where there is no filter, or where it does not answer in time."""
        if self._where is None or len(message.message.octets) > MOST_SCANNED:
            return None
        ask: Any = rspamd.scan if self._where.protocol == "rspamd" else spamd.scan
        try:
            async with asyncio.timeout(self._timeout):
                scan: Scan = await ask(self._where.host, self._where.port, message)
        except (ScanTrouble, OSError, EOFError, TimeoutError) as error:
            maillog.scanner_trouble(message.queue_id, self._where.protocol, error)
            return None
        return scan
