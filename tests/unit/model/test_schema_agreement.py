"""crds/ and the types in model/ say the same, field by field; and the schemas are bounded."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import msgspec
import pytest
import yaml

from vmbackup_operator.model.conditions import MAX_MESSAGE, MAX_REASON
from vmbackup_operator.model.kinds import KINDS, Resource
from vmbackup_operator.model.metadata import GROUP, MAX_TRIGGER, VERSION
from vmbackup_operator.model.progress import MAX_ERRORS

ROOT = Path(__file__).resolve().parents[3]
Schema = dict[str, Any]

#: What a plain type is in a schema.
PLAIN = {
    str: ("string", None),
    int: ("integer", None),
    bool: ("boolean", None),
    datetime: ("string", "date-time"),
}


def schema_of(kind: type[Resource]) -> Schema:
    document = yaml.safe_load((ROOT / "crds" / f"{kind.plural}.yaml").read_text())
    (version,) = document["spec"]["versions"]
    schema: Schema = version["schema"]["openAPIV3Schema"]
    return schema


def bare(wanted: Any) -> Any:
    """Return the type behind "or None" and behind a NewType."""
    if get_origin(wanted) in (UnionType, Union):
        (wanted,) = (one for one in get_args(wanted) if one is not NoneType)
    return getattr(wanted, "__supertype__", wanted)


def differences(wanted: Any, schema: Schema, path: str) -> Iterator[str]:
    """Say where the type *wanted* and *schema* differ."""
    wanted = bare(wanted)
    if get_origin(wanted) is Literal:
        if sorted(get_args(wanted)) != sorted(schema.get("enum", ())):
            yield f"{path}: {get_args(wanted)} in the type, {schema.get('enum')} in the schema"
    elif get_origin(wanted) is tuple:
        if schema["type"] != "array":
            yield f"{path}: a list in the type only"
        else:
            yield from differences(get_args(wanted)[0], schema["items"], f"{path}[]")
    elif get_origin(wanted) is dict:
        yield from differences_of_any_names(schema, path)
    elif issubclass(wanted, msgspec.Struct):
        yield from object_differences(wanted, schema, path)
    else:
        type_, format_ = PLAIN[wanted]
        if schema["type"] != type_ or (format_ and schema.get("format") != format_):
            yield f"{path}: {wanted.__name__} in the type, {schema['type']} in the schema"


def differences_of_any_names(schema: Schema, path: str) -> Iterator[str]:
    """Say where the schema is not of an object whose names are the user's."""
    if not schema.get("x-kubernetes-preserve-unknown-fields") or "properties" in schema:
        yield f"{path}: an object of whatever names in the type only"


def default_of(field: msgspec.structs.FieldInfo) -> Any:
    """Return what the field is where it is absent, as JSON has it; None for a required one."""
    if field.default is not msgspec.NODEFAULT:
        return msgspec.to_builtins(field.default)
    made = field.default_factory
    return None if made is msgspec.NODEFAULT else msgspec.to_builtins(made())


def object_differences(wanted: type[msgspec.Struct], schema: Schema, path: str) -> Iterator[str]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(wanted)}
    properties = schema["properties"]
    for name in fields.keys() ^ properties.keys():
        yield f"{path}.{name}: in the {'type' if name in fields else 'schema'} only"
    for name in fields.keys() & properties.keys():
        field, inner = fields[name], properties[name]
        if field.required != (name in schema.get("required", ())):
            yield f"{path}.{name}: required in one only"
        default = default_of(field)
        if "default" in inner and default != inner["default"]:
            yield f"{path}.{name}: {default!r} by the type, {inner['default']!r} by the schema"
        if path.startswith("spec") and default not in (None, (), {}) and "default" not in inner:
            yield f"{path}.{name}: {default!r} by the type, nothing by the schema"
        yield from differences(field.type, inner, f"{path}.{name}")


def every_schema(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        if (path, name) != ("", "metadata"):
            yield from every_schema(inner, f"{path}.{name}")
    if "items" in schema:
        yield from every_schema(schema["items"], f"{path}[]")


def yaml_word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)


@kinds
@pytest.mark.parametrize("part", ["spec", "status"])
def test_type_and_schema_have_the_same_fields(kind: type[Resource], part: str) -> None:
    (field,) = (field for field in msgspec.structs.fields(kind) if field.name == part)

    assert not list(differences(field.type, schema_of(kind)["properties"][part], part))


@kinds
def test_a_crd_is_named_as_its_type(kind: type[Resource]) -> None:
    document = yaml.safe_load((ROOT / "crds" / f"{kind.plural}.yaml").read_text())
    spec = document["spec"]

    assert document["metadata"]["name"] == f"{kind.plural}.{GROUP}"
    assert (spec["group"], spec["versions"][0]["name"]) == (GROUP, VERSION)
    assert (spec["names"]["kind"], spec["names"]["plural"]) == (kind.kind, kind.plural)
    assert spec["names"]["categories"] == ["vmbackup"]
    assert schema_of(kind)["required"] == ["spec"]


@kinds
def test_every_field_is_described(kind: type[Resource]) -> None:
    silent = [
        path for path, schema in every_schema(schema_of(kind)) if not schema.get("description")
    ]

    assert not silent


@kinds
def test_a_default_is_in_the_description(kind: type[Resource]) -> None:
    """kubectl explain prints descriptions, and no defaults."""
    silent = [
        path
        for path, schema in every_schema(schema_of(kind))
        if not isinstance(schema.get("default", {}), dict)
        and not schema["description"].endswith(f" Default: {yaml_word(schema['default'])}.")
    ]

    assert not silent


@kinds
def test_everything_is_bounded(kind: type[Resource]) -> None:
    schemas = list(every_schema(schema_of(kind)))
    strings = [
        path
        for path, schema in schemas
        if schema["type"] == "string"
        and path not in (".apiVersion", ".kind")
        and not schema.keys() & {"maxLength", "enum"}
        and schema.get("format") != "date-time"
    ]
    lists = [
        path
        for path, schema in schemas
        if schema["type"] == "array" and not {"maxItems", "x-kubernetes-list-type"} <= schema.keys()
    ]
    numbers = [
        path for path, schema in schemas if schema["type"] == "integer" and "minimum" not in schema
    ]

    assert (strings, lists, numbers) == ([], [], [])
    assert not [path for path, schema in schemas if schema["type"] == "number"]
    assert not [path for path, schema in schemas if "additionalProperties" in schema]


@kinds
def test_every_rule_says_what_is_wrong(kind: type[Resource]) -> None:
    rules = [
        rule
        for _, schema in every_schema(schema_of(kind))
        for rule in schema.get("x-kubernetes-validations", ())
    ]

    assert not [rule["rule"] for rule in rules if not rule.get("message")]


@kinds
def test_what_is_cut_here_fits_the_schema(kind: type[Resource]) -> None:
    status = schema_of(kind)["properties"]["status"]["properties"]
    condition = status["conditions"]["items"]["properties"]

    assert condition["message"]["maxLength"] == MAX_MESSAGE
    assert condition["reason"]["maxLength"] == MAX_REASON
    assert status["conditions"]["x-kubernetes-list-map-keys"] == ["type"]
    if "errors" in status:
        assert status["errors"]["maxItems"] == MAX_ERRORS


def test_as_much_of_a_trigger_counts_as_the_schemas_take() -> None:
    policy, session = (
        {kind.kind: schema_of(kind)["properties"] for kind in KINDS}[name]
        for name in ("BackupPolicy", "BackupSession")
    )

    status = policy["status"]["properties"]
    asked = session["spec"]["properties"]["trigger"]["maxLength"]
    for trigger in (status["trigger"], status["occasion"]["properties"]["trigger"]):
        assert trigger["properties"]["token"]["maxLength"] == asked == MAX_TRIGGER
