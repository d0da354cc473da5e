"""RestoreSessions of the demo: what is asked for, and that what was made is what was backed up."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.demo.narration import FactBroken
from tools.demo.restored import RestoredScene, Written
from tools.local_cloud import disk_images, seed
from tools.local_cloud.administrator import SUBSCRIPTION, Administrator
from tools.local_cloud.installation import OPERATOR_NAMESPACE, USER_NAMESPACE
from tools.local_cloud.kubernetes_user import KubernetesUser
from tools.local_cloud.seed import SeededDisk

#: What the VM that is made of a recovery point is called.
VM_AGAIN = f"{seed.VM_NAME}-again"

_COMPUTE = "2024-03-01"
_GROUP = seed.VM_ID.split("/")[4]


@dataclass(frozen=True, slots=True)
class Restore:
    """A RestoreSession: of the point of *run_id*, whose disks held what *disks* hold."""

    name: str
    run_id: str
    disks: Sequence[SeededDisk]
    vm_name: str = ""

    def manifest(self, point: str) -> dict[str, Any]:
        """Return the object that is created, of the RecoveryPoint *point*, as README writes it."""
        target = {
            "subscriptionId": SUBSCRIPTION,
            "resourceGroup": _GROUP,
            "region": seed.VM_REGION,
        }
        if self.vm_name:
            target["vmName"] = self.vm_name
        return {
            "apiVersion": "vmbackup.dev/v1alpha1",
            "kind": "RestoreSession",
            "metadata": {"name": self.name, "namespace": USER_NAMESPACE},
            "spec": {
                "recoveryPointRef": {"name": point},
                "mode": "VirtualMachine" if self.vm_name else "Disks",
                "target": target,
            },
        }


def wanted(points: Mapping[str, Sequence[SeededDisk]]) -> list[Restore]:
    """Return the first of *points* as new disks, the last as a new VM; each by its run's id."""
    (first, disks), *_, (last, disks_of_last) = points.items()
    return [
        Restore("back-as-disks", first, disks),
        Restore("back-as-a-vm", last, disks_of_last, VM_AGAIN),
    ]


def allow_workers(user: KubernetesUser, count: int) -> str:
    """Let the VM's region have so many workers, as its RegionEnvironment says; return its name."""
    found = user.find(OPERATOR_NAMESPACE, "regionenvironments")["items"]
    (name,) = (
        str(each["metadata"]["name"]) for each in found if each["spec"]["region"] == seed.VM_REGION
    )
    change = {"spec": {"worker": {"maxCount": count}}}
    where = f"--namespace={OPERATOR_NAMESPACE}"
    patch = f"--patch={json.dumps(change)}"
    user.kubectl("patch", "regionenvironment", name, where, "--type=merge", patch)
    return name


def point_of(user: KubernetesUser, run_id: str) -> str:
    """Return the name of the RecoveryPoint of that run."""
    points = user.find(USER_NAMESPACE, "recoverypoints")["items"]
    found = [each["metadata"]["name"] for each in points if each["spec"]["runId"] == run_id]
    if len(found) != 1:
        raise FactBroken(f"{len(found)} RecoveryPoints are of run {run_id}")
    return str(found[0])


def position_of(disk: SeededDisk) -> str:
    """Return what a status calls the disk's place: ``os``, or its LUN."""
    return "os" if disk.lun is None else str(disk.lun)


class MadeDisks:
    """The disks that a session has made, as the simulated Azure holds them."""

    def __init__(self, azure: Administrator, restore: Restore, session: Mapping[str, Any]) -> None:
        made = session["status"]["restored"]["disks"]
        self.ids = {each["disk"]: str(each["diskId"]) for each in made}
        self._azure = azure
        self._restore = restore

    def differences(self) -> Iterator[str]:
        """Yield a line for each disk that is not there, or holds other bytes than it held then."""
        for disk in self._restore.disks:
            made = self.ids.get(position_of(disk))
            if made is None:
                yield f"{disk.name} was not restored"
            elif (offset := disk_images.first_difference(disk.path, self._path(made))) is not None:
                yield f"{made} differs from {disk.name} near byte {offset}"

    def check_file_system(self) -> str:
        """Return what ``e2fsck -fn`` says of the OS disk; raise where it finds a fault."""
        return disk_images.check_file_system(self._path(self.ids["os"]))

    def _path(self, disk_id: str) -> Path:
        return Path(self._azure.call("GET", f"/disks/content?id={disk_id}")["path"])


def scene(
    azure: Administrator, wanted: Sequence[Restore], sessions: Sequence[Mapping[str, Any]]
) -> RestoredScene:
    """Return what the facts need to know beside the journal."""
    made = {
        made_disks.ids[position_of(disk)]: Written(
            disk.size_bytes, disk_images.allocated_extents(disk.path)
        )
        for restore, session in zip(wanted, sessions, strict=True)
        for made_disks in [MadeDisks(azure, restore, session)]
        for disk in restore.disks
    }
    then = azure.read(seed.VM_ID, _COMPUTE)
    existing = {seed.VM_ID, *described(then)["disks"].values(), *described(then)["interfaces"]}
    machines = {each["status"]["restored"].get("virtualMachineId", "") for each in sessions}
    return RestoredScene(frozenset(existing), frozenset(machines), made)


def machines(azure: Administrator, session: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return the bodies of the VM that was backed up, and of the one that *session* has made."""
    made = session["status"]["restored"]["virtualMachineId"]
    return azure.read(seed.VM_ID, _COMPUTE), azure.read(made, _COMPUTE)


def machine_complaints(
    then: Mapping[str, Any], again: Mapping[str, Any], made: Mapping[str, str]
) -> Iterator[str]:
    """Yield in what *again* is not as *then*, by their bodies; *made* are its disks to be."""
    if again["name"] != VM_AGAIN:
        yield f"it is called {again['name']}"
    old, new = described(then), described(again)
    for what in ("size", "tags", "caching"):
        if old[what] != new[what]:
            yield f"{what}: {new[what]} is not {old[what]}"
    wanted = {place: disk.lower() for place, disk in made.items()}
    if new["disks"] != wanted:
        yield f"attached are {new['disks']}, and restored were {wanted}"
    if set(new["interfaces"]) & set(old["interfaces"]):
        yield f"it has the other VM's network interfaces: {new['interfaces']}"


def described(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return of a VM's body what is compared; tags are without ours, ids in lower case."""
    properties = body["properties"]
    storage = properties["storageProfile"]
    disks = {"os": storage["osDisk"]} | {str(each["lun"]): each for each in storage["dataDisks"]}
    interfaces = properties["networkProfile"]["networkInterfaces"]
    tags = body.get("tags") or {}
    return {
        "size": properties["hardwareProfile"]["vmSize"],
        "tags": {name: value for name, value in tags.items() if not name.startswith("vmbackup-")},
        "caching": {place: disk.get("caching") for place, disk in disks.items()},
        "disks": {place: disk["managedDisk"]["id"].lower() for place, disk in disks.items()},
        "interfaces": [each["id"].lower() for each in interfaces],
    }
