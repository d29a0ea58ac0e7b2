"""Images of messages by way of outbox: their addresses here, which only we can make, and what is had from there."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

from onifast_shared.image_proxy import ask, store
from onifast_shared.image_proxy.store import ProxiedImage

from onifast_web.access.context import Web
from onifast_web.http.problems import Problem, not_found, waiting_for_others


def signature(web: Web, username: str, email_id: int, url: str) -> str:
    """What proves that a URL stands in a message that its reader was shown."""
    text = "\0".join(("image proxy", username, str(email_id), url))
    digest = hmac.digest(web.service_token.reveal().encode(), text.encode("utf-8", "surrogatepass"), hashlib.sha256)
    return base64.urlsafe_b64encode(digest[:18]).decode("ascii")


def prepare(web: Web, username: str, urls: Sequence[str]) -> None:
    """Has the images of a message fetched; waits for them, unless too many others do."""
    if not urls:
        return
    try:
        with waiting_for_others(web.places_to_wait):
            ask.fetch(web.database, username, urls, patience=ask.PATIENCE)
    except Problem:
        return  # each image is asked for again by itself


def image(web: Web, username: str, email_id: int, url: str, signed: str) -> ProxiedImage:
    """An image of a message. Raises Problem: 404 for any that was not shown there or cannot be had, 503."""
    if not hmac.compare_digest(signed.encode(), signature(web, username, email_id, url).encode()):
        raise not_found("image")
    found = web.database.read(lambda tx: store.get(tx, username, url))
    if found is None:
        with waiting_for_others(web.places_to_wait):
            ask.fetch(web.database, username, [url], patience=ask.PATIENCE)
        found = web.database.read(lambda tx: store.get(tx, username, url))
    if found is None or not found.data:
        raise not_found("image")
    return found
