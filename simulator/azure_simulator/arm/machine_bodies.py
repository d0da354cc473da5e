"""What a VM's PUT asks for, checked, and the body that is made of it, without its secrets."""

from __future__ import annotations

import uuid

from azure_simulator.arm.addresses import INTERFACE
from azure_simulator.arm.disks import KIND as DISK
from azure_simulator.arm.errors import ArmError, invalid_parameter, not_allowed
from azure_simulator.arm.exchange import Exchange
from azure_simulator.arm.images import image_version
from azure_simulator.arm.quotas import check_quota
from azure_simulator.arm.skus import size_of
from azure_simulator.resources import Body, Resource

KIND = "Microsoft.Compute/virtualMachines"

_IMAGE_GB = 30
_OPTIONS = ("Delete", "Detach")
#: The power states in which a VM's OS disk may be swapped.
_STANDING_STILL = ("stopped", "deallocated")

#: What is kept of an attached OS disk as it was sent.
_OF_OS_DISK = ("writeAcceleratorEnabled", "encryptionSettings")
#: What is kept as it was sent.
_AS_SENT = (
    "priority",
    "evictionPolicy",
    "billingProfile",
    "securityProfile",
    "diagnosticsProfile",
    "additionalCapabilities",
    "availabilitySet",
    "licenseType",
    "applicationProfile",
    "extensionsTimeBudget",
    "scheduledEventsPolicy",
    "scheduledEventsProfile",
    "resiliencyProfile",
)


def machine_properties(exchange: Exchange, existing: Resource | None) -> Body:
    """Return the properties of the VM that the request describes, or refuse it."""
    given = exchange.properties
    size = size_of(given)
    if existing is None:
        check_quota(exchange, given, size)
    old = existing.properties if existing else {}
    properties: Body = {
        "hardwareProfile": dict(given["hardwareProfile"]),
        "provisioningState": "Updating" if existing else "Creating",
        "vmId": old.get("vmId", str(uuid.uuid4())),
        **{name: given[name] for name in _AS_SENT if name in given},
        "storageProfile": _storage(exchange, existing),
    }
    profile = os_profile(given.get("osProfile"), properties["storageProfile"])
    if profile is not None or "osProfile" in old:
        properties["osProfile"] = profile or old["osProfile"]
    properties["networkProfile"] = {"networkInterfaces": interfaces(exchange, existing)}
    properties["timeCreated"] = old.get("timeCreated", exchange.cloud.now())
    return properties


def os_profile(given: Body | None, storage: Body) -> Body | None:
    """Return what is shown of an OS profile: no password, no custom data."""
    if storage["osDisk"]["createOption"] == "Attach":
        if given:
            message = "Parameter 'osProfile' is not allowed."
            raise ArmError(400, "InvalidParameter", message, target="osProfile")
        return None
    if given is None:
        message = "Required parameter 'osProfile' is missing (null)."
        raise invalid_parameter("osProfile", message)
    linux = dict(given.get("linuxConfiguration") or {})
    keys = ((linux.get("ssh") or {}).get("publicKeys")) or []
    for name in ("computerName", "adminUsername"):
        if not given.get(name):
            message = f"Required parameter 'osProfile.{name}' is missing (null)."
            raise invalid_parameter(f"osProfile.{name}", message)
    if not given.get("adminPassword") and not keys:
        message = "Authentication using either SSH or by user name and password must be enabled."
        raise invalid_parameter("linuxConfiguration", message)
    defaults = {
        "disablePasswordAuthentication": False,
        "provisionVMAgent": True,
        "patchSettings": {"patchMode": "ImageDefault", "assessmentMode": "ImageDefault"},
    }
    return {
        "computerName": given["computerName"],
        "adminUsername": given["adminUsername"],
        "linuxConfiguration": {**defaults, **linux},
        "secrets": [],
        "allowExtensionOperations": given.get("allowExtensionOperations", True),
        "requireGuestProvisionSignal": True,
    }


def _storage(exchange: Exchange, existing: Resource | None) -> Body:
    given = exchange.properties.get("storageProfile") or {}
    wanted = given.get("osDisk") or {}
    option = wanted.get("createOption", "FromImage")
    profile: Body = {}
    if "diskControllerType" in given:
        profile["diskControllerType"] = given["diskControllerType"]
    if existing is not None:
        _check_unchanged(existing.properties["storageProfile"]["osDisk"], wanted)
        profile = {
            k: v for k, v in existing.properties["storageProfile"].items() if k != "dataDisks"
        }
    elif option == "FromImage":
        profile = _from_image(exchange, given, wanted)
    elif option == "Attach":
        disk = attachable(exchange, wanted, "osDisk", exchange.target.path)
        profile["osDisk"] = {
            **{name: wanted[name] for name in _OF_OS_DISK if name in wanted},
            "osType": wanted.get("osType") or disk.properties.get("osType") or _no_os_type(),
            "name": disk.name,
            "createOption": "Attach",
            "caching": wanted.get("caching", "None"),
            "managedDisk": _managed(disk),
            "deleteOption": _delete_option(wanted),
            "diskSizeGB": disk.properties["diskSizeGB"],
        }
    else:
        raise invalid_parameter("osDisk.createOption")
    machine_id = existing.id if existing else exchange.target.path
    profile["dataDisks"] = data_disks(exchange, given.get("dataDisks") or [], machine_id)
    return profile


def swapped_os_disk(exchange: Exchange, machine: Resource, wanted: Body) -> Body:
    """Return the OS disk's entry with the disk that a PATCH puts in place of the VM's, or refuse.

    Of the entry itself nothing else is changed by it, and only while the VM stands still.
    """
    entry: Body = machine.properties["storageProfile"]["osDisk"]
    for name in ("createOption", "osType"):
        if wanted.get(name, entry.get(name)) != entry.get(name):
            message = f"Changing property 'osDisk.{name}' is not allowed."
            raise ArmError(409, "PropertyChangeNotAllowed", message, target=f"osDisk.{name}")
    asked = (wanted.get("managedDisk") or {}).get("id") or entry["managedDisk"]["id"]
    if asked.lower() == entry["managedDisk"]["id"].lower():
        return entry
    if machine.hidden.get("power") not in _STANDING_STILL:
        raise not_allowed(f"The OS disk of VM '{machine.name}' is swapped while it is stopped.")
    disk = attachable(exchange, wanted, "osDisk", machine.id)
    if wanted.get("name") != disk.name:
        raise invalid_parameter("osDisk.name", f"The OS disk is called '{disk.name}'.")
    if disk.properties.get("osType") != entry.get("osType"):
        raise invalid_parameter("osDisk.osType", "The disk holds no operating system of that type.")
    managed, size = _managed(disk), disk.properties["diskSizeGB"]
    return {**entry, "name": disk.name, "managedDisk": managed, "diskSizeGB": size}


def _check_unchanged(os_disk: Body, wanted: Body) -> None:
    """Refuse another OS disk for a VM that is there: a PUT to a taken name makes no other VM."""
    asked = (wanted.get("managedDisk") or {}).get("id")
    kept = (os_disk.get("managedDisk") or {}).get("id", "")
    if asked and asked.lower() != kept.lower():
        message = "Changing property 'osDisk.managedDisk.id' is not allowed."
        target = "osDisk.managedDisk.id"
        raise ArmError(409, "PropertyChangeNotAllowed", message, target=target)


def _no_os_type() -> str:
    message = "Required parameter 'osDisk.osType' is missing (null)."
    raise invalid_parameter("osDisk.osType", message)


def _from_image(exchange: Exchange, given: Body, wanted: Body) -> Body:
    reference = dict(given.get("imageReference") or {})
    reference["exactVersion"] = image_version(reference)
    group = exchange.target.path.rsplit("/providers/", 1)[0]
    exchange.require_linked(f"{DISK}/write", group)
    managed = wanted.get("managedDisk") or {}
    os_disk: Body = {
        "osType": "Linux",
        "createOption": "FromImage",
        "caching": wanted.get("caching", "ReadWrite"),
        "managedDisk": {"storageAccountType": managed.get("storageAccountType", "Standard_LRS")},
        "deleteOption": _delete_option(wanted),
        "diskSizeGB": wanted.get("diskSizeGB", _IMAGE_GB),
    }
    if wanted.get("name"):
        os_disk["name"] = wanted["name"]
    if os_disk["diskSizeGB"] < _IMAGE_GB:
        message = f"The disk is smaller than the image's {_IMAGE_GB} GB."
        raise invalid_parameter("osDisk.diskSizeGB", message)
    return {"imageReference": reference, "osDisk": os_disk}


def data_disks(exchange: Exchange, given: list[Body], machine_id: str) -> list[Body]:
    """Return the data disks of a storage profile, each an existing disk that may be attached."""
    most = _most_data_disks(exchange)
    if len(given) > most:
        message = f"The maximum number of data disks allowed to be attached is {most}."
        raise ArmError(409, "OperationNotAllowed", message, target="dataDisks")
    luns = [wanted.get("lun") for wanted in given]
    if None in luns or len(set(luns)) != len(luns):
        raise invalid_parameter("dataDisks.lun", "Every data disk needs a LUN of its own.")
    attached = []
    for wanted in given:
        if wanted.get("createOption") != "Attach":
            message = "This simulator attaches data disks that exist; it makes none with the VM."
            raise invalid_parameter("dataDisk.createOption", message)
        disk = attachable(exchange, wanted, "dataDisk", machine_id)
        _check_free(exchange, wanted["lun"], disk, machine_id)
        entry: Body = {
            "lun": wanted["lun"],
            "name": disk.name,
            "createOption": "Attach",
            "caching": wanted.get("caching", "None"),
            "managedDisk": _managed(disk),
            "deleteOption": _delete_option(wanted),
            "diskSizeGB": disk.properties["diskSizeGB"],
            "toBeDetached": False,
        }
        if "writeAcceleratorEnabled" in wanted:
            entry["writeAcceleratorEnabled"] = wanted["writeAcceleratorEnabled"]
        attached.append(entry)
    return attached


def _most_data_disks(exchange: Exchange) -> int:
    """Return how many the VM's size takes: the one asked for, else the one that the VM has."""
    given = exchange.properties
    if "hardwareProfile" not in given and exchange.existing is not None:
        given = exchange.existing.properties
    return size_of(given).data_disks


def _check_free(exchange: Exchange, lun: int, disk: Resource, machine_id: str) -> None:
    """Refuse another disk at a LUN that has one: it has to be detached before."""
    machine = exchange.cloud.resources.find(machine_id)
    held = [] if machine is None else machine.properties["storageProfile"]["dataDisks"]
    before = next((each["managedDisk"]["id"] for each in held if each["lun"] == lun), disk.id)
    if before.lower() != disk.id.lower():
        message = "Changing property 'dataDisk.managedDisk.id' is not allowed."
        target = "dataDisk.managedDisk.id"
        raise ArmError(409, "PropertyChangeNotAllowed", message, target=target)


def _managed(disk: Resource) -> Body:
    shown = {"storageAccountType": disk.body["sku"]["name"], "id": disk.id}
    encrypted_by = (disk.properties.get("encryption") or {}).get("diskEncryptionSetId")
    return {**shown, "diskEncryptionSet": {"id": encrypted_by}} if encrypted_by else shown


def _delete_option(wanted: Body) -> str:
    option: str = wanted.get("deleteOption", "Detach")
    if option not in _OPTIONS:
        raise invalid_parameter("deleteOption")
    return option


def attachable(exchange: Exchange, wanted: Body, parameter: str, machine_id: str) -> Resource:
    """Return the disk that is to be attached to *machine_id*, or refuse."""
    disk_id = (wanted.get("managedDisk") or {}).get("id", "")
    disk = exchange.cloud.resources.find(disk_id)
    if disk is None or disk.type != DISK.lower():
        message = f"Disk '{disk_id}' is not found."
        raise ArmError(404, "NotFound", message, target=parameter)
    exchange.require_linked(f"{DISK}/write", disk.id)
    holder = disk.body.get("managedBy", "")
    if holder and holder.lower() != machine_id.lower():
        message = (
            f"Cannot attach data disk '{disk.name}' to VM '{exchange.target.name}' because the "
            f"disk is currently being used by VM '{holder}'."
        )
        raise ArmError(409, "AttachDiskWhileBeingDetached", message, target=parameter)
    zones = _zones_of_machine(exchange)
    if (disk.body.get("zones") or zones) != zones or (zones and not _is_in_zones(disk)):
        message = (
            f"'{disk.id}' cannot be attached to VM '{exchange.target.name}': the VM is in zone "
            f"{zones}, the disk in {disk.body.get('zones') or []}."
        )
        raise ArmError(400, "BadRequest", message, target=parameter)
    if disk.provisioning_state != "Succeeded" or disk.hidden.get("upload"):
        raise not_allowed(f"The disk '{disk.name}' is not ready to be attached.")
    if not holder and exchange.cloud.backing.exports.granted(disk.id):
        raise not_allowed(f"The disk '{disk.name}' has an active shared access signature.")
    _check_region(exchange, disk)
    return disk


def _check_region(exchange: Exchange, disk: Resource) -> None:
    """Refuse a disk of another region than the VM's."""
    existing = exchange.existing
    body = exchange.body if existing is None else existing.body
    region = str(body.get("location") or "").replace(" ", "").lower()
    if disk.body["location"] != region:
        message = f"Disk '{disk.name}' is in {disk.body['location']}, not in {region}."
        raise ArmError(409, "Conflict", message, target="managedDisk.id")


def _zones_of_machine(exchange: Exchange) -> list[str]:
    """Return the zone that the request puts the VM into; one that is there stays where it is."""
    existing = exchange.existing
    body = exchange.body if existing is None else existing.body
    zones: list[str] = body.get("zones") or []
    return zones


def _is_in_zones(disk: Resource) -> bool:
    """Tell whether a VM that is in a zone can use the disk: one there, or one in all of them."""
    return bool(disk.body.get("zones")) or disk.body["sku"]["name"].lower().endswith("_zrs")


def interfaces(exchange: Exchange, existing: Resource | None) -> list[Body]:
    """Return the interfaces of a network profile, each free or the VM's own."""
    given = (exchange.properties.get("networkProfile") or {}).get("networkInterfaces") or []
    if not given and existing is not None:
        kept: list[Body] = existing.properties["networkProfile"]["networkInterfaces"]
        return kept
    if not given:
        message = "Required parameter 'networkProfile' is missing (null)."
        raise invalid_parameter("networkProfile", message)
    return [_interface(exchange, wanted) for wanted in given]


def _interface(exchange: Exchange, wanted: Body) -> Body:
    interface = exchange.cloud.resources.find(wanted.get("id", ""))
    if interface is None or interface.type != INTERFACE.lower():
        message = (
            f"Resource {wanted.get('id', '')} referenced by resource {exchange.target.path} was "
            "not found. Please make sure that the referenced resource exists, and that both "
            "resources are in the same region."
        )
        raise ArmError(404, "NotFound", message)
    exchange.require_linked(f"{INTERFACE}/join/action", interface.id)
    holder = (interface.properties.get("virtualMachine") or {}).get("id", "")
    if interface.properties.get("privateEndpoint") or (
        holder and holder.lower() != exchange.target.path.lower()
    ):
        message = f"Network interface {interface.id} is used by another resource."
        raise ArmError(400, "NicInUse", message)
    region = str(exchange.body.get("location") or "").replace(" ", "").lower()
    if interface.body["location"] != region:
        message = f"Network interface {interface.id} is not in region {region}."
        raise ArmError(400, "InvalidParameter", message, target="networkInterface")
    shown: Body = {"id": interface.id}
    options = wanted.get("properties") or {}
    if options:
        shown["properties"] = {
            name: options[name] for name in ("primary", "deleteOption") if name in options
        }
    return shown
