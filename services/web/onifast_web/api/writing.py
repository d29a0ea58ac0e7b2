"""What a user writes with: names and signatures of their addresses, and templates."""

from __future__ import annotations

from typing import Annotated, cast

from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.mailboxes import templates as template_store
from onifast_shared.mailboxes.identities import LONGEST_NAME, LONGEST_SIGNATURE, Identity
from onifast_shared.mailboxes.templates import LONGEST_NAME as LONGEST_TEMPLATE_NAME
from onifast_shared.mailboxes.templates import LONGEST_SUBJECT, LONGEST_TEXT, TextTemplate
from onifast_shared.values import times
from pydantic import Field

from onifast_web.access.caller import Who
from onifast_web.actions import identities, templates
from onifast_web.actions.identities import OwnIdentity
from onifast_web.api.chosen import the_user
from onifast_web.api.endpoint import Call, Endpoint, Id, Moment
from onifast_web.http.models import Model
from onifast_web.http.problems import not_found

Signature = Annotated[str, Field(max_length=LONGEST_SIGNATURE)]
TemplateText = Annotated[str, Field(max_length=LONGEST_TEXT)]
REPLY_TO = "Where answers go to messages from this address; empty for the address itself."


class IdentityInfo(Model):
    """An address that the caller writes from. `signature_html` is empty where the signature is plain text."""

    address: str
    name: Annotated[str, Field(description="The display name in From.")]
    signature_html: str
    signature_text: str
    reply_to: Annotated[str, Field(description=REPLY_TO)]
    is_default: bool


class IdentityList(Model):
    """The default address stands first."""

    identities: list[IdentityInfo]


class IdentityBody(Model):
    """All that goes with the address. A `signature_html` is sanitised, and gives the text too."""

    address: Annotated[str, Field(min_length=1, max_length=400)]
    name: Annotated[str, Field(max_length=LONGEST_NAME, description="The display name in From.")] = ""
    signature_html: Signature = ""
    signature_text: Signature = ""
    reply_to: Annotated[str, Field(max_length=10_000, description=REPLY_TO)] = ""
    is_default: bool = False


class TemplateInfo(Model):
    """A text to write with. `html` is empty for plain text."""

    id: int
    name: str
    subject: str
    html: str
    text: str
    changed_at: Moment


class TemplateList(Model):
    """The templates by name."""

    templates: list[TemplateInfo]


class TemplateBody(Model):
    """`html` or `text`; `html` is sanitised, and gives the text too."""

    name: Annotated[str, Field(min_length=1, max_length=LONGEST_TEMPLATE_NAME)]
    subject: Annotated[str, Field(max_length=LONGEST_SUBJECT)] = ""
    html: TemplateText = ""
    text: TemplateText = ""


class TemplateChanges(Model):
    """Which template, and what of it changes; the rest stays."""

    id: Id
    name: Annotated[str, Field(min_length=1, max_length=LONGEST_TEMPLATE_NAME)] | None = None
    subject: Annotated[str, Field(max_length=LONGEST_SUBJECT)] | None = None
    html: TemplateText | None = None
    text: TemplateText | None = None


class TemplateIdQuery(Model):
    """Which template."""

    id: Id


def list_identities(call: Call) -> IdentityList:
    """The caller's addresses with names and signatures."""
    found = identities.own(call.web, the_user(call, "addresses"))
    return IdentityList(identities=[_identity(each) for each in found])


def set_identity(call: Call) -> IdentityInfo:
    """Sets what goes with an address of the caller's."""
    body = cast(IdentityBody, call.body)
    changed = Identity(
        "", body.name, body.signature_html, body.signature_text, body.reply_to, is_default=body.is_default
    )
    return _identity(identities.put(call.web, the_user(call, "addresses"), body.address, changed))


def list_templates(call: Call) -> TemplateList:
    """The caller's templates."""
    owner = the_user(call, "templates")
    found = call.web.database.read(lambda tx: template_store.list_all(tx, owner))
    return TemplateList(templates=[_template(each) for each in found])


def create_template(call: Call) -> TemplateInfo:
    """A new template."""
    body = cast(TemplateBody, call.body)
    made = TextTemplate(0, body.name, body.subject, body.html, body.text)
    return _template(templates.put(call.web, the_user(call, "templates"), made))


def change_template(call: Call) -> TemplateInfo:
    """Changes what the request says."""
    owner, body = the_user(call, "templates"), cast(TemplateChanges, call.body)
    before = call.web.database.read(lambda tx: template_store.get(tx, owner, body.id))
    if before is None:
        raise not_found("template")
    said = body.model_dump(exclude_none=True, exclude={"id"})
    # A new text without HTML is all of it.
    html = said.get("html", "" if "text" in said else before.html)
    changed = TextTemplate(
        body.id, said.get("name", before.name), said.get("subject", before.subject), html, said.get("text", before.text)
    )
    return _template(templates.put(call.web, owner, changed))


def delete_template(call: Call) -> None:
    """Takes a template away."""
    templates.remove(call.web, the_user(call, "templates"), call.query.id)


_NONE = {404: "There is no such template."}
ENDPOINTS = (
    Endpoint(
        "GET", "/api/mail/identities", Who.USER, TokenScope.READ, "Names and signatures", list_identities,
        answer=IdentityList,
    ),
    Endpoint(
        "POST", "/api/mail/identities", Who.USER, TokenScope.MANAGE, "Set an address's name and signature",
        set_identity, body=IdentityBody, answer=IdentityInfo, failures={404: "The address is not the caller's."},
    ),
    Endpoint(
        "GET", "/api/mail/templates", Who.USER, TokenScope.READ, "Templates", list_templates, answer=TemplateList,
    ),
    Endpoint(
        "POST", "/api/mail/templates", Who.USER, TokenScope.MANAGE, "Add a template", create_template,
        body=TemplateBody, answer=TemplateInfo, status=201,
    ),
    Endpoint(
        "PATCH", "/api/mail/templates", Who.USER, TokenScope.MANAGE, "Change a template", change_template,
        body=TemplateChanges, answer=TemplateInfo, failures=_NONE,
    ),
    Endpoint(
        "DELETE", "/api/mail/templates", Who.USER, TokenScope.MANAGE, "Delete a template", delete_template,
        query=TemplateIdQuery, status=204, failures=_NONE,
    ),
)  # fmt: skip


def _identity(own: OwnIdentity) -> IdentityInfo:
    found = own.identity
    return IdentityInfo(
        address=own.address, name=found.name, signature_html=found.signature_html, signature_text=found.signature_text,
        reply_to=found.reply_to, is_default=found.is_default,
    )  # fmt: skip


def _template(found: TextTemplate) -> TemplateInfo:
    return TemplateInfo(
        id=found.id, name=found.name, subject=found.subject, html=found.html, text=found.text,
        changed_at=times.rfc3339(found.changed_ts),
    )  # fmt: skip
