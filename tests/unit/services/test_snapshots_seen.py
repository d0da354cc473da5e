"""What is read out of Azure's answer about a snapshot."""

from __future__ import annotations

import pytest

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
