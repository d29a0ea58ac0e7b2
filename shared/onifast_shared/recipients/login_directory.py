"""Who may log in, and by which names: a panel user's own name, or an e-mail address that is theirs.

An exact user name wins. Else it is exactly an address that somebody made (no catch-all, alias or tag leads to anybody),
if all its rows belong to one user who is not disabled. What is asked of an address that nobody has takes as long, and
looks the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from onifast_shared.accounts.panel_users import AccountSettings, PanelUser, UserDirectory
from onifast_shared.db.database import Connection, Database
from onifast_shared.recipients import addresses
from onifast_shared.values.address import Address, AddressError
from onifast_shared.values.expansion import ANYBODY


@dataclass(frozen=True)
class LoginName:
    """A name that somebody typed, and the account that it means.

    `account` is what failures count for: a user's name, or an address in its one form where it is nobody's. `salted_as`
    is the user whose salt a SCRAM client is shown.
    """

    typed: str
    account: str
    salted_as: str
    is_known: bool = True

    @classmethod
    def of(cls, account: str) -> LoginName:
        """The name of an account, as it is."""
        return cls(account, account, account)


class LoginDirectory(UserDirectory):
    """The users of the panel, and the addresses that they may log in by. It blocks: call it off the event loop."""

    def __init__(self, settings: AccountSettings, database: Database) -> None:
        super().__init__(settings)
        self._database = database

    def named(self, typed: str) -> LoginName:
        """Which account somebody means; raises UserFileError, UserDirectoryMissing and DatabaseError."""
        address = _as_address(typed)
        if address is None or self.get(typed) is not None:
            return LoginName.of(typed)
        owners, domain_owner = self._database.read(lambda tx: _asked(tx, address))
        enabled = list(self._enabled(owners))
        if len(enabled) == 1:
            return LoginName(typed, enabled[0], enabled[0])
        # Those of its domain that somebody has show their owner's salt: so does this one.
        return LoginName(typed, address.key, domain_owner or address.key, is_known=False)

    def find(self, typed: str) -> PanelUser | None:
        """The user that a name means, disabled or not; raises UserFileError, UserDirectoryMissing and DatabaseError."""
        return self.get(self.named(typed).account)

    def _enabled(self, owners: list[str]) -> Iterator[str]:
        for owner in owners:
            user = self.get(owner)
            if user is not None and not user.disabled:
                yield owner


def _asked(tx: Connection, address: Address) -> tuple[list[str], str | None]:
    return addresses.owners_of(tx, address), addresses.domain_owner(tx, address.domain)


def _as_address(typed: str) -> Address | None:
    if "@" not in typed:
        return None
    try:
        address = Address.parse(typed)
    except AddressError:
        return None
    return None if address.local == ANYBODY else address
