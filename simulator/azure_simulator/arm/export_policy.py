"""How a disk or snapshot may be exported: its network policy and the disk access it needs."""

from __future__ import annotations

import secrets
import string

from azure_simulator.arm.errors import ArmError, invalid_parameter
from azure_simulator.arm.exchange import Cloud
from azure_simulator.resources import Body, Resource

DISK_ACCESS = "Microsoft.Compute/diskAccesses"
EXPORTS_PER_DISK_ACCESS = 5
EXPORTS_PER_FAMILY = 5

_POLICIES = ("AllowAll", "AllowPrivate", "DenyAll")
_AUTH_MODE = "dataAccessAuthMode"
_LABEL = string.ascii_lowercase + string.digits


def export_host(prefix: str) -> str:
    """Return a fresh name of an export host; *prefix* is ``md`` or ``md-impexp``."""
    label = "".join(secrets.choice(_LABEL) for _ in range(12))
    return f"{prefix}-{label}.z{secrets.randbelow(49) + 1}.blob.storage.azure.net"


def check_policy(cloud: Cloud, resource_id: str, properties: Body, region: str) -> None:
    """Refuse a policy that Azure refuses; *properties* are those that the resource would have."""
    policy = properties.get("networkAccessPolicy", "AllowAll")
    if policy not in _POLICIES:
        raise invalid_parameter("networkAccessPolicy")
    if properties.get("publicNetworkAccess", "Enabled") not in ("Enabled", "Disabled"):
        raise invalid_parameter("publicNetworkAccess")
    disk_access_id = properties.get("diskAccessId")
    if policy == "AllowPrivate" and not disk_access_id:
        message = "AllowPrivate NetworkAccessPolicy can only be supported with Disk Access."
        raise ArmError(409, "ConflictingUserInput", message)
    _check_authentication(properties.get(_AUTH_MODE) or "None")
    if policy != "AllowPrivate" and disk_access_id:
        message = "Disk Access can only be set with AllowPrivate NetworkAccessPolicy."
        raise ArmError(409, "ConflictingUserInput", message)
    if disk_access_id:
        disk_access = _usable_disk_access(cloud, disk_access_id)
        _check_place(disk_access, resource_id, region)


def _check_authentication(mode: str) -> None:
    if mode == "None":
        return
    if mode != "AzureActiveDirectory":
        raise invalid_parameter("dataAccessAuthMode")
    # Its SAS opens nothing without a token beside it; nobody here asks for such tokens.
    message = "This simulator has no disks with dataAccessAuthMode 'AzureActiveDirectory'."
    raise ArmError(400, "BadRequest", message)


def _usable_disk_access(cloud: Cloud, disk_access_id: str) -> Resource:
    disk_access = cloud.resources.find(disk_access_id)
    if disk_access is None or disk_access.type != DISK_ACCESS.lower():
        message = f"Disk Access '{disk_access_id}' is not found."
        raise ArmError(404, "NotFound", message)
    if disk_access.provisioning_state != "Succeeded":
        message = (
            f"DiskAccess resource '{disk_access_id}' is in failed state. Please try recreating "
            "the DiskAccess resource and retry the operation."
        )
        raise ArmError(400, "Conflict", message)
    return disk_access


def _check_place(disk_access: Resource, resource_id: str, region: str) -> None:
    if disk_access.body["location"] != region:
        message = f"The disk access '{disk_access.id}' is not in region '{region}'."
        raise invalid_parameter("diskAccessId", message)
    if _subscription(disk_access.id) != _subscription(resource_id):
        message = (
            f"The disk access '{disk_access.id}' is not in the subscription of '{resource_id}'."
        )
        raise invalid_parameter("diskAccessId", message)


def _subscription(resource_id: str) -> str:
    return resource_id.split("/")[2].lower()


def apply_policy(properties: Body, given: Body) -> None:
    """Take over what *given* says of the policy; without AllowPrivate no disk access stays."""
    for name in ("networkAccessPolicy", "publicNetworkAccess", "diskAccessId", _AUTH_MODE):
        if name in given:
            properties[name] = given[name]
    if given.get("networkAccessPolicy", "AllowPrivate") != "AllowPrivate" and (
        "diskAccessId" not in given
    ):
        properties.pop("diskAccessId", None)
    if not properties.get("diskAccessId", "-"):
        del properties["diskAccessId"]


def check_grant(cloud: Cloud, resource: Resource) -> str:
    """Return the host over which *resource* may be exported, or refuse the export."""
    properties = resource.properties
    match properties["networkAccessPolicy"]:
        case "AllowPrivate":
            _check_room(cloud, resource, properties["diskAccessId"])
            disk_access = cloud.resources.find(properties["diskAccessId"])
            if disk_access is None:
                raise ArmError(404, "NotFound", "The disk access of the resource is gone.")
            host: str = disk_access.hidden["exportHost"]
        case "AllowAll":
            if properties["publicNetworkAccess"] == "Disabled":
                message = (
                    f"The resource '{resource.name}' has public network access disabled and no "
                    "disk access: it cannot be exported."
                )
                raise ArmError(409, "PublicNetworkAccessDisabled", message)
            host = resource.hidden.setdefault("exportHost", export_host("md"))
        case policy:
            message = (
                f"The network access policy of '{resource.name}' is {policy}: it cannot be "
                "exported."
            )
            raise ArmError(409, "OperationNotAllowed", message)
    _check_family(cloud, resource)
    return host


def _check_room(cloud: Cloud, resource: Resource, disk_access_id: str) -> None:
    exported = [
        other
        for kind in ("Microsoft.Compute/disks", "Microsoft.Compute/snapshots")
        for other in cloud.resources.of_type(kind)
        if other.id != resource.id
        and str(other.properties.get("diskAccessId", "")).lower() == disk_access_id.lower()
        and exporting(cloud, other)
    ]
    if len(exported) >= EXPORTS_PER_DISK_ACCESS:
        message = (
            f"The disk access '{disk_access_id}' has {len(exported)} disks or snapshots being "
            f"exported or imported; at most {EXPORTS_PER_DISK_ACCESS} are allowed at a time."
        )
        raise ArmError(409, "OperationNotAllowed", message)


def _check_family(cloud: Cloud, resource: Resource) -> None:
    family = resource.properties.get("incrementalSnapshotFamilyId")
    if family is None:
        return
    exported = [
        other
        for other in cloud.resources.of_type("Microsoft.Compute/snapshots")
        if other.id != resource.id
        and other.properties.get("incrementalSnapshotFamilyId") == family
        and exporting(cloud, other)
    ]
    if len(exported) >= EXPORTS_PER_FAMILY:
        message = (
            f"{len(exported)} snapshots of the incremental snapshot family '{family}' have an "
            f"active shared access signature; at most {EXPORTS_PER_FAMILY} may."
        )
        raise ArmError(409, "OperationNotAllowed", message)


def exporting(cloud: Cloud, resource: Resource) -> bool:
    """Tell whether *resource* has an active SAS, or one that is being granted."""
    return bool(resource.hidden.get("granting")) or cloud.backing.exports.granted(resource.id)
