"""Impostors: in whose name a message may be written that is not from them, in sentences for its reader."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, lru_cache

from onifast_shared.db.database import Connection
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import counts
from onifast_shared.mailboxes.email_rows import EmailRow
from onifast_shared.message.address_fields import AddressEntry
from onifast_shared.recipients import addresses, correspondents
from onifast_shared.recipients.correspondents import Correspondent
from onifast_shared.values.address import Address, AddressError, in_letters, parse_domain
from onifast_shared.values.letters import conceals, plain, skeleton, turns_text
from onifast_shared.values.lookalikes import Models, is_homoglyph
from onifast_shared.values.suffixes import suffixes
from onifast_shared.values.well_known import WELL_KNOWN

from onifast_web.languages.texts import _, marked

MOST_AUTHORS = 10  # of one message that are looked at
_MOST_LISTED = 2000  # authors that are remembered for one reader
MAX_NAME = 400  # characters of a name that are looked at
_SHOWN = 120  # characters of a stranger's words in a sentence
_NOT_OURS = ("sent", "drafts")  # folders of what the reader wrote themselves

# One letter may differ in names of so many letters: the fewer a user knows, the fewer are alike by chance.
_SLIPS_OF_CORRESPONDENTS = 6
_SLIPS_OF_WELL_KNOWN = 7

# Looked for where a word begins, so that a long name takes linear time
_ADDRESS = re.compile(r"(?<![^\s@<>()\[\]\"',;:])([^\s@<>()\[\]\"',;:]++)\s*+@\s*+([\w-]++(?:\s*\.\s*[\w-]+)+)")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")

NOBODY = marked("The message does not say who it is from.")


class Reader:
    """Who reads: whom they know, the organizational domains of their own addresses, and domains that everybody knows.

    What is made of these is made when it is asked for, and once.
    """

    def __init__(self, known: Sequence[Correspondent], own: frozenset[str], everybodys: frozenset[str]) -> None:
        self.own = own
        self.everybodys = everybodys
        self._known = known
        self._listed: dict[tuple[str, str, int], list[str]] = {}

    def listed(self, author: tuple[str, str, int], judge: Callable[[], list[str]]) -> list[str]:
        """What `judge` says of an author (name, address, and when they wrote), which for one reader stays the same."""
        found = self._listed.get(author)
        if found is None:
            if len(self._listed) >= _MOST_LISTED:
                self._listed.clear()
            found = self._listed[author] = judge()
        return found

    @cached_property
    def people(self) -> dict[str, Correspondent]:
        """Whom they know, by address."""
        return {each.address: each for each in self._known}

    @cached_property
    def by_place(self) -> dict[str, list[Correspondent]]:
        """Whom they know, by the domain of the address."""
        return _grouped(self._known, lambda each: each.address.rpartition("@")[2])

    @cached_property
    def by_name(self) -> dict[str, list[Correspondent]]:
        """Whom they know, by a name as it looks; without those whose name tells nothing."""
        return _grouped(self._known, lambda each: _name(each.name))

    @cached_property
    def since(self) -> dict[str, float]:
        """Since when they know each organizational domain but their own, in epoch seconds."""
        found: dict[str, float] = {}
        for each in self._known:
            if each.domain not in self.own:
                found[each.domain] = min(each.known_ts, found.get(each.domain, each.known_ts))
        return found

    @cached_property
    def his_own(self) -> Models:
        """Their own domains, as others may imitate them."""
        return Models(suffixes(), dict.fromkeys(self.own, 0), _SLIPS_OF_CORRESPONDENTS, suffix_too=True)

    @cached_property
    def his_correspondents(self) -> Models:
        """The domains that they know, as others may imitate them."""
        return Models(suffixes(), self.since, _SLIPS_OF_CORRESPONDENTS, suffix_too=True)

    def has_written(self, organization: str, before: int) -> bool:
        """Whether they have written to an organisation before a moment."""
        return any(
            each.domain == organization and each.written_ts is not None and each.written_ts < before
            for each in self._known
        )


def _grouped(known: Sequence[Correspondent], key: Callable[[Correspondent], str]) -> dict[str, list[Correspondent]]:
    found: dict[str, list[Correspondent]] = {}
    for each in known:
        if name := key(each):
            found.setdefault(name, []).append(each)
    return found


class Readers:
    """Those who read, kept until they know others: what a list costs is mostly to find out whom its reader knows."""

    MOST = 32

    def __init__(self, settings: Settings) -> None:
        self._everybodys = frozenset((*WELL_KNOWN, *map(_organization, settings.well_known_domains)))
        self._lock = threading.Lock()
        self._kept: OrderedDict[str | None, tuple[str, Reader]] = OrderedDict()

    def of(self, tx: Connection, owner: str | None) -> Reader:
        """What is known of a mailbox's owner; None, an administrator who sees all mail, knows nobody."""
        version = counts.reader_version(tx, owner)
        with self._lock:
            kept = self._kept.get(owner)
        if kept is not None and kept[0] == version:
            return kept[1]
        made = self._make(tx, owner)
        with self._lock:
            self._kept[owner] = version, made
            self._kept.move_to_end(owner)
            if len(self._kept) > self.MOST:
                self._kept.popitem(last=False)
        return made

    def _make(self, tx: Connection, owner: str | None) -> Reader:
        if owner is None:
            return Reader((), frozenset(), self._everybodys)
        own = {_organization(item.domain) for item in addresses.list_for(tx, owner) if item.domain}
        return Reader(correspondents.of(tx, owner), frozenset(own), self._everybodys)


def warnings(who: Reader, row: EmailRow, authors: Sequence[AddressEntry]) -> list[str]:
    """What the reader of a message should know before they believe who it is from, each in a sentence."""
    if row.folder in _NOT_OURS:
        return []
    if not any(author.address for author in authors):
        return [NOBODY, *_dedupe(_about_name(author) for author in authors[:MOST_AUTHORS])]
    found = (_about(who, author, row.received_ts) for author in authors[:MOST_AUTHORS])
    return _dedupe(found)


def listed_warnings(who: Reader, row: EmailRow) -> list[str]:
    """`warnings` of a message in a list, of the author that lists show."""
    if row.folder in _NOT_OURS:
        return []
    key = (row.sender_name, row.sender, row.received_ts)
    return who.listed(key, lambda: warnings(who, row, shown_author(row)))


def shown_author(row: EmailRow) -> list[AddressEntry]:
    """The author as lists show them."""
    try:
        return [AddressEntry(row.sender_name, Address.parse(row.sender), row.sender)]
    except AddressError:
        return [AddressEntry(row.sender_name, None, row.sender)]


def _dedupe(found: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(sentence for sentences in found for sentence in sentences))


def _about(who: Reader, author: AddressEntry, received: int) -> Iterator[str]:
    yield from _about_name(author)
    if author.address is None or author.address.is_literal:
        return
    organization = suffixes().organizational(author.address.domain)
    sentence = _about_domain(who, author.address, organization, received)
    sentence = sentence or _about_person(who, author, author.address, organization, received)
    if sentence:
        yield sentence


def _about_name(author: AddressEntry) -> Iterator[str]:
    name, written = author.name, str(author.address or author.written)
    if address := _foreign_address(name, author.address):
        known = {"address": _shown(address), "author": _shown(written)}
        if address == "".join(plain(name).split()):
            yield _("The sender’s name is the address %(address)s, but the message comes from %(author)s.", **known)
        else:
            yield _(
                "The sender’s name contains the address %(address)s, but the message comes from %(author)s.", **known
            )
    # `"ceo@bank.test"@evil.test` is an address, of whoever has the last domain.
    elif author.address and (address := _foreign_address(author.address.local, author.address)):
        known = {"address": _shown(address), "author": _shown(written)}
        yield _(
            "The sender’s address contains the address %(address)s, but the message comes from %(author)s.", **known
        )
    if turns_text(name + written):
        yield _("The sender’s name has characters that change the order in which it is shown.")
    if conceals(name + written):
        yield _("The sender’s name has characters that cannot be seen.")


def _foreign_address(name: str, sender: Address | None) -> str | None:
    """An address in a name that is of another domain than the sender's."""
    for match in _ADDRESS.finditer(plain(name)):
        domain = "".join(match[2].split())
        if sender is None or _organization(domain) != suffixes().organizational(sender.domain):
            return f"{match[1]}@{domain}"
    return None


def _organization(domain: str) -> str:
    try:
        return suffixes().organizational(parse_domain(domain))
    except AddressError:
        return domain.lower()


def _about_domain(who: Reader, address: Address, organization: str, received: int) -> str | None:
    """A domain that can be taken for one that the reader knows."""
    if organization in who.own or organization in who.everybodys:
        return None
    domain = address.domain
    if model := who.his_own.like(domain):
        return _looks_like(address, model, _("your own domain"))
    # Who was known first is the model.
    if model := who.his_correspondents.like(domain, min(received, who.since.get(organization, received))):
        return _looks_like(address, model, _("a domain that you have had mail with"))
    if not (model := _everybodys(who.everybodys).like(domain)):
        return None
    # Who writes to somebody knows them; where the letters themselves look the same, perhaps not.
    if who.has_written(organization, received) and not is_homoglyph(suffixes(), domain, model):
        return None
    return _looks_like(address, model, _("a well-known domain"))


@lru_cache(maxsize=4)
def _everybodys(domains: frozenset[str]) -> Models:
    return Models(suffixes(), dict.fromkeys(domains, 0), _SLIPS_OF_WELL_KNOWN)


def _looks_like(address: Address, model: str, what: str) -> str:
    shown = in_letters(address.domain)
    known = {"domain": _shown(address.domain), "letters": shown, "model": model, "what": what}
    if shown == address.domain:
        return _("The sender’s domain %(domain)s looks like %(model)s, %(what)s, but is another one.", **known)
    return _(
        "The sender’s domain %(domain)s (written %(letters)s) looks like %(model)s, %(what)s, but is another one.",
        **known,
    )


def _about_person(who: Reader, author: AddressEntry, address: Address, organization: str, received: int) -> str | None:
    """An address or a name that can be taken for that of somebody whom the reader knows."""
    correspondent = who.people.get(address.key)
    first = min(received, correspondent.known_ts if correspondent else received)
    local = skeleton(address.local)
    for each in who.by_place.get(address.domain, ()):
        if each is not correspondent and each.known_ts < first and skeleton(each.address.rpartition("@")[0]) == local:
            return _(
                "The sender’s address looks like %(address)s, which you know, but is another one.",
                address=_shown(each.address),
            )
    if first < received:
        return None
    for each in who.by_name.get(_name(author.name), ()):
        if each.known_ts < first and each.domain != organization:
            return _(
                "The sender has the name of %(address)s, whom you know, but writes from another address.",
                address=_shown(each.address),
            )
    return None


def _name(text: str) -> str:
    """A person's name for comparison, "" where it has too little to tell people apart."""
    words = plain(text)[:MAX_NAME].split()
    return skeleton("".join(words)) if len(words) > 1 and len("".join(words)) > 5 else ""


def _shown(text: str) -> str:
    """A stranger's words inside a sentence: in one line, in the order in which they are written, not too long."""
    clean = _CONTROLS.sub(" ", plain(text))
    return clean if len(clean) <= _SHOWN else f"{clean[:_SHOWN]}…"
