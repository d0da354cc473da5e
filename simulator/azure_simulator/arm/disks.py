"""Managed disks: empty, copied from a snapshot or disk, to be uploaded, or an image's."""

from __future__ import annotations

import uuid

from azure_simulator.arm.answers import Answer
from azure_simulator.arm.building import envelope, keep
from azure_simulator.arm.encryption_sets import check_encryption
from azure_simulator.arm.errors import ArmError, invalid_parameter, not_allowed
from azure_simulator.arm.exchange import Cloud, Exchange, Route
from azure_simulator.arm.export_policy import apply_policy, check_policy, exporting
from azure_simulator.arm.grants import disk_state, grant_routes, show_access
from azure_simulator.arm.operations import DISK, Work
from azure_simulator.arm.reading import get, missing_disk_resource, reading_routes
from azure_simulator.arm.tagging import tags_of
from azure_simulator.resources import Body, Resource

KIND = "Microsoft.Compute/disks"
SNAPSHOT = "Microsoft.Compute/snapshots"
MISSING = missing_disk_resource("Disk")
GIB = 1024**3

#: A fixed VHD's footer, which `uploadSizeBytes` counts in.
_FOOTER_BYTES = 512
MIB = 1024**2
#: What Azure takes: 20 MiB to 32 TiB, and the footer.
_LEAST_UPLOAD, _MOST_UPLOAD = 20_972_032, 35_183_298_347_520
_LARGEST_GB = 32767
_SECONDS = 2.0

_TIERS = {"Premium": "Premium", "UltraSSD": "Ultra"}
_PREMIUM_TIERS = (
    (4, "P1"), (8, "P2"), (16, "P3"), (32, "P4"), (64, "P6"), (128, "P10"), (256, "P15"),
    (512, "P20"), (1024, "P30"), (2048, "P40"), (4096, "P50"), (8192, "P60"), (16384, "P70"),
    (32767, "P80"),
)  # fmt: skip


def sku_of(body: Body, default: str) -> Body:
    """Return name and tier of a request's `sku`."""
    name = (body.get("sku") or {}).get("name", default)
    family = name.split("_", 1)[0].removesuffix("V2")
    return {"name": name, "tier": _TIERS.get(family, "Standard")}


def not_busy(resource: Resource) -> None:
    """Refuse a write to a resource whose last one is still under way."""
    if resource.provisioning_state not in ("Succeeded", "Failed"):
        raise not_allowed(
            "The request failed due to conflict with a concurrent request. To resolve it, please "
            "refer to https://aka.ms/activitylog to get more details on the conflicting requests."
        )


async def _put(exchange: Exchange) -> Answer:
    cloud, given = exchange.cloud, exchange.properties
    body = envelope(exchange, KIND)
    if exchange.existing is not None:
        return await _put_again(exchange, body)
    creation = _creation(exchange)
    size_gb = _size_gb(exchange, creation)
    check_policy(cloud, body["id"], given, body["location"])
    partial = {**given, "creationData": creation, "diskSizeGB": size_gb}
    check_encryption(exchange, partial, body["location"])
    body |= {"properties": {**partial, "provisioningState": "Updating"}}
    if "zones" in exchange.body:
        body["zones"] = exchange.body["zones"]
    if "sku" in exchange.body:
        body["sku"] = dict(exchange.body["sku"])
    resource = keep(exchange, body)

    async def work() -> Body:
        await _make_content(cloud, resource)
        finish(cloud, resource, sku_of(exchange.body, "Standard_LRS"))
        return resource.body

    headers = start_change(exchange, resource, work)
    return Answer(202, _copy(resource.body), headers)


def _creation(exchange: Exchange) -> Body:
    creation = dict(exchange.properties.get("creationData") or {})
    match creation.get("createOption"):
        case "Empty":
            pass
        case "Copy":
            source = _source(exchange, creation.get("sourceResourceId", ""))
            creation["sourceUniqueId"] = source.properties.get("uniqueId")
        case "Upload":
            _check_upload(creation.get("uploadSizeBytes"))
        case None:
            message = "Required parameter 'creationData.createOption' is missing (null)."
            raise invalid_parameter("creationData.createOption", message)
        case option:
            message = f"This simulator makes no disks by createOption '{option}'."
            raise ArmError(400, "BadRequest", message)
    return creation


def _check_upload(size_bytes: object) -> None:
    name = "creationData.uploadSizeBytes"
    if not isinstance(size_bytes, int):
        raise invalid_parameter(name)
    if not _LEAST_UPLOAD <= size_bytes <= _MOST_UPLOAD or (size_bytes - _FOOTER_BYTES) % MIB:
        message = (
            f"{size_bytes} bytes are no VHD of whole MiB and its footer, from {_LEAST_UPLOAD} to "
            f"{_MOST_UPLOAD}."
        )
        raise invalid_parameter(name, message)


def _source(exchange: Exchange, source_id: str) -> Resource:
    source = exchange.cloud.resources.find(source_id)
    if source is None or source.type not in (KIND.lower(), SNAPSHOT.lower()):
        raise ArmError(404, "ResourceNotFound", f"The source resource '{source_id}' is not found.")
    kind = KIND if source.type == KIND.lower() else SNAPSHOT
    exchange.require_linked(f"{kind}/beginGetAccess/action", source.id)
    if source.hidden.get("upload"):
        raise not_allowed(f"The source '{source.name}' is not ready to be copied.")
    if source.provisioning_state != "Succeeded":
        raise not_allowed(f"The source '{source.name}' is in state {source.provisioning_state}.")
    if source.body["location"] != exchange.body.get("location", "").replace(" ", "").lower():
        message = f"The source '{source_id}' is in another region."
        raise invalid_parameter("creationData.sourceResourceId", message)
    return source


def _size_gb(exchange: Exchange, creation: Body) -> int:
    size = exchange.properties.get("diskSizeGB")
    if creation["createOption"] == "Upload":
        size = -(-(creation["uploadSizeBytes"] - _FOOTER_BYTES) // GIB)
    if creation["createOption"] == "Copy":
        source = exchange.cloud.resources.find(creation["sourceResourceId"])
        least = source.properties["diskSizeGB"] if source else 0
        size = least if size is None else size
        if size < least:
            raise invalid_parameter("diskSizeGB", f"The source has {least} GB; {size} are too few.")
    if not isinstance(size, int) or not 0 < size <= _LARGEST_GB:
        message = "Required parameter 'diskSizeGB' is missing or invalid."
        raise invalid_parameter("diskSizeGB", message)
    return size


async def _make_content(cloud: Cloud, resource: Resource) -> None:
    creation, size = resource.properties["creationData"], _size_bytes(resource)
    contents = cloud.backing.contents
    if creation["createOption"] == "Copy":
        await contents.create_from(resource.id, creation["sourceResourceId"], size)
    else:
        await contents.create_empty(resource.id, size)
    resource.hidden["upload"] = creation["createOption"] == "Upload"


def _size_bytes(resource: Resource) -> int:
    """Return the disk's length: what was asked for an upload need not be whole GiB."""
    size: int = resource.properties["diskSizeGB"] * GIB
    creation: Body = resource.properties.get("creationData") or {}
    if creation.get("createOption") == "Upload":
        size = creation["uploadSizeBytes"] - _FOOTER_BYTES
    return size


def finish(cloud: Cloud, resource: Resource, sku: Body) -> None:
    """Give a disk all that it has once it is made."""
    size_gb = resource.properties["diskSizeGB"]
    resource.body["sku"] = sku
    defaults: Body = {
        "encryption": {"type": "EncryptionAtRestWithPlatformKey"},
        "networkAccessPolicy": "AllowAll",
        "publicNetworkAccess": "Enabled",
        "diskIOPSReadWrite": 500,
        "diskMBpsReadWrite": 60,
        "timeCreated": cloud.now(),
        "uniqueId": str(uuid.uuid4()),
    }
    if sku["tier"] == "Premium" and not sku["name"].startswith("PremiumV2"):
        defaults["tier"] = next(tier for most, tier in _PREMIUM_TIERS if size_gb <= most)
        defaults |= {"diskIOPSReadWrite": 2300, "diskMBpsReadWrite": 150}
    for name, value in defaults.items():
        resource.properties.setdefault(name, value)
    resource.properties["diskSizeBytes"] = _size_bytes(resource)
    resource.properties["provisioningState"] = "Succeeded"
    resource.properties["diskState"] = disk_state(cloud, resource)
    cloud.resources.changed()


async def _put_again(exchange: Exchange, body: Body) -> Answer:
    """Change a disk by a whole PUT: what it says of size and policy, never how it was made."""
    resource = get(exchange, MISSING)
    option = (exchange.properties.get("creationData") or {}).get("createOption")
    if option != resource.properties["creationData"]["createOption"]:
        message = "Changing property 'creationData.createOption' is not allowed."
        raise ArmError(409, "PropertyChangeNotAllowed", message, target="creationData.createOption")
    resource.body["tags"] = body.get("tags", {})
    return _change(exchange, resource, exchange.properties)


async def _patch(exchange: Exchange) -> Answer:
    resource = get(exchange, MISSING)
    if "tags" in exchange.body:
        resource.body["tags"] = tags_of(exchange.body)
    return _change(exchange, resource, exchange.properties)


def _change(exchange: Exchange, resource: Resource, given: Body) -> Answer:
    cloud = exchange.cloud
    not_busy(resource)
    size = given.get("diskSizeGB", resource.properties["diskSizeGB"])
    if size != resource.properties["diskSizeGB"]:
        # The ports of `backing` have no resize yet; refusing is no kinder than Azure.
        raise ArmError(400, "BadRequest", "This simulator does not resize disks.")
    changed = dict(resource.properties)
    apply_policy(changed, given)
    check_policy(cloud, resource.id, changed, resource.body["location"])
    if "encryption" in given:
        _encrypt_anew(exchange, resource, changed)
    resource.body["properties"] = {**changed, "provisioningState": "Updating"}
    cloud.resources.changed()

    async def work() -> Body:
        resource.properties["provisioningState"] = "Succeeded"
        cloud.resources.changed()
        return show_access(cloud, resource)

    headers = start_change(exchange, resource, work)
    return Answer(202, _copy(resource.body), headers)


def _encrypt_anew(exchange: Exchange, resource: Resource, changed: Body) -> None:
    """Have *changed* be encrypted as the request says, or refuse that."""
    if disk_state(exchange.cloud, resource) == "Attached":
        raise not_allowed(
            f"The encryption of {resource.name} can't be changed while its VM is running."
        )
    changed["encryption"] = dict(exchange.properties["encryption"])
    under_upload = resource.hidden.get("upload")
    kept = changed if under_upload else {**changed, "creationData": {}}
    check_encryption(exchange, kept, resource.body["location"])


async def _delete(exchange: Exchange) -> Answer:
    cloud, resource = exchange.cloud, exchange.existing
    if resource is None:
        return Answer(204)
    not_busy(resource)
    if resource.body.get("managedBy"):
        raise not_allowed(f"Disk {resource.name} is attached to VM {resource.body['managedBy']}.")
    refuse_while_exported(cloud, resource)
    resource.properties["provisioningState"] = "Deleting"
    cloud.resources.changed()

    async def work() -> None:
        await tear_down(cloud, resource)

    headers = exchange.start(DISK, work, region=resource.body["location"], seconds=_SECONDS)
    return Answer(202, None, headers)


def refuse_while_exported(cloud: Cloud, resource: Resource) -> None:
    """Refuse to delete what somebody may be reading."""
    if exporting(cloud, resource):
        raise not_allowed(
            f"Cannot delete {resource.name}: there is an active shared access signature "
            "outstanding for it. Call EndGetAccess to revoke the shared access signature first."
        )


async def tear_down(cloud: Cloud, resource: Resource) -> None:
    """Remove a disk or snapshot and its content."""
    await cloud.backing.exports.revoke(resource.id)
    await cloud.backing.contents.delete(resource.id)
    cloud.resources.remove(resource.id)


def start_change(exchange: Exchange, resource: Resource, work: Work) -> dict[str, str]:
    """Begin the operation of a PUT or PATCH; return the headers of its answer."""
    region = resource.body["location"]
    headers = exchange.start(DISK, work, region=region, seconds=_SECONDS, makes=resource)
    return headers | {"Retry-After": str(exchange.cloud.pace.retry_after(2))}


def _copy(body: Body) -> Body:
    return {**body, "properties": dict(body["properties"])}


def _shown(exchange: Exchange, resource: Resource) -> Body:
    return show_access(exchange.cloud, resource)


ROUTES = (
    Route("PUT", KIND, _put),
    Route("PATCH", KIND, _patch),
    Route("DELETE", KIND, _delete),
    *reading_routes(KIND, MISSING, _shown),
    *grant_routes(KIND, MISSING),
)
