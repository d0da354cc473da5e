"""Headers that Azurite would ignore: refused, but where they change nothing."""

from __future__ import annotations

import pytest

from azure_simulator.storage.rules import check_simulated
from azure_simulator.storage.wire import StorageError

PRIORITY = "x-ms-rehydrate-priority"


@pytest.mark.parametrize("priority", ["Standard", "High"])
@pytest.mark.parametrize("operation", ["SetBlobTier", "CopyBlob"])
def test_a_priority_may_stand_where_a_blob_is_brought_back(operation: str, priority: str) -> None:
    check_simulated({}, {PRIORITY: priority}, operation)


@pytest.mark.parametrize(
    ("fields", "headers", "code"),
    [
        ({}, {"x-ms-copy-source": "https://a/b"}, "NotImplemented"),
        ({}, {PRIORITY: "High"}, "NotImplemented"),
        ({}, {"x-ms-legal-hold": "true"}, "NotImplemented"),
        ({}, {"x-ms-immutability-policy-mode": "Locked"}, "NotImplemented"),
        ({"versionid": "2026"}, {}, "NotImplemented"),
    ],
    ids=["a source", "a priority elsewhere", "legal hold", "locked by its put", "a version"],
)
def test_what_would_be_ignored_is_refused(
    fields: dict[str, str], headers: dict[str, str], code: str
) -> None:
    with pytest.raises(StorageError) as refused:
        check_simulated(fields, headers, "PutBlob")

    assert refused.value.code == code


def test_a_priority_that_azure_does_not_know_is_refused() -> None:
    with pytest.raises(StorageError) as refused:
        check_simulated({}, {PRIORITY: "Soon"}, "SetBlobTier")

    assert refused.value.code == "InvalidHeaderValue"
