"""Azure CLI and rights: who holds which role where, and who may look in the directory."""

from __future__ import annotations

import pytest

from tests.contract.clients.programs import AzureCli, Cloud
from tools.local_cloud import seed
from tools.local_cloud.administrator import SUBSCRIPTION

pytestmark = pytest.mark.clients

SCOPE = f"/subscriptions/{SUBSCRIPTION}"
CLIENT = "5e5e5e5e-1111-4111-8111-111111111111"
OBJECT = "5e5e5e5e-2222-4222-8222-222222222222"
SECRET = "only-for-a-test"  # noqa: S105 - nothing outside takes it


@pytest.fixture(scope="module")
def colleague(cloud: Cloud) -> AzureCli:
    """A service principal without any right, not signed in yet."""
    cloud.azure.call("PUT", f"/identities/{CLIENT}", {"clientSecret": SECRET, "objectId": OBJECT})
    return AzureCli(cloud, cloud.folder / "colleague")


def test_role_assignments_are_listed_with_names(administrator: AzureCli) -> None:
    listed = administrator("role", "assignment", "list", "--all")
    of_operator = administrator(
        "role", "assignment", "list", "--assignee", seed.OPERATOR_CLIENT_ID, "--all"
    )

    operators = [each for each in listed if each["principalId"] == seed.OPERATOR_OBJECT_ID]
    assert operators
    assert all(each["roleDefinitionName"].startswith("vmbackup") for each in operators)
    assert {each["principalName"] for each in operators} == {seed.OPERATOR_CLIENT_ID}
    assert [each["id"] for each in of_operator] == [each["id"] for each in operators]


def test_who_has_no_right_anywhere_finds_no_subscription(
    colleague: AzureCli, administrator: AzureCli
) -> None:
    """The same identity signs in once it has a role on one disk, and sees that subscription."""
    who = ("--username", CLIENT, "--password", SECRET, "--tenant")
    tenant = str(colleague.cloud.ready["tenantId"])
    disk = seed.disk_id("web-01-empty")

    before = colleague.refused("login", "--service-principal", *who, tenant)
    made = administrator(
        *("role", "assignment", "create", "--assignee", CLIENT, "--role", "Reader"),
        *("--scope", disk),
    )
    (found,) = colleague.sign_in(CLIENT, SECRET)
    again = administrator(
        *("role", "assignment", "create", "--assignee", CLIENT, "--role", "Reader"),
        *("--scope", disk),
    )
    seen = colleague("disk", "show", "--ids", disk)
    hidden = colleague.refused("vm", "show", "--ids", seed.VM_ID)

    assert "No subscriptions found" in before
    assert (made["principalId"], made["principalType"]) == (OBJECT, "ServicePrincipal")
    assert again["id"] == made["id"]
    assert found["id"] == SUBSCRIPTION
    assert seen["name"] == "web-01-empty"
    assert "AuthorizationFailed" in hidden


def test_an_application_without_a_right_in_the_directory_names_nobody(operator: AzureCli) -> None:
    role = ("role", "assignment", "create", "--role", "Reader", "--scope", SCOPE)

    by_name = operator.refused("ad", "sp", "show", "--id", CLIENT)
    by_id = operator.refused(
        *role, "--assignee-object-id", OBJECT, "--assignee-principal-type", "ServicePrincipal"
    )

    assert "Insufficient privileges" in by_name
    assert "AuthorizationFailed" in by_id
