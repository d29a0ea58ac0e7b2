"""Identities: the names and signatures that go with a user's addresses, for API and webmail."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from onifast_shared.db.database import Connection
from onifast_shared.mailboxes import identities as store
from onifast_shared.mailboxes.identities import LONGEST_NAME, LONGEST_SIGNATURE, Identity
from onifast_shared.message.address_fields import AddressEntry
from onifast_shared.recipients import addresses
from onifast_shared.values.address import MAX_LIST, Address, AddressError, split_list
from onifast_shared.values.expansion import ANYBODY

from onifast_web.access.context import Web
from onifast_web.http.problems import not_found, unprocessable
from onifast_web.languages.texts import _
from onifast_web.reading import written_html

_CONTROLS = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")
SEPARATOR = "-- "
"""The line above a signature (RFC 3676 section 4.3)."""


@dataclass(frozen=True)
class OwnIdentity:
    """An address that a user writes from, as it is shown, with what goes with it."""

    address: str
    identity: Identity

    @property
    def title(self) -> str:
        """What it is called where one is chosen."""
        return f"{self.identity.name} <{self.address}>" if self.identity.name else self.address


def own(web: Web, username: str) -> list[OwnIdentity]:
    """The addresses that a user writes from, the default one first."""
    return web.database.read(lambda tx: own_in(tx, username))


def own_in(tx: Connection, username: str) -> list[OwnIdentity]:
    """The same in a transaction that there is."""
    known = store.of(tx, username)
    rows = [row.address for row in addresses.list_for(tx, username) if not row.address.startswith(f"{ANYBODY}@")]
    found = [of_address(known, text) for text in rows]
    return sorted(found, key=lambda each: not each.identity.is_default)


def of_address(known: dict[str, Identity], text: str) -> OwnIdentity:
    """What of the known identities goes with an address."""
    try:
        key = Address.parse(text).key
    except AddressError:
        key = text
    return OwnIdentity(text, known.get(key, Identity(key)))


def put(web: Web, username: str, address: str, changed: Identity) -> OwnIdentity:
    """Sets what goes with an address; the `address` in `changed` does not matter. Raises Problem(404), Problem(422)."""
    found = next((each for each in own(web, username) if _is(each.address, address)), None)
    if found is None:
        raise not_found("address")
    kept = checked(replace(changed, address=found.identity.address))
    web.database.write(lambda tx: store.put(tx, username, kept))
    return OwnIdentity(found.address, kept)


def checked(identity: Identity) -> Identity:
    """An identity as it is kept: its HTML as it may be sent, and the same as text. Raises Problem(422)."""
    name = " ".join(_CONTROLS.sub(" ", identity.name).split())
    if len(name) > LONGEST_NAME:
        raise unprocessable("name", _("at most %(longest_name)s characters", longest_name=LONGEST_NAME))
    if max(len(identity.signature_html), len(identity.signature_text)) > LONGEST_SIGNATURE:
        raise unprocessable(
            "signature_text", _("at most %(longest_signature)s characters", longest_signature=f"{LONGEST_SIGNATURE:,}")
        )
    written = written_html.clean(identity.signature_html) if identity.signature_html.strip() else None
    text = (written.text if written else identity.signature_text).replace("\r\n", "\n").strip("\n").rstrip()
    html = written.html if written and (text or "<img" in written.html) else ""
    return replace(identity, name=name, signature_html=html, signature_text=text, reply_to=_reply_to(identity))


def written_from(identity: Identity | None, sender: str) -> str:
    """The From of a message from an address, with the name that goes with it."""
    if identity is None or not identity.name:
        return sender
    try:
        return str(AddressEntry.of(Address.parse(sender), identity.name))
    except AddressError:
        return sender


def signed(identity: Identity, text: str) -> str:
    """A text that begins with room to write in, with the signature below that room."""
    if not identity.signature_text:
        return text
    return f"\n\n{SEPARATOR}\n{identity.signature_text}\n{text}"


def _reply_to(identity: Identity) -> str:
    text = " ".join(_CONTROLS.sub(" ", identity.reply_to).split())
    if len(text) > MAX_LIST:
        raise unprocessable("reply_to", _("the list is too long"))
    for _name, address in split_list(text):
        try:
            Address.parse(address)
        except AddressError as error:
            raise unprocessable("reply_to", f"{address[:80]!r}: {error}") from None
    return text


def _is(shown: str, asked: str) -> bool:
    try:
        return Address.parse(shown).key == Address.parse(asked.strip()).key
    except AddressError:
        return False
