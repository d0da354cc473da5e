"""Disk encryption sets: kept and shown; which disks may use one. No key vault is asked."""

from __future__ import annotations

import uuid

from azure_simulator.arm.answers import Answer
from azure_simulator.arm.building import envelope, keep
from azure_simulator.arm.errors import ArmError, invalid_parameter, not_allowed
from azure_simulator.arm.exchange import Cloud, Exchange, Route
from azure_simulator.arm.operations import DISK, Work
from azure_simulator.arm.paths import Target
from azure_simulator.arm.reading import reading_routes
from azure_simulator.resources import Body, Resource

KIND = "Microsoft.Compute/diskEncryptionSets"
PLATFORM_KEY = "EncryptionAtRestWithPlatformKey"

_TYPES = (
    "EncryptionAtRestWithCustomerKey",
    "EncryptionAtRestWithPlatformAndCustomerKeys",
    "ConfidentialVmEncryptedWithCustomerKey",
)
_USERS = ("Microsoft.Compute/disks", "Microsoft.Compute/snapshots")
_SECONDS = 2.0


def missing(target: Target) -> ArmError:
    """Return the disk provider's 404 for an encryption set, as it was recorded."""
    return ArmError(404, "NotFound", f"DiskEncryptionSet '{target.name}' was not found.")


def check_encryption(exchange: Exchange, properties: Body, region: str) -> None:
    """Refuse a disk whose encryption Azure would not do; *properties* are those it would have."""
    encryption = properties.get("encryption") or {}
    kind = encryption.get("type", PLATFORM_KEY)
    set_id = encryption.get("diskEncryptionSetId")
    if kind not in (PLATFORM_KEY, *_TYPES):
        raise invalid_parameter("encryption.type")
    if bool(set_id) != (kind != PLATFORM_KEY):
        raise invalid_parameter("encryption.diskEncryptionSetId")
    if not set_id:
        return
    found = exchange.cloud.resources.find(set_id)
    if found is None or found.type != KIND.lower():
        message = f"DiskEncryptionSet '{set_id}' was not found."
        raise ArmError(404, "NotFound", message, target="encryption.diskEncryptionSetId")
    exchange.require_linked(f"{KIND}/read", found.id)
    subscription = exchange.target.subscription.lower()
    if found.body["location"] != region or found.id.split("/")[2].lower() != subscription:
        message = f"'{found.id}' is not in the subscription and region of the disk."
        raise invalid_parameter("encryption.diskEncryptionSetId", message)
    uploads = (properties.get("creationData") or {}).get("createOption") == "Upload"
    if uploads and properties.get("diskAccessId"):
        message = "A disk with a disk access takes no upload while it has a disk encryption set."
        raise ArmError(400, "BadRequest", message)


async def _put(exchange: Exchange) -> Answer:
    body, given = envelope(exchange, KIND), exchange.properties
    if not (given.get("activeKey") or {}).get("keyUrl"):
        raise invalid_parameter("activeKey.keyUrl")
    existing = exchange.existing
    before = existing.body["identity"] if existing else {}
    body["identity"] = {
        "type": "SystemAssigned",
        "principalId": before.get("principalId", str(uuid.uuid4())),
        "tenantId": exchange.cloud.identities.tenant_id,
    }
    body["properties"] = {
        "activeKey": given["activeKey"],
        "encryptionType": given.get("encryptionType", _TYPES[0]),
        "provisioningState": "Updating",
    }
    resource = keep(exchange, body)

    async def work() -> Body:
        resource.properties["provisioningState"] = "Succeeded"
        return resource.body

    first = {**body, "properties": dict(body["properties"])}
    return Answer(202, first, _start(exchange, resource, work))


async def _delete(exchange: Exchange) -> Answer:
    cloud, resource = exchange.cloud, exchange.existing
    if resource is None:
        return Answer(204)
    _refuse_in_use(cloud, resource)

    async def work() -> None:
        cloud.resources.remove(resource.id)

    return Answer(202, None, _start(exchange, resource, work))


def _refuse_in_use(cloud: Cloud, resource: Resource) -> None:
    for user in (each for kind in _USERS for each in cloud.resources.of_type(kind)):
        used = (user.properties.get("encryption") or {}).get("diskEncryptionSetId", "")
        if used.lower() == resource.id.lower():
            raise not_allowed(f"'{resource.id}' is used by '{user.id}': not deleted.")


def _start(exchange: Exchange, resource: Resource, work: Work) -> dict[str, str]:
    return exchange.start(DISK, work, region=resource.body["location"], seconds=_SECONDS)


ROUTES = (
    Route("PUT", KIND, _put),
    Route("DELETE", KIND, _delete),
    *reading_routes(KIND, missing),
)
