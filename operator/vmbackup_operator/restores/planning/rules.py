"""Which properties of recorded bodies are not simply set again, and why: one table for each kind.

What no table names is set again as it was recorded, properties that no version of this program
knows among them. ``[]`` stands for every item of a list and ``*`` for every name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

from vmbackup_operator.arm_ids import folded

#: ``azure``: Azure says it itself, and takes it from nobody. ``session``: the restore decides it.
#: ``told``: not set again, and the session says so. The others are set again where they hold, and
#: told elsewhere: ``region`` in the region of the point, ``place`` in its subscription too,
#: ``group`` in its resource group, ``provisioned`` on SKUs whose performance is bought apart from
#: their size, ``premium`` on Premium SSDs, ``tier`` on those of the recorded size, and ``static``
#: nowhere: an address that is free is taken, and people are told of one that was fixed.
Fate = Literal[
    "azure",
    "session",
    "told",
    "region",
    "place",
    "group",
    "provisioned",
    "premium",
    "tier",
    "static",
]

#: What a patch may not set.
NOT_YOURS: Final[frozenset[Fate]] = frozenset({"azure", "session"})


@dataclass(frozen=True, slots=True)
class Rule:
    """What becomes of one property, with all that lies below it."""

    path: str
    fate: Fate
    why: str


@dataclass(slots=True)
class RuleTree:
    """A table as a tree of names, so that bodies and patches are walked along it."""

    rule: Rule | None = None
    below: dict[str, RuleTree] = field(default_factory=dict)

    def at(self, name: str) -> RuleTree | None:
        """Return what is said of *name*, in whatever case Azure writes it."""
        return self.below.get(folded(name)) or self.below.get("*")

    @property
    def has_any_names(self) -> bool:
        """Whether what lies here are names that somebody chose, each of which counts."""
        return "*" in self.below


def tree_of(rules: Iterable[Rule]) -> RuleTree:
    """Return the table as a tree."""
    root = RuleTree()
    for rule in rules:
        branch = root
        for name in rule.path.replace("[]", ".[]").split("."):
            branch = branch.below.setdefault(folded(name), RuleTree())
        branch.rule = rule
    return root


_WHERE = "the restored one lies where the session's target says"
_CALLED = "the restored one has a name and an id of its own"
_STATE = "Azure's own account of the resource"
_HELD = "who held the recorded one; the restored one is nobody's, or the restored VM's"
_BY_SIZE = "the SKU and the size say it, except of Ultra disks and Premium SSD v2"

DISK_RULES: Final = (
    Rule("id", "session", _CALLED),
    Rule("name", "session", _CALLED),
    Rule("type", "azure", _STATE),
    Rule("location", "session", _WHERE),
    Rule("etag", "azure", _STATE),
    Rule("managedBy", "azure", _HELD),
    Rule("managedByExtended", "azure", _HELD),
    Rule("sku.tier", "azure", "it follows from the SKU's name"),
    Rule("zones", "region", "the zones of another region are others"),
    Rule("extendedLocation", "region", "the edge zones of another region are others"),
    Rule("properties.timeCreated", "azure", _STATE),
    Rule("properties.uniqueId", "azure", _STATE),
    Rule("properties.provisioningState", "azure", _STATE),
    Rule("properties.diskState", "azure", _STATE),
    Rule("properties.diskSizeBytes", "azure", "it follows from the size of the upload"),
    Rule("properties.diskSizeGB", "session", "the size of the upload says it"),
    Rule("properties.creationData", "session", "the restored one is made by an upload"),
    Rule("properties.completionPercent", "azure", _STATE),
    Rule("properties.shareInfo", "azure", _HELD),
    Rule("properties.burstingEnabledTime", "azure", _STATE),
    Rule("properties.propertyUpdatesInProgress", "azure", _STATE),
    Rule("properties.LastOwnershipUpdateTime", "azure", _STATE),
    Rule("properties.networkAccessPolicy", "session", "nobody but its upload has access to it"),
    Rule("properties.publicNetworkAccess", "session", "nobody but its upload has access to it"),
    Rule("properties.diskAccessId", "session", "nobody but its upload has access to it"),
    Rule("properties.diskIOPSReadWrite", "provisioned", _BY_SIZE),
    Rule("properties.diskMBpsReadWrite", "provisioned", _BY_SIZE),
    Rule("properties.diskIOPSReadOnly", "provisioned", _BY_SIZE),
    Rule("properties.diskMBpsReadOnly", "provisioned", _BY_SIZE),
    Rule("properties.burstingEnabled", "premium", "only Premium SSDs burst on demand"),
    Rule("properties.tier", "tier", "only Premium SSDs of the recorded size have the tier"),
    Rule("properties.isArmResource", "azure", _STATE),
    Rule("properties.faultDomain", "azure", _STATE),
    Rule(
        "properties.securityProfile.secureVMDiskEncryptionSetId",
        "told",
        "the state of a confidential VM is not in a snapshot",
    ),
)
_FREE_ONE = "the recorded address may be in use: a free one of the subnet is taken"

INTERFACE_RULES: Final = (
    Rule("id", "session", _CALLED),
    Rule("name", "session", _CALLED),
    Rule("type", "azure", _STATE),
    Rule("kind", "azure", _STATE),
    Rule("location", "session", _WHERE),
    Rule("etag", "azure", _STATE),
    Rule("managedBy", "azure", _HELD),
    Rule("extendedLocation", "region", "the edge zones of another region are others"),
    Rule("properties.virtualMachine", "azure", _HELD),
    Rule("properties.privateEndpoint", "azure", _HELD),
    Rule("properties.provisioningState", "azure", _STATE),
    Rule("properties.resourceGuid", "azure", _STATE),
    Rule("properties.macAddress", "told", "Azure gives each interface an address of its own"),
    Rule("properties.primary", "azure", "the VM's body says which of its interfaces it is"),
    Rule("properties.hostedWorkloads", "azure", _STATE),
    Rule("properties.allowPort25Out", "azure", "a right of the subscription"),
    Rule("properties.vnetEncryptionSupported", "azure", _STATE),
    Rule("properties.defaultOutboundConnectivityEnabled", "azure", _STATE),
    Rule("properties.dscpConfiguration", "azure", "the DSCP configuration names its interfaces"),
    Rule("properties.tapConfigurations", "azure", "taps are resources of their own"),
    Rule("properties.dnsSettings.appliedDnsServers", "azure", _STATE),
    Rule("properties.dnsSettings.internalFqdn", "azure", _STATE),
    Rule("properties.dnsSettings.internalDomainNameSuffix", "azure", _STATE),
    Rule(
        "properties.dnsSettings.internalDnsNameLabel",
        "told",
        "it is the recorded interface's in its network",
    ),
    Rule(
        "properties.networkSecurityGroup",
        "place",
        "one of another region or subscription cannot be used",
    ),
    Rule("properties.privateLinkService", "told", "it is the recorded interface's"),
    Rule("properties.ipConfigurations[].id", "session", _CALLED),
    Rule("properties.ipConfigurations[].type", "azure", _STATE),
    Rule("properties.ipConfigurations[].etag", "azure", _STATE),
    Rule("properties.ipConfigurations[].properties.provisioningState", "azure", _STATE),
    Rule(
        "properties.ipConfigurations[].properties.privateLinkConnectionProperties", "azure", _HELD
    ),
    Rule("properties.ipConfigurations[].properties.privateIPAddress", "static", _FREE_ONE),
    Rule("properties.ipConfigurations[].properties.privateIPAllocationMethod", "static", _FREE_ONE),
    Rule(
        "properties.ipConfigurations[].properties.publicIPAddress",
        "told",
        "it is the recorded VM's, and can be one interface's only",
    ),
    Rule(
        "properties.ipConfigurations[].properties.loadBalancerBackendAddressPools",
        "told",
        "the restored VM is to get no traffic before somebody says so",
    ),
    Rule(
        "properties.ipConfigurations[].properties.loadBalancerInboundNatRules",
        "told",
        "they lead to the recorded VM",
    ),
    Rule(
        "properties.ipConfigurations[].properties.applicationGatewayBackendAddressPools",
        "told",
        "the restored VM is to get no traffic before somebody says so",
    ),
    Rule(
        "properties.ipConfigurations[].properties.gatewayLoadBalancer",
        "told",
        "it belongs to the recorded VM's public address",
    ),
    Rule(
        "properties.ipConfigurations[].properties.virtualNetworkTaps",
        "azure",
        "taps are resources of their own",
    ),
    Rule(
        "properties.ipConfigurations[].properties.applicationSecurityGroups",
        "place",
        "those of another region or subscription cannot be used",
    ),
)

_NO_IMAGE = "a VM that is made of disks names no image"
_OF_THE_DISK = "the attached disk says it"

MACHINE_RULES: Final = (
    Rule("id", "session", _CALLED),
    Rule("name", "session", _CALLED),
    Rule("type", "azure", _STATE),
    Rule("location", "session", _WHERE),
    Rule("etag", "azure", _STATE),
    Rule("managedBy", "azure", _HELD),
    Rule("resources", "told", "extensions are not part of a point: install them again"),
    Rule("zones", "region", "the zones of another region are others"),
    Rule("placement", "azure", "it chose the recorded zone, which is set again"),
    Rule("extendedLocation", "region", "the edge zones of another region are others"),
    Rule("identity.principalId", "told", "a system-assigned identity is made anew: give it roles"),
    Rule("identity.tenantId", "azure", _STATE),
    Rule("identity.userAssignedIdentities.*.clientId", "azure", _STATE),
    Rule("identity.userAssignedIdentities.*.principalId", "azure", _STATE),
    Rule("properties.vmId", "azure", _STATE),
    Rule("properties.timeCreated", "azure", _STATE),
    Rule("properties.provisioningState", "azure", _STATE),
    Rule("properties.instanceView", "azure", _STATE),
    Rule(
        "properties.osProfile",
        "told",
        "a VM that is made of disks is not provisioned: users, keys and host name are on them",
    ),
    Rule("properties.storageProfile.imageReference", "azure", _NO_IMAGE),
    Rule("properties.storageProfile.osDisk.name", "session", _OF_THE_DISK),
    Rule("properties.storageProfile.osDisk.createOption", "session", "the disk is attached"),
    Rule("properties.storageProfile.osDisk.diskSizeGB", "session", _OF_THE_DISK),
    Rule("properties.storageProfile.osDisk.managedDisk", "session", _OF_THE_DISK),
    Rule("properties.storageProfile.osDisk.vhd", "session", "the disk is a managed one"),
    Rule("properties.storageProfile.osDisk.image", "session", _NO_IMAGE),
    Rule("properties.storageProfile.dataDisks[].name", "session", _OF_THE_DISK),
    Rule("properties.storageProfile.dataDisks[].createOption", "session", "the disk is attached"),
    Rule("properties.storageProfile.dataDisks[].diskSizeGB", "session", _OF_THE_DISK),
    Rule("properties.storageProfile.dataDisks[].managedDisk", "session", _OF_THE_DISK),
    Rule("properties.storageProfile.dataDisks[].vhd", "session", "the disk is a managed one"),
    Rule("properties.storageProfile.dataDisks[].image", "session", _NO_IMAGE),
    Rule("properties.storageProfile.dataDisks[].sourceResource", "session", "the disk is attached"),
    Rule("properties.storageProfile.dataDisks[].toBeDetached", "azure", _STATE),
    Rule("properties.storageProfile.dataDisks[].detachOption", "azure", _STATE),
    Rule("properties.storageProfile.dataDisks[].diskIOPSReadWrite", "azure", _OF_THE_DISK),
    Rule("properties.storageProfile.dataDisks[].diskMBpsReadWrite", "azure", _OF_THE_DISK),
    Rule("properties.networkProfile.networkInterfaces[].id", "session", _CALLED),
    Rule("properties.networkProfile.networkApiVersion", "azure", "for interfaces made with the VM"),
    Rule(
        "properties.networkProfile.networkInterfaceConfigurations",
        "session",
        "the interfaces are made before the VM",
    ),
    Rule(
        "properties.availabilitySet",
        "group",
        "only a VM of its resource group, without a zone, can be in it",
    ),
    Rule(
        "properties.virtualMachineScaleSet",
        "group",
        "only a VM of its resource group can be in it",
    ),
    Rule(
        "properties.platformFaultDomain",
        "group",
        "it is a place in the scale set, which is not used",
    ),
    Rule(
        "properties.proximityPlacementGroup",
        "place",
        "one of another region or subscription cannot be used",
    ),
    Rule("properties.host", "place", "a host of another region or subscription cannot be used"),
    Rule("properties.hostGroup", "place", "hosts of another region or subscription cannot be used"),
    Rule(
        "properties.capacityReservation",
        "place",
        "one of another region or subscription cannot be used",
    ),
)

DISK_TREE: Final = tree_of(DISK_RULES)
INTERFACE_TREE: Final = tree_of(INTERFACE_RULES)
MACHINE_TREE: Final = tree_of(MACHINE_RULES)
