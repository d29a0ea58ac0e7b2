"""Filters in words: when one acts, what it does, and what it did."""

from __future__ import annotations

from collections.abc import Mapping

from onifast_shared.filters.rules import Act, Condition, FilterRule
from onifast_shared.filters.store import FilterDeed, FilterLogLine

from onifast_web.reading.render import byte_size
from onifast_web.webmail.filters import listed

FIELDS: Mapping[str, str] = {
    "from": "From",
    "to": "To or Cc",
    "recipient": "Came to",
    "subject": "Subject",
    "text": "Text",
    "list": "Mailing list",
    "attachment": "Attachment",
    "size": "Size",
    "junk": "It is junk",
    "header": "Header field",
}
TESTS: Mapping[str, str] = {
    "contains": "contains",
    "is": "is",
    "starts": "starts with",
    "ends": "ends with",
    "matches": "is like (* and ?)",
    "domain": "is at the domain",
    "present": "is there",
    "over": "is over",
    "under": "is under",
}
MATCHES: Mapping[str, str] = {
    "all": "all of these hold",
    "any": "one of these holds",
    "none": "none of these holds",
    "every": "it comes, whatever it is",
}
_PLACES = {"inbox": "the inbox", "archive": "Archive", "junk": "Junk", "trash": "Trash"}


def when(rule: FilterRule) -> str:
    """When a filter acts, in one line."""
    if rule.match == "every":
        return "every message"
    joined = " or " if rule.match == "any" else " and "
    told = joined.join(map(_condition, rule.conditions))
    return f"none of: {'; '.join(map(_condition, rule.conditions))}" if rule.match == "none" else told


def what(rule: FilterRule, names: Mapping[int, str]) -> str:
    """What a filter does, in one line; `names` are those of the labels and own folders."""
    told = listed([_act(each, names) for each in rule.acts])
    return f"{told}, and stop" if rule.stops and told else told or "stop: no filter below is asked"


def did(line: FilterLogLine) -> str:
    """What a filter did with a message, without its name: `moved to Bills, and labelled Work`."""
    return listed([_deed(each) for each in line.deeds])


def _condition(found: Condition) -> str:
    field = found.header if found.field == "header" else FIELDS[found.field]
    if found.test == "present":
        there = {"junk": ("it is junk", "it is no junk"), "list": ("it came by a list", "it came by no list")}
        yes, no = there.get(found.field, (f"it has {_an(field.lower())}", f"it has no {field.lower()}"))
        return no if found.negated else yes
    values = [byte_size(int(each)) if found.field == "size" else f"“{each}”" for each in found.values]
    told = f"{field} {TESTS[found.test].partition(' (')[0]} {' or '.join(values)}"
    return f"not ({told})" if found.negated else told


def _an(noun: str) -> str:
    return f"an {noun}" if noun[:1] in "aeiou" else f"a {noun}"


def _act(act: Act, names: Mapping[int, str]) -> str:
    match act.do:
        case "label":
            return f"label {names.get(act.label_id or 0, '(deleted)')}"
        case "folder":
            return f"move to {names.get(act.label_id, '(deleted)') if act.label_id else _PLACES[act.folder]}"
        case "forward":
            return f"forward to {act.to}"
        case "reply":
            return "answer"
    return {"star": "star", "read": "mark as read", "trash": "move to Trash", "reject": "refuse"}[act.do]


def _deed(deed: FilterDeed) -> str:
    place = _PLACES.get(deed.name, deed.name)
    told = {
        "label": f"labelled it {deed.name}" if deed.name else "labelled it",
        "folder": "left it in the inbox" if deed.name == "inbox" else f"moved it to {place}" if place else "moved it",
        "star": "starred it",
        "read": "marked it as read",
        "forward": f"forwarded it to {deed.name}",
        "reply": f"answered {deed.name}",
        "trash": "moved it to Trash",
        "reject": "refused it" if not deed.name else "moved it to Trash",
    }[deed.do]
    return f"could not: {told} ({deed.failed})" if deed.failed else told
