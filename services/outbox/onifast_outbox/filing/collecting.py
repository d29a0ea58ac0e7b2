"""Collects what users' sendmail left in their homes while smtpd was down, each as that user, through the filer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

from onifast_shared.machine.config import Settings
from onifast_shared.sendmail.waiting_files import FOLDERS, WAITING

from onifast_outbox import maillog
from onifast_outbox.filing.copies import Filer
from onifast_outbox.filing.filer import DONE

ROUND_SECONDS = 30.0


class HomeCollector:
    """One for a program."""

    def __init__(self, settings: Settings, filer: Filer) -> None:
        self._home_root = settings.home_root
        self._filer = filer
        listen = next((each for each in settings.smtp_listen if each.port), None)
        local = listen.host if listen and listen.host.startswith("127.") else "127.0.0.1"
        self._server = f"{local}:{listen.port}" if listen else ""

    async def round(self) -> int:
        """Hands in what waits; how many messages that were. Raises FilerGone."""
        handed = 0
        if not self._server:
            return handed
        for owner in await asyncio.to_thread(lambda: sorted(self._owners())):
            kind, text = await self._filer.collect(owner, self._server)
            if kind == DONE and text != "0":
                handed += int(text)
                maillog.collected(owner, int(text))
        return handed

    def _owners(self) -> Iterator[str]:
        """Whose homes have something that waits."""
        for folder in self._home_root.glob("/".join(("*", *FOLDERS))):
            if _has_waiting(folder):
                yield folder.parts[len(self._home_root.parts)]


def _has_waiting(folder: Path) -> bool:
    try:
        return any(each.name.endswith(WAITING) for each in folder.iterdir())
    except OSError:
        return False
