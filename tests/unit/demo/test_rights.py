"""A right that nobody needs and one that is missing are each named."""

from __future__ import annotations

from typing import Any

import pytest

from tools.demo import rights
from tools.demo.facts import OPERATOR_USER
from tools.demo.journal import Entry

SUBSCRIPTION = "/subscriptions/11111111-2222-4333-8444-555555555555"
GROUP = f"{SUBSCRIPTION}/resourceGroups/rg-production"
DISK = f"{GROUP}/providers/Microsoft.Compute/disks/web-01"
CONTAINER = (
    f"{GROUP}/providers/Microsoft.Storage/storageAccounts/a/blobServices/default/containers/c"
)
DISK_READ = "Microsoft.Compute/disks/read"
BLOB_READ = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"


def role(name: str, scope: str, actions: list[str], data: list[str]) -> rights.AzureRole:
    permissions = [{"actions": actions, "dataActions": data}]
    return rights.AzureRole({"roleName": name, "permissions": permissions}, [scope])


SOURCE = role("source", GROUP, [DISK_READ], [BLOB_READ])


def asked(action: str, scope: str, *, data: bool = False, allowed: bool = True) -> dict[str, Any]:
    return {"action": action, "data": data, "scope": scope, "allowed": allowed}


READ = asked(
    "microsoft.compute/Disks/Read", DISK.upper().replace("/SUBSCRIPTIONS", "/subscriptions")
)
BLOB = asked(BLOB_READ, CONTAINER, data=True)


def test_a_role_whose_actions_were_all_used_is_in_order() -> None:
    assert list(rights.unneeded_actions([SOURCE], [READ, BLOB])) == []


def test_what_a_provider_says_of_a_subscription_is_asked_there() -> None:
    usages = "Microsoft.Compute/locations/usages/read"
    quotas = role("quotas", SUBSCRIPTION, [usages], [])
    at = f"{SUBSCRIPTION}/providers/Microsoft.Compute/locations/northeurope"

    assert list(rights.unneeded_actions([quotas], [asked(usages, at)])) == []
    elsewhere = at.replace("11111111", "22222222")
    assert list(rights.unneeded_actions([quotas], [asked(usages, elsewhere)])) == [
        f"quotas: {usages} was never used"
    ]


def test_an_action_that_was_never_used_is_named() -> None:
    assert list(rights.unneeded_actions([SOURCE], [BLOB])) == [
        f"source: {DISK_READ} was never used"
    ]


@pytest.mark.parametrize(
    "other",
    [
        asked(DISK_READ, DISK.replace("rg-production", "rg-other")),
        asked(DISK_READ, DISK, allowed=False),
        asked(DISK_READ, DISK, data=True),
        asked("Microsoft.Compute/disks/write", DISK),
    ],
    ids=["elsewhere", "refused", "of the other plane", "another"],
)
def test_what_was_done_otherwise_is_no_use(other: dict[str, Any]) -> None:
    assert list(rights.unneeded_actions([SOURCE], [BLOB, other]))


def test_an_action_that_another_role_gives_wherever_it_was_used_is_named() -> None:
    wider = role("reader", SUBSCRIPTION, [DISK_READ], [])

    assert list(rights.unneeded_actions([SOURCE, wider], [READ, BLOB])) == [
        f"{name}: {DISK_READ} was used only where another role gives it"
        for name in ("source", "reader")
    ]
    abroad = asked(DISK_READ, DISK.replace("11111111", "22222222"))
    both = role("both", abroad["scope"], [DISK_READ], [])
    assert list(rights.unneeded_actions([wider, both], [READ, abroad])) == []


def entry(status: int, code: str) -> Entry:
    return Entry(
        1, "arm", "appliance", "GET", "management.azure.com", DISK, "", status,
        detail={"error": code},
    )  # fmt: skip


def test_what_azure_refused_for_want_of_a_right_is_named_and_nothing_else() -> None:
    lacking = [
        entry(403, "AuthorizationFailed"),
        entry(403, "LinkedAuthorizationFailed"),
        entry(403, "AuthorizationPermissionMismatch"),
    ]
    others = [entry(403, "UnauthorizedBlobOverwrite"), entry(403, "AuthorizationFailure")]

    assert list(rights.refused_in_azure([*others, *lacking, entry(200, "")])) == lacking


SESSIONS = {
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
TEAM = frozenset({"team"})


def line(
    subresource: str = "", code: int = 200, user: str = OPERATOR_USER, **about: str
) -> dict[str, Any]:
    reference = {"apiGroup": "vmbackup.dev", "resource": "backupsessions", "namespace": "team"}
    reference |= about
    return {
        "user": {"username": user},
        "verb": "update",
        "requestURI": "/apis",
        "objectRef": reference | ({"subresource": subresource} if subresource else {}),
        "responseStatus": {"code": code},
    }


def unneeded(grant: rights.Grant, *audit: dict[str, Any]) -> list[str]:
    return list(rights.unneeded_in_kubernetes([grant], audit, TEAM))


def test_a_right_in_a_namespace_is_used_there() -> None:
    grant = rights.Grant(SESSIONS, TEAM)

    assert unneeded(grant, line(), line("status", 409)) == []
    for other in (
        line("status", 403),
        line("status", user="somebody"),
        line("scale"),
        line("status", namespace="elsewhere"),
        line("status", apiGroup="other.dev"),
    ):
        (said,) = unneeded(grant, line(), other)
        assert said == (
            "ClusterRole operator: update backupsessions/status.vmbackup.dev was never used in team"
        )


def test_a_right_in_the_whole_cluster_is_used_where_no_binding_gives_it() -> None:
    grant = rights.Grant(SESSIONS)

    assert len(unneeded(grant, line(), line("status"))) == 2
    assert unneeded(grant, line(namespace="other"), line("status", namespace="")) == []


def test_a_right_by_name_is_used_for_each_of_its_names() -> None:
    rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
    rule["resourceNames"] = ["one", "two"]
    named = {"kind": "Role", "metadata": {"name": "home"}, "rules": [rule]}
    read = line(apiGroup="", resource="secrets", name="one") | {"verb": "get"}

    (said,) = unneeded(rights.Grant(named, TEAM), read)

    assert said == "Role home: get secrets two was never used in team"


def test_what_the_api_server_refused_the_operator_is_named() -> None:
    mine = line(code=403)

    assert list(rights.refused_in_kubernetes([line(), line(code=403, user="x"), mine])) == [mine]
