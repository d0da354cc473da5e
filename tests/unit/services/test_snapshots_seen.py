"""What is read out of Azure's answer about a snapshot."""

from __future__ import annotations

import ast

import pytest

from tests.sources import ROOT, modules, text_of, tree_of
from vmbackup_operator.environments.bodies import Body, Json
from vmbackup_operator.services.export_access import granted_url
from vmbackup_operator.services.snapshots import snapshot_seen

ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/snapshots/vmb-os"


def answer(**properties: Json) -> Body:
    whole: Body = {
        "provisioningState": "Succeeded",
        "completionPercent": 100.0,
        "diskSizeBytes": 2**30,
        "timeCreated": "2026-11-22T20:00:00.1234567+00:00",
        "uniqueId": "6F9619FF-8B86-D011-B42D-00C04FC964FF",
    }
    return {"id": ID, "properties": {**whole, **properties}}


@pytest.mark.parametrize(
    ("properties", "told_by"),
    [
        pytest.param({}, "6f9619ff-8b86-d011-b42d-00c04fc964ff", id="its unique id"),
        pytest.param(
            {"uniqueId": ""}, "2026-11-22T20:00:00.123457+00:00", id="else its time of creation"
        ),
    ],
)
def test_a_snapshot_is_told_from_a_later_one_under_its_id(properties: Body, told_by: str) -> None:
    seen = snapshot_seen(answer(**properties))

    assert (seen.unique_id, seen.ready) == (told_by, True)


def test_a_snapshot_that_nothing_tells_from_another_is_not_ready() -> None:
    assert not snapshot_seen(answer(uniqueId="", timeCreated=None)).ready


@pytest.mark.parametrize(
    "name",
    [
        *("creationData", "provisioningState", "diskSizeBytes", "diskSizeGB", "timeCreated"),
        *("completionPercent", "networkAccessPolicy", "publicNetworkAccess", "diskAccessId"),
        *("diskState", "uniqueId", "incremental"),
    ],
)
def test_null_is_what_is_left_out(name: str) -> None:
    left_out = answer()
    properties = left_out["properties"]
    assert isinstance(properties, dict)
    properties.pop(name, None)

    assert snapshot_seen(answer(**{name: None})) == snapshot_seen(left_out)


def test_an_answer_in_which_all_is_null_is_a_snapshot_that_is_not_ready() -> None:
    assert not snapshot_seen({"id": ID, "location": None, "properties": None, "tags": None}).ready


def test_nothing_reads_azures_answers_past_it() -> None:
    reads = {
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in modules("operator/vmbackup_operator/services")
        if "msgspec.convert" in text_of(path)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "msgspec.convert"
    }

    assert reads == set()


def test_tags_are_known_in_whatever_case_somebody_writes_their_names() -> None:
    seen = snapshot_seen({**answer(), "tags": {"VMBackup-Run-Id": "R", "vmbackup-sealed": "S"}})

    assert dict(seen.tags) == {"vmbackup-run-id": "R", "vmbackup-sealed": "S"}


def test_letters_of_other_alphabets_are_not_taken_for_ours() -> None:
    seen = snapshot_seen({**answer(), "tags": {"vmbac\N{KELVIN SIGN}up-run-id": "R"}})

    assert "vmbackup-run-id" not in seen.tags


@pytest.mark.parametrize(
    "answered",
    [
        pytest.param({"properties": {"output": {"accessSAS": "https://x?sig"}}}, id="an operation"),
        pytest.param({"accessSAS": "https://x?sig"}, id="a result"),
    ],
)
def test_a_sas_is_found_where_azure_has_put_it(answered: Body) -> None:
    assert granted_url(answered) == "https://x?sig"
