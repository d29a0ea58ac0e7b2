"""The webmail as a program of this device: installed, opened by `mailto:` links and by what other programs share.

The manifest and the service worker are asked for without anybody being logged in, and say nothing of anybody.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from flask import Response, current_app, json, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.http.problems import Problem
from onifast_web.http.response_headers import WORKER_POLICY
from onifast_web.languages.texts import _, marked
from onifast_web.webmail.declared import NavEntry, NavGroup, Notices, PageRoute
from onifast_web.webmail.pages import page

NAME = "Onifast Mail"
_BLUE, _LIGHT = "#3557e0", "#f4f5f8"
_ICONS = (("icon.svg", "any", "any"), ("icon-192.png", "192x192", "any"), ("icon-512.png", "512x512", "any maskable"))
"""Each icon's file, its sizes, and what it is for."""

_OFFLINE_STYLES = ("tokens.css", "tokens-contrast.css", "style.css")

_FIELDS = {"to": "to", "cc": "cc", "bcc": "bcc", "subject": "subject", "body": "text"}
"""What a `mailto:` link may say of a message (RFC 6068 section 2), and the composer's words for it."""


@allow(Who.USER)
def device() -> AnyResponse:
    """What can be done on this device; each button shows where the browser can do it."""
    return page("device.html", "device", handler=url_for("webmail.mailto", _external=True) + "?url=%s")


@allow(Who.ANYONE)
def manifest() -> AnyResponse:
    """The web app manifest (W3C), with this server's prefix in its paths."""
    asset = current_app.jinja_env.globals["asset"]
    values = {
        "id": url_for("home"),
        "name": NAME,
        "short_name": _("Mail"),
        "start_url": url_for("home"),
        "scope": url_for("home"),
        "display": "standalone",
        "background_color": _LIGHT,
        "theme_color": _BLUE,
        "icons": [
            {"src": asset(file), "sizes": sizes, "purpose": purpose, "type": _image_type(file)}  # type: ignore[operator]
            for file, sizes, purpose in _ICONS
        ],
        "shortcuts": [{"name": _("New message"), "url": url_for("webmail.compose")}],
        "protocol_handlers": [{"protocol": "mailto", "url": url_for("webmail.mailto") + "?url=%s"}],
        "share_target": {
            "action": url_for("webmail.share"),
            "method": "GET",
            "enctype": "application/x-www-form-urlencoded",
            "params": {"title": "title", "text": "text", "url": "url"},
        },
    }
    return Response(json.dumps(values), mimetype="application/manifest+json")


@allow(Who.ANYONE)
def service_worker() -> AnyResponse:
    """The script that shows `offline` where the server cannot be reached; it keeps no mail.

    It is not with the other scripts, since where it lies says what it may answer for. It changes with the style sheets
    that the page needs.
    """
    asset = current_app.jinja_env.globals["asset"]
    text = (Path(__file__).parents[1] / "static" / "service-worker.js").read_text("utf-8")
    kept = json.dumps({"offline": url_for("webmail.offline"), "styles": [asset(name) for name in _OFFLINE_STYLES]})  # type: ignore[operator]
    headers = {"Cache-Control": "no-cache", "Content-Security-Policy": WORKER_POLICY}
    return Response(f"const KEPT = {kept};\n{text}", mimetype="text/javascript", headers=headers)


@allow(Who.ANYONE)
def offline() -> AnyResponse:
    """What is shown without a connection: the same for everybody."""
    return Response(render_template("offline.html"))


@allow(Who.USER)
def mailto() -> AnyResponse:
    """A composer for the `mailto:` link in `url` (RFC 6068)."""
    parts = urlsplit(request.args.get("url", ""))
    if parts.scheme.lower() != "mailto":
        raise Problem(400, _("The address of a link to a mail address begins with mailto: here."))
    given: dict[str, Any] = {"to": unquote(parts.path)}
    for name, value in parse_qsl(parts.query.replace("+", "%2B")):
        if word := _FIELDS.get(name.lower()):
            given[word] = f"{given[word]}, {value}" if word in ("to", "cc", "bcc") and given.get(word) else value
    return redirect(url_for("webmail.compose", **{name: value for name, value in given.items() if value}), 303)


@allow(Who.USER)
def share() -> AnyResponse:
    """A composer for what another program of the device shares: a title, a text and a link, or some of them."""
    title, text, link = (request.args.get(name, "").strip() for name in ("title", "text", "url"))
    words = "\n\n".join(each for each in (text, link if link not in text else "") if each)
    return redirect(url_for("webmail.compose", subject=" ".join(title.split()), text=words), 303)


ROUTES = (
    PageRoute("GET", "/device", device),
    PageRoute("GET", "/manifest.webmanifest", manifest, off_menu="browsers ask for it"),
    PageRoute("GET", "/service-worker.js", service_worker, off_menu="browsers ask for it"),
    PageRoute("GET", "/offline", offline, off_menu="the service worker keeps it"),
    PageRoute("GET", "/mailto", mailto, off_menu="links in other pages lead to it"),
    PageRoute("GET", "/share", share, off_menu="other programs of the device lead to it"),
)
NAV = (
    NavEntry(
        "device",
        marked("This device"),
        device,
        icon="device",
        group=NavGroup.READING,
        order=90,
        hint=marked("Install the webmail, be told of new mail, and write to mail links from here."),
    ),
)
NOTICES: Notices = {}


def _image_type(file: str) -> str:
    return "image/svg+xml" if file.endswith(".svg") else "image/png"
