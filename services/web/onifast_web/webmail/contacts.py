"""Contacts: the address book, a page for each entry, and its files."""

from __future__ import annotations

import re
from typing import Any, cast

from flask import Response, redirect, request, url_for
from onifast_shared.message.vcard import Card
from onifast_shared.recipients import addressees
from onifast_shared.recipients import contacts as store
from onifast_shared.recipients.contacts import Contact
from onifast_shared.values.address import Address
from werkzeug.wrappers import Response as AnyResponse

from onifast_web.access.auth import allow
from onifast_web.access.caller import Who
from onifast_web.access.context import current
from onifast_web.actions import contacts as actions
from onifast_web.actions import downloads
from onifast_web.actions.contacts import FORMATS, ContactFormat
from onifast_web.http.problems import Problem, not_found
from onifast_web.languages.texts import _, marked, ngettext
from onifast_web.reading.render import sentence
from onifast_web.webmail.declared import NavEntry, NavGroup, NavTab, Notice, Notices, PageRoute
from onifast_web.webmail.filters import in_script
from onifast_web.webmail.long_lists import Shown, shown, wanted
from onifast_web.webmail.pages import page, user

_MOST_OCCASIONAL = 500
_LINE = re.compile(r"[\r\n]+")


@allow(Who.USER)
def contacts() -> AnyResponse:
    """The address book, and what its forms ask for."""
    web, (_caller, username) = current(), user()
    if request.method == "GET":
        return _page(username)
    match request.form.get("do"):
        case "import":
            file = request.files.get("file")
            try:
                found = actions.take_in(web, username, file.stream.read(actions.MOST_OCTETS + 1) if file else b"")
            except Problem as problem:
                return _page(
                    username, sentence(str(problem.errors[0]["message"]) if problem.errors else problem.detail)
                )
            kept = found.added + found.merged
            return redirect(url_for("webmail.contacts", did="contacts-imported", n=kept), 303)
        case "merge":
            gone = web.database.write(lambda tx: store.merge_duplicates(tx, username, web.clock()))
            return redirect(url_for("webmail.contacts", did="contacts-merged", n=gone), 303)
        case "delete":
            gone = actions.remove(web, username, request.form.getlist("ids", type=int))
            return redirect(url_for("webmail.contacts", did="contacts-deleted", n=gone, q=wanted() or None), 303)
        case _:
            raise Problem(400, _("That action is not known."))


@allow(Who.USER)
def contact() -> AnyResponse:
    """One entry: a new one, or that of an id."""
    web, (_caller, username) = current(), user()
    contact_id = request.values.get("id", type=int)
    if request.method == "GET":
        return _entry(username, contact_id)
    if request.form.get("do") == "delete":
        if contact_id is None or not actions.remove(web, username, [contact_id]):
            raise not_found("contact")
        return redirect(url_for("webmail.contacts", did="contacts-deleted", n=1), 303)
    try:
        actions.put(web, username, contact_id, _typed(username, contact_id))
    except Problem as problem:
        if not problem.errors:
            raise
        errors = {str(item["field"]): sentence(str(item["message"])) for item in problem.errors}
        return _entry(username, contact_id, errors)
    return redirect(url_for("webmail.contacts", did="contact-saved"), 303)


@allow(Who.USER)
def occasional() -> AnyResponse:
    """Those whom the user wrote to or got mail from, and who are no contacts."""
    web, (_caller, username) = current(), user()
    if request.method == "POST":
        actions.hide(web, username, request.form.get("address", ""))
        return redirect(url_for("webmail.occasional", did="addressee-hidden", q=wanted() or None), 303)
    people = web.database.read(
        lambda tx: [
            each
            for each in addressees.suggest(tx, username, "", _MOST_OCCASIONAL)
            if store.of_address(tx, username, Address.parse(each.address)) is None
        ]
    )
    found = shown(people, lambda row: f"{row.name} {row.address} {in_script(row.address)}")
    return page("addressees.html", "occasional", found=found)


@allow(Who.USER)
def export_contacts() -> Response:
    """All contacts as a file."""
    chosen = request.args.get("format", "")
    if chosen not in FORMATS:
        raise Problem(400, _("That format is not known."))
    return downloads.file(*actions.file_of(current(), user()[1], cast(ContactFormat, chosen)))


ROUTES = (
    PageRoute("GET POST", "/contacts", contacts),
    PageRoute("GET POST", "/contacts/entry", contact, off_menu="the address book leads to it"),
    PageRoute("GET POST", "/contacts/others", occasional),
    PageRoute("GET", "/contacts/export", export_contacts, off_menu="a download"),
)
NAV = (
    NavEntry(
        "contacts", marked("Contacts"), contacts, icon="book", group=NavGroup.MAIL, order=90, tabs=marked("Contacts")
    ),
    NavTab("occasional", marked("Others you wrote to"), occasional, under="contacts", order=1),
)


def _imported(n: int) -> Notice | str:
    if not n:
        return _("There was nothing new in that file.")
    return ngettext("%(n)s contact taken in.", "%(n)s contacts taken in.", n)


def _merged(n: int) -> str:
    return ngettext("%(n)s duplicate merged.", "%(n)s duplicates merged.", n) if n else _("There were no duplicates.")


NOTICES: Notices = {
    "contact-saved": marked("Saved."),
    "contacts-imported": _imported,
    "contacts-merged": _merged,
    "contacts-deleted": lambda n: ngettext("%(n)s contact deleted.", "%(n)s contacts deleted.", n),
    "addressee-hidden": marked("Removed. They are offered again once you write to them."),
}


def _typed(username: str, contact_id: int | None) -> Card:
    """What the form says; what it does not show of the card stays."""
    form = request.form
    before = current().database.read(lambda tx: store.get(tx, username, contact_id)) if contact_id else None

    def listed(name: str) -> list[str]:
        return [text.strip() for text in _LINE.split(form.get(name, "")) if text.strip()]

    return Card(
        form.get("name", ""),
        form.get("organisation", ""),
        listed("emails"),
        listed("phones"),
        note=form.get("note", ""),
        groups=[text.strip() for text in re.split(r"[,;\r\n]+", form.get("groups", "")) if text.strip()],
        others=before.card.others if before else (),
    )


def _page(username: str, problem: str = "") -> Response:
    group = request.args.get("group", "")[:100]
    total, people, groups, same = current().database.read(
        lambda tx: (
            store.list_all(tx, username),
            store.list_all(tx, username, wanted(), group),
            list(store.groups(tx, username)),
            store.duplicates(tx, username),
        )
    )
    return page(
        "contacts.html",
        "contacts",
        422 if problem else 200,
        found=Shown(people[:200], wanted(), len(people), len(total)),
        groups=groups,
        group=group,
        duplicates=sum(len(each) - 1 for each in same),
        problem=problem,
        formats=(
            ("vcard3", "vCard 3.0 (.vcf)"),
            ("vcard4", "vCard 4.0 (.vcf)"),
            ("google", _("CSV for Google")),
            ("outlook", _("CSV for Outlook")),
        ),
    )


def _entry(username: str, contact_id: int | None, errors: dict[str, str] | None = None) -> Response:
    found, known = current().database.read(
        lambda tx: (
            None if contact_id is None else store.get(tx, username, contact_id),
            list(store.groups(tx, username)),
        )
    )
    if contact_id is not None and found is None:
        raise not_found("contact")
    return page(
        "contact.html",
        "contacts",
        422 if errors else 200,
        contact=found,
        fields=request.form if errors else _fields(found),
        errors=errors or {},
        groups=known,
    )


def _fields(found: Contact | None) -> dict[str, Any]:
    """What the form begins with: of somebody who is no contact yet, the link says who it is."""
    if found is None:
        return {name: request.args.get(name, "")[:400] for name in ("name", "emails")}
    card = found.card
    return {
        "name": card.name,
        "organisation": card.organisation,
        "emails": "\n".join(card.emails),
        "phones": "\n".join(card.phones),
        "groups": ", ".join(card.groups),
        "note": card.note,
    }
