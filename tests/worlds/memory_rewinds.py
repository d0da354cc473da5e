"""VMs whose disks are swapped, in memory, and disks and snapshots that Azure copies.

A VM gives its hardware back and gets it again within a few looks, a change of its disks takes as
long, and an operator may die before and after each. A VM that runs keeps its disks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from typing_extensions import override

from tests.worlds.memory_azure import Azure, recased
from vmbackup_core.errors import PermanentError, VmbackupError
from vmbackup_core.ids import DiskUniqueId, RunId
from vmbackup_operator.arm_ids import folded, same_id
from vmbackup_operator.arm_tags import joined_tags, tag_value
from vmbackup_operator.model.session_findings import position_of
from vmbackup_operator.naming import APPLIANCE_TAG, RUN_TAG, ArmId, name_of
from vmbackup_operator.ownership import Ownership
from vmbackup_operator.sessions.rewind_ports import (
    AttachedDisk,
    Copies,
    CopyMade,
    CopyToMake,
    DiskPlace,
    MachineNow,
    MachinePower,
    RewoundMachines,
)
from vmbackup_operator.sessions.seen import DiskSeen, VirtualMachineSeen


@dataclass(frozen=True)
class Attachment:
    """How a VM has a disk."""

    caching: str = "ReadOnly"
    delete_option: str = "Detach"
    write_accelerator: bool = False


@dataclass
class Copy:
    """A disk or snapshot that Azure was asked to copy."""

    id: ArmId
    source_id: ArmId
    body: Mapping[str, Any]
    tags: Mapping[str, str]
    unique_id: str
    ready: bool = False
    failure: str | None = None
    #: What a worker has written, by its offsets; None: it holds what it was made of.
    written: dict[int, bytes] | None = None


@dataclass
class Loose:
    """Power and attachments of VMs, disks that no VM has, and copies."""

    powers: dict[str, MachinePower] = field(default_factory=dict)
    attachments: dict[tuple[str, str], Attachment] = field(default_factory=dict)
    disks: dict[str, DiskSeen] = field(default_factory=dict)
    copies: dict[str, Copy] = field(default_factory=dict)
    #: Of which Azure's operation fails, once.
    broken: set[str] = field(default_factory=set)
    #: Which worker VM has a disk, and at which LUN; and which of these are being detached.
    on_workers: dict[str, tuple[str, int]] = field(default_factory=dict)
    leaving: set[str] = field(default_factory=set)
    #: What Azure says of a VM's disk beside what it says of all.
    bodies: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def worker_of(self, azure: Azure, disk_id: str) -> str | None:
        """Return the worker VM that has the disk: one that is gone has none any more."""
        holder, _ = self.on_workers.get(folded(disk_id), (None, 0))
        if holder is not None and holder not in azure.workers:
            del self.on_workers[folded(disk_id)]
            self.leaving.discard(folded(disk_id))
            return None
        return holder

    def at_lun(self, vm_id: str, lun: int) -> Copy | None:
        """Return the disk that a worker has at a LUN."""
        place = (folded(vm_id), lun)
        found = next((disk for disk, at in self.on_workers.items() if at == place), "")
        return self.copies.get(found)

    def power(self, vm_id: str) -> MachinePower:
        return self.powers.get(folded(vm_id), "running")

    def attachment(self, vm_id: str, position: str) -> Attachment:
        return self.attachments.get((folded(vm_id), position), Attachment())

    def copies_of(self, kind: str) -> list[Copy]:
        """Return what was copied of a kind, ``disks`` or ``snapshots``, in order of id."""
        return [each for key, each in sorted(self.copies.items()) if f"/{kind}/" in key]


class MemoryRewoundMachines(RewoundMachines):
    def __init__(self, azure: Azure, loose: Loose) -> None:
        self.azure, self.loose = azure, loose

    @override
    async def find(self, vm_id: ArmId) -> MachineNow | None:
        seen = self._look(vm_id)
        if seen is None:
            return None
        changing = any(self.azure.under_way(f"{verb} {folded(vm_id)}") for verb in _POWERS)
        return MachineNow(
            id=recased(seen.id),
            name=seen.name,
            region=seen.region,
            power="changing" if changing else self.loose.power(vm_id),
            disks=tuple(self._attached(seen, each) for each in seen.disks),
            settled=not self._is_busy(vm_id),
        )

    @override
    async def deallocate(self, vm_id: ArmId) -> bool:
        return self._carry(vm_id, "deallocate")

    @override
    async def start(self, vm_id: ArmId) -> bool:
        return self._carry(vm_id, "start")

    @override
    async def swap(self, vm_id: ArmId, places: Sequence[DiskPlace]) -> bool:
        seen, at = self._existing(vm_id), f"swap {folded(vm_id)}"
        if self._is_busy(vm_id):
            return False
        held = {place.position: _held(seen, place) for place in places}
        owed = [place for place in places if not same_id(held[place.position], place.disk_id)]
        if not owed:
            return True
        if self.loose.power(vm_id) != "deallocated":
            raise self._refused(f"swapping disks of VM {seen.name}", "it is not deallocated")
        leaving = [each for each in owed if each.position != "os" and held[each.position]]
        coming = [each for each in owed if each.position == "os" or not leaving]
        new = [(place, self._loose_disk(place)) for place in coming]
        if leaving:
            new = [(place, disk) for place, disk in new if place.position == "os"]

        def changed() -> None:
            for place in leaving:
                self._detach(vm_id, place.position)
            for place, disk in new:
                self._put(vm_id, place, disk)
            self.azure.begin(at)

        positions = "+".join(each.position for each in (*leaving, *(place for place, _ in new)))
        verb = "detach" if leaving else "attach"
        self.azure.write(f"{verb} {positions} of {vm_id}", changed)
        return False

    def _carry(self, vm_id: ArmId, verb: str) -> bool:
        self._existing(vm_id)
        key = f"{verb} {folded(vm_id)}"
        if self._is_busy(vm_id):
            return False
        if self.loose.power(vm_id) == _POWERS[verb]:
            return True
        self.azure.write(f"{verb} {vm_id}", lambda: self.azure.begin(key))
        return False

    def _is_busy(self, vm_id: ArmId) -> bool:
        verbs = (*_POWERS, "swap")
        return any(self.azure.under_way(f"{verb} {folded(vm_id)}") for verb in verbs)

    def _look(self, vm_id: ArmId) -> VirtualMachineSeen | None:
        """Return the VM as it is now; each look brings what is under way nearer its end."""
        for verb, power in _POWERS.items():
            key = f"{verb} {folded(vm_id)}"
            if self.azure.under_way(key) and self.azure.ended(key):
                self.loose.powers[folded(vm_id)] = power
        swapping = f"swap {folded(vm_id)}"
        if self.azure.under_way(swapping):
            self.azure.ended(swapping)
        return self.azure.machines.get(folded(vm_id))

    def _existing(self, vm_id: ArmId) -> VirtualMachineSeen:
        seen = self._look(vm_id)
        if seen is None:
            message = f"there is no virtual machine {vm_id}"
            raise PermanentError(message, reason="VirtualMachineNotFound")
        return seen

    def _attached(self, seen: VirtualMachineSeen, disk: DiskSeen) -> AttachedDisk:
        position = position_of(disk.lun)
        how = self.loose.attachment(seen.id, position)
        return AttachedDisk(
            position=position,
            id=recased(disk.id),
            body={
                "id": disk.id,
                "name": disk.name,
                "location": seen.region,
                "sku": {"name": disk.sku},
                "tags": {"team": "web"},
                "properties": {
                    "diskSizeGB": -(-disk.size_bytes >> 30),
                    "uniqueId": disk.unique_id,
                    "diskState": "Reserved",
                },
                **self.loose.bodies.get(folded(disk.id), {}),
            },
            caching=how.caching,
            delete_option=how.delete_option,
            write_accelerator=how.write_accelerator,
        )

    def _loose_disk(self, place: DiskPlace) -> DiskSeen:
        """Return the disk that is to be attached: one that no VM has, and that is whole."""
        lun = None if place.position == "os" else int(place.position)
        loose = self.loose.disks.get(folded(place.disk_id))
        if loose is not None:
            return replace(loose, lun=lun)
        copy = self.loose.copies.get(folded(place.disk_id))
        if copy is None or not copy.ready:
            raise self._refused(f"attaching disk {name_of(place.disk_id)}", "it is not there")
        if self.loose.worker_of(self.azure, place.disk_id) is not None:
            raise self._refused(f"attaching disk {name_of(place.disk_id)}", "a worker has it")
        size = copy.body["properties"]["diskSizeGB"] << 30
        sku = copy.body["sku"]["name"]
        return DiskSeen(copy.id, name_of(copy.id), DiskUniqueId(copy.unique_id), lun, size, sku)

    def _detach(self, vm_id: ArmId, position: str) -> None:
        seen = self._existing(vm_id)
        gone = next(each for each in seen.disks if position_of(each.lun) == position)
        self.loose.disks[folded(gone.id)] = gone
        self.loose.attachments.pop((folded(vm_id), position), None)
        kept = tuple(each for each in seen.disks if each is not gone)
        self.azure.machines[folded(vm_id)] = replace(seen, disks=kept)

    def _put(self, vm_id: ArmId, place: DiskPlace, disk: DiskSeen) -> None:
        how = self.loose.attachment(vm_id, place.position)
        if place.position == "os":
            self._detach(vm_id, "os")
        else:
            how = Attachment(place.caching, place.delete_option, place.write_accelerator)
        self.loose.attachments[folded(vm_id), place.position] = how
        self.loose.disks.pop(folded(disk.id), None)
        seen = self._existing(vm_id)
        disks = sorted((*seen.disks, disk), key=lambda each: -1 if each.lun is None else each.lun)
        self.azure.machines[folded(vm_id)] = replace(seen, disks=tuple(disks))

    def _refused(self, what: str, why: str) -> VmbackupError:
        return self.azure.refused(what, "OperationNotAllowed", why)


class MemoryCopies(Copies):
    def __init__(self, azure: Azure, loose: Loose, ownership: Ownership) -> None:
        self.azure, self.loose, self.ownership = azure, loose, ownership

    @override
    async def find(self, copy_id: ArmId) -> CopyMade | None:
        found = self._look(copy_id)
        if found is None:
            return None
        doubt = self.ownership.doubt(copy_id, found.tags)
        made_by = None if doubt else tag_value(found.tags, RUN_TAG)
        deleting = self.azure.under_way(f"delete {folded(copy_id)}")
        return CopyMade(
            id=recased(found.id),
            run_id=None if made_by is None else RunId(made_by),
            ready=found.ready and not deleting,
            unique_id=found.unique_id if found.ready else "",
            failure=found.failure,
        )

    @override
    async def request(self, wanted: CopyToMake) -> None:
        if self._look(wanted.id) is not None:
            return
        self._check_source(wanted)
        tags = joined_tags(
            wanted.body.get("tags", {}),
            {APPLIANCE_TAG: self.ownership.appliance_id, RUN_TAG: wanted.run_id},
            self.ownership.sealed_tag(wanted.id),
        )
        number = self.azure.number()
        made = Copy(wanted.id, wanted.source_id, wanted.body, tags, f"copy-{number}")

        def asked() -> None:
            self.loose.copies[folded(wanted.id)] = made
            self.azure.begin(f"copy {folded(wanted.id)}")

        self.azure.write(f"copy {wanted.id}", asked)

    @override
    async def delete(self, copy_id: ArmId, run_id: RunId) -> bool:
        found, at = self._look(copy_id), f"delete {folded(copy_id)}"
        if found is None:
            return True
        if self.azure.under_way(at):
            return False
        try:
            self.ownership.check_ours(copy_id, found.tags)
        except PermanentError as error:
            if error.reason != "NotOurs":
                raise
            return True
        if tag_value(found.tags, RUN_TAG) != run_id:
            return True
        on_worker = self.loose.worker_of(self.azure, copy_id) is not None
        if on_worker or self._holder(copy_id) is not None:
            raise self._refused(f"deleting {name_of(copy_id)}", "a VM has it")
        if not found.ready and found.failure is None:
            raise self._refused(f"deleting {name_of(copy_id)}", "another operation is at it")
        self.azure.write(f"delete {copy_id}", lambda: self.azure.begin(at))
        return False

    def _look(self, copy_id: ArmId) -> Copy | None:
        found = self.loose.copies.get(folded(copy_id))
        if found is None:
            return None
        deleting = f"delete {folded(copy_id)}"
        if self.azure.under_way(deleting):
            if not self.azure.ended(deleting):
                return found
            del self.loose.copies[folded(copy_id)]
            self.loose.disks.pop(folded(copy_id), None)
            return None
        if not found.ready and not found.failure and self.azure.ended(f"copy {folded(copy_id)}"):
            if folded(copy_id) in self.loose.broken:
                self.loose.broken.discard(folded(copy_id))
                found.failure = "Azure ended it as failed"
            else:
                found.ready = True
        return found

    def _check_source(self, wanted: CopyToMake) -> None:
        """Refuse what Azure does: a copy of what is not there, or not whole."""
        key = folded(wanted.source_id)
        if "/disks/" in key:
            there = key in self.loose.disks or self._holder(wanted.source_id) is not None
        else:
            snapshot = self.azure.snapshots.get(key) or self.loose.copies.get(key)
            there = snapshot is not None and snapshot.ready
        if not there:
            what = f"asking for {name_of(wanted.id)}"
            raise self.azure.refused(what, "NotFound", f"{wanted.source_id} is not found")

    def _holder(self, disk_id: ArmId) -> VirtualMachineSeen | None:
        for machine in self.azure.machines.values():
            if any(same_id(each.id, disk_id) for each in machine.disks):
                return machine
        return None

    def _refused(self, what: str, why: str) -> VmbackupError:
        return self.azure.refused(what, "OperationNotAllowed", why)


_POWERS: Mapping[str, MachinePower] = {"deallocate": "deallocated", "start": "running"}


def _held(seen: VirtualMachineSeen, place: DiskPlace) -> ArmId:
    """Return the disk at the place, of those that it names; no id where there is none."""
    found = next(
        (each.id for each in seen.disks if position_of(each.lun) == place.position), ArmId("")
    )
    if found and not same_id(found, place.disk_id) and not same_id(found, place.instead_of):
        message = f"disk {place.position} is {found}: somebody else has changed it"
        raise PermanentError(message, reason="OtherDiskAttached")
    return found
