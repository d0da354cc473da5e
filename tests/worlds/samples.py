"""The samples of most tests: the settings, a key ring, a VM, and a session for it."""

from __future__ import annotations

import zlib
from pathlib import Path

from msgspec.structs import replace

from tests.worlds.memory_azure import APPLIANCE, AWAY, HOME, SUBSCRIPTION
from vmbackup_core.ids import DiskUniqueId
from vmbackup_operator.model.backup_session import (
    BackupSession,
    BackupSessionSpec,
)
from vmbackup_operator.model.metadata import Metadata, ObjectKey
from vmbackup_operator.model.references import ObjectReference
from vmbackup_operator.naming import ArmId, arm_id, subscription_of
from vmbackup_operator.sessions.keys import ApplianceKey, KeyRing
from vmbackup_operator.sessions.seen import DiskSeen, VirtualMachineSeen
from vmbackup_operator.settings import (
    Appliance,
    OtherSubscription,
    SecretName,
    Settings,
    Tenant,
    Workers,
)
from vmbackup_operator.settings import (
    KeyRing as KeyRingSettings,
)

#: The groups whose VMs the samples' namespace may rewind, as its administrator said.
REWOUND = ("prod", "appliance")

RING = KeyRing(ApplianceKey("k1", bytes(32)), {"k1": ApplianceKey("k1", bytes(32))})

VM = arm_id(SUBSCRIPTION, "prod", "Microsoft.Compute/virtualMachines", "web-01")

FOREIGN_SUBSCRIPTION = "22222222-2222-4222-8222-222222222222"
#: A VM of that one, and the group there that is the appliance's.
FOREIGN_VM = arm_id(FOREIGN_SUBSCRIPTION, "prod", "Microsoft.Compute/virtualMachines", "branch-01")
FOREIGN_GROUP = "exports"

KEY = ObjectKey("team", "nightly-1")

SETTINGS = Settings(
    appliance=Appliance(
        id=APPLIANCE,
        tenant_id=SUBSCRIPTION,
        subscription_id=SUBSCRIPTION,
        region=HOME,
        resource_group="appliance",
        virtual_network_id=f"/subscriptions/{SUBSCRIPTION}/resourceGroups/appliance/providers/"
        "Microsoft.Network/virtualNetworks/cluster",
        key_ring=KeyRingSettings(SecretName("vmbackup-system", "ring")),
    ),
    namespace="vmbackup-system",
    workers=Workers(bundle=str(Path("bundle"))),
    tenancy=(
        Tenant(
            "team",
            (f"/subscriptions/{SUBSCRIPTION}", f"/subscriptions/{FOREIGN_SUBSCRIPTION}"),
            ("team/*",),
            (f"/subscriptions/{SUBSCRIPTION}",),
            (f"/subscriptions/{SUBSCRIPTION}/resourceGroups/restored",),
            (
                *(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{name}" for name in REWOUND),
                f"/subscriptions/{FOREIGN_SUBSCRIPTION}",
            ),
        ),
        Tenant("poor", (f"/subscriptions/{SUBSCRIPTION}/resourceGroups/theirs",), ("poor/*",)),
    ),
)

#: The same appliance where VMs of the other subscription may be backed up.
SETTINGS_ACROSS = replace(
    SETTINGS, other_subscriptions=(OtherSubscription(FOREIGN_SUBSCRIPTION, FOREIGN_GROUP),)
)


def machine(disks: int = 3, vm_id: ArmId = VM, region: str = AWAY) -> VirtualMachineSeen:
    name, where = vm_id.rsplit("/", 1)[1], subscription_of(vm_id)
    return VirtualMachineSeen(
        id=vm_id,
        name=name,
        region=region,
        unique_id=f"vm-{name}",
        disks=tuple(
            DiskSeen(
                id=arm_id(where, "prod", "Microsoft.Compute/disks", f"{name}-{number}"),
                name=f"{name}-{number}",
                unique_id=DiskUniqueId(f"{name}-unique-{number}"),
                lun=None if number == 0 else number - 1,
                size_bytes=(number + 1) * 2**30,
                sku="Premium_LRS",
            )
            for number in range(disks)
        ),
        description='{"vm": "as it was"}',
    )


def session_of(
    key: ObjectKey = KEY, vm_id: ArmId = VM, uid: str = "", **spec: object
) -> BackupSession:
    wanted = BackupSessionSpec(
        virtual_machine_id=vm_id, repository_ref=ObjectReference("repo", "team")
    )
    fields = {name: getattr(wanted, name) for name in wanted.__struct_fields__} | spec
    uid = uid or f"{zlib.crc32(str(key).encode()):08x}-0000-4000-8000-000000000000"
    metadata = Metadata(name=key.name, namespace=key.namespace, uid=uid, generation=1)
    return BackupSession(metadata=metadata, spec=BackupSessionSpec(**fields))
