"""The forms in which panels and scripts may have stored an address or a domain: any case, A-labels or U-labels.

A local part that needs quotes by the grammar is found without them too, where it means the same.

SQLite's lower() knows ASCII only, so an address in another script is found as it is written and in lower case.
"""

from __future__ import annotations

from onifast_shared.values.address import Address, AddressError, in_letters, parse_domain, quote_local


def matches(column: str) -> str:
    """The SQL condition that a column holds an address, whose `of_address` is bound at this place."""
    return f"lower({column}) IN ({', '.join(['lower(?)'] * _FORMS)})"


def of_address(address: Address) -> tuple[str, ...]:
    """The texts that an address may stand as, _FORMS of them."""
    locals_ = (quote_local(address.local), quote_local(_folded_local(address)), _as_typed(address))
    return tuple(f"{local}@{domain}" for local in locals_ for domain in of_domain(address.domain))


_FORMS = 6


def _as_typed(address: Address) -> str:
    """The local part without quotes, where nobody could read it as another one."""
    try:
        plain = f"{address.local}@{address.domain}"
        return address.local if Address.parse(plain) == address else quote_local(address.local)
    except AddressError:
        return quote_local(address.local)


def folded(address: Address) -> str:
    """The one form in which we store what is looked up: lower case, and an address when it is read again."""
    return f"{quote_local(_folded_local(address))}@{address.domain}"


def _folded_local(address: Address) -> str:
    return address.key.rpartition("@")[0]


def of_domain(domain: str) -> tuple[str, str]:
    """The texts that a domain may stand as."""
    return domain, in_letters(domain)


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
