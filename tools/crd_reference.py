"""`python -m tools.crd_reference`: writes docs/reference.md, every field of every kind, from crds/.

The CRDs are the source: what stands on the page is what the API server enforces and what `kubectl
explain` says, so nobody writes it twice. A test compares the page with what this module makes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
CRDS = ROOT / "crds"
PAGE = ROOT / "docs" / "reference.md"

#: A schema, as OpenAPI writes it.
Schema = dict[str, Any]

_BEGINNING = """# Reference of the resources

Every field of every kind, made from the CRDs in `crds/` by `make reference`; `kubectl explain
bpol.spec` says the same of what your cluster has. `[]` behind a name is each item of a list. What
is required is so where the object around it is there. A rule is enforced by the API server, which
refuses an object with the message that stands here. Nobody but the operator writes `status`.
"""

#: What tells a field's values, in the order in which it is told.
_WORDS = {"format": "format {}", "pattern": "pattern {}"}
#: The bounds, as pairs, with what they count.
_RANGES = (
    ("minimum", "maximum", ""),
    ("minLength", "maxLength", " characters"),
    ("minItems", "maxItems", " items"),
)
#: What each key of a schema says is on the page, or is how a schema is built; another one is an
#: error, so that no rule goes untold.
_TOLD = {
    *_WORDS,
    *(bound for least, most, _ in _RANGES for bound in (least, most)),
    *("default", "description", "enum", "items", "properties", "required", "type"),
    *("x-kubernetes-list-map-keys", "x-kubernetes-list-type"),
    *("x-kubernetes-preserve-unknown-fields", "x-kubernetes-validations"),
}


def definitions() -> list[Schema]:
    """Return the CRDs, by their files' names."""
    return [yaml.safe_load(path.read_text()) for path in sorted(CRDS.glob("*.yaml"))]


def page(crds: list[Schema]) -> str:
    """Return the text of the page about *crds*."""
    names = [crd["spec"]["names"]["kind"] for crd in crds]
    contents = " · ".join(f"[{name}](#{name.lower()})" for name in names)
    return "\n".join([_BEGINNING, f"{contents}\n", *(_section(crd) for crd in crds)])


def _section(crd: Schema) -> str:
    names, spec = crd["spec"]["names"], crd["spec"]
    parts = [f"## {names['kind']}\n"]
    for version in spec["versions"]:
        schema = version["schema"]["openAPIV3Schema"]
        parts += [f"{schema['description']}\n", _facts(spec, version)]
        parts += [f"- {rule}" for rule in _rules(schema)] + [""]
        for part, said in schema["properties"].items():
            if "properties" in said:
                required = part in schema.get("required", ())
                parts += [f"### {names['kind']}: {part}\n", _opening(said, required=required)]
                parts += [_table(said)]
    return "\n".join(parts)


def _facts(spec: Schema, version: Schema) -> str:
    names = spec["names"]
    columns = ", ".join(column["name"] for column in version["additionalPrinterColumns"])
    written = f"`apiVersion: {spec['group']}/{version['name']}`, `kind: {names['kind']}`"
    asked = f"`kubectl get {names['shortNames'][0]}`"
    lines = [f"- {written}; {spec['scope'].lower()}; {asked}.", f"- Columns: {columns}."]
    selectable = [f"`{field['jsonPath'][1:]}`" for field in version.get("selectableFields", ())]
    if selectable:
        lines.append(f"- Field selectors: {', '.join(selectable)}.")
    return "\n".join(lines)


def _opening(schema: Schema, *, required: bool) -> str:
    told = [schema["description"], *(["Required."] if required else [])]
    told += _rules(schema)
    return " ".join(told) + "\n"


def _table(schema: Schema) -> str:
    rows = ["| field | type | is |", "| --- | --- | --- |"]
    for path, field, required in _fields(schema, ""):
        rows.append(f"| `{path}` | {_type(field)} | {_meaning(field, required=required)} |")
    return "\n".join(rows) + "\n"


def _fields(schema: Schema, prefix: str) -> Iterator[tuple[str, Schema, bool]]:
    """Yield each field below *schema*, in the CRD's order: its path, itself, whether required."""
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        path = f"{prefix}{name}"
        yield path, field, name in required
        inner = field
        while inner["type"] == "array":
            inner, path = inner["items"], f"{path}[]"
        yield from _fields(inner, f"{path}.")


def _type(schema: Schema) -> str:
    match schema["type"]:
        case "array":
            return f"list of {_type(schema['items'])}"
        case kind:
            return str(kind)


def _meaning(schema: Schema, *, required: bool) -> str:
    """Return what the table says of a field: description, bounds and rules, its items' too."""
    untold = schema.keys() - _TOLD
    if untold:
        raise LookupError(f"{', '.join(sorted(untold))}: the page says nothing of that yet")
    told = [schema["description"], *(["**Required.**"] if required else [])]
    if "default" in schema and "Default: " not in schema["description"]:
        told.append(f"Default: {_code(schema['default'])}.")
    told += _bounds(schema)
    told += _rules(schema)
    if schema["type"] == "array" and schema["items"]["type"] != "object":
        each = [*_bounds(schema["items"]), *_rules(schema["items"])]
        told += ["Each item:", *each] if each else []
    return _cell(" ".join(told))


def _bounds(schema: Schema) -> list[str]:
    told = []
    if "enum" in schema:
        told.append("one of " + ", ".join(_code(value) for value in schema["enum"]))
    for least, most, of in _RANGES:
        match schema.get(least), schema.get(most):
            case None, None:
                pass
            case low, None:
                told.append(f"at least {low}{of}")
            case None, high:
                told.append(f"at most {high}{of}")
            case low, high:
                told.append(f"{low} to {high}{of}")
    told += [words.format(_code(schema[key])) for key, words in _WORDS.items() if key in schema]
    told += _freedoms(schema)
    said = "; ".join(told)
    return [f"{said[0].upper()}{said[1:]}."] if said else []


def _freedoms(schema: Schema) -> list[str]:
    """Return what may stand in a list how often, and where anything may stand."""
    told = ["any fields"] if schema.get("x-kubernetes-preserve-unknown-fields") else []
    match schema.get("x-kubernetes-list-type"):
        case "map":
            told.append("one for each " + ", ".join(schema["x-kubernetes-list-map-keys"]))
        case "set":
            told.append("each once")
        case _:
            pass
    return told


def _rules(schema: Schema) -> list[str]:
    messages = (rule["message"] for rule in schema.get("x-kubernetes-validations", ()))
    return [f"Rule: {message.removesuffix('.')}." for message in messages]


def _code(value: object) -> str:
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _cell(text: str) -> str:
    """Return *text* as a table's cell holds it: a bar would end it, even in code."""
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(definitions()))
    print(f"{PAGE.relative_to(ROOT)}: {len(PAGE.read_text().splitlines())} lines")
