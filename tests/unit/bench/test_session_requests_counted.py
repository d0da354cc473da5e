"""What a session asked of Resource Manager, counted from the journal."""

from __future__ import annotations

from tools.bench.requests import Moment, figures, idle_figures
from tools.demo.journal import Entry

COMPUTE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute"
OPERATION = "/subscriptions/s/providers/Microsoft.Compute/locations/l/DiskOperations/1"


def asked(
    sequence: int, method: str, path: str, service: str = "arm", caller: str = "appliance"
) -> Entry:
    return Entry(sequence, service, caller, method, "management.azure.com", path, "", 200)


ENTRIES = [
    asked(11, "GET", f"{COMPUTE}/virtualMachines/v"),
    asked(12, "PUT", f"{COMPUTE}/snapshots/s"),
    asked(13, "GET", OPERATION),
    asked(14, "POST", f"{COMPUTE}/snapshots/s/beginGetAccess"),
    asked(15, "PUT", "/c/p/pack", service="blob"),
    asked(16, "DELETE", f"{COMPUTE}/snapshots/s", caller="internet"),
]
MOMENTS = [Moment(10, "Accepted"), Moment(11, "SnapshotsReady"), Moment(13, "ExportGranted")]


def test_polls_are_reads_and_actions_are_writes() -> None:
    found = figures(ENTRIES, MOMENTS)

    assert (found["arm_reads"], found["arm_writes"]) == (2, 2)


def test_each_request_counts_for_the_step_that_the_session_was_at() -> None:
    assert figures(ENTRIES, MOMENTS)["by_step"] == {
        "Accepted": {"reads": 1, "writes": 0},
        "SnapshotsReady": {"reads": 1, "writes": 1},
        "ExportGranted": {"reads": 0, "writes": 1},
    }


def test_kinds_tell_what_it_was() -> None:
    assert figures(ENTRIES, MOMENTS)["by_kind"] == {
        "GET microsoft.compute/virtualmachines": 1,
        "GET operation": 1,
        "POST microsoft.compute/snapshots/begingetaccess": 1,
        "PUT microsoft.compute/snapshots": 1,
    }


def test_what_nobody_was_at_is_told_apart() -> None:
    assert figures(ENTRIES, [])["by_step"] == {"-": {"reads": 2, "writes": 2}}


def test_an_idle_operator_is_told_with_lease_and_watches_apart() -> None:
    audited = [
        {"user": {"username": user}, "verb": verb, "objectRef": {"resource": resource}}
        for user, verb, resource in (
            ("operator", "get", "backuppolicies"),
            ("operator", "list", "configmaps"),
            ("operator", "update", "leases"),
            ("operator", "watch", "backupsessions"),
            ("operator", "patch", "backupsessions"),
            ("somebody", "delete", "backupsessions"),
        )
    ]

    assert idle_figures(ENTRIES[:2] + ENTRIES[4:], audited, "operator") == {
        "azure_requests": {
            "GET microsoft.compute/virtualmachines": 1,
            "PUT microsoft.compute/snapshots": 1,
            "PUT blob": 1,
        },
        "kubernetes_reads": 2,
        "kubernetes_writes": 1,
        "kubernetes_by_kind": {
            "get backuppolicies": 1, "list configmaps": 1, "patch backupsessions": 1,
        },
        "lease_and_watches": {"update leases": 1, "watch backupsessions": 1},
    }  # fmt: skip
