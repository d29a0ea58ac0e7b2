"""A domain's DNS as its owner sees it."""

from __future__ import annotations

from onifast_shared.dkim.keys import DkimKeyError
from onifast_shared.domain_dns import gather
from onifast_shared.domain_dns import look as looking
from onifast_shared.domain_dns.records import RecordState

from onifast_web.access.context import Web
from onifast_web.http.problems import Problem, waiting_for_others


def look(web: Web, domain: str) -> list[RecordState]:
    """Every record of a domain; raises Problem(409) for a key of no use, Problem(503) while too many ask."""
    try:
        facts = gather.facts_of(web.database, web.settings, domain)
    except DkimKeyError as error:
        raise Problem(409, f"{str(error).replace(f'{web.settings.certs_dir}/', '')}.") from None
    with waiting_for_others(web.places_to_wait):
        return looking.look_now(web.settings, facts)
