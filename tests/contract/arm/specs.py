"""Microsoft's OpenAPI files as JSON Schemas: one closed bundle for requests, one for responses.

Swagger 2.0 in many files becomes JSON Schema 2020-12 in one. Every definition stands in it twice:
open, for `allOf` to build on, and closed by `unevaluatedProperties`, so that a property that no
file knows is found wherever it stands.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jsonschema_rs

Mode = Literal["request", "response"]
Schema = dict[str, Any]


_FOLDERS = (
    "compute/resource-manager/Microsoft.Compute/ComputeRP/stable/2024-11-01",
    "compute/resource-manager/Microsoft.Compute/DiskRP/stable/2024-03-02",
    "compute/resource-manager/Microsoft.Compute/Skus/stable/2021-07-01",
    "network/resource-manager/Microsoft.Network/stable/2024-05-01",
    "privatedns/resource-manager/Microsoft.Network/stable/2024-06-01",
    "storage/resource-manager/Microsoft.Storage/stable/2024-01-01",
    "resources/resource-manager/Microsoft.Resources/stable/2024-03-01",
    "resources/resource-manager/Microsoft.Resources/stable/2022-12-01",
)
_KEPT = ("type", "items", "additionalProperties", "minLength", "maxLength", "minimum", "maximum")


def find_specification() -> Path | None:
    """Return the folder of the files where one lies beside the checkout (or further up), or None.

    They are Microsoft's, too many to keep here: ``shared/azure-specs`` or ``azure-specs``.
    """
    for folder in Path(__file__).resolve().parents[4:]:
        for name in ("shared/azure-specs", "azure-specs"):
            if (folder / name / "specification").is_dir():
                return folder / name / "specification"
    return None


@dataclass(frozen=True)
class Operation:
    """One method of one path: what may be sent, and what may be answered with which status."""

    pattern: re.Pattern[str]
    method: str
    request: Schema | None
    responses: Mapping[str, Schema | None]


class Specs:
    """All operations of the files, and whether a body is one of theirs."""

    def __init__(self, root: Path) -> None:
        self._root = root = root.resolve()  # references between the files are resolved too
        self._files: dict[Path, Schema] = {}
        self._definitions: dict[Mode, dict[str, Schema]] = {"request": {}, "response": {}}
        self._validators: dict[str, jsonschema_rs.Validator] = {}
        paths = [path for folder in _FOLDERS for path in sorted((root / folder).glob("*.json"))]
        self.operations = [operation for path in paths for operation in self._read(path)]

    def find(self, method: str, path: str) -> Operation | None:
        """Return the operation that *method* and *path* mean; the most literal template wins."""
        found = [o for o in self.operations if o.method == method and o.pattern.fullmatch(path)]
        return min(found, key=lambda o: o.pattern.pattern.count("[^/]+"), default=None)

    def problems(self, mode: Mode, schema: Schema, body: Any) -> list[str]:
        """Return what of *body* is against *schema*, empty where nothing is."""
        key = f"{mode} {json.dumps(schema, sort_keys=True)}"
        if key not in self._validators:
            whole = {**schema, "$defs": self._definitions[mode]}
            self._validators[key] = jsonschema_rs.Draft202012Validator(whole)
        errors = self._validators[key].iter_errors(body)
        return [f"{'/'.join(map(str, e.instance_path))}: {e.message[:300]}" for e in errors]

    def _file(self, path: Path) -> Schema:
        if path not in self._files:
            self._files[path] = json.loads(path.read_text(encoding="utf-8-sig"))
        return self._files[path]

    def _read(self, path: Path) -> Iterator[Operation]:
        content = self._file(path)
        for table in ("paths", "x-ms-paths"):
            for template, methods in content.get(table, {}).items():
                pattern = _pattern(template.partition("?")[0])
                for method, operation in methods.items():
                    if method in ("get", "put", "post", "patch", "delete", "head"):
                        yield self._operation(path, pattern, method.upper(), operation)

    def _operation(
        self, path: Path, pattern: re.Pattern[str], method: str, operation: Schema
    ) -> Operation:
        bodies = [self._parameter(path, given) for given in operation.get("parameters", [])]
        request = next((schema for schema in bodies if schema is not None), None)
        responses = {
            status: self._used(path, answer["schema"], "response") if "schema" in answer else None
            for status, answer in operation["responses"].items()
        }
        return Operation(pattern, method, request, responses)

    def _parameter(self, path: Path, given: Schema) -> Schema | None:
        if "$ref" in given:
            path, given = self._resolve(path, given["$ref"])
        return self._used(path, given["schema"], "request") if given.get("in") == "body" else None

    def _resolve(self, path: Path, reference: str) -> tuple[Path, Schema]:
        file, _, pointer = reference.partition("#")
        target = (path.parent / file).resolve() if file else path
        found: Any = self._file(target)
        for part in pointer.strip("/").split("/"):
            found = found[part]
        return target, found

    def _used(self, path: Path, schema: Schema, mode: Mode) -> Schema:
        """Return *schema* as it stands where it is used: a reference to the closed form."""
        if "$ref" in schema:
            return {"$ref": f"#/$defs/{self._define(path, schema['$ref'], mode)}~closed"}
        converted = self._converted(path, schema, mode)
        if "properties" in schema and "additionalProperties" not in schema:
            converted["unevaluatedProperties"] = False
        return converted

    def _define(self, path: Path, reference: str, mode: Mode) -> str:
        target, schema = self._resolve(path, reference)
        name = f"{target.relative_to(self._root)}:{reference.rsplit('/', 1)[1]}".replace("/", "!")
        definitions = self._definitions[mode]
        if name not in definitions:
            definitions[name] = {}  # a definition may refer to itself
            definitions[name].update(self._converted(target, schema, mode))
            definitions[f"{name}~closed"] = self._closed(name, target, schema)
        return name.replace("~", "~0")

    def _closed(self, name: str, path: Path, schema: Schema) -> Schema:
        reference = {"$ref": f"#/$defs/{name}"}
        if "discriminator" in schema or not self._has_properties(path, schema):
            return reference
        return {**reference, "unevaluatedProperties": False}

    def _has_properties(self, path: Path, schema: Schema) -> bool:
        if "additionalProperties" in schema:
            return False
        if "properties" in schema:
            return True
        parents = [self._resolve(path, p["$ref"]) for p in schema.get("allOf", []) if "$ref" in p]
        return any(self._has_properties(*parent) for parent in parents)

    def _converted(self, path: Path, schema: Schema, mode: Mode) -> Schema:
        if schema.get("type") == "file":
            return {}
        converted: Schema = {name: schema[name] for name in _KEPT if name in schema}
        for name in ("items", "additionalProperties"):
            if isinstance(schema.get(name), dict):
                converted[name] = self._used(path, schema[name], mode)
        converted |= self._members(path, schema, mode)
        if "allOf" in schema:
            converted["allOf"] = [self._parent(path, parent, mode) for parent in schema["allOf"]]
        if "enum" in schema and not schema.get("x-ms-enum", {}).get("modelAsString"):
            converted["pattern"] = _any_case(schema["enum"])
        if schema.get("x-nullable") and isinstance(converted.get("type"), str):
            converted["type"] = [converted["type"], "null"]
        return converted

    def _members(self, path: Path, schema: Schema, mode: Mode) -> Schema:
        members: Schema = {}
        properties = schema.get("properties", {})
        if properties:
            members["properties"] = {
                name: self._used(path, member, mode) for name, member in properties.items()
            }
        required = [n for n in schema.get("required", []) if _is_owed(properties.get(n, {}), mode)]
        if required:
            members["required"] = required
        return members

    def _parent(self, path: Path, parent: Schema, mode: Mode) -> Schema:
        if "$ref" in parent:
            return {"$ref": f"#/$defs/{self._define(path, parent['$ref'], mode)}"}
        return self._converted(path, parent, mode)


def _is_owed(member: Schema, mode: Mode) -> bool:
    mutability = member.get("x-ms-mutability")
    if mode == "request":
        return (not member.get("readOnly") and mutability in (None, ["create"])) or (
            mutability is not None and {"create", "update"} & set(mutability) != set()
        )
    return mutability is None or "read" in mutability


def _any_case(words: list[Any]) -> str:
    # Azure itself answers `FULL` where its contract says `Full`.
    spelt = (
        "".join(f"[{c.lower()}{c.upper()}]" if c.isalpha() else re.escape(c) for c in str(w))
        for w in words
    )
    return f"^(?:{'|'.join(spelt)})$"


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"(\{[^}]+\})", template.rstrip("/"))
    spelt = ("[^/]+" if part.startswith("{") else re.escape(part) for part in parts)
    return re.compile("".join(spelt), re.IGNORECASE)
