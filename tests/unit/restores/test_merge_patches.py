"""JSON merge patches, by the cases of RFC 7396 and by properties."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmbackup_core.errors import PermanentError
from vmbackup_operator.environments.bodies import Json
from vmbackup_operator.restores.planning.merge_patch import MOST_BYTES, merge, patched
from vmbackup_operator.restores.planning.rules import DISK_TREE

#: Appendix A of RFC 7396: what there is, the patch, and what comes of it.
APPENDIX: list[tuple[Any, Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]

SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
NAMES = st.sampled_from("abc")
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(("target", "patch", "result"), APPENDIX)
def test_a_patch_does_what_the_rfc_says(target: Json, patch: Json, result: Json) -> None:
    assert merge(target, patch) == result


@given(target=VALUES, patch=VALUES)
def test_a_patch_over_its_own_result_changes_nothing(target: Json, patch: Json) -> None:
    once = merge(target, patch)

    assert merge(once, patch) == once


@given(target=st.dictionaries(NAMES, VALUES), patch=st.dictionaries(NAMES, VALUES))
def test_what_a_patch_does_not_name_stays(target: dict[str, Json], patch: dict[str, Json]) -> None:
    merged = merge(target, patch)

    assert isinstance(merged, dict)
    assert {name: value for name, value in merged.items() if name not in patch} == {
        name: value for name, value in target.items() if name not in patch
    }


@pytest.mark.parametrize(
    "patch",
    [
        {"properties": {"creationData": {"createOption": "Copy"}}},
        {"properties": {"networkAccessPolicy": "AllowAll"}},
        {"properties": {"publicNetworkAccess": "Enabled"}},
        {"properties": {"diskAccessId": "/x"}},
        {"properties": {"DISKSIZEGB": 8}},
        {"location": None},
        {"Tags": {"vmbackup-run-id": None}},
    ],
    ids=str,
)
def test_what_a_restore_decides_of_a_disk_no_patch_sets(patch: dict[str, Any]) -> None:
    with pytest.raises(PermanentError, match="which it may not") as refused:
        patched({"properties": {}}, patch, DISK_TREE, "the patch")

    assert refused.value.reason == "PatchNotAllowed"


def test_a_patch_has_a_size() -> None:
    fits: dict[str, Json] = {"tags": {"a": "x" * (MOST_BYTES - len('{"tags":{"a":""}}'))}}
    assert patched({}, fits, DISK_TREE, "the patch") == fits

    with pytest.raises(PermanentError, match="more than 16384 bytes") as refused:
        patched({}, {"tags": {"a": "x" * MOST_BYTES}}, DISK_TREE, "the patch")

    assert refused.value.reason == "PatchTooLarge"
