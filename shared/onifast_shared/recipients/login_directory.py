"""Who may log in, and by which names: a panel user's own name, or an e-mail address that is theirs to read.

An exact user name wins. Else it is exactly an address that somebody made (no catch-all, alias or tag leads to anybody):
that of a mailbox user, or of a panel user who is not disabled, if all its rows are theirs. What is asked of an address
that nobody has takes as long, and looks the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from onifast_shared.accounts import mailbox_users, passwords
from onifast_shared.accounts.panel_users import AccountSettings, PanelUser, UserDirectory
from onifast_shared.accounts.scram_verifier import prepared
from onifast_shared.db.database import Connection, Database
from onifast_shared.recipients import addresses
from onifast_shared.values import mailbox_accounts
from onifast_shared.values.address import Address, AddressError
from onifast_shared.values.expansion import ANYBODY


@dataclass(frozen=True)
class LoginName:
    """A name that somebody typed, and the account that it means.

    `account` is what failures count for: a user's name, or an address in its one form where it is nobody's. `salted_as`
    is the user whose salt a SCRAM client is shown, a mailbox user's panel user for instance.
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

    def get(self, username: str) -> PanelUser | None:
        """The panel user, or mailbox user, of that account.

        A mailbox user is disabled with their panel user, and gone with them; as a shared mailbox nobody logs in. Raises
        UserFileError, UserDirectoryMissing and, for a mailbox user, DatabaseError.
        """
        if not mailbox_accounts.is_mailbox(username):
            return super().get(username)
        found = self._database.read(lambda tx: mailbox_users.find(tx, username))
        owner = super().get(found.owner) if found and found.is_listed else None
        if found is None or owner is None:
            return None
        return PanelUser(
            username,
            False,
            found.is_disabled or found.is_shared or owner.disabled,
            found.password_hash,
            belongs_to=found.owner,
        )

    def named(self, typed: str) -> LoginName:
        """Which account somebody means; raises UserFileError, UserDirectoryMissing and DatabaseError."""
        if mailbox_accounts.is_mailbox(typed):
            return LoginName(typed, typed, typed, is_known=False)  # their address is their name
        address = _as_address(typed)
        if address is None or super().get(typed) is not None:
            return LoginName.of(typed)
        owners, domain_owner = self._database.read(lambda tx: _asked(tx, address))
        if len(owners) == 1 and mailbox_accounts.is_mailbox(owners[0].reader):
            return LoginName(typed, owners[0].reader, owners[0].owner)
        enabled = list(self._enabled(owners))
        if len(enabled) == 1:
            return LoginName(typed, enabled[0], enabled[0])
        # Those of its domain that somebody has show their owner's salt: so does this one.
        return LoginName(typed, address.key, domain_owner or address.key, is_known=False)

    def opened_by(self, name: LoginName, password: str) -> PanelUser | None:
        """The user of a name, if that is their password and they are not disabled; raises as `get`.

        It takes as long for every name of its kind. Panel users' passwords are hashed in the panel's way, and mailbox
        users' in ours: for an address each is computed once.
        """
        if name.is_known and not mailbox_accounts.is_mailbox(name.account):
            user = self.authenticate(name.account, password)
            if "@" in name.typed:
                passwords.waste_like_ours(password)
            return user
        self.waste(password)
        user = self.get(name.account) if name.is_known else None
        stored = user.password_hash.reveal() if user and user.password_hash else ""
        if not passwords.is_supported(stored, allow_plaintext=False):
            passwords.waste_like_ours(password)
            return None
        matches = passwords.verify(prepared(password), stored, allow_plaintext=False)
        return user if matches and user and not user.disabled else None

    def find(self, typed: str) -> PanelUser | None:
        """The user that a name means, disabled or not; raises UserFileError, UserDirectoryMissing and DatabaseError."""
        return self.get(self.named(typed).account)

    def _enabled(self, owners: list[_Owner]) -> Iterator[str]:
        for each in owners:
            user = super().get(each.owner) if each.owner == each.reader else None
            if user is not None and not user.disabled:
                yield each.owner


class _Owner(NamedTuple):
    owner: str
    reader: str


def _asked(tx: Connection, address: Address) -> tuple[list[_Owner], str | None]:
    owners = addresses.owners_of(tx, address)
    found = [_Owner(owner, mailbox_users.reader(tx, address, owner)) for owner in owners]
    return found, addresses.domain_owner(tx, address.domain)


def _as_address(typed: str) -> Address | None:
    if "@" not in typed:
        return None
    try:
        address = Address.parse(typed)
    except AddressError:
        return None
    return None if address.local == ANYBODY else address
