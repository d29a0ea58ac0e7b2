"""Templates: texts that a user writes with again, for API and webmail."""

from __future__ import annotations

from dataclasses import replace

from onifast_shared.mailboxes import templates as store
from onifast_shared.mailboxes.templates import TemplateError, TextTemplate

from onifast_web.access.context import Web
from onifast_web.http.problems import not_found, unprocessable
from onifast_web.languages.texts import _
from onifast_web.reading import written_html


def get(web: Web, username: str, template_id: int) -> TextTemplate:
    """One template; raises Problem(404)."""
    found = web.database.read(lambda tx: store.get(tx, username, template_id))
    if found is None:
        raise not_found("template")
    return found


def put(web: Web, username: str, template: TextTemplate) -> TextTemplate:
    """Keeps a template, a new one for the id 0: its HTML as it may be sent. Raises Problem(404), Problem(422)."""
    written = written_html.clean(template.html) if template.html.strip() else None
    kept = replace(
        template,
        name=" ".join(template.name.split()),
        subject=" ".join(template.subject.split()),
        html=written.html if written else "",
        text=(written.text if written else template.text).replace("\r\n", "\n").strip("\n"),
    )
    if not kept.text.strip() and "<img" not in kept.html:
        raise unprocessable("text", _("a text is needed"))
    try:
        found = web.database.write(lambda tx: store.put(tx, username, kept, web.clock()))
    except TemplateError as error:
        raise unprocessable(error.field, str(error)) from None
    if found is None:
        raise not_found("template")
    return found


def remove(web: Web, username: str, template_id: int) -> None:
    """Takes a template away; raises Problem(404)."""
    if not web.database.write(lambda tx: store.remove(tx, username, [template_id])):
        raise not_found("template")
