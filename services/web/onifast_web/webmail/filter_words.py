"""Filters in words: when one acts, what it does, and what it did."""

from __future__ import annotations

from collections.abc import Mapping

from onifast_shared.filters.rules import Act, Condition, FilterRule
from onifast_shared.filters.store import FilterDeed, FilterLogLine

from onifast_web.languages.texts import _, marked, pgettext
from onifast_web.reading.render import byte_size
from onifast_web.webmail.filters import listed

FIELDS: Mapping[str, str] = {
    "from": marked("From"),
    "to": marked("To or Cc"),
    "recipient": marked("Came to"),
    "subject": marked("Subject"),
    "text": marked("Text"),
    "list": marked("Mailing list"),
    "attachment": marked("Attachment"),
    "size": marked("Size"),
    "junk": marked("It is junk"),
    "header": marked("Header field"),
}
TESTS: Mapping[str, str] = {
    "contains": marked("contains"),
    "is": marked("is"),
    "starts": marked("starts with"),
    "ends": marked("ends with"),
    "matches": marked("is like (* and ?)"),
    "domain": marked("is at the domain"),
    "present": marked("is there"),
    "over": marked("is over"),
    "under": marked("is under"),
}
MATCHES: Mapping[str, str] = {
    "all": marked("all of these hold"),
    "any": marked("one of these holds"),
    "none": marked("none of these holds"),
    "every": marked("it comes, whatever it is"),
}
_PLACES = {"inbox": marked("the inbox"), "archive": marked("Archive"), "junk": marked("Junk"), "trash": marked("Trash")}


def when(rule: FilterRule) -> str:
    """When a filter acts, in one line."""
    if rule.match == "every":
        return _("every message")
    if rule.match == "none":
        return _("none of: %(conditions)s", conditions="; ".join(map(_condition, rule.conditions)))
    joined = pgettext("between conditions", "or") if rule.match == "any" else pgettext("between conditions", "and")
    return f" {joined} ".join(map(_condition, rule.conditions))


def what(rule: FilterRule, names: Mapping[int, str]) -> str:
    """What a filter does, in one line; `names` are those of the labels and own folders."""
    told = listed([_act(each, names) for each in rule.acts])
    if not told:
        return _("stop: no filter below is asked")
    return _("%(acts)s, and stop", acts=told) if rule.stops else told


def did(line: FilterLogLine) -> str:
    """What a filter did with a message, without its name: `moved to Bills, and labelled Work`."""
    return listed([_deed(each) for each in line.deeds])


def _condition(found: Condition) -> str:
    if found.test == "present":
        return _present(found)
    values = [byte_size(int(each)) if found.field == "size" else _("“%(value)s”", value=each) for each in found.values]
    told = {
        "field": found.header if found.field == "header" else str(FIELDS[found.field]),
        "test": str(TESTS[found.test]).partition(" (")[0],
        "values": f" {pgettext('between values', 'or')} ".join(values),
    }
    line = _("%(field)s %(test)s %(values)s", **told)
    return _("not (%(condition)s)", condition=line) if found.negated else line


def _present(found: Condition) -> str:
    if found.field == "junk":
        return _("it is no junk") if found.negated else _("it is junk")
    if found.field == "list":
        return _("it came by no list") if found.negated else _("it came by a list")
    if found.field == "attachment":
        return _("it has no attachment") if found.negated else _("it has an attachment")
    field = (found.header if found.field == "header" else str(FIELDS[found.field])).lower()
    if found.negated:
        return _("it has no %(field)s", field=field)
    return _("it has an %(field)s", field=field) if field[:1] in "aeiou" else _("it has a %(field)s", field=field)


def _act(act: Act, names: Mapping[int, str]) -> str:
    gone = _("(deleted)")
    match act.do:
        case "label":
            return _("label %(name)s", name=names.get(act.label_id or 0, gone))
        case "folder":
            place = names.get(act.label_id, gone) if act.label_id else str(_PLACES[act.folder])
            return _("move to %(place)s", place=place)
        case "forward":
            return _("forward to %(address)s", address=act.to)
        case "reply":
            return pgettext("filter", "answer")
    return {
        "star": pgettext("filter", "star"),
        "read": _("mark as read"),
        "trash": _("move to Trash"),
        "reject": pgettext("filter", "refuse"),
    }[act.do]


def _deed(deed: FilterDeed) -> str:
    told = _told(deed)
    return _("could not: %(told)s (%(why)s)", told=told, why=deed.failed) if deed.failed else told


def _told(deed: FilterDeed) -> str:
    match deed.do:
        case "label":
            return _("labelled it %(name)s", name=deed.name) if deed.name else _("labelled it")
        case "folder":
            place = str(_PLACES.get(deed.name, deed.name))
            if deed.name == "inbox":
                return _("left it in the inbox")
            return _("moved it to %(place)s", place=place) if place else _("moved it")
        case "forward":
            return _("forwarded it to %(address)s", address=deed.name)
        case "reply":
            return _("answered %(address)s", address=deed.name)
        case "reject" if not deed.name:
            return _("refused it")
    return {
        "star": _("starred it"),
        "read": _("marked it as read"),
        "trash": _("moved it to Trash"),
        "reject": _("moved it to Trash"),
    }[deed.do]
