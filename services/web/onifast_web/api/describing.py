"""What the OpenAPI document says beyond types: descriptions, formats, examples, and the noun of an endpoint."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any

from onifast_web.api.endpoint import Endpoint
from onifast_web.api.formats import EXAMPLES, FORMATS
from onifast_web.api.vocabulary import MEANINGS

Schema = dict[str, Any]
Schemas = Mapping[str, Schema]

_DEEPEST = 6  # levels of models in an example


def noun_of(endpoint: Endpoint) -> str:
    """What an endpoint is about, by the module that it stands in."""
    return endpoint.view.__module__.rpartition(".")[2].replace("_", " ")


def nouns(endpoints: Iterable[Endpoint]) -> list[dict[str, str]]:
    """Each noun with what its module says of it: the document's tags."""
    found = {noun_of(each): (sys.modules[each.view.__module__].__doc__ or "").strip() for each in endpoints}
    return [{"name": name, "description": found[name]} for name in sorted(found)]


def describe_fields(schemas: Schemas) -> None:
    """Gives each field of each model its description, unless the model has a special one."""
    for schema in schemas.values():
        for name, field in schema.get("properties", {}).items():
            describe(name, field)


def describe(name: str, field: Schema) -> None:
    """Gives one field, or parameter, its description."""
    if "description" not in field and name in MEANINGS:
        field["description"] = MEANINGS[name]


def add_formats(schemas: Schemas, requests: Iterable[str]) -> None:
    """Says of the fields of requests what they hold; `requests` are the names of their models."""
    for name in requests:
        for field_name, field in schemas[name].get("properties", {}).items():
            add_format(name, field_name, field)


def add_format(model: str, name: str, field: Schema) -> None:
    """Says of one field, or parameter, what it holds, unless it says so itself or is no free text."""
    named = FORMATS.get(f"{model}.{name}") or FORMATS.get(name)
    for kind in field.get("anyOf", [field]) if named else []:
        text = kind["items"] if kind.get("type") == "array" else kind
        if text.get("type") == "string" and "enum" not in text:
            text.setdefault("format", named)


def for_forms(schema: Schema) -> Schema:
    """The schema of a body as forms have it: they know no null, and files come as they are."""
    made = deepcopy(schema)
    for name, field in made.get("properties", {}).items():
        kinds = [kind for kind in field.get("anyOf", []) if kind.get("type") != "null"]
        if len(kinds) == 1 and len(kinds) < len(field.get("anyOf", [])):
            rest = {key: value for key, value in field.items() if key not in ("anyOf", "default")}
            made["properties"][name] = kinds[0] | rest
        if "$ref" in field.get("items", {}):
            field["items"] = {"type": "string", "contentMediaType": "application/octet-stream"}
    return made


def example(schema: Schema, schemas: Schemas, name: str = "", deep: int = 0) -> Any:
    """A value that fits a schema: of a request's model, what has to be there; of an answer's, all."""
    schema = _resolved(schema, schemas)
    if "examples" in schema:
        return schema["examples"][0]
    if name in EXAMPLES and _fits(EXAMPLES[name], schema):
        return EXAMPLES[name]
    if "enum" in schema:
        return next((value for value in schema["enum"] if value), schema["enum"][0])
    if "const" in schema:
        return schema["const"]
    if "anyOf" in schema and "properties" not in schema:
        return example(schema["anyOf"][0], schemas, name, deep)
    match schema.get("type"):
        case "object":
            return dict(_fields(schema, schemas, deep))
        case "array" if "prefixItems" in schema:
            return [example(each, schemas, name, deep + 1) for each in schema["prefixItems"]]
        case "array":
            return [example(schema["items"], schemas, name, deep + 1)] if deep < _DEEPEST else []
        case "integer" | "number":
            return schema.get("default", max(1, schema.get("minimum", 1)))
        case "boolean":
            return schema.get("default", True)
        case "string":
            return "2026-11-22T10:00:00Z" if schema.get("format") == "date-time" else "text"
    return None


def _fields(schema: Schema, schemas: Schemas, deep: int) -> Iterator[tuple[str, Any]]:
    if "properties" not in schema:
        kind = schema.get("additionalProperties")
        if isinstance(kind, dict):
            yield "inbox", example(kind, schemas, "", deep + 1)
        return
    choices = [each[key][0] for each in (schema, *schema.get("allOf", [])) for key in ("oneOf", "anyOf") if key in each]
    wanted = dict.fromkeys(name for each in (schema, *choices) for name in each.get("required", []))
    chosen = {name: field for each in choices for name, field in each.get("properties", {}).items()}
    for name in wanted:
        field = chosen.get(name, {})
        whole = field if "const" in field or "enum" in field else schema["properties"][name]
        yield name, example(whole, schemas, name, deep + 1)


def _resolved(schema: Schema, schemas: Schemas) -> Schema:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    return {**schemas[reference.rpartition("/")[2]], **{key: each for key, each in schema.items() if key == "examples"}}


def _fits(value: Any, schema: Schema) -> bool:
    """Whether a value is of a schema's type, as far as the vocabulary's examples go."""
    if "enum" in schema or "const" in schema or "$ref" in schema:
        return False
    if "anyOf" in schema:
        return any(_fits(value, kind) for kind in schema["anyOf"])
    kinds: dict[Any, type] = {"string": str, "integer": int, "array": list}
    kind = kinds.get(schema.get("type"))
    if kind is None or not isinstance(value, kind):
        return False
    return not isinstance(value, list) or all(_fits(each, schema["items"]) for each in value)
