"""Virtual machines: creation from an image or from disks, updates, deletion and what goes along."""

from __future__ import annotations

import uuid

from azure_simulator.arm import disks, instance_views
from azure_simulator.arm.answers import Answer
from azure_simulator.arm.building import envelope, numbered_etag
from azure_simulator.arm.disks import not_busy
from azure_simulator.arm.errors import not_allowed
from azure_simulator.arm.exchange import Cloud, Exchange, Route
from azure_simulator.arm.machine_bodies import (
    KIND,
    data_disks,
    machine_properties,
    swapped_os_disk,
)
from azure_simulator.arm.network_writes import check_preconditions, frozen
from azure_simulator.arm.operations import MACHINE, MACHINE_ACTION
from azure_simulator.arm.reading import get, missing_by_gateway, reading_routes
from azure_simulator.arm.tagging import tags_of
from azure_simulator.arm.user_identities import machine_identity
from azure_simulator.resources import Body, Resource

_CREATE_S, _UPDATE_S, _DELETE_S = 35.0, 10.0, 30.0


async def _put(exchange: Exchange) -> Answer:
    cloud, existing = exchange.cloud, exchange.existing
    if existing is not None:
        not_busy(existing)
    check_preconditions(exchange)
    body = envelope(exchange, KIND)
    body["properties"] = machine_properties(exchange, existing)
    for name in ("zones", "plan"):
        if name in exchange.body:
            body[name] = exchange.body[name]
    identity = machine_identity(exchange, body["name"], _identity_of(existing))
    if identity is not None:
        body["identity"] = identity
    machine = existing or Resource(body["id"], body)
    before = _disk_ids(machine) if existing else set()
    body["etag"] = numbered_etag(machine.body)
    machine.body = body
    cloud.resources.put(machine)
    _hold(cloud, machine)

    async def work() -> None:
        if cloud.resources.find(machine.id) is not machine:
            raise not_allowed(f"VM '{machine.name}' was deleted while it was being written.")
        if existing is None:
            await _make(cloud, machine)
        await _wire(cloud, machine, before)
        instance_views.settle(cloud, machine)

    seconds = _UPDATE_S if existing else _CREATE_S
    headers = exchange.start(MACHINE, work, region=body["location"], seconds=seconds, makes=machine)
    return Answer(200 if existing else 201, frozen(body), headers)


def _identity_of(existing: Resource | None) -> Body:
    return {} if existing is None else existing.body.get("identity") or {}


def _disk_ids(machine: Resource) -> set[str]:
    storage = machine.properties["storageProfile"]
    every = [storage["osDisk"], *storage["dataDisks"]]
    return {d["managedDisk"]["id"].lower() for d in every if "id" in d["managedDisk"]}


def _hold(cloud: Cloud, machine: Resource) -> None:
    """Mark disks and interfaces as the VM's."""
    for disk_id in _disk_ids(machine):
        disk = cloud.resources.find(disk_id)
        if disk is not None:
            disk.body["managedBy"] = machine.id
    for shown in machine.properties["networkProfile"]["networkInterfaces"]:
        interface = cloud.resources.find(shown["id"])
        if interface is not None:
            interface.properties["virtualMachine"] = {"id": machine.id}
            interface.properties["primary"] = True
            interface.properties["macAddress"] = "00-0D-3A-" + "-".join(
                machine.properties["vmId"].upper()[i : i + 2] for i in (0, 2, 4)
            )
    cloud.resources.changed()


async def _wire(cloud: Cloud, machine: Resource, before: set[str]) -> None:
    """Let the VM see its data disks, and let go of the disks that it no longer names.

    Until then a disk that is being detached is the VM's, and no other VM may have it.
    """
    if machine.hidden.get("machine"):
        await _show_disks(cloud, machine)
    for disk_id in before - _disk_ids(machine):
        disk = cloud.resources.find(disk_id)
        if disk is not None:
            disk.body.pop("managedBy", None)
    cloud.resources.changed()


async def _show_disks(cloud: Cloud, machine: Resource) -> None:
    """Have the VM's own file tree show the data disks that it has, and no others."""
    shown: dict[int, str] = machine.hidden.setdefault("shown", {})
    entries = machine.properties["storageProfile"]["dataDisks"]
    wanted = {each["lun"]: each["managedDisk"]["id"].lower() for each in entries}
    contents, machines = cloud.backing.contents, cloud.backing.machines
    for lun, disk_id in [*shown.items()]:
        if wanted.get(lun) != disk_id:
            await contents.hide(disk_id)
            del shown[lun]
    for lun, disk_id in wanted.items():
        if lun not in shown:
            await contents.show(disk_id, machines.disk_path(machine.id, lun))
            shown[lun] = disk_id


async def _make(cloud: Cloud, machine: Resource) -> None:
    machine.hidden["power"] = "running"
    reference = machine.properties["storageProfile"].get("imageReference")
    if reference is None:
        # A VM whose OS disk was attached: what boots from it is not simulated, its disks are.
        return
    await _make_os_disk(cloud, machine)
    image = {name: reference[name] for name in ("publisher", "offer", "sku")}
    await cloud.backing.machines.create(machine.id, image)
    machine.hidden["machine"] = True


async def _make_os_disk(cloud: Cloud, machine: Resource) -> None:
    shown = machine.properties["storageProfile"]["osDisk"]
    name = shown.get("name") or f"{machine.name}_OsDisk_1_{uuid.uuid4().hex}"
    group_id = machine.id.rsplit("/providers/", 1)[0]
    disk_id = f"{group_id}/providers/{disks.KIND}/{name}"
    reference = machine.properties["storageProfile"]["imageReference"]
    image_id = (
        f"/Subscriptions/{machine.id.split('/')[2]}/Providers/Microsoft.Compute/Locations/"
        f"{machine.body['location']}/Publishers/{reference['publisher']}/ArtifactTypes/VMImage/"
        f"Offers/{reference['offer']}/Skus/{reference['sku']}/Versions/{reference['exactVersion']}"
    )
    body: Body = {
        "name": name,
        "id": disk_id,
        "type": disks.KIND,
        "location": machine.body["location"],
        "managedBy": machine.id,
        "properties": {
            "osType": "Linux",
            "hyperVGeneration": "V2",
            "creationData": {"createOption": "FromImage", "imageReference": {"id": image_id}},
            "diskSizeGB": shown["diskSizeGB"],
        },
    }
    disk = Resource(disk_id, body)
    cloud.resources.put(disk)
    await cloud.backing.contents.create_empty(disk_id, shown["diskSizeGB"] * disks.GIB)
    sku = disks.sku_of({"sku": {"name": shown["managedDisk"]["storageAccountType"]}}, "")
    disks.finish(cloud, disk, sku)
    shown |= {"name": name, "managedDisk": {**shown["managedDisk"], "id": disk_id}}


async def _patch(exchange: Exchange) -> Answer:
    cloud, machine = exchange.cloud, get(exchange, missing_by_gateway)
    not_busy(machine)
    check_preconditions(exchange)
    given = exchange.properties
    before = _disk_ids(machine)
    storage = _changed_storage(exchange, machine, given.get("storageProfile") or {})
    if "tags" in exchange.body:
        machine.body["tags"] = tags_of(exchange.body)
    machine.properties["storageProfile"] |= storage
    if "hardwareProfile" in given:
        machine.properties["hardwareProfile"] = dict(given["hardwareProfile"])
    _hold(cloud, machine)
    machine.properties["provisioningState"] = "Updating"
    machine.body["etag"] = numbered_etag(machine.body)

    async def work() -> None:
        await _wire(cloud, machine, before)
        instance_views.settle(cloud, machine)

    headers = exchange.start(MACHINE, work, region=machine.body["location"], seconds=_UPDATE_S)
    return Answer(200, frozen(machine.body), headers)


def _changed_storage(exchange: Exchange, machine: Resource, given: Body) -> Body:
    """Return what a PATCH makes of the VM's disks: all of it is taken, or refused."""
    changed: Body = {}
    if "dataDisks" in given:
        changed["dataDisks"] = data_disks(exchange, given["dataDisks"], machine.id)
    if "osDisk" in given:
        changed["osDisk"] = swapped_os_disk(exchange, machine, given["osDisk"])
    return changed


async def _delete(exchange: Exchange) -> Answer:
    cloud, machine = exchange.cloud, exchange.existing
    if machine is None:
        return Answer(204)
    if machine.provisioning_state == "Deleting":
        not_busy(machine)
    machine.properties["provisioningState"] = "Deleting"
    cloud.resources.changed()

    async def work() -> None:
        await tear_down(cloud, machine)

    headers = exchange.start(
        MACHINE_ACTION, work, region=machine.body["location"], seconds=_DELETE_S
    )
    return Answer(202, None, headers)


async def tear_down(cloud: Cloud, machine: Resource) -> None:
    """Remove a VM, and of its disks and interfaces those that are to go with it."""
    await _unplug(cloud, machine)
    cloud.resources.remove(machine.id)
    storage = machine.properties["storageProfile"]
    for shown in (storage["osDisk"], *storage["dataDisks"]):
        disk = cloud.resources.find(shown["managedDisk"].get("id", ""))
        if disk is None:
            continue
        disk.body.pop("managedBy", None)
        if shown["deleteOption"] == "Delete":
            await disks.tear_down(cloud, disk)
    for shown in machine.properties["networkProfile"]["networkInterfaces"]:
        interface = cloud.resources.find(shown["id"])
        if interface is None:
            continue
        interface.properties.pop("virtualMachine", None)
        if (shown.get("properties") or {}).get("deleteOption") == "Delete":
            cloud.resources.remove(interface.id)
    cloud.resources.changed()


async def _unplug(cloud: Cloud, machine: Resource) -> None:
    """End the VM's processes; what they wrote last is on its disks."""
    if machine.hidden.get("machine"):
        await cloud.backing.machines.delete(machine.id)
    for disk_id in machine.hidden.pop("shown", {}).values():
        await cloud.backing.contents.hide(disk_id)


def _shown(exchange: Exchange, machine: Resource) -> Body:
    if "instanceview" not in exchange.query.get("$expand", "").lower():
        return machine.body
    view = instance_views.view(exchange.cloud, machine)
    return {**machine.body, "properties": {**machine.properties, "instanceView": view}}


async def _instance_view(exchange: Exchange) -> Answer:
    machine = exchange.cloud.resources.find(exchange.target.parent_path)
    if machine is None:
        raise missing_by_gateway(exchange.target)
    return Answer(200, instance_views.view(exchange.cloud, machine))


ROUTES = (
    Route("PUT", KIND, _put),
    Route("PATCH", KIND, _patch),
    Route("DELETE", KIND, _delete),
    *reading_routes(KIND, missing_by_gateway, _shown),
    Route("GET", f"{KIND}/instanceView", _instance_view, "*"),
)
