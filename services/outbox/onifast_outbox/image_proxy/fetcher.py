"""Fetches images that messages show: raster images alone, from the public Internet, within bounds of size and time."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from urllib.parse import urldefrag, urljoin

from onifast_shared.db.database import Database
from onifast_shared.db.errors import DatabaseError
from onifast_shared.image_proxy import store
from onifast_shared.image_proxy.store import ImageRequest, ProxiedImage
from onifast_shared.machine.dns import Resolver
from onifast_shared.message import embedding
from onifast_shared.webhooks import targets

from onifast_outbox import maillog
from onifast_outbox.http_client import HttpClient, HttpError, HttpResponse

AT_ONCE = 16
"""Images that are fetched at one time, each held in memory whole."""

LONGEST = 15.0
"""Seconds for one image, redirects and all."""

MOST_REDIRECTS = 5

_SWEEP_SECONDS = 3600
_PORTS = (80, 443)
_LOWEST_FREE_PORT = 1024
_REDIRECTS = (301, 302, 303, 307, 308)
# Nothing of the reader's: no cookie, no address of the page, no language.
_HEADERS = {"User-Agent": "Mozilla/5.0 (compatible; onifast-mail image proxy)", "Accept": "image/*"}


def may_be_asked(address: str, port: int) -> bool:
    """Whether an image may be fetched from there: never from what only this machine can reach."""
    return (port in _PORTS or port >= _LOWEST_FREE_PORT) and targets.may_be_asked(address, port)


class ImageFetcher:
    """Answers all requests for images of one database; `may_ask` judges each address that is connected to."""

    def __init__(
        self,
        db: Database,
        resolver: Resolver,
        context: ssl.SSLContext,
        *,
        may_ask: Callable[[str, int], bool] = may_be_asked,
    ) -> None:
        self._db = db
        self._client = HttpClient(resolver, context, timeout=LONGEST, may_ask=may_ask, plain_to=lambda _: True)
        self._under_way: dict[int, asyncio.Task[None]] = {}
        self._next_sweep = 0.0

    async def run_once(self) -> int:
        """Begins to fetch what was asked for; how many. Raises DatabaseError."""
        now = time.time()
        if now >= self._next_sweep:
            await self._db.awrite(lambda tx: store.sweep(tx, now))
            self._next_sweep = now + _SWEEP_SECONDS
        if not await self._db.apeek(store.any_waits):
            return 0
        found = await self._db.aread(lambda tx: store.unanswered(tx, now, 4 * AT_ONCE))
        begun = [each for each in found if each.id not in self._under_way][: AT_ONCE - len(self._under_way)]
        for request in begun:
            task = asyncio.create_task(self._serve(request))
            self._under_way[request.id] = task
            task.add_done_callback(lambda _, number=request.id: self._under_way.pop(number))  # type: ignore[misc]
        return len(begun)

    async def finish(self) -> None:
        """Waits for the images under way."""
        if self._under_way:
            await asyncio.wait(self._under_way.values())

    async def _serve(self, request: ImageRequest) -> None:
        image = None
        try:
            async with asyncio.timeout(LONGEST):
                image = await self._fetched(request.url)
        except (HttpError, TimeoutError, ValueError):
            pass  # a sender's server that does not work is nobody's trouble here
        except Exception:
            maillog.unforeseen(f"fetching image {request.id}")
        try:
            await self._db.awrite(lambda tx: store.answer(tx, request, image, time.time()))
        except DatabaseError as error:
            maillog.trouble("answering for images", error)

    async def _fetched(self, url: str) -> ProxiedImage | None:
        for _ in range(MOST_REDIRECTS + 1):
            response = await self._client.get(urldefrag(url).url, limit=store.LARGEST, headers=_HEADERS)
            if response.status not in _REDIRECTS:
                return _image(response)
            url = urljoin(url, response.headers.get("location", ""))
        return None


def _image(response: HttpResponse) -> ProxiedImage | None:
    """The answer as an image that browsers show, by its content: a document, as SVG is, is none."""
    if response.status != 200 or response.headers.get("content-encoding", "identity") != "identity":
        return None
    kind = embedding.image_type("application/octet-stream", response.body[:64])
    return ProxiedImage(kind, response.body) if kind else None
