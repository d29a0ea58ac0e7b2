"""What requests for lists that are sorted by name share: filters, and pages by the last name of the one before."""

from __future__ import annotations

from typing import Annotated

from onifast_shared.values.address import AddressError, parse_domain
from onifast_shared.values.paging import MOST_ROWS
from pydantic import Field

from onifast_web.http.models import Model
from onifast_web.http.problems import unprocessable

Part = Annotated[str, Field(max_length=200, description="A part of the name, in any case.", examples=["shop"])]
OwnerName = Annotated[str, Field(max_length=128, description="A panel user's name, exactly.", examples=["demo"])]
DomainText = Annotated[str, Field(max_length=255, description="A domain, in any script.", examples=["example.test"])]
NextCursor = Annotated[
    str | None, Field(description="Asks for the next page, as `cursor`; null at the end.", examples=["demo"])
]


class PagedQuery(Model):
    """A page of a list. Without `limit` all of it."""

    limit: Annotated[int, Field(ge=1, le=1000, description="How many at the most.", examples=[100])] | None = None
    cursor: Annotated[str, Field(max_length=400, description="`next_cursor` of the page before.")] | None = None

    @property
    def rows(self) -> int:
        """How many rows are wanted at the most."""
        return self.limit or MOST_ROWS


def domain_in_field(field: str, text: str) -> str:
    """The domain that a field holds, in its A-labels; raises Problem(422)."""
    try:
        domain = parse_domain(text.strip())
    except AddressError as error:
        raise unprocessable(field, str(error)) from None
    if domain.startswith("["):
        raise unprocessable(field, "an address literal is no domain")
    return domain
