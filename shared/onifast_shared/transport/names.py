"""The names that settings for domains stand under: a domain, or `*.` and one for all below it."""

from __future__ import annotations

from onifast_shared.values.address import AddressError, parse_domain


class BadField(ValueError):
    """Something that was given cannot be used. `field` is which part of it; the text says what is wrong."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


def checked(text: str, field: str = "name") -> str:
    """A name in the one form it is stored in (A-labels). Raises BadField."""
    text = text.strip()
    below = text.startswith("*.")
    try:
        domain = parse_domain(text.removeprefix("*."))
    except AddressError as error:
        raise BadField(field, str(error)) from None
    if below and domain.startswith("["):
        raise BadField(field, "nothing lies below an address literal")
    return f"*.{domain}" if below else domain


def covering(domain: str) -> list[str]:
    """The names that settings for a domain may stand under, the most specific first."""
    labels = domain.split(".")
    return [domain, *(f"*.{'.'.join(labels[start:])}" for start in range(1, len(labels)))]
