"""A right that is never used and one that is missing are each named."""

from __future__ import annotations

from typing import Any

from tools.demo import rights
from tools.demo.facts import OPERATOR_USER
from tools.demo.journal import Entry

GROUP = "/subscriptions/11111111-2222-4333-8444-555555555555/resourceGroups/rg-production"
DISK = f"{GROUP}/providers/Microsoft.Compute/disks/web-01"
ROLE = {
    "roleName": "source",
    "permissions": [
        {
            "actions": ["Microsoft.Compute/disks/read"],
            "dataActions": ["Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"],
        }
    ],
}


def asked(action: str, *, data: bool = False, allowed: bool = True, scope: str = DISK) -> Any:
    return {"action": action, "data": data, "scope": scope, "allowed": allowed}


READ = asked("microsoft.compute/Disks/Read")
BLOB = asked(ROLE["permissions"][0]["dataActions"][0], data=True)  # type: ignore[index]


def test_a_role_whose_actions_were_all_used_is_in_order() -> None:
    assert not list(rights.unused_actions(ROLE, [GROUP], [READ, BLOB]))


def test_an_action_that_was_never_used_is_named() -> None:
    (said,) = rights.unused_actions(ROLE, [GROUP], [BLOB])

    assert said == "source: Microsoft.Compute/disks/read was never used"


def test_used_elsewhere_refused_or_of_the_other_plane_is_not_used() -> None:
    elsewhere = READ | {"scope": DISK.replace("rg-production", "rg-other")}
    others = [elsewhere, READ | {"allowed": False}, READ | {"data": True}]

    assert list(rights.unused_actions(ROLE, [GROUP], [BLOB, *others]))


def entry(status: int, identity: str = "Me", code: str = "") -> Entry:
    detail = {"error": code} if code else {}
    return Entry(
        1, "arm", "appliance", "GET", "management.azure.com", DISK, "", status,
        detail=detail, identity=identity,
    )  # fmt: skip


def test_what_azure_refused_the_operator_is_named() -> None:
    assert list(rights.refused_in_azure([entry(403)], "me"))
    fine = [entry(200), entry(403, "another"), entry(403, code="UnauthorizedBlobOverwrite")]
    assert not list(rights.refused_in_azure(fine, "me"))


KUBERNETES = {
    "kind": "ClusterRole",
    "metadata": {"name": "operator"},
    "rules": [
        {
            "apiGroups": ["vmbackup.dev"],
            "resources": ["backupsessions", "backupsessions/status"],
            "verbs": ["update"],
        }
    ],
}


def line(subresource: str = "", code: int = 200, user: str = OPERATOR_USER) -> Any:
    about = {"apiGroup": "vmbackup.dev", "resource": "backupsessions"}
    return {
        "user": {"username": user},
        "verb": "update",
        "objectRef": about | ({"subresource": subresource} if subresource else {}),
        "responseStatus": {"code": code},
    }


def test_a_kubernetes_right_that_was_never_used_is_named() -> None:
    assert not list(rights.unused_in_kubernetes([KUBERNETES], [line(), line("status", 409)]))
    for other in (line("status", 403), line("status", user="somebody"), line("scale")):
        (said,) = rights.unused_in_kubernetes([KUBERNETES], [line(), other])
        assert said.endswith("update backupsessions/status.vmbackup.dev was never used")
