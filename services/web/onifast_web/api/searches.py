"""Searches: those that are kept under a name, and how one may go on."""

from __future__ import annotations

from typing import Annotated, cast

from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.search import saved
from onifast_shared.search.saved import LONGEST_NAME, LONGEST_QUERY, SavedSearch, SavedSearchError
from pydantic import Field

from onifast_web.access.caller import Who
from onifast_web.actions import finding
from onifast_web.api.chosen import the_user
from onifast_web.api.endpoint import Call, Endpoint, Id
from onifast_web.http.models import Model
from onifast_web.http.problems import not_found, unprocessable

Query = Annotated[
    str,
    Field(
        min_length=1,
        max_length=LONGEST_QUERY,
        description="What `q` of /api/mail/list takes, for all folders.",
        examples=["from:shop subject:invoice"],
    ),
]


class SearchInfo(Model):
    """A search that is kept."""

    id: int
    name: str
    query: Annotated[str, Field(description="What `q` of /api/mail/list takes.", examples=["subject:invoice"])]


class SearchList(Model):
    """The caller's searches by name; `recent` are the latest that they made in the webmail."""

    searches: Annotated[list[SearchInfo], Field(description="The searches that are kept.")]
    recent: Annotated[list[str], Field(description="Searches made lately, the latest first.")]


class SearchBody(Model):
    """A search to keep; one of that name becomes this one."""

    name: Annotated[str, Field(min_length=1, max_length=LONGEST_NAME, examples=["Unpaid"])]
    query: Query


class SearchIdQuery(Model):
    """Which search."""

    id: Id


class SuggestionQuery(Model):
    """What was typed so far."""

    q: Annotated[str, Field(max_length=LONGEST_QUERY, examples=["from:shop is:"])] = ""


class Suggestion(Model):
    """A way to go on."""

    text: Annotated[str, Field(description="The whole search, or its beginning.")]
    hint: Annotated[str, Field(description="A few words about it; may be empty.")]


class SuggestionList(Model):
    """How it may go on, the likeliest first."""

    suggestions: Annotated[list[Suggestion], Field(description="At most eight.")]


def list_searches(call: Call) -> SearchList:
    """The searches that the caller keeps, and made lately."""
    owner = the_user(call, "searches")
    kept, lately = call.web.database.read(lambda tx: (saved.list_all(tx, owner), saved.recent(tx, owner)))
    return SearchList(searches=[_info(each) for each in kept], recent=lately)


def save_search(call: Call) -> SearchInfo:
    """Keeps a search under a name."""
    owner, body = the_user(call, "searches"), cast(SearchBody, call.body)
    try:
        return _info(call.web.database.write(lambda tx: saved.save(tx, owner, body.name, body.query, call.web.clock())))
    except SavedSearchError as error:
        raise unprocessable(error.field, str(error)) from None


def delete_search(call: Call) -> None:
    """Forgets a search."""
    owner, query = the_user(call, "searches"), cast(SearchIdQuery, call.query)
    if not call.web.database.write(lambda tx: saved.remove(tx, owner, query.id)):
        raise not_found("search")


def suggest(call: Call) -> SuggestionList:
    """How a search may go on; for nothing typed, what was searched for lately and what is kept."""
    owner, query = the_user(call, "searches"), cast(SuggestionQuery, call.query)
    found = call.web.database.read(lambda tx: finding.suggestions(tx, owner, query.q))
    return SuggestionList(suggestions=[Suggestion(text=each.text, hint=each.hint) for each in found])


def _info(search: SavedSearch) -> SearchInfo:
    return SearchInfo(id=search.id, name=search.name, query=search.query)


ENDPOINTS = (
    Endpoint(
        "GET", "/api/mail/searches", Who.USER, TokenScope.READ, "Searches that are kept", list_searches,
        answer=SearchList, failures={403: "The service token named no user."},
    ),
    Endpoint(
        "POST", "/api/mail/searches", Who.USER, TokenScope.MANAGE, "Keep a search", save_search,
        body=SearchBody, answer=SearchInfo, status=201,
    ),
    Endpoint(
        "DELETE", "/api/mail/searches", Who.USER, TokenScope.MANAGE, "Delete a search", delete_search, SearchIdQuery,
        status=204, failures={404: "The caller has no such search."},
    ),
    Endpoint(
        "GET", "/api/mail/searches/suggestions", Who.USER, TokenScope.READ, "How a search may go on", suggest,
        SuggestionQuery, answer=SuggestionList, failures={403: "The service token named no user."},
    ),
)  # fmt: skip
