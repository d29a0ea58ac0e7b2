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


class Housekeeper:
    """Keeps house until it is closed; `begin` goes on with other users."""

    def __init__(self, database: Database, users: UserDirectory) -> None:
        self._database = database
        self._task = asyncio.create_task(_keep_house(database, users))

    def begin(self, users: UserDirectory) -> None:
        """Goes on with the users of other settings."""
        self.close()
        self._task = asyncio.create_task(_keep_house(self._database, users))

    def close(self) -> None:
        """Ends it."""
        self._task.cancel()


async def _keep_house(database: Database, users: UserDirectory) -> None:
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
