"""Another subscription of the tenant, whose VMs may be backed up: what its administrator gives."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from tools.local_cloud import seed
from tools.local_cloud.administrator import Administrator
from tools.local_cloud.installation import Scopes
from vmbackup_operator.settings import OtherSubscription, Settings

SUBSCRIPTION = "66666666-7777-4888-8999-000000000000"
SCOPE = f"/subscriptions/{SUBSCRIPTION}"
#: Where its VMs are, and the group there that is the appliance's.
GROUP = f"{SCOPE}/resourceGroups/rg-branch"
EXPORTS = f"{SCOPE}/resourceGroups/rg-backup-exports"

#: What the settings let the user name there.
SCOPES: Scopes = {"backupScopes": [SCOPE]}
#: What the operator's settings say of it.
CHANGES: dict[str, Any] = {
    "otherSubscriptions": [
        {"subscriptionId": SUBSCRIPTION, "resourceGroup": EXPORTS.rsplit("/", 1)[1]}
    ],
    "regionEnvironments": {"crossSubscriptionExport": "DiskAccess"},
}


def settings() -> Settings:
    """Return the examples' settings with this subscription: its rights follow from them."""
    example = seed.example_settings()
    tenant, *others = example.tenancy
    tenant = replace(tenant, backup_scopes=(*tenant.backup_scopes, SCOPE))
    named = OtherSubscription(SUBSCRIPTION, EXPORTS.rsplit("/", 1)[1])
    return replace(example, tenancy=(tenant, *others), other_subscriptions=(named,))


def seed_elsewhere(azure: Administrator) -> None:
    """Put the subscription there, with a group for VMs; rights are given apart."""
    azure.call("PUT", SCOPE)
    azure.arm(GROUP, "2022-09-01", {"location": seed.VM_REGION})


def give_rights(azure: Administrator) -> None:
    """Give the operator's identity each role where it belongs, in this subscription too."""
    seed.give_rights(azure, settings=settings())
