"""Where a queued recipient's mail goes next, by name: what the queue groups, counts and puts off by.

A next hop is a mailbox of this host (LOCAL), the smart host that takes the mail of many domains, or, for everything
else, the recipient's domain. Its name is not an address to connect to: outbox's routing decides that.
"""

from __future__ import annotations

from onifast_shared.db.database import Connection
from onifast_shared.machine.config import Settings
from onifast_shared.queue import routing_state
from onifast_shared.queue.routing_state import RoutingState
from onifast_shared.recipients import addresses
from onifast_shared.transport.routes import Routes

LOCAL = "(here)"
"""The next hop of recipients of this host, and of rows whose recipient is no address: no server is asked."""


MOST_KEPT = 10_000
"""Domains of which it is kept whether they are ours; after that they are looked up anew."""


class NextHops:
    """The next hops as one transaction sees them. Each is looked up once.

    `before` are those of an earlier transaction: what they found is good as long as nothing has changed.
    """

    def __init__(self, tx: Connection, settings: Settings, before: NextHops | None = None) -> None:
        self._tx = tx
        self._settings = settings
        self.standing: RoutingState = routing_state.read(tx)
        is_same = before is not None and before.standing == self.standing
        self._local: dict[str, bool] = before._local if before and is_same and len(before._local) < MOST_KEPT else {}
        self.routes: Routes = Routes(tx, before.routes if before and is_same and not self.standing.has_routes else None)

    def of(self, sender: str, submitted_by: str | None, domain: str) -> str:
        """The next hop of mail from the address `sender` to `domain` (lower-case A-labels)."""
        if self.is_local(domain):
            return LOCAL
        return self.routes.next_hop(domain, sender, submitted_by)

    def many(self, destination: str, domain: str) -> bool:
        """Whether a next hop that takes a domain's mail may take that of other domains too."""
        return destination != domain

    def is_local(self, domain: str) -> bool:
        """Whether mail to a domain stays here; so does what has none."""
        known = self._local.get(domain)
        if known is None:
            known = not domain or addresses.is_local_domain(self._tx, domain, self._settings)
            self._local[domain] = known
        return known
