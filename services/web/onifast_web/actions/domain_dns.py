"""A domain's DNS as its owner sees it."""

from __future__ import annotations

import contextlib

from onifast_shared.db.errors import DatabaseError
from onifast_shared.dkim.keys import DkimKeyError
from onifast_shared.domain_dns import checks, gather
from onifast_shared.domain_dns import look as looking
from onifast_shared.domain_dns.records import RecordState

from onifast_web.access.context import Web
from onifast_web.http.problems import Problem, waiting_for_others

_PATIENCE = 2.0  # seconds


def look(web: Web, domain: str) -> list[RecordState]:
    """Every record of a domain, and lists of domains remember what it came to.

    Raises Problem(409) for a key of no use, Problem(503) while too many ask.
    """
    try:
        facts = gather.facts_of(web.database, web.settings, domain)
    except DkimKeyError as error:
        raise Problem(409, f"{str(error).replace(f'{web.settings.certs_dir}/', '')}.") from None
    with waiting_for_others(web.places_to_wait):
        found = looking.look_now(web.settings, facts)
    check = checks.judged(found, web.clock())
    with contextlib.suppress(DatabaseError):  # what was found is to be seen all the same
        web.database.write(lambda tx: checks.remember(tx, domain, check), timeout=_PATIENCE)
    return found
