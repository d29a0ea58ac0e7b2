"""A filter's form: what stands in its fields, and the rule that they mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from onifast_shared.filters.rules import FOLDERS, LONGEST_NAME, LONGEST_TEXT, MOST_CONDITIONS

EMPTY: Mapping[str, Any] = {"match": "all", "conditions": [], "acts": [], "stops": False}
_UNITS = {"B": 1, "KB": 1024, "MB": 1024**2}  # as sizes are shown
_LONGEST = 20_000


@dataclass(frozen=True)
class ConditionRow:
    """A row of the form: `values` are lines."""

    field: str = "from"
    test: str = "contains"
    values: str = ""
    header: str = ""
    negated: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing was filled in."""
        return not self.values.strip() and self.test != "present"

    def condition(self) -> dict[str, Any]:
        """The condition that the row means."""
        values = [each.strip() for each in self.values.splitlines() if each.strip()]
        if self.field == "size":
            values = [_octets(each) for each in values]
        test = "present" if self.field == "junk" else self.test
        header = self.header.strip() if self.field == "header" else ""
        values = [] if test == "present" else values
        return {"field": self.field, "test": test, "values": values, "header": header, "negated": self.negated}


@dataclass(frozen=True)
class FilterForm:
    """The fields. `place` is one of FOLDERS, `label:N`, `reject`, or "" for where it lies anyway."""

    name: str = ""
    is_on: bool = True
    match: str = "all"
    rows: Sequence[ConditionRow] = (ConditionRow(),)
    place: str = ""
    refusal: str = ""
    labels: Sequence[int] = ()
    stars: bool = False
    reads: bool = False
    forwards: str = ""
    subject: str = ""
    answer: str = ""
    stops: bool = False

    def with_one_more(self) -> FilterForm:
        """The form with one more row."""
        return replace(self, rows=(*self.rows, ConditionRow())[:MOST_CONDITIONS])

    def without(self, number: str) -> FilterForm:
        """The form without a row."""
        rows = [row for place, row in enumerate(self.rows) if str(place) != number]
        return replace(self, rows=rows or (ConditionRow(),))

    def rule(self) -> dict[str, Any]:
        """The rule that the form means."""
        rows = [] if self.match == "every" else [row for row in self.rows if not row.is_empty]
        return {
            "match": self.match,
            "conditions": [row.condition() for row in rows],
            "acts": [act for _, act in self._acts()],
            "stops": self.stops,
        }

    def placed(self, errors: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """What is wrong, by the field of the form where it stands."""
        found = dict[str, str]()
        rows = [number for number, row in enumerate(self.rows) if not row.is_empty]
        acts = [name for name, _ in self._acts()]
        for each in errors:
            kind, _sep, rest = str(each["field"]).partition(".")
            number = int(rest.partition(".")[0]) if rest.partition(".")[0].isdecimal() else -1
            if kind == "conditions" and 0 <= number < len(rows):
                place = f"row-{rows[number]}"
            elif kind == "acts" and 0 <= number < len(acts):
                place = acts[number]
            else:
                place = kind
            found.setdefault(place, str(each["message"]))
        return found

    def _acts(self) -> list[tuple[str, dict[str, Any]]]:
        """What is to be done, each with the field that says so."""
        acts: list[tuple[str, dict[str, Any]]] = [
            ("labels", {"do": "label", "label_id": number}) for number in self.labels
        ]
        if self.stars:
            acts.append(("stars", {"do": "star"}))
        if self.reads:
            acts.append(("reads", {"do": "read"}))
        if self.forwards.strip():
            acts += [("forwards", {"do": "forward", "to": each}) for each in self.forwards.replace(",", " ").split()]
        if self.answer.strip():
            acts.append(("answer", {"do": "reply", "text": self.answer, "subject": self.subject.strip()}))
        if self.place == "reject":
            acts.append(("place", {"do": "reject", "text": self.refusal.strip()}))
        elif self.place == "trash":
            acts.append(("place", {"do": "trash"}))
        elif self.place.startswith("label:"):
            number = self.place.removeprefix("label:")
            acts.append(("place", {"do": "folder", "label_id": int(number) if number.isdecimal() else 0}))
        elif self.place:
            acts.append(("place", {"do": "folder", "folder": self.place}))
        return acts


def of_rule(rule: Mapping[str, Any], *, name: str = "", is_on: bool = True) -> FilterForm:
    """The form of a rule."""
    form = FilterForm(
        name=name,
        is_on=is_on,
        match=rule["match"],
        rows=[_row(each) for each in rule["conditions"]] or (ConditionRow(),),
        labels=[act["label_id"] for act in rule["acts"] if act["do"] == "label"],
        stars=any(act["do"] == "star" for act in rule["acts"]),
        reads=any(act["do"] == "read" for act in rule["acts"]),
        forwards=" ".join(act["to"] for act in rule["acts"] if act["do"] == "forward"),
        stops=rule["stops"],
    )
    for act in rule["acts"]:
        match act["do"]:
            case "folder":
                form = replace(form, place=f"label:{act['label_id']}" if act.get("label_id") else act["folder"])
            case "trash" | "reject" as place:
                form = replace(form, place=place, refusal=act.get("text", ""))
            case "reply":
                form = replace(form, subject=act.get("subject", ""), answer=act["text"])
    return form


def of_request(sent: Any) -> FilterForm:
    """The form as it was sent."""
    number = min(MOST_CONDITIONS, max(1, sent.get("rows", 1, type=int)))
    place = sent.get("place", "")
    return FilterForm(
        name=sent.get("name", "")[: 4 * LONGEST_NAME],
        is_on=sent.get("is_on") == "1",
        match=sent.get("match", "all"),
        rows=[_sent_row(sent, each) for each in range(number)],
        place=place if place in (*FOLDERS, "reject") or place.startswith("label:") else "",
        refusal=sent.get("refusal", "")[:_LONGEST],
        labels=sent.getlist("labels", type=int),
        stars=sent.get("stars") == "1",
        reads=sent.get("reads") == "1",
        forwards=sent.get("forwards", "")[:_LONGEST],
        subject=sent.get("subject", "")[:_LONGEST],
        answer=sent.get("answer", "")[: LONGEST_TEXT + 1],
        stops=sent.get("stops") == "1",
    )


def _row(condition: Mapping[str, Any]) -> ConditionRow:
    values = condition.get("values", [])
    if condition["field"] == "size":
        values = [_size(int(each)) for each in values]
    return ConditionRow(
        condition["field"],
        condition.get("test", "contains"),
        "\n".join(values),
        condition.get("header", ""),
        bool(condition.get("negated")),
    )


def _sent_row(sent: Any, number: int) -> ConditionRow:
    return ConditionRow(
        sent.get(f"field-{number}", "from"),
        sent.get(f"test-{number}", "contains"),
        sent.get(f"values-{number}", "")[:_LONGEST],
        sent.get(f"header-{number}", "")[:100],
        sent.get(f"negated-{number}") == "1",
    )


def _octets(text: str) -> str:
    """A size as people write it (`5 MB`) in octets; what is none stays as it is."""
    unit = next((each for each in ("KB", "MB", "B") if text.upper().endswith(each)), "")
    number = text[: len(text) - len(unit)].strip().replace(",", ".") if unit else text
    try:
        return str(int(float(number) * _UNITS[unit or "B"]))
    except (ValueError, OverflowError):
        return text


def _size(octets: int) -> str:
    for unit in ("MB", "KB"):
        if octets and octets % _UNITS[unit] == 0:
            return f"{octets // _UNITS[unit]} {unit}"
    return str(octets)
