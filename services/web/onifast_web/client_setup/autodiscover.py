"""What Outlook asks by autodiscover, taken out of XML that anybody may have written."""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.parsers import expat

RESPONSE = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
"""The schema of the one answer that we give."""

LARGEST_REQUEST = 16 * 1024
"""Octets: a request has a few hundred."""

_DEEPEST = 16
_WANTED = {"EMailAddress", "AcceptableResponseSchema"}


class BadRequestXml(ValueError):
    """A request that is not XML, or more than a request needs."""


@dataclass
class AutodiscoverRequest:
    """The address and the schema of the answer that were asked for, "" for what was not said."""

    address: str = ""
    schema: str = ""


def parse(body: bytes) -> AutodiscoverRequest:
    """What is asked; raises BadRequestXml. Elements count by their names, in whatever namespace."""
    reader = _RequestText()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartDoctypeDeclHandler = _refuse
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise BadRequestXml(str(error)) from None
    found = reader.found
    return AutodiscoverRequest(found.get("EMailAddress", "").strip(), found.get("AcceptableResponseSchema", "").strip())


def _refuse(*_: object) -> None:
    # Entities are declared in a document type alone: without it there is nothing to expand or to fetch.
    raise BadRequestXml("a document type is not allowed")


@dataclass
class _RequestText:
    """Collects the text of the elements that are wanted."""

    found: dict[str, str] = field(default_factory=dict)
    _open: list[str] = field(default_factory=list)

    def start(self, name: str, _attributes: object) -> None:
        self._open.append(name.rpartition(" ")[2])
        if len(self._open) > _DEEPEST:
            raise BadRequestXml("elements lie too deep in each other")

    def end(self, _name: str) -> None:
        self._open.pop()

    def text(self, data: str) -> None:
        if (name := self._open[-1]) in _WANTED:
            self.found[name] = self.found.get(name, "") + data
