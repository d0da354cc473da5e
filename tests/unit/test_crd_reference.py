"""docs/reference.md says what the CRDs say, all of it."""

from __future__ import annotations

from typing import Any

import pytest

from tools.crd_reference import PAGE, definitions, page


def with_field(field: dict[str, Any]) -> dict[str, Any]:
    """Return a kind whose spec has one field."""
    schema = {
        "description": "A kind.",
        "type": "object",
        "properties": {
            "spec": {"description": "Wanted.", "type": "object", "properties": {"one": field}}
        },
    }
    version = {
        "name": "v1",
        "additionalPrinterColumns": [{"name": "Age"}],
        "schema": {"openAPIV3Schema": schema},
    }
    names = {"kind": "Thing", "shortNames": ["th"]}
    return {"spec": {"group": "g", "scope": "Namespaced", "names": names, "versions": [version]}}


def row(field: dict[str, Any]) -> str:
    """Return the page's row of *field*."""
    (found,) = [
        line for line in page([with_field(field)]).splitlines() if line.startswith("| `one`")
    ]
    return found


def paths_of(schema: dict[str, Any], prefix: str = "") -> set[str]:
    found = set()
    for name, field in schema.get("properties", {}).items():
        found.add(prefix + name)
        inner, brackets = field, ""
        while "items" in inner:
            inner, brackets = inner["items"], brackets + "[]"
        found |= paths_of(inner, f"{prefix}{name}{brackets}.")
    return found


def test_the_page_is_what_the_crds_make_it() -> None:
    assert PAGE.read_text() == page(definitions()), "run: make reference"


@pytest.mark.parametrize("crd", definitions(), ids=lambda crd: crd["spec"]["names"]["kind"])
def test_every_field_of_a_kind_has_its_row(crd: dict[str, Any]) -> None:
    (version,) = crd["spec"]["versions"]
    said = page([crd])

    for part in ("spec", "status"):
        fields = version["schema"]["openAPIV3Schema"]["properties"].get(part, {})
        for path in paths_of(fields):
            assert f"\n| `{path}` |" in said, path


def test_bounds_defaults_and_rules_are_told() -> None:
    field = {
        "description": "How many.",
        "type": "integer",
        "minimum": 1,
        "maximum": 9,
        "default": 3,
        "x-kubernetes-validations": [{"rule": "self != 7", "message": "not 7"}],
    }

    assert row(field) == "| `one` | integer | How many. Default: `3`. 1 to 9. Rule: not 7. |"


def test_what_bounds_the_items_of_a_list_is_told() -> None:
    items = {"type": "string", "maxLength": 5}
    field = {"description": "Names.", "type": "array", "minItems": 1, "items": items}

    assert row(field) == (
        "| `one` | list of string | Names. At least 1 items. Each item: At most 5 characters. |"
    )


def test_a_bar_in_a_pattern_does_not_end_its_cell() -> None:
    field = {"description": "Either.", "type": "string", "pattern": "^a|b$"}

    assert row(field) == "| `one` | string | Either. Pattern `^a\\|b$`. |"


def test_a_restriction_that_the_page_cannot_tell_is_an_error() -> None:
    field = {"description": "Odd.", "type": "integer", "multipleOf": 2}

    with pytest.raises(LookupError, match="multipleOf"):
        page([with_field(field)])
