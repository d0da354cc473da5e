"""Azure CLI in the control plane: what a person types to look around, and to change a little."""

from __future__ import annotations

import pytest

from tests.contract.clients.programs import UPLOADS, AzureCli, Cloud
from tools.local_cloud import seed
from tools.local_cloud.administrator import SUBSCRIPTION

pytestmark = pytest.mark.clients

GROUP = "rg-production"
JAMMY = "Canonical:0001-com-ubuntu-server-jammy:22_04-lts-gen2"


def test_the_administrator_finds_the_subscription(administrator: AzureCli) -> None:
    (found,) = administrator("account", "list")

    assert (found["id"], found["isDefault"], found["state"]) == (SUBSCRIPTION, True, "Enabled")
    assert found["tenantId"] == administrator.cloud.ready["tenantId"]


def test_the_operator_finds_what_its_role_shows_and_does_no_more(operator: AzureCli) -> None:
    (found,) = operator("account", "list")
    machine = operator("vm", "show", "--ids", seed.VM_ID)
    nsg = ("network", "nsg", "delete", "--resource-group", GROUP, "--name", "whatever")
    complaint = operator.refused(*nsg)

    assert found["id"] == SUBSCRIPTION
    assert machine["id"] == seed.VM_ID
    assert "AuthorizationFailed" in complaint


def test_a_wrong_secret_signs_nobody_in(cloud: Cloud) -> None:
    stranger = AzureCli(cloud, cloud.folder / "stranger")
    who = ("--username", seed.OPERATOR_CLIENT_ID, "--password", "guessed", "--tenant")

    complaint = stranger.refused("login", "--service-principal", *who, cloud.ready["tenantId"])

    assert "AADSTS7000215" in complaint


def test_machines_disks_and_networks_are_listed_and_shown(administrator: AzureCli) -> None:
    named = ("--resource-group", GROUP, "--name")
    machines = administrator("vm", "list")
    machine = administrator("vm", "show", *named, seed.VM_NAME, "--show-details")
    disks = administrator("disk", "list", "--resource-group", GROUP)
    disk = administrator("disk", "show", *named, "web-01-data")
    interfaces = administrator("network", "nic", "list")
    networks = administrator("network", "vnet", "list")

    assert [each["id"] for each in machines] == [seed.VM_ID]
    assert machine["powerState"] == "VM running"
    assert machine["privateIps"] == interfaces[0]["ipConfigurations"][0]["privateIPAddress"]
    assert {each["name"] for each in disks} == {"web-01-os", "web-01-data", "web-01-empty"}
    assert (disk["diskSizeGB"], disk["diskState"]) == (100, "Attached")
    assert {each["name"] for each in networks} == {"vnet-cluster", f"vnet-{seed.VM_REGION}"}


def test_a_snapshot_is_made_of_a_disk_and_listed(administrator: AzureCli) -> None:
    named = ("--resource-group", GROUP, "--name")
    disk = ("--source", "web-01-data", "--incremental", "true", "--tags", "why=test")

    made = administrator("snapshot", "create", *named, "by-cli", *disk)
    copied = administrator("snapshot", "create", *named, "copied", "--source", made["id"])
    listed = administrator("snapshot", "list", "--resource-group", GROUP)

    assert (made["provisioningState"], made["incremental"]) == ("Succeeded", True)
    assert made["tags"] == {"why": "test"}
    assert copied["creationData"]["sourceResourceId"] == made["id"]
    assert {each["name"] for each in listed} == {"by-cli", "copied"}


def test_a_security_groups_rules_are_made_listed_and_deleted(administrator: AzureCli) -> None:
    group = ("--resource-group", GROUP, "--nsg-name", "nsg-cli")
    rule = ("network", "nsg", "rule")
    match = ("--priority", "100", "--direction", "Outbound", "--access", "Deny")
    ports = ("--protocol", "Tcp", "--destination-port-ranges", "443")

    administrator("network", "nsg", "create", "--resource-group", GROUP, "--name", "nsg-cli")
    made = administrator(*rule, "create", *group, "--name", "no-export", *match, *ports)
    listed = administrator(*rule, "list", *group)
    twin = administrator.refused(*rule, "create", *group, "--name", "twin", *match, *ports)
    administrator(*rule, "delete", *group, "--name", "no-export")
    groups = administrator("network", "nsg", "list", "--resource-group", GROUP)

    assert (made["access"], made["provisioningState"]) == ("Deny", "Succeeded")
    assert [each["name"] for each in listed] == ["no-export"]
    assert "SecurityRuleConflict" in twin
    assert [each["securityRules"] for each in groups] == [[]]


def test_resources_groups_and_accounts_are_listed(administrator: AzureCli) -> None:
    resources = administrator("resource", "list", "--resource-group", GROUP)
    groups = administrator("group", "list")
    accounts = administrator("storage", "account", "list")

    kinds = {each["name"]: each["type"] for each in resources}
    assert kinds[seed.VM_NAME] == "Microsoft.Compute/virtualMachines"
    assert UPLOADS not in kinds
    assert {"rg-backup", "rg-repository", GROUP} <= {each["name"] for each in groups}
    assert {each["name"] for each in accounts} == {UPLOADS, "contosobackups01"}


def test_providers_are_listed_and_shown(administrator: AzureCli) -> None:
    listed = administrator("provider", "list")
    compute = administrator("provider", "show", "--namespace", "Microsoft.Compute")

    assert {"Microsoft.Compute", "Microsoft.Network", "Microsoft.Storage"} <= {
        each["namespace"] for each in listed
    }
    assert compute["registrationState"] == "Registered"
    assert "virtualMachines" in [each["resourceType"] for each in compute["resourceTypes"]]


def test_an_images_versions_are_listed_and_the_newest_is_shown(administrator: AzureCli) -> None:
    publisher, offer, sku = JAMMY.split(":")
    which = ("--publisher", publisher, "--offer", offer, "--sku", sku)

    listed = administrator("vm", "image", "list", "--location", "westeurope", "--all", *which)
    newest = administrator("vm", "image", "show", "-l", "westeurope", "--urn", f"{JAMMY}:latest")

    # A sku is searched for: "22_04-lts" begins as this one does and is not this one.
    assert {each["sku"] for each in listed} == {sku}
    assert newest["name"] == max(each["version"] for each in listed)
    assert newest["hyperVGeneration"] == "V2"
