"""Leaves mailing lists for users by one click: a POST to the list's URL (RFC 8058) with nothing of the user's in it."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable

from onifast_shared.db.database import Database
from onifast_shared.machine.dns import Resolver
from onifast_shared.mailboxes import unsubscriptions
from onifast_shared.mailboxes.unsubscriptions import Unsubscription
from onifast_shared.webhooks import targets

from onifast_outbox import maillog
from onifast_outbox.http_client import HttpClient, HttpError

AT_ONCE = 8
LONGEST = 20.0
"""Seconds for one request."""

_BODY = b"List-Unsubscribe=One-Click"  # RFC 8058 section 3.1
_TYPE = "application/x-www-form-urlencoded"


class Unsubscriber:
    """Makes the requests of one database; `may_ask` judges each address that is connected to."""

    def __init__(
        self,
        db: Database,
        resolver: Resolver,
        context: ssl.SSLContext,
        *,
        may_ask: Callable[[str, int], bool] = targets.may_be_asked,
    ) -> None:
        self._db = db
        self._client = HttpClient(resolver, context, timeout=LONGEST, may_ask=may_ask)

    async def run_once(self) -> int:
        """Makes the requests that wait; how many. Raises DatabaseError."""
        now = time.time()
        found = await self._db.aread(lambda tx: unsubscriptions.waiting(tx, now, AT_ONCE))
        if found:
            await asyncio.gather(*map(self._serve, found))
        return len(found)

    async def _serve(self, request: Unsubscription) -> None:
        problem = await self._asked(request)
        await self._db.awrite(lambda tx: unsubscriptions.answer(tx, request, problem, time.time()))

    async def _asked(self, request: Unsubscription) -> str:
        """Why the list has not taken the request, "" if it has. No redirect is followed: the list must send none."""
        try:
            response = await self._client.post(request.target, _TYPE, _BODY)
        except HttpError as error:
            return str(error)
        except Exception:
            maillog.unforeseen(f"leaving a list by request {request.id}")
            return "the request could not be made"
        return "" if 200 <= response.status < 300 else f"the list’s server answered {response.status}"
