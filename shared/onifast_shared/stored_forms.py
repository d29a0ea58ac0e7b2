"""The forms in which panels and scripts may have stored an address or a domain: any case, A-labels or U-labels.

SQLite's lower() knows ASCII only, so an address in another script is found as it is written and in lower case.
"""

from __future__ import annotations

from onifast_shared.address import Address, AddressError, display_domain, parse_domain, quote_local


def matches(column: str) -> str:
    """The SQL condition that a column holds an address, whose `of_address` is bound at this place."""
    return f"lower({column}) IN (lower(?), lower(?), lower(?), lower(?))"


def of_address(address: Address) -> tuple[str, str, str, str]:
    """The texts that an address may stand as."""
    known = folded(address)
    return str(address), address.display, known, f"{known.removesuffix(address.domain)}{display_domain(address.domain)}"


def folded(address: Address) -> str:
    """The one form in which we store what is looked up: lower case, and an address when it is read again."""
    local, _, domain = address.key.rpartition("@")
    return f"{quote_local(local)}@{domain}"


def of_domain(domain: str) -> tuple[str, str]:
    """The texts that a domain may stand as."""
    return domain, display_domain(domain)


def searched(text: str) -> tuple[str, ...]:
    """The texts that a part of an address is looked for as: as somebody typed it, and with its domain in A-labels.

    A label that is typed by half is found in its own script alone.
    """
    local, at, domain = text.rpartition("@")
    if domain.isascii():
        return (text,)
    try:
        return text, local + at + parse_domain(domain)
    except AddressError:
        return (text,)
