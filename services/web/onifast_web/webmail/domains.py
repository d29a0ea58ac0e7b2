"""Domains: whether DNS has what their mail needs, and for each what to publish, what is there, and what is wrong."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Response, request
from onifast_shared.db.database import Connection
from onifast_shared.domain_dns import checks, zone
from onifast_shared.domain_dns.checks import DomainCheck
from onifast_shared.domain_dns.records import RecordState
from onifast_shared.recipients import addresses
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.actions import dkim as dkim_actions
from onifast_web.actions import domain_dns
from onifast_web.http.problems import Problem
from onifast_web.languages.texts import _, marked, ngettext
from onifast_web.webmail.declared import NavEntry, NavGroup, Notices, PageRoute
from onifast_web.webmail.filters import in_script
from onifast_web.webmail.long_lists import shown
from onifast_web.webmail.pages import page, user

_TITLES = {
    "mx": marked("Where its mail goes"),
    "host": marked("This server’s address"),
    "spf": marked("Who may send for it (SPF)"),
    "dkim": marked("Signature (DKIM)"),
    "dmarc": marked("What becomes of forgeries (DMARC)"),
    "ptr": marked("The name of the address that mail leaves from"),
    "mta-sts": marked("Only by TLS to here (MTA-STS)"),
    "tls-rpt": marked("Reports about TLS"),
    "autoconfig": marked("Found by mail programs"),
}
_PILLS = {
    "good": (marked("Good"), "good"),
    "missing": (marked("Missing"), "bad"),
    "wrong": (marked("Wrong"), "bad"),
    "unknown": (marked("No answer"), "wait"),
}


@dataclass(frozen=True)
class DomainLine:
    """A domain in the list, with what DNS said when somebody looked last."""

    domain: str
    owner: str
    check: DomainCheck | None

    def pill(self) -> tuple[str, str]:
        """That in a word or two, and its colour."""
        if self.check is None:
            return _("Not looked at"), "idle"
        if self.check.standing == "wrong":
            return ngettext("%(n)s problem", "%(n)s problems", self.check.problems), "bad"
        return (_("Ready"), "good") if self.check.standing == "good" else (_("DNS did not answer"), "wait")


@dataclass(frozen=True)
class RecordCard:
    """A record on a domain's page."""

    record: RecordState

    @property
    def title(self) -> str:
        """What it is for."""
        return _TITLES[self.record.kind]

    def pill(self) -> tuple[str, str]:
        """Its state in a word, and its colour; what mail can do without is no trouble."""
        word, colour = _PILLS[self.record.state]
        if self.record.state == "missing" and not self.record.is_needed:
            return _("Not published"), "idle"
        return word, colour


@allow(Who.PANEL_USER)
def domains() -> Response:
    """The domains that the user owns or has addresses in, all for administrators."""
    caller, _username = user()

    def look(tx: Connection) -> list[str]:
        return dkim_actions.domains_of(tx, caller)

    found = shown(current().database.read(look), lambda name: f"{name} {in_script(name)}")
    rows = current().database.read(lambda tx: [_line(tx, name) for name in found.rows])
    return page("domains.html", "domains", rows=rows, found=found)


@allow(Who.PANEL_USER)
def domain_records() -> Response:
    """A domain's records, as DNS has them now."""
    caller, _username = user()
    web = current()
    domain = dkim_actions.visible_domain(web, caller, request.args.get("domain", ""))
    try:
        found, problem = domain_dns.look(web, domain), ""
    except Problem as error:
        found, problem = [], error.detail
    check = checks.judged(found, web.clock())
    needed = [RecordCard(record) for record in found if record.is_needed]
    better = [RecordCard(record) for record in found if not record.is_needed]
    line = DomainLine(domain, "", check if found else None)
    return page(
        "domain_records.html",
        "domains",
        domain=domain,
        line=line,
        needed=needed,
        better=better,
        has_key=any(record.kind == "dkim" for record in found),
        problem=problem,
    )


@allow(Who.PANEL_USER)
def domain_zone() -> AnyResponse:
    """The records as a fragment of a zone file."""
    caller, _username = user()
    domain = dkim_actions.visible_domain(current(), caller, request.args.get("domain", ""))
    text = zone.fragment(domain, domain_dns.look(current(), domain))
    headers = {"Content-Disposition": f'attachment; filename="{domain}.zone"'}
    return Response(text, mimetype="text/plain", headers=headers)


ROUTES = (
    PageRoute("GET", "/domains", domains),
    PageRoute("GET", "/domains/dns", domain_records, off_menu="the list of domains leads to each"),
    PageRoute("GET", "/domains/zone", domain_zone, off_menu="a button of a domain's page"),
)
NAV = (
    NavEntry(
        "domains",
        marked("Domains"),
        domains,
        icon="globe",
        group=NavGroup.ADDRESSES,
        order=50,
        hint=marked("What to publish in DNS, and whether it is there."),
    ),
)
NOTICES: Notices = {}


def _line(tx: Connection, domain: str) -> DomainLine:
    return DomainLine(domain, addresses.domain_owner(tx, domain) or "", checks.last(tx, domain))
