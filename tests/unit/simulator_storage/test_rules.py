"""Headers that Azurite would ignore: refused, but where they change nothing."""

from __future__ import annotations

import pytest

from azure_simulator.storage.rules import check_simulated
from azure_simulator.storage.wire import StorageError

PRIORITY = "x-ms-rehydrate-priority"


@pytest.mark.parametrize("priority", ["Standard", "High"])
def test_a_priority_may_stand_where_a_tier_is_set(priority: str) -> None:
    check_simulated({"comp": "tier"}, {PRIORITY: priority}, "SetBlobTier")


@pytest.mark.parametrize(
    ("fields", "headers", "code"),
    [
        ({"comp": "tier"}, {PRIORITY: "Soon"}, "InvalidHeaderValue"),
        ({}, {PRIORITY: "High"}, "NotImplemented"),
        ({}, {"x-ms-legal-hold": "true"}, "NotImplemented"),
        ({}, {"x-ms-immutability-policy-mode": "Locked"}, "NotImplemented"),
        ({"versionid": "2026"}, {}, "NotImplemented"),
    ],
    ids=["no priority", "a priority elsewhere", "legal hold", "locked by its put", "a version"],
)
def test_what_would_be_ignored_is_refused(
    fields: dict[str, str], headers: dict[str, str], code: str
) -> None:
    with pytest.raises(StorageError) as refused:
        check_simulated(fields, headers, "PutBlob")

    assert refused.value.code == code
