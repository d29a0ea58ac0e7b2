"""Postfix's tables of addresses: aliases(5) and virtual(5), read as text, into addresses and where their mail goes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from onifast_shared.values.address import Address, AddressError

_CATCH_ALL = "*"


@dataclass(frozen=True)
class MappedAddress:
    """An address, and whom its mail goes to; itself among these where it has a mailbox too."""

    address: Address
    targets: tuple[Address, ...]


@dataclass(frozen=True)
class LeftOut:
    """A line that says what is not done here, and why not."""

    line: str
    why: str


def read(text: str, domain: str = "") -> Iterator[MappedAddress | LeftOut]:
    """What a table says. Names without a domain are of `domain`; `@domain` is a catch-all.

    A line `name: …` is one of aliases(5), any other one of virtual(5).
    """
    for line in _logical(text):
        name, targets = _parts(line)
        try:
            yield MappedAddress(_address(name, domain), tuple(_address(each, domain) for each in targets))
        except AddressError as error:
            yield LeftOut(line, str(error))


def _logical(text: str) -> Iterator[str]:
    """Lines, each with those that go on with it: they begin with white space (postconf(5))."""
    whole = ""
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[0].isspace() and whole:
            whole += line
            continue
        if whole:
            yield whole.strip()
        whole = line
    if whole:
        yield whole.strip()


def _parts(line: str) -> tuple[str, list[str]]:
    alias = re.match(r'("[^"]+"|[^\s:"]+)\s*:\s*(.*)', line)
    if alias and "@" not in alias[1]:
        name, rest = alias[1].strip('"'), alias[2]
    else:
        name, *more = line.split(None, 1)
        rest = more[0] if more else ""
    return name, [each.strip().strip('"') for each in re.split(r"[,\s]+(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", rest) if each]


def _address(text: str, domain: str) -> Address:
    if text.startswith(("|", "/", ":include:")):
        raise AddressError(f"{text.split(maxsplit=1)[0]}: commands, files and lists in files are not addresses")
    if text.startswith("@"):
        return Address.parse(_CATCH_ALL + text)
    if "@" not in text and not domain:
        raise AddressError(f"{text}: it has no domain; say one")
    return Address.parse(text.lstrip("\\") if "@" in text else f"{text.lstrip(chr(92))}@{domain}")
