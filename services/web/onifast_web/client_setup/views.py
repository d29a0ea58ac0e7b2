"""The paths that mail programs and other sites ask: autoconfig, autodiscover, Apple's profile, MTA-STS, robots.txt."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import wraps
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, current_app, render_template, request
from onifast_shared.domain_dns.records import sts_policy
from onifast_shared.recipients import domains
from werkzeug.routing import BaseConverter

from onifast_web.access.auth import View, allow
from onifast_web.access.caller import Who
from onifast_web.access.context import Web, current
from onifast_web.client_setup import apple, asked, autodiscover
from onifast_web.client_setup.asked import Askers
from onifast_web.client_setup.autodiscover import BadRequestXml
from onifast_web.client_setup.servers import MailServers, servers
from onifast_web.http.problems import Problem, not_found

AUTOCONFIG_PATHS = (
    "/mail/config-v1.1.xml",
    "/config-v1.1.xml",  # the same where the proxy's prefix is /mail, which is cut off
    "/.well-known/autoconfig/mail/config-v1.1.xml",
    "/.well-known/mail-v1.xml",
)
"""Where Thunderbird and others look (draft-ietf-mailmaint-autoconfig)."""

_ASKERS = "onifast_client_setup_askers"
_ROBOTS = "User-agent: *\nDisallow: /\n"


class _AnyCase(BaseConverter):
    """A part of a path whose letters may be of either case, as Outlook's versions write it."""

    def __init__(self, url_map: Any, text: str) -> None:
        super().__init__(url_map)
        self.regex = f"(?i:{text})"


def register(app: Flask) -> None:
    """Adds the paths."""
    app.url_map.converters["any_case"] = _AnyCase
    for path in AUTOCONFIG_PATHS:
        _add(app, path, "autoconfig", _autoconfig)
    _add(
        app,
        "/<any_case('autodiscover'):_folder>/<any_case('autodiscover[.]xml'):_file>",
        "autodiscover",
        _autodiscover,
        "POST",
    )
    _add(app, "/email.mobileconfig", "mobileconfig", _mobileconfig)
    _add(app, "/.well-known/mta-sts.txt", "mta_sts", _mta_sts)
    _add(app, "/robots.txt", "robots", _robots)


def _add(app: Flask, path: str, name: str, view: View, method: str = "GET") -> None:
    app.add_url_rule(path, f"client_setup:{name}", view, methods=[method], provide_automatic_options=False)


def _bounded(view: View) -> View:
    """Lets a view be called by anybody, so and so often."""

    @wraps(view)
    def counted(**_: str) -> Response:
        web = current()
        askers: Askers = current_app.extensions.setdefault(_ASKERS, Askers(web.clock))
        askers.check(asked.client())
        response: Response = view(web)
        return response

    return allow(Who.ANYONE)(counted)  # type: ignore[return-value]


@_bounded
def _autoconfig(web: Web) -> Response:
    """Thunderbird's configuration. The address is not looked at beyond its domain."""
    domain = asked.domain_of(web, asked.address_in(request.args.get("emailaddress", "")))
    text = render_template("client_setup/autoconfig.xml", domain=domain, servers=_whole(web))
    return Response(text, mimetype="application/xml")


@_bounded
def _autodiscover(web: Web) -> Response:
    """Outlook's, for the address in its request; what is wanted in another schema gets an error in words."""
    wanted = _request()
    address = asked.address_in(wanted.address)
    if address is None:
        raise Problem(400, "The request names no e-mail address.")
    asked.domain_of(web, address)
    found, now = _whole(web), datetime.fromtimestamp(web.clock(), UTC)
    if wanted.schema and wanted.schema != autodiscover.RESPONSE:
        return _xml("client_setup/autodiscover_error.xml", time=f"{now:%H:%M:%S.%f}")
    return _xml("client_setup/autodiscover.xml", address=str(address), servers=found, schema=autodiscover.RESPONSE)


@_bounded
def _mobileconfig(web: Web) -> Response:
    """Apple's profile for an address, which is not looked at beyond its domain."""
    address = asked.address_in(request.args.get("emailaddress", ""))
    if address is None:
        raise Problem(400, "Say for which address: ?emailaddress=you@example.com.")
    domain = asked.domain_of(web, address)
    headers = {"Content-Disposition": f'attachment; filename="{domain}.mobileconfig"'}
    body = apple.profile(str(address), _whole(web))
    return Response(body, mimetype="application/x-apple-aspen-config", headers=headers)


@_bounded
def _mta_sts(web: Web) -> Response:
    """A domain's MTA-STS policy (RFC 8461 section 3.2)."""
    domain = asked.policy_domain(web)
    mode = web.database.read(lambda tx: domains.mta_sts_mode(tx, domain, web.settings))
    if mode == "off":
        raise not_found("policy")
    return Response(sts_policy(web.settings.hostname, mode), mimetype="text/plain")


@_bounded
def _robots(_: Web) -> Response:
    """A webmail is nothing for search engines."""
    return Response(_ROBOTS, mimetype="text/plain")


def _request() -> autodiscover.AutodiscoverRequest:
    if (request.content_length or 0) > autodiscover.LARGEST_REQUEST:
        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request is larger than this server accepts.")
    try:
        return autodiscover.parse(request.get_data(cache=False))
    except BadRequestXml:
        raise Problem(400, "The request is no XML that this server reads.") from None


def _whole(web: Web) -> MailServers:
    found = servers(web.settings)
    if not found.are_whole:
        raise not_found("configuration for this name")
    return found


def _xml(template: str, **values: object) -> Response:
    return Response(render_template(template, **values), mimetype="text/xml")
