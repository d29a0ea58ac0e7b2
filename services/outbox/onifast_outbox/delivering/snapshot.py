"""What one snapshot of the database says of the ways that mail takes; each is looked up once for all of its claims."""

from __future__ import annotations

from onifast_shared.accepting.distribution import ResolvedRecipient, locate
from onifast_shared.db.database import Connection
from onifast_shared.machine.config import Settings
from onifast_shared.queue.next_hops import NextHops
from onifast_shared.queue.store import Submission
from onifast_shared.recipients.addresses import Remote
from onifast_shared.transport.relay import Relay, RelayError
from onifast_shared.transport.sources import Sources, sources_for
from onifast_shared.values.address import Address
from onifast_shared.values.reply import Deferred, Reply

from onifast_outbox.delivering.routing import Route, relay_route


class DeliverySnapshot:
    """One transaction's view. `hops` are the next hops that the same transaction has looked up already."""

    def __init__(self, tx: Connection, settings: Settings, hops: NextHops | None = None) -> None:
        self.tx = tx
        self.settings = settings
        self._hops = hops or NextHops(tx, settings)
        self._servers: dict[Relay, Route] = {}
        self._sources: dict[tuple[str, str | None], Sources] = {}

    def place(self, address: Address, size: int) -> ResolvedRecipient:
        """Where a recipient leads, as `locate` has it."""
        if not self._hops.is_local(address.domain):
            return ResolvedRecipient(Remote())
        return locate(self.tx, address, size, self.settings)

    def server(self, domain: str, submission: Submission) -> Route | Deferred | None:
        """The route by way of the smart host for mail to a domain; None for the domain's MX hosts."""
        try:
            server = self._hops.routes.way(domain, submission.sender, submission.submitted_by).server
        except RelayError as error:
            return Deferred(Reply(451, "4.3.5", f"the relay's settings are wrong: {error}"))
        if server is None:
            return None
        if server not in self._servers:
            self._servers[server] = relay_route(server)
        return self._servers[server]

    def sources(self, submission: Submission) -> Sources:
        """Where a message leaves from."""
        sender = (submission.sender, submission.submitted_by)
        if sender not in self._sources:
            has_any = bool(self._hops.standing.has_sources)
            self._sources[sender] = sources_for(self.tx, *sender, self.settings.source_addresses, any_stored=has_any)
        return self._sources[sender]

    @property
    def has_sandboxes(self) -> bool:
        """Whether any domain's mail is captured."""
        return bool(self._hops.standing.has_sandboxes)
