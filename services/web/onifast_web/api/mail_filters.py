"""Filters: what a user has done with mail as it comes, what it did, and runs on mail that is here."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from onifast_shared.accounts.api_tokens import TokenScope
from onifast_shared.filters import rules
from onifast_shared.filters.deciding import MailFilter
from onifast_shared.filters.rules import Deed, Match, Test
from onifast_shared.filters.rules import Field as LookedAt
from onifast_shared.filters.runs import FilterRun
from onifast_shared.filters.store import FilterLogLine
from onifast_shared.values import times
from pydantic import Field

from onifast_web.access.caller import Who
from onifast_web.actions import mail_filters as actions
from onifast_web.api.chosen import Ids, the_user
from onifast_web.api.endpoint import Call, Endpoint, Id, Moment, optional_moment
from onifast_web.http.models import Model

Name = Annotated[
    str,
    Field(min_length=1, max_length=4 * rules.LONGEST_NAME, description="What it is called.", examples=["Invoices"]),
]
RunFolder = Literal["inbox", "archive", "junk", "trash"]


class FilterCondition(Model):
    """One of `values` is found in the `field`, compared by `test` without regard to case; `negated`: it is not.

    `to` is To and Cc, `recipient` the address that the message came to, `header` the field that `header` names, `junk`
    whether it was found to be junk. `size` takes octets, `matches` knows `*` and `?`, `domain` what lies below it too.
    Which tests a field has: wordings (contains, is, starts, ends, matches) for all texts but `text`, which has
    contains alone; domain for addresses; present for list, attachment, header and junk; over and under for size.
    """

    field: Annotated[LookedAt, Field(description="What is looked at.")]
    test: Annotated[Test, Field(description="How it is looked at.")] = "contains"
    values: Annotated[
        list[Annotated[str, Field(max_length=rules.LONGEST_VALUE)]],
        Field(max_length=rules.MOST_VALUES, description="What is looked for; one is enough.", examples=[["shop.test"]]),
    ] = Field(default_factory=list)
    header: Annotated[str, Field(max_length=77, description="The name of the header field, for `header`.")] = ""
    negated: Annotated[bool, Field(description="Whether it is to be otherwise.")] = False


class FilterAct(Model):
    """One thing to do. `label` takes a `label_id`; `folder` one of inbox (never junk), archive, junk, trash, or the
    `label_id` of an own folder; `forward` an address in `to`; `reply` a `text` and a `subject`; `reject` a `text`.
    """

    do: Annotated[Deed, Field(description="What is done.")]
    label_id: Annotated[Id | None, Field(description="The number of a label or own folder.")] = None
    folder: Annotated[str, Field(max_length=20, description="Where it goes, for `folder`.")] = ""
    to: Annotated[str, Field(max_length=400, description="Where it is forwarded to.")] = ""
    subject: Annotated[
        str,
        Field(max_length=2 * rules.LONGEST_VALUE, description="Of the answer; empty for the message's, after “Auto:”."),
    ] = ""
    text: Annotated[
        str, Field(max_length=rules.LONGEST_TEXT, description="What is answered, or why it is refused.")
    ] = ""


class FilterRuleModel(Model):
    """When a filter holds, and what it does."""

    match: Annotated[
        Match, Field(description="Whether all, any or none of the conditions hold; every: each message.")
    ] = "all"
    conditions: Annotated[
        list[FilterCondition], Field(max_length=rules.MOST_CONDITIONS, description="When it acts.")
    ] = Field(default_factory=list)
    acts: Annotated[list[FilterAct], Field(min_length=1, max_length=rules.MOST_ACTS, description="What it does.")]
    stops: Annotated[bool, Field(description="Whether the filters below it are not asked any more.")] = False


class FilterInfo(FilterRuleModel):
    """A filter of the caller's; they are asked in this order."""

    id: Id
    name: str
    is_on: Annotated[bool, Field(description="Whether it acts.")]
    times: Annotated[int, Field(description="How often it has acted.")]
    last_at: Moment | None


class FilterList(Model):
    """All of the caller's filters."""

    filters: Annotated[list[FilterInfo], Field(description="The filters in the order in which they are asked.")]


class FilterBody(FilterRuleModel):
    """A new filter, which is asked after the others."""

    name: Name
    is_on: Annotated[bool, Field(description="Whether it acts.")] = True


class FilterChanges(Model):
    """Which filter, and what of it changes; the rest stays. A `rule` is replaced whole."""

    id: Id
    name: Name | None = None
    is_on: Annotated[bool | None, Field(description="Whether it acts.")] = None
    rule: Annotated[FilterRuleModel | None, Field(description="When it acts, and what it does.")] = None


class FilterIdQuery(Model):
    """Which filter."""

    id: Id


class FilterOrder(Model):
    """The numbers of all filters, in their new order."""

    ids: Ids


class FilterLogQuery(Model):
    """A page of the log."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str | None, Field(max_length=15)] = None


class FilterDeedInfo(Model):
    """What was done, with which label, folder or address; `failed` is why it could not be."""

    do: Annotated[Deed, Field(description="What is done.")]
    name: str
    failed: Annotated[str, Field(description="Why it could not be done; empty where it was.")]


class FilterLogInfo(Model):
    """What a filter did with a message; `email_id` is null for one that was refused or is deleted for good."""

    id: Id
    email_id: Id | None
    filter_id: Annotated[Id, Field(description="The filter's number; it may be gone.")]
    filter: Annotated[str, Field(description="What the filter was called.")]
    deeds: Annotated[list[FilterDeedInfo], Field(description="What it did, in order.")]
    sender: str
    subject: str
    at: Moment


class FilterLog(Model):
    """What filters did, the latest first."""

    log: Annotated[list[FilterLogInfo], Field(description="The lines, the latest first.")]
    next_cursor: str | None


class FilterRunBody(Model):
    """Which filter runs (null: all that are on), on the mail of which folders.

    It never refuses, answers or forwards.
    """

    id: Id | None = None
    folders: Annotated[
        list[RunFolder], Field(min_length=1, max_length=4, description="Which folders.", examples=[["inbox"]])
    ]


class FilterRunAct(Model):
    """Which run, and what becomes of it: `stop` ends it where it is, `undo` puts back what it changed."""

    id: Id
    action: Literal["stop", "undo"]


class FilterRunInfo(Model):
    """A run on mail that was here: how many messages it has looked at of all, and changed."""

    id: Id
    filter_id: Annotated[Id | None, Field(description="The filter's number; null for all that were on.")]
    name: str
    state: Annotated[
        Literal["running", "done", "stopped", "undoing", "undone"], Field(description="How far it has come.")
    ]
    total: int
    seen: Annotated[int, Field(description="How many messages it has looked at.")]
    changed: Annotated[int, Field(description="How many messages it has changed.")]
    started_at: Annotated[Moment, Field(description="When it began.")]
    ended_at: Annotated[Moment | None, Field(description="When it ended; null while it goes on.")]


class FilterRuns(Model):
    """The caller's last runs."""

    runs: Annotated[list[FilterRunInfo], Field(description="The runs, the latest first.")]


def list_filters(call: Call) -> FilterList:
    """The caller's filters in the order in which they are asked."""
    found = actions.standing(call.web, the_user(call, "filters"))
    return FilterList(filters=[_info(each, found.use.get(each.id, (0, 0))) for each in found.filters])


def create_filter(call: Call) -> FilterInfo:
    """A new filter below the others. It acts on what comes from now on."""
    owner, body = the_user(call, "filters"), call.body
    rule = actions.parse_rule(_rule(body))
    return _info(actions.add(call.web, owner, body.name, rule, is_on=body.is_on), (0, 0))


def change_filter(call: Call) -> FilterInfo:
    """Changes a filter, or turns it on or off."""
    owner, body = the_user(call, "filters"), call.body
    rule = None if body.rule is None else actions.parse_rule(_rule(body.rule))
    changed = actions.change(call.web, owner, body.id, name=body.name, rule=rule, is_on=body.is_on)
    return _info(changed, actions.standing(call.web, owner).use.get(body.id, (0, 0)))


def delete_filter(call: Call) -> None:
    """Ends a filter. What it did stays done, and in the log."""
    actions.remove(call.web, the_user(call, "filters"), call.query.id)


def order_filters(call: Call) -> FilterList:
    """Has the filters asked in another order."""
    actions.put_in_order(call.web, the_user(call, "filters"), call.body.ids)
    return list_filters(call)


def filter_log(call: Call) -> FilterLog:
    """What the caller's filters did: the last thousand lines or so."""
    found = actions.log(call.web, the_user(call, "filters"), limit=call.query.limit, cursor=call.query.cursor)
    return FilterLog(log=[_line(each) for each in found.rows], next_cursor=found.next_cursor)


def list_runs(call: Call) -> FilterRuns:
    """The last runs on mail that was here, and how far they are."""
    return FilterRuns(runs=[_run(each) for each in actions.standing(call.web, the_user(call, "filters")).runs])


def start_run(call: Call) -> FilterRunInfo:
    """Runs a filter, or all, on mail that is here already, in the background."""
    return _run(actions.run(call.web, the_user(call, "filters"), call.body.id, call.body.folders))


def act_on_run(call: Call) -> FilterRunInfo:
    """Stops a run, or undoes one that has ended."""
    act = actions.stop if call.body.action == "stop" else actions.undo
    return _run(act(call.web, the_user(call, "filters"), call.body.id))


_NO_FILTER = {404: "The caller has no such filter."}
ENDPOINTS = (
    Endpoint(
        "GET", "/api/mail/filters", Who.USER, TokenScope.READ, "The caller's filters", list_filters, answer=FilterList
    ),
    Endpoint(
        "POST", "/api/mail/filters", Who.USER, TokenScope.MANAGE, "Make a filter", create_filter,
        body=FilterBody, answer=FilterInfo, status=201,
    ),
    Endpoint(
        "PATCH", "/api/mail/filters", Who.USER, TokenScope.MANAGE, "Change a filter, or turn it on or off",
        change_filter, body=FilterChanges, answer=FilterInfo, failures=_NO_FILTER,
    ),
    Endpoint(
        "DELETE", "/api/mail/filters", Who.USER, TokenScope.MANAGE, "End a filter", delete_filter, FilterIdQuery,
        status=204, failures=_NO_FILTER,
    ),
    Endpoint(
        "POST", "/api/mail/filters/order", Who.USER, TokenScope.MANAGE, "Put filters in another order",
        order_filters, body=FilterOrder, answer=FilterList,
        failures=_NO_FILTER | {409: "These are not all of the caller's filters, each once."},
    ),
    Endpoint(
        "GET", "/api/mail/filters/log", Who.USER, TokenScope.READ, "What the caller's filters did", filter_log,
        FilterLogQuery, answer=FilterLog,
    ),
    Endpoint(
        "GET", "/api/mail/filters/runs", Who.USER, TokenScope.READ, "Runs on mail that was here", list_runs,
        answer=FilterRuns,
    ),
    Endpoint(
        "POST", "/api/mail/filters/runs", Who.USER, TokenScope.MANAGE, "Run filters on mail that is here", start_run,
        body=FilterRunBody, answer=FilterRunInfo, status=202,
        failures=_NO_FILTER | {409: "None of the caller's filters could be run."},
    ),
    Endpoint(
        "POST", "/api/mail/filters/runs/act", Who.USER, TokenScope.MANAGE, "Stop or undo a run", act_on_run,
        body=FilterRunAct, answer=FilterRunInfo,
        failures={404: "The caller has no such run.", 409: "It cannot be stopped, or undone, as it is."},
    ),
)  # fmt: skip


def _rule(body: FilterRuleModel) -> dict[str, Any]:
    return {
        "match": body.match,
        "conditions": [each.model_dump() for each in body.conditions],
        "acts": [each.model_dump() for each in body.acts],
        "stops": body.stops,
    }


def _info(found: MailFilter, use: tuple[int, int]) -> FilterInfo:
    times_, last = use
    rule = FilterRuleModel.model_validate(rules.as_dict(found.rule))
    return FilterInfo(
        id=found.id,
        name=found.name,
        is_on=found.is_on,
        times=times_,
        last_at=optional_moment(last or None),
        **{name: getattr(rule, name) for name in FilterRuleModel.model_fields},
    )


def _line(line: FilterLogLine) -> FilterLogInfo:
    return FilterLogInfo(
        id=line.id,
        email_id=line.email_id,
        filter_id=line.filter_id,
        filter=line.filter_name,
        deeds=[FilterDeedInfo.model_validate(vars(each)) for each in line.deeds],
        sender=line.sender,
        subject=line.subject,
        at=times.rfc3339(line.logged_ts),
    )


def _run(run: FilterRun) -> FilterRunInfo:
    return FilterRunInfo(
        id=run.id,
        filter_id=run.filter_id,
        name=run.title,
        state=run.state,  # type: ignore[arg-type] # one of them, by the store
        total=run.total,
        seen=run.seen,
        changed=run.changed,
        started_at=times.rfc3339(run.started_ts),
        ended_at=optional_moment(run.ended_ts),
    )
