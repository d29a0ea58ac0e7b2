"""What a filter may do for its owner: with which labels, and where it may send mail on."""

from __future__ import annotations

from onifast_shared.db.database import Connection
from onifast_shared.filters import store
from onifast_shared.filters.rules import FilterError, FilterRule, address_of
from onifast_shared.machine.config import Settings
from onifast_shared.mailboxes import labels
from onifast_shared.recipients import addresses
from onifast_shared.values import mailbox_accounts

MOST_TARGETS = 100
"""Addresses that the filters of one user forward to, as many as an address may have forwards."""


def check(tx: Connection, owner: str, rule: FilterRule, settings: Settings, *, besides: int | None = None) -> None:
    """Raises FilterError for what this owner's filter cannot do; `besides` is the filter whose rule it replaces."""
    for number, act in enumerate(rule.acts):
        where = f"acts.{number}"
        if act.label_id is not None:
            label = labels.get(tx, owner, act.label_id)
            if label is None or label.is_folder != (act.do == "folder"):
                kind = "own folder" if act.do == "folder" else "label"
                raise FilterError(f"{where}.label_id", f"you have no such {kind}")
        if act.do == "forward":
            _check_forward(tx, owner, act.to, f"{where}.to", settings)
    others = (each for each in store.list_all(tx, owner) if each.id != besides)
    targets = {act.to for each in (rule, *(other.rule for other in others)) for act in each.acts if act.do == "forward"}
    if len(targets) > MOST_TARGETS:
        raise FilterError("acts", f"your filters forward to {MOST_TARGETS} addresses already")


def _check_forward(tx: Connection, owner: str, to: str, field: str, settings: Settings) -> None:
    """Forwards are panel users': a mailbox user's mail would leave the host without whoever answers for it."""
    if mailbox_accounts.is_mailbox(owner):
        raise FilterError(field, "this mailbox cannot forward mail: ask who manages it for a forward")
    target = address_of(to, field)
    if addresses.own_among(tx, owner, [target], settings):
        raise FilterError(field, "this is your own address: mail would come back")
