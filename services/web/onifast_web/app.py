"""The WSGI application: webmail, JSON API and single sign-on over one database."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import BoundedSemaphore
from types import ModuleType

from flask import Flask, Response, redirect, url_for
from onifast_shared.db.database import Database
from onifast_shared.machine.config import Settings
from onifast_shared.machine.counting import count
from onifast_shared.recipients.login_directory import LoginDirectory
from werkzeug.wrappers import Response as AnyResponse

from onifast_web import api, health, webmail
from onifast_web.access import auth, service_token
from onifast_web.access.api_rates import ApiRates
from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import PASSWORDS_AT_ONCE, Web
from onifast_web.access.guessing import GuessingTurns
from onifast_web.access.own_language import own_language
from onifast_web.actions import auditing
from onifast_web.client_setup import views as client_setup
from onifast_web.http import compression, problems, response_headers
from onifast_web.http.forwarded import ForwardedMiddleware
from onifast_web.http.links import LinkingFlask
from onifast_web.http.static_files import StaticFiles
from onifast_web.languages import current as languages
from onifast_web.languages import in_templates
from onifast_web.serving import serve
from onifast_web.serving.places import WebPlace, alone

_STATIC = Path(__file__).parent / "static"


def create_app(
    settings: Settings, database: Database, *, clock: Callable[[], float] = time.time, place: WebPlace | None = None
) -> Flask:
    """The application. Makes the panel's service token if there is none; raises ServiceTokenError if it cannot."""
    app = LinkingFlask("onifast_web", static_folder=None, template_folder=str(Path(__file__).parent / "templates"))
    token = service_token.load_or_create(settings.panel_token_path)
    place = place or alone()
    places_to_wait = BoundedSemaphore(max(1, place.part_of(settings.http_threads) // 2))
    web = Web(
        *(settings, database, LoginDirectory(settings, database), token, places_to_wait, clock),
        guesses=GuessingTurns(place.guesses_of),
        turn=place.turn,
        rates=ApiRates(place.calls),
        password_checks=BoundedSemaphore(place.part_of(PASSWORDS_AT_ONCE)),
    )
    app.extensions.update(web.attach())
    app.config["MAX_CONTENT_LENGTH"] = serve.largest_body(settings.max_message_size)
    app.config["MAX_FORM_MEMORY_SIZE"] = app.config["MAX_CONTENT_LENGTH"]
    app.config["MAX_FORM_PARTS"] = 2000
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    languages.register(app, own_language, settings.default_language, with_pseudo=settings.pseudo_languages)
    in_templates.register(app)
    compression.register(app)  # first, so that it sees last what others have made
    problems.register(app)
    auth.register(app)
    app.before_request(languages.settle)
    auditing.register(app)
    response_headers.register(app)
    app.jinja_env.globals["asset"] = _static_files().link
    webmail.equip(app)
    app.after_request(_count)
    views = views_of(webmail.PAGES)
    app.url_map, app.view_functions = views.url_map, dict(views.view_functions)
    app.wsgi_app = ForwardedMiddleware(app.wsgi_app, url_prefix=settings.url_prefix)  # type: ignore[method-assign]
    return app


def _count(response: Response) -> Response:
    count("http_requests", status=f"{response.status_code // 100}xx")
    return response


@cache
def views_of(pages: tuple[ModuleType, ...]) -> Flask:
    """Every view at its path. They hang on no setting, so a process makes them once: it takes longer than all else."""
    views = LinkingFlask("onifast_web", static_folder=None)
    views.url_map.strict_slashes = False
    views.add_url_rule("/static/<version>/<path:filename>", "static", _static)
    views.add_url_rule("/", "home", _home)
    webmail.register(views, pages)
    for part in (api, client_setup, health):
        part.register(views)
    return views


@allow(Who.USER, visitors=True)
def _home() -> AnyResponse:
    return redirect(url_for("webmail.folder", folder="inbox"), 303)


@cache
def _static_files() -> StaticFiles:
    """Our own CSS and scripts, named with a hash of what they hold, so that browsers keep them until they change."""
    return StaticFiles(_STATIC)


@allow(Who.ANYONE)
def _static(version: str, filename: str) -> Response:  # noqa: ARG001 - there is one version alone
    return _static_files().answer(filename)
