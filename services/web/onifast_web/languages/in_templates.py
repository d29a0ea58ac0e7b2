"""Texts in templates: Jinja's `{% trans %}` and `_("…")`, over the catalogue of the request.

Jinja's own functions do the same; these look the ready Markup up, and cost a page a tenth of what they did.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask
from markupsafe import Markup

from onifast_web.languages.catalogue import SOURCE
from onifast_web.languages.compiling import OutputEnvironment, filled
from onifast_web.languages.current import catalogue, zone


def gettext(message: str, /, **values: Any) -> Markup:
    """The text, with what is put in escaped."""
    found = catalogue().markup(message)
    return filled(found, values) if values or "%" in found else found


def ngettext(one: str, many: str, n: int, /, **values: Any) -> Markup:
    """The text for `n` things, which is `%(n)s` in it, or `%(num)s` as Jinja calls it."""
    found = Markup(catalogue().counted(one, many, n))  # noqa: S704 - texts are ours
    return filled(found, {"n": n, "num": n} | values)


def pgettext(context: str, message: str, /, **values: Any) -> Markup:
    """The text where its context tells it from another."""
    found = Markup(catalogue().text_in(context, message))  # noqa: S704 - texts are ours
    return filled(found, values) if values or "%" in found else found


def register(app: Flask) -> None:
    """Makes `{% trans %}` and the functions known to the templates."""
    environment = app.jinja_env
    environment.add_extension("jinja2.ext.i18n")
    environment.policies["ext.i18n.trimmed"] = True
    environment.newstyle_gettext = True  # type: ignore[attr-defined]
    texts: dict[str, Callable[..., Any]] = {
        "_": gettext,
        "gettext": gettext,
        "ngettext": ngettext,
        "pgettext": pgettext,
    }
    environment.globals.update(texts)
    if isinstance(environment, OutputEnvironment):
        environment.texts.update(texts)
    environment.globals.update(language=catalogue, language_texts=_script, language_zone=_zone)


def _script() -> str:
    """What a page loads for its scripts to show texts in its language; "" where these have them already."""
    tag = catalogue().tag
    return "" if tag == SOURCE else f"texts/{tag}.js"


def _zone() -> str:
    chosen = zone()
    return chosen.key if chosen else ""
