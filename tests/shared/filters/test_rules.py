"""What a filter may say, and when it holds."""

from __future__ import annotations

import time
from typing import Any

import pytest
from onifast_shared.filters import matching, rules
from onifast_shared.filters.deciding import MailFilter, decide, rejection
from onifast_shared.filters.matching import MessageFacts, TooMuchWorkError, holds
from onifast_shared.filters.rules import FilterError, FilterRule, parse, parse_stored, stored
from onifast_shared.message.parsing import parse as parse_message

RAW = (
    "From: =?utf-8?q?Bj=C3=B6rn_M=C3=BCller?= <bjoern@Shop.Example>, Other <o@else.test>\r\n"
    'To: "Carol, C." <carol@here.test>, team@here.test\r\nCc: dan@here.test\r\n'
    "Subject: =?utf-8?q?Rechnung_=C3=9Cber_alles?= 2026-17\r\nList-Id: News <news.shop.example>\r\n"
    "X-Spam-Level: ****\r\nX-Spam-Level: **\r\nMIME-Version: 1.0\r\n"
    'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
    "--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nDie Straße nach Rom.\r\n"
    "--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=Invoice-17.pdf\r\n\r\nx\r\n"
    "--b--\r\n"
)


@pytest.fixture
def facts() -> MessageFacts:
    parsed = parse_message(RAW.encode())
    return MessageFacts(parsed, parsed.text or "", "carol+shop@here.test", 5000)


def rule(*conditions: dict[str, Any], match: str = "all", acts: Any = ({"do": "star"},), **more: Any) -> FilterRule:
    return parse({"match": match, "conditions": list(conditions), "acts": list(acts), **more})


def condition(field: str, test: str, *values: str, **more: Any) -> dict[str, Any]:
    return {"field": field, "test": test, "values": list(values), **more}


@pytest.mark.parametrize(
    "found",
    [
        condition("from", "is", "BJOERN@shop.example"),
        condition("from", "contains", "björn"),
        condition("from", "contains", "nobody", "MÜLLER"),
        condition("from", "domain", "shop.example"),
        condition("from", "domain", "@EXAMPLE"),
        condition("from", "is", "o@else.test"),
        condition("to", "is", "dan@here.test"),
        condition("to", "starts", "carol, c."),
        condition("to", "domain", "here.test"),
        condition("recipient", "matches", "carol+*@here.test"),
        condition("subject", "is", "rechnung über alles 2026-17"),
        condition("subject", "matches", "rech*2026-??"),
        condition("subject", "ends", "-17"),
        condition("list", "present"),
        condition("list", "contains", "news.shop.example"),
        condition("text", "contains", "strasse"),
        condition("attachment", "present"),
        condition("attachment", "matches", "invoice-*.pdf"),
        condition("header", "is", "**", header="x-spam-level"),
        condition("header", "present", header="X-Spam-Level"),
        condition("size", "over", "4999"),
        condition("size", "under", "5001"),
        condition("junk", "present", negated=True),
        condition("subject", "contains", "holiday", negated=True),
    ],
    ids=str,
)
def test_a_condition_holds(facts: MessageFacts, found: dict[str, Any]) -> None:
    assert holds(rule(found), facts, junk=False)
    assert not holds(rule({**found, "negated": not found.get("negated")}), facts, junk=False)


@pytest.mark.parametrize(
    "found",
    [
        condition("from", "is", "bjoern@shop.exampl"),
        condition("from", "domain", "hop.example"),
        condition("subject", "matches", "rech*2026-?"),
        condition("subject", "matches", "alles"),
        condition("subject", "is", "rechnung"),
        condition("recipient", "is", "carol@here.test"),
        condition("header", "present", header="X-Spam"),
        condition("size", "over", "5000"),
        condition("size", "under", "5000"),
    ],
    ids=str,
)
def test_a_condition_does_not_hold(facts: MessageFacts, found: dict[str, Any]) -> None:
    assert holds(rule(found), facts, junk=False) is False


def test_all_any_none_and_every(facts: MessageFacts) -> None:
    yes, no = condition("subject", "contains", "rechnung"), condition("subject", "contains", "holiday")
    found = {
        match: [holds(rule(*some, match=match), facts, junk=False) for some in ([yes, yes], [yes, no], [no, no])]
        for match in ("all", "any", "none")
    }
    assert found == {"all": [True, False, False], "any": [True, True, False], "none": [False, False, True]}
    assert holds(rule(match="every"), facts, junk=None)


def test_what_hangs_on_junk_is_not_known_before_that(facts: MessageFacts) -> None:
    junk, no = condition("junk", "present"), condition("subject", "contains", "holiday")
    assert holds(rule(junk), facts, junk=None) is None
    assert holds(rule(junk, no), facts, junk=None) is False
    assert holds(rule(junk, no, match="any"), facts, junk=None) is None
    assert holds(rule(junk), facts, junk=True) is True


@pytest.mark.parametrize(
    ("found", "field"),
    [
        ({"conditions": []}, "conditions"),
        ({"match": "some", "conditions": [condition("subject", "is", "x")]}, "match"),
        ({"match": "every", "conditions": [condition("subject", "is", "x")]}, "conditions"),
        ({"conditions": [condition("body", "is", "x")]}, "conditions.0.field"),
        ({"conditions": [{"field": ["from"], "values": ["x"]}]}, "conditions.0.field"),
        ({"conditions": [condition("text", "matches", "x*")]}, "conditions.0.test"),
        ({"conditions": [condition("subject", "is")]}, "conditions.0.values"),
        ({"conditions": [condition("subject", "is", "x" * 201)]}, "conditions.0.values"),
        ({"conditions": [condition("subject", "is", *map(str, range(51)))]}, "conditions.0.values"),
        ({"conditions": [condition("size", "over", "much")]}, "conditions.0.values"),
        ({"conditions": [condition("header", "is", "x")]}, "conditions.0.header"),
        ({"conditions": [condition("header", "is", "x", header="a b")]}, "conditions.0.header"),
        ({"conditions": [condition("subject", "is", "x")] * 31}, "conditions"),
        ({"match": "every", "acts": []}, "acts"),
        ({"match": "every", "acts": [{"do": "burn"}]}, "acts.0.do"),
        ({"match": "every", "acts": [{"do": "folder", "folder": "sent"}]}, "acts.0.folder"),
        ({"match": "every", "acts": [{"do": "folder", "folder": "inbox", "label_id": 3}]}, "acts.0.folder"),
        ({"match": "every", "acts": [{"do": "label"}]}, "acts.0.label_id"),
        ({"match": "every", "acts": [{"do": "label", "label_id": "3"}]}, "acts.0.label_id"),
        ({"match": "every", "acts": [{"do": "star", "to": "x@y.test"}]}, "acts.0.to"),
        ({"match": "every", "acts": [{"do": "forward", "to": "nobody"}]}, "acts.0.to"),
        ({"match": "every", "acts": [{"do": "reply"}]}, "acts.0.text"),
        ({"match": "every", "acts": [{"do": "reject", "text": "Nein, danke schön"}]}, "acts.0.text"),
        ({"match": "every", "acts": [{"do": "reject", "text": "a\r\n250 ok"}]}, "acts.0.text"),
        ({"match": "every", "acts": [{"do": "trash"}, {"do": "reject"}]}, "acts"),
        ({"match": "every", "acts": [{"do": "star"}], "more": 1}, "rule"),
    ],
    ids=str,
)
def test_what_is_no_filter_is_refused_with_the_part_that_is_wrong(found: dict[str, Any], field: str) -> None:
    with pytest.raises(FilterError) as raised:
        parse({"acts": [{"do": "star"}]} | found)
    assert raised.value.field == field and str(raised.value)


def test_a_rule_is_the_same_once_it_is_stored() -> None:
    found = rule(
        condition("from", "contains", "ä", negated=True),
        condition("header", "present", header="X-A"),
        acts=[{"do": "label", "label_id": 3}, {"do": "forward", "to": "a@b.test"}, {"do": "reply", "text": "Hi"}],
        stops=True,
    )
    assert parse_stored(stored(found)) == found


def of(*found: FilterRule) -> list[MailFilter]:
    return [MailFilter(number, "carol", number, f"F{number}", True, each) for number, each in enumerate(found, 1)]


def test_filters_are_asked_in_order_until_one_stops(facts: MessageFacts) -> None:
    yes, no = condition("subject", "contains", "rechnung"), condition("subject", "contains", "holiday")
    found = decide(of(rule(no, stops=True), rule(yes), rule(yes, stops=True), rule(yes)), facts, junk=False)
    assert [each.id for each in found.filters] == [2, 3]


def test_the_first_filter_that_says_where_a_message_goes_decides(facts: MessageFacts) -> None:
    archive, trash = [{"do": "folder", "folder": "archive"}], [{"do": "trash"}]
    found = decide(of(rule(match="every"), rule(match="every", acts=archive), rule(match="every", acts=trash)), facts,
                   junk=False)  # fmt: skip
    assert found.place and found.place[0].id == 2


def test_a_rejection_is_sure_or_none(facts: MessageFacts) -> None:
    reject = rule(condition("from", "domain", "shop.example"), acts=[{"do": "reject", "text": "No, thanks"}])
    found = rejection(of(reject), facts)
    assert found and (found[0].id, found[1]) == (1, "No, thanks")
    junk_first = rule(condition("junk", "present"), acts=[{"do": "folder", "folder": "archive"}])
    assert rejection(of(junk_first, reject), facts) is None, "it may go to the archive"
    assert rejection(of(rule(match="every", stops=True), reject), facts) is None
    assert rejection(of(rule(condition("junk", "present"), acts=[{"do": "reject"}])), facts) is None
    kept = rule(match="every", acts=[{"do": "folder", "folder": "inbox"}])
    assert rejection(of(kept, reject), facts) is None
    assert rejection(of(rule(match="every"), reject), facts) is not None


def test_hostile_patterns_and_texts_take_no_time(facts: MessageFacts) -> None:
    """What makes regular expressions explode is only looked for once: no more than text times pattern."""
    text = "a" * 4096
    began = time.process_time()
    for pattern in ("*a" * 100 + "b", "?" * 199 + "b", "*" + "?a" * 99 + "*b", "*" * 200):
        matching._LOOKS["matches"](text, pattern)
    assert time.process_time() - began < 0.5


def test_whoever_has_filters_without_end_holds_up_nobody() -> None:
    text = "ab" * 131072
    facts = MessageFacts(parse_message(b"Subject: x\r\n\r\nx\r\n"), text, "carol@here.test", 1)
    many = rule(*(condition("text", "contains", *(f"{'ab' * 95}{a}{b}c" for b in range(50))) for a in range(30)))
    facts.begin()
    began, gave_up = time.thread_time(), False
    try:
        for _ in range(200):
            assert not holds(many, facts, junk=False)
    except TooMuchWorkError:
        gave_up = True
    assert time.thread_time() - began < matching.MOST_SECONDS + 0.5
    found = decide(of(*[rules.parse(rules.as_dict(many))] * 200), facts, junk=False)
    assert not found.filters and (gave_up == found.gave_up)
