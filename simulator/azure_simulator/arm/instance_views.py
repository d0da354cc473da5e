"""What a VM's instance view says: provisioning, power, the agent, its disks."""

from __future__ import annotations

from azure_simulator.arm.building import numbered_etag
from azure_simulator.arm.exchange import Cloud
from azure_simulator.resources import Body, Resource

_PROVISIONING = {
    "Succeeded": ("ProvisioningState/succeeded", "Provisioning succeeded"),
    "Creating": ("ProvisioningState/creating", "Creating"),
    "Updating": ("ProvisioningState/updating", "Updating"),
    "Deleting": ("ProvisioningState/deleting", "Deleting"),
    "Failed": ("ProvisioningState/failed", "Provisioning failed"),
}

_SETTLED_AT = "settledAt"


def settle(cloud: Cloud, machine: Resource) -> None:
    """Have the VM's operation end well: its instance view says since when, for as long as it is."""
    machine.properties["provisioningState"] = "Succeeded"
    machine.body["etag"] = numbered_etag(machine.body)
    machine.hidden[_SETTLED_AT] = cloud.now()
    cloud.resources.changed()


def view(cloud: Cloud, machine: Resource) -> Body:
    """Return the instance view."""
    now, state = cloud.now(), machine.provisioning_state
    code, display = _PROVISIONING[state]
    since = machine.hidden.get(_SETTLED_AT, now) if state == "Succeeded" else now
    statuses = [{"code": code, "level": "Info", "displayStatus": display, "time": since}]
    power = machine.hidden.get("power")
    if power is not None:
        statuses.append(
            {"code": f"PowerState/{power}", "level": "Info", "displayStatus": f"VM {power}"}
        )
    shown: Body = {
        "disks": [_disk(d["name"], now) for d in _disks(machine) if "name" in d],
        "hyperVGeneration": "V2",
        "statuses": statuses,
    }
    if power == "running" and machine.hidden.get("machine"):
        shown |= {
            "computerName": machine.properties["osProfile"]["computerName"],
            "osName": "ubuntu",
            "osVersion": "22.04",
            "vmAgent": _agent(now),
        }
    return shown


def _disks(machine: Resource) -> list[Body]:
    storage = machine.properties["storageProfile"]
    return [storage["osDisk"], *storage["dataDisks"]]


def _disk(name: str, now: str) -> Body:
    status = {
        "code": "ProvisioningState/succeeded",
        "level": "Info",
        "displayStatus": "Provisioning succeeded",
        "time": now,
    }
    return {"name": name, "statuses": [status]}


def _agent(now: str) -> Body:
    status = {
        "code": "ProvisioningState/succeeded",
        "level": "Info",
        "displayStatus": "Ready",
        "message": "Guest Agent is running",
        "time": now,
    }
    return {"vmAgentVersion": "2.13.1.1", "statuses": [status], "extensionHandlers": []}
