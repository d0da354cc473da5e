"""Snapshots of managed disks: incremental families, limits, and how they may be exported."""

from __future__ import annotations

import uuid

from azure_simulator.arm.answers import Answer
from azure_simulator.arm.building import envelope, keep
from azure_simulator.arm.disks import (
    GIB,
    not_busy,
    refuse_while_exported,
    sku_of,
    start_change,
    tear_down,
)
from azure_simulator.arm.disks import KIND as DISK_KIND
from azure_simulator.arm.errors import ArmError, invalid_parameter, not_allowed
from azure_simulator.arm.exchange import Cloud, Exchange, Route
from azure_simulator.arm.export_policy import apply_policy, check_policy
from azure_simulator.arm.grants import grant_routes, show_access
from azure_simulator.arm.operations import DISK
from azure_simulator.arm.reading import get, missing_disk_resource, reading_routes
from azure_simulator.arm.tagging import tags_of
from azure_simulator.resources import Body, Resource

KIND = "Microsoft.Compute/snapshots"
MISSING = missing_disk_resource("Snapshot")

PER_DISK = 500
PER_DISK_AND_WINDOW = 7
_WINDOW_S = 300
_SECONDS = 3.0

_INHERITED = ("osType", "hyperVGeneration", "supportedCapabilities", "securityProfile")


async def _put(exchange: Exchange) -> Answer:
    cloud, given = exchange.cloud, exchange.properties
    body = envelope(exchange, KIND)
    if exchange.existing is not None:
        return _put_again(exchange, body)
    source = _source(exchange, body["location"])
    check_policy(cloud, body["id"], given, body["location"])
    incremental = bool(given.get("incremental", False))
    if incremental:
        _check_limits(cloud, source)
    creation = {**given["creationData"], "sourceUniqueId": source.properties["uniqueId"]}
    partial = {**given, "creationData": creation, "incremental": incremental}
    body["properties"] = {**partial, "provisioningState": "Updating"}
    if "sku" in exchange.body:
        body["sku"] = dict(exchange.body["sku"])
    resource = keep(exchange, body)
    # The moment of a snapshot is that of its request: what the disk is written afterwards is not
    # in it, however long the operation takes.
    resource.hidden["taken"] = cloud.clock()
    try:
        await cloud.backing.contents.create_from(resource.id, source.id, _size_gb(source) * GIB)
    except BaseException:
        cloud.resources.remove(resource.id)
        raise

    async def work() -> Body:
        _finish(cloud, resource, source, sku_of(exchange.body, "Standard_LRS"))
        return resource.body

    return Answer(202, _partial(resource), start_change(exchange, resource, work))


def _source(exchange: Exchange, region: str) -> Resource:
    creation = exchange.properties.get("creationData") or {}
    option, source_id = creation.get("createOption"), creation.get("sourceResourceId", "")
    if option is None:
        message = "Required parameter 'creationData.createOption' is missing (null)."
        raise invalid_parameter("creationData.createOption", message)
    if option != "Copy":
        message = f"This simulator makes no snapshots by createOption '{option}'."
        raise ArmError(400, "BadRequest", message)
    source = exchange.cloud.resources.find(source_id)
    kinds = {kind.lower(): kind for kind in (DISK_KIND, KIND)}
    if source is None or source.type not in kinds:
        raise ArmError(404, "ResourceNotFound", f"The source disk '{source_id}' is not found.")
    exchange.require_linked(f"{kinds[source.type]}/beginGetAccess/action", source.id)
    if source.type == KIND.lower() and exchange.properties.get("incremental"):
        message = "This simulator makes no incremental snapshot of a snapshot."
        raise ArmError(400, "BadRequest", message)
    if source.provisioning_state != "Succeeded" or source.hidden.get("upload"):
        raise not_allowed(f"The source disk '{source.name}' is not ready to be copied.")
    subscription = f"/subscriptions/{exchange.target.subscription}/".lower()
    if source.body["location"] != region or not source.id.lower().startswith(subscription):
        message = (
            f"The source disk '{source_id}' is not in the same region and subscription as the "
            "snapshot."
        )
        raise invalid_parameter("creationData.sourceResourceId", message)
    return source


def _size_gb(source: Resource) -> int:
    size: int = source.properties["diskSizeGB"]
    return size


def _check_limits(cloud: Cloud, source: Resource) -> None:
    family = source.hidden.setdefault("snapshotFamilyId", str(uuid.uuid4()))
    members = [
        snapshot
        for snapshot in cloud.resources.of_type(KIND)
        if snapshot.properties.get("incremental")
        and snapshot.properties["creationData"]["sourceUniqueId"] == source.properties["uniqueId"]
    ]
    if len(members) >= PER_DISK:
        message = (
            f"The disk '{source.name}' has {len(members)} incremental snapshots (family {family}); "
            f"at most {PER_DISK} are allowed."
        )
        raise not_allowed(message)
    since = cloud.clock() - cloud.pace.seconds(_WINDOW_S)
    taken: list[float] = source.hidden.setdefault("snapshotTimes", [])
    taken[:] = [moment for moment in taken if moment > since]
    if len(taken) >= PER_DISK_AND_WINDOW:
        message = (
            f"At most {PER_DISK_AND_WINDOW} incremental snapshots of the disk '{source.name}' may "
            "be created within 5 minutes."
        )
        raise not_allowed(message)
    taken.append(cloud.clock())


def _finish(cloud: Cloud, resource: Resource, source: Resource, sku: Body) -> None:
    properties = resource.properties
    resource.body["sku"] = sku
    defaults: Body = {
        "diskSizeGB": _size_gb(source),
        "encryption": {"type": "EncryptionAtRestWithPlatformKey"},
        "networkAccessPolicy": "AllowAll",
        "publicNetworkAccess": "Enabled",
        "timeCreated": cloud.now(),
        "uniqueId": str(uuid.uuid4()),
        **{name: source.properties[name] for name in _INHERITED if name in source.properties},
    }
    if properties["incremental"]:
        defaults["incrementalSnapshotFamilyId"] = source.hidden["snapshotFamilyId"]
        defaults["completionPercent"] = 100.0
    for name, value in defaults.items():
        properties.setdefault(name, value)
    properties["diskSizeBytes"] = _size_gb(source) * GIB
    properties["provisioningState"] = "Succeeded"
    properties["diskState"] = "Unattached"
    cloud.resources.changed()


def _put_again(exchange: Exchange, body: Body) -> Answer:
    """Change a snapshot by a whole PUT: tags and policy, never where it came from."""
    resource = get(exchange, MISSING)
    creation = exchange.properties.get("creationData") or {}
    before = resource.properties["creationData"]
    if str(creation.get("sourceResourceId", "")).lower() != before["sourceResourceId"].lower():
        message = "Changing property 'creationData.sourceResourceId' is not allowed."
        raise ArmError(
            409, "PropertyChangeNotAllowed", message, target="creationData.sourceResourceId"
        )
    not_busy(resource)
    resource.body["tags"] = body.get("tags", {})
    return _change(exchange, resource)


async def _patch(exchange: Exchange) -> Answer:
    resource = get(exchange, MISSING)
    not_busy(resource)
    tags = tags_of(exchange.body) if "tags" in exchange.body else None
    answer = _change(exchange, resource)
    if tags is not None:
        resource.body["tags"] = tags
    return answer


def _change(exchange: Exchange, resource: Resource) -> Answer:
    cloud = exchange.cloud
    changed = dict(resource.properties)
    apply_policy(changed, exchange.properties)
    check_policy(cloud, resource.id, changed, resource.body["location"])
    resource.body["properties"] = {**changed, "provisioningState": "Updating"}
    cloud.resources.changed()

    async def work() -> Body:
        resource.properties["provisioningState"] = "Succeeded"
        cloud.resources.changed()
        return show_access(cloud, resource)

    return Answer(202, _partial(resource), start_change(exchange, resource, work))


async def _delete(exchange: Exchange) -> Answer:
    cloud, resource = exchange.cloud, exchange.existing
    if resource is None:
        return Answer(204)
    not_busy(resource)
    refuse_while_exported(cloud, resource)
    resource.properties["provisioningState"] = "Deleting"
    cloud.resources.changed()

    async def work() -> None:
        await tear_down(cloud, resource)

    headers = exchange.start(DISK, work, region=resource.body["location"], seconds=_SECONDS)
    return Answer(202, None, headers)


def _partial(resource: Resource) -> Body:
    """Return what the first answer shows: nothing yet of what the provider fills in."""
    late = ("timeCreated", "uniqueId", "diskState", "diskSizeBytes", "completionPercent")
    properties = {k: v for k, v in resource.properties.items() if k not in late}
    body = {**resource.body, "properties": properties}
    if "sku" in body:
        body["sku"] = {"name": body["sku"]["name"]}
    return body


def _shown(exchange: Exchange, resource: Resource) -> Body:
    return show_access(exchange.cloud, resource)


ROUTES = (
    Route("PUT", KIND, _put),
    Route("PATCH", KIND, _patch),
    Route("DELETE", KIND, _delete),
    *reading_routes(KIND, MISSING, _shown),
    *grant_routes(KIND, MISSING),
)
