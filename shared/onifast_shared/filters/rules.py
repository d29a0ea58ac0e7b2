"""A filter as a value: when it holds, and what it does then; and the checks on what people write."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, get_args

from onifast_shared.values.address import Address, AddressError

MOST_FILTERS = 200
MOST_CONDITIONS = 30
MOST_VALUES = 50
MOST_ACTS = 10
LONGEST_NAME = 80
LONGEST_VALUE = 200
LONGEST_TEXT = 20_000
LONGEST_REJECTION = 200
LARGEST = 1 << 40

Match = Literal["all", "any", "none", "every"]
"""All conditions hold, one does, none does; or every message, and there are no conditions."""
Field = Literal["from", "to", "recipient", "subject", "list", "text", "attachment", "header", "size", "junk"]
"""What is looked at: To and Cc are `to`, the address that it came to is `recipient`."""
Test = Literal["contains", "is", "starts", "ends", "matches", "domain", "present", "over", "under"]
Deed = Literal["label", "folder", "star", "read", "forward", "reply", "trash", "reject"]
"""What a filter does; `reject` only before a message is taken in, else it goes to trash."""

WORDINGS: tuple[Test, ...] = ("contains", "is", "starts", "ends", "matches")
TESTS: Mapping[Field, tuple[Test, ...]] = {
    "from": (*WORDINGS, "domain"),
    "to": (*WORDINGS, "domain"),
    "recipient": (*WORDINGS, "domain"),
    "subject": WORDINGS,
    "list": (*WORDINGS, "present"),
    "text": ("contains",),
    "attachment": ("present", *WORDINGS),
    "header": (*WORDINGS, "present"),
    "size": ("over", "under"),
    "junk": ("present",),
}
"""How each field can be looked at. `matches` knows `*` and `?`; `domain` takes what lies below a domain too."""
FOLDERS = ("inbox", "archive", "junk", "trash")
"""Where a filter puts mail, besides own folders."""

_PRINTABLE = set(map(chr, range(32, 127)))
_NAME_OF_FIELD = set(map(chr, range(33, 127))) - {":"}


class FilterError(ValueError):
    """A filter that cannot be: `field` is the part that is wrong; the text says what is, and what is allowed."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


@dataclass(frozen=True)
class Condition:
    """One of `values` is found in the field (`header` names it where that is one of the message's own), or not.

    Case does not count. `size` has one value, in octets.
    """

    field: Field
    test: Test
    values: tuple[str, ...] = ()
    header: str = ""
    negated: bool = False


@dataclass(frozen=True)
class Act:
    """One thing to do. `label_id` is a label's, or an own folder's in the place of `folder`.

    `to` is where it is forwarded; `subject` and `text` are what is answered, or `text` why it is refused.
    """

    do: Deed
    label_id: int | None = None
    folder: str = ""
    to: str = ""
    subject: str = ""
    text: str = ""


@dataclass(frozen=True)
class FilterRule:
    """When a filter holds, and what it does; where it `stops`, those after it are not asked."""

    match: Match
    conditions: tuple[Condition, ...]
    acts: tuple[Act, ...]
    stops: bool = False

    @property
    def rejects(self) -> bool:
        """Whether it refuses messages."""
        return any(act.do == "reject" for act in self.acts)

    @property
    def asks_junk(self) -> bool:
        """Whether it is about what is junk, or what is not."""
        return any(each.field == "junk" for each in self.conditions)


def stored(rule: FilterRule) -> str:
    """The rule as it stands in the database: JSON without what is not said."""
    return json.dumps(as_dict(rule), ensure_ascii=False, separators=(",", ":"))


def as_dict(rule: FilterRule) -> dict[str, Any]:
    """The rule as JSON has it."""
    conditions = [_said(each, {"values": list(each.values), "negated": each.negated}) for each in rule.conditions]
    acts = [_said(each, {}) for each in rule.acts]
    return {"match": rule.match, "conditions": conditions, "acts": acts, "stops": rule.stops}


@lru_cache(maxsize=8192)
def parse_stored(text: str) -> FilterRule:
    """The rule that stands in the database; raises FilterError for one that a newer program wrote."""
    try:
        return parse(json.loads(text))
    except (ValueError, TypeError) as error:
        raise error if isinstance(error, FilterError) else FilterError("rule", "not a rule") from None


def parse(found: Mapping[str, Any]) -> FilterRule:
    """The rule that was written; raises FilterError for what is no rule."""
    _only(found, ("match", "conditions", "acts", "stops"), "rule")
    match = found.get("match", "all")
    if match not in get_args(Match):
        raise FilterError("match", "one of all, any, none, every")
    conditions = _parts(found, "conditions", MOST_CONDITIONS, _condition)
    if match == "every" and conditions:
        raise FilterError("conditions", "a filter for every message has none")
    if match != "every" and not conditions:
        raise FilterError("conditions", "give at least one, or match every message")
    acts = _parts(found, "acts", MOST_ACTS, _act)
    if not acts and not found.get("stops"):
        raise FilterError("acts", "give at least one thing to do")
    _check_together(acts)
    return FilterRule(match, conditions, acts, bool(found.get("stops", False)))


def _condition(where: str, found: Mapping[str, Any]) -> Condition:
    _only(found, ("field", "test", "values", "header", "negated"), where)
    field: Any = found.get("field")
    test: Any = found.get("test", "contains")
    if field not in get_args(Field):
        raise FilterError(f"{where}.field", f"one of {', '.join(TESTS)}")
    if test not in TESTS[field]:
        raise FilterError(f"{where}.test", f"for {field} one of {', '.join(TESTS[field])}")
    header = str(found.get("header") or "").strip().rstrip(":")
    if (field == "header") != bool(header):
        raise FilterError(f"{where}.header", "the name of the field that is looked at" if not header else "not wanted")
    if not set(header) <= _NAME_OF_FIELD or len(header) > 77:
        raise FilterError(f"{where}.header", "not a field's name (RFC 5322 section 2.2)")
    values = _values(where, found.get("values") or [], test)
    return Condition(field, test, values, header, bool(found.get("negated", False)))


def _values(where: str, found: object, test: Test) -> tuple[str, ...]:
    name = f"{where}.values"
    if not isinstance(found, list) or not all(isinstance(each, str | int) for each in found):
        raise FilterError(name, "a list of texts")
    values = tuple(dict.fromkeys(text for each in found if (text := str(each).strip())))
    if test == "present":
        if values:
            raise FilterError(name, "not wanted with present")
        return ()
    if not values:
        raise FilterError(name, "give what is looked for")
    if len(values) > MOST_VALUES or max(map(len, values)) > LONGEST_VALUE:
        raise FilterError(name, f"{MOST_VALUES} of {LONGEST_VALUE} characters each at the most")
    if test in ("over", "under") and (len(values) > 1 or not values[0].isdecimal() or int(values[0]) > LARGEST):
        raise FilterError(name, "one number of octets")
    return values


def _act(where: str, found: Mapping[str, Any]) -> Act:
    _only(found, ("do", "label_id", "folder", "to", "subject", "text"), where)
    do: Any = found.get("do")
    if do not in get_args(Deed):
        raise FilterError(f"{where}.do", f"one of {', '.join(get_args(Deed))}")
    act = Act(do, found.get("label_id"), *(str(found.get(name) or "") for name in ("folder", "to", "subject", "text")))
    _check_act(where, act)
    return act


def _check_act(where: str, act: Act) -> None:
    wanted = {"label": ("label_id",), "forward": ("to",), "reply": ("subject", "text"), "reject": ("text",)}
    allowed = wanted.get(act.do, ("label_id", "folder") if act.do == "folder" else ())
    for name in ("label_id", "folder", "to", "subject", "text"):
        if getattr(act, name) and name not in allowed:
            raise FilterError(f"{where}.{name}", f"not wanted with {act.do}")
    if act.label_id is not None and not (type(act.label_id) is int and 0 < act.label_id < 2**63):
        raise FilterError(f"{where}.label_id", "the number of a label or own folder")
    if act.do == "label" and act.label_id is None:
        raise FilterError(f"{where}.label_id", "say which label")
    if act.do == "folder" and (act.label_id is None) == (act.folder not in FOLDERS):
        raise FilterError(f"{where}.folder", f"one of {', '.join(FOLDERS)}, or the label_id of an own folder")
    if act.do == "forward":
        address_of(act.to, f"{where}.to")
    if act.do == "reply" and not act.text.strip():
        raise FilterError(f"{where}.text", "say what is answered")
    if len(act.text) > LONGEST_TEXT or len(act.subject) > 2 * LONGEST_VALUE:
        raise FilterError(f"{where}.text", f"{LONGEST_TEXT} characters at the most")
    if any(ord(character) < 32 for character in act.subject):
        raise FilterError(f"{where}.subject", "one line")
    if act.do == "reject" and (len(act.text) > LONGEST_REJECTION or not set(act.text) <= _PRINTABLE):
        raise FilterError(f"{where}.text", f"{LONGEST_REJECTION} characters of ASCII in one line at the most")


def _check_together(acts: Sequence[Act]) -> None:
    places = [act for act in acts if act.do in ("folder", "trash", "reject")]
    if len(places) > 1:
        raise FilterError("acts", "a message goes to one place: one of folder, trash, reject")
    if sum(act.do == "reply" for act in acts) > 1:
        raise FilterError("acts", "one answer at the most")


def address_of(text: str, field: str) -> Address:
    """The address that was written; raises FilterError."""
    try:
        return Address.parse(text.strip())
    except AddressError:
        raise FilterError(field, "not an e-mail address") from None


def _parts(found: Mapping[str, Any], name: str, most: int, read: Any) -> tuple[Any, ...]:
    some = found.get(name) or []
    if not isinstance(some, list) or not all(isinstance(each, Mapping) for each in some):
        raise FilterError(name, "a list of objects")
    if len(some) > most:
        raise FilterError(name, f"{most} at the most")
    return tuple(read(f"{name}.{number}", each) for number, each in enumerate(some))


def _only(found: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    if unknown := sorted(set(found) - set(known)):
        raise FilterError(where, f"{unknown[0]} is not known; known are {', '.join(known)}")


def _said(part: Condition | Act, more: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (vars(part) | more).items() if value not in (None, "", (), [], False)}
