"""What has to be done now and then, whether clients come or not: what is left of users whom the panel removed."""

from __future__ import annotations

import asyncio
import contextlib
import time

from onifast_shared.accounts import departed
from onifast_shared.accounts.panel_users import AccountError, UserDirectory
from onifast_shared.db.database import Database
from onifast_shared.db.errors import DatabaseError

from onifast_smtpd import maillog

INTERVAL = 600.0  # seconds


async def keep_house(database: Database, users: UserDirectory) -> None:
    """Never returns; cancel it."""
    while True:
        # Users who cannot be read are told of when somebody logs in; a host of scripts alone may have none.
        with contextlib.suppress(AccountError):
            await _forget_departed(database, users)
        await asyncio.sleep(INTERVAL)


async def _forget_departed(database: Database, users: UserDirectory) -> None:
    try:
        for username in await asyncio.to_thread(departed.sweep, database, users, time.time()):
            maillog.departed(username)
    except DatabaseError as error:
        maillog.database_trouble("housekeeping", error)
