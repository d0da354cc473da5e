"""The JSON schema of the chart's values: the settings' own types, and what else the chart takes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

from vmbackup_operator.settings import Settings

Schema: TypeAlias = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_TEXT: Schema = {"type": "string"}
_YES_OR_NO: Schema = {"type": "boolean"}
_OBJECT_NAME: Schema = {"type": "string", "pattern": "^[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?$"}
_UUID_OR_NOTHING: Schema = {
    "type": "string",
    "pattern": "^([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})?$",
}
_NAME_OR_NOTHING: Schema = {"type": "string", "pattern": f"^({_OBJECT_NAME['pattern'][1:-1]})?$"}
#: Labels, annotations and the like: Kubernetes takes texts only.
_TEXTS: Schema = {"type": "object", "additionalProperties": _TEXT}
#: What Kubernetes judges by itself, once it is applied.
_ANY_OBJECT: Schema = {"type": "object"}
_ANY_OBJECTS: Schema = {"type": "array", "items": _ANY_OBJECT}
_NAMESPACE: Schema = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"}


#: What values.yaml does not have, or somebody may take out by null.
_MAY_BE_MISSING = ("namespace", "global", "resources")


def _object(properties: Mapping[str, Schema], required: tuple[str, ...] | None = None) -> Schema:
    """Return the schema of an object with these keys and no other; all of them are *required*."""
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": dict(properties),
        "required": list(properties) if required is None else list(required),
    }


def _named_objects(*more: str) -> Schema:
    """Return the schema of a list of objects that have a name, and *more* of anything."""
    described = {"name": {"type": "string", "minLength": 1}, **{name: {} for name in more}}
    return {"type": "array", "items": _object(described, ("name",))}


#: What the chart takes beside the settings.
CHART: dict[str, Schema] = {
    "image": _object(
        {
            "repository": {"type": "string", "pattern": "^[a-z0-9][-a-z0-9._/:]*$"},
            "tag": {"type": "string", "pattern": r"^([A-Za-z0-9_][-A-Za-z0-9_.]{0,127})?$"},
            "digest": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
            "pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
        }
    ),
    "imagePullSecrets": _named_objects(),
    "azureIdentity": {
        **_object({"clientId": _UUID_OR_NOTHING, "secretName": _NAME_OR_NOTHING}),
        # One identity: which of two would be used is nothing to guess.
        "anyOf": [{"properties": {name: {"const": ""}}} for name in ("clientId", "secretName")],
    },
    "keyRing": _object({"create": _YES_OR_NO}),
    "crds": _object({"install": _YES_OR_NO}),
    "formerNamespaces": {"type": "array", "items": _NAMESPACE},
    "admissionPolicies": _object({"enabled": _YES_OR_NO}),
    "replicas": {"type": "integer", "minimum": 1, "maximum": 5},
    "healthPort": {"type": "integer", "minimum": 1024, "maximum": 65535},
    "resources": _ANY_OBJECT,
    "priorityClass": {
        **_object(
            {
                "create": _YES_OR_NO,
                "name": _NAME_OR_NOTHING,
                # More than that is for the classes that Kubernetes brings itself.
                "value": {"type": "integer", "minimum": -(2**31), "maximum": 1_000_000_000},
            }
        ),
        "if": {"properties": {"create": {"const": True}}},
        "then": {"properties": {"name": {"minLength": 1}}},
    },
    "networkPolicy": _object(
        {"enabled": _YES_OR_NO, "from": _ANY_OBJECTS, "extraEgress": _ANY_OBJECTS}
    ),
    "serviceMonitor": _object(
        {
            "enabled": _YES_OR_NO,
            "interval": {"type": "string", "pattern": "^[0-9]+(ms|s|m|h)$"},
            "labels": _TEXTS,
        }
    ),
    "prometheusRule": _object({"enabled": _YES_OR_NO}),
    "hostNetwork": _YES_OR_NO,
    "extraEnv": _named_objects("value", "valueFrom"),
    "extraVolumes": _ANY_OBJECTS,
    "extraVolumeMounts": _ANY_OBJECTS,
    "podLabels": _TEXTS,
    "podAnnotations": _TEXTS,
    "nodeSelector": _TEXTS,
    "tolerations": _ANY_OBJECTS,
    "affinity": _ANY_OBJECT,
}


def schema() -> Schema:
    """Return the schema of all values, after the chart's own were put in."""
    made = msgspec.json.schema(Settings)
    definitions = {name: _closed(each) for name, each in made["$defs"].items()}
    root = definitions.pop("Settings")
    # The release says both; a settings file that says the same is taken as it is.
    definitions["SecretName"]["required"].remove("namespace")
    root["required"].remove("namespace")
    # Helm gives every chart the values that are meant for all of them.
    root["properties"] |= CHART | {"global": {"type": "object"}}
    root["required"] = [name for name in root["properties"] if name not in _MAY_BE_MISSING]
    return {
        "$schema": DIALECT,
        "title": "Values of the chart vmbackup",
        **root,
        "$defs": definitions,
    }


def text() -> str:
    """Return the schema as its file has it."""
    return f"{json.dumps(schema(), indent=2)}\n"


def _closed(described: Schema) -> Schema:
    """Return the schema of one type, in Helm's dialect, without defaults and with no other keys."""
    closed: Schema = {"type": "object", "additionalProperties": False}
    properties = described["properties"]
    closed["properties"] = {name: _in_go(each) for name, each in properties.items()}
    closed["required"] = list(described.get("required", ()))
    return closed


def _in_go(described: Schema) -> Schema:
    """Return the schema of a value without its default, which is values.yaml's to say."""
    kept = {key: value for key, value in described.items() if key != "default"}
    if "pattern" in kept:
        kept["pattern"] = _go_pattern(kept["pattern"])
    for part in ("items", "additionalProperties"):
        if part in kept:
            kept[part] = _in_go(kept[part])
    if "propertyNames" in kept:
        kept["patternProperties"] = _refused_names(kept.pop("propertyNames")["pattern"])
    return kept


def _go_pattern(pattern: str) -> str:
    """Return *pattern* in Go's words, where a letter is one of ASCII unless it says otherwise."""
    letters = r"\p{L}\p{N}_"
    inside = re.sub(r"\[[^]]*\]", lambda found: found[0].replace(r"\w", letters), pattern)
    return inside.replace(r"\w", f"[{letters}]")


def _refused_names(pattern: str) -> Schema:
    """Return what refuses an object's names that *pattern* doesn't allow, each by its path.

    Go's patterns cannot look ahead, and Helm's messages give names that ``propertyNames`` refuses a
    wrong path.
    """
    parts = re.fullmatch(r"\^\(\?!\(\?i:([^)]*)\)\)\[\^(.*)\]\{1,(\d+)\}\$", pattern)
    if parts is None:
        raise ValueError(f"names of the form {pattern} cannot be said to Helm")
    beginnings, characters, most = parts.groups()
    refused = (f"^(?i:{beginnings})", f"[{characters}]", "^$", f"^.{{{int(most) + 1}}}")
    return dict.fromkeys(refused, False)
