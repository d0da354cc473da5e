"""What a rewind needs of the VM whose disks it swaps, and restores of copies within Azure.

The contract of `sessions/ports.py` is that of these too: asking twice is asking once, not-ready is
a value, and no foreign error comes out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from vmbackup_core.ids import RunId
from vmbackup_operator.naming import ArmId

#: *changing*: Azure is at it, or does not say.
MachinePower = Literal["running", "stopped", "deallocated", "changing"]


@dataclass(frozen=True, slots=True)
class AttachedDisk:
    """A managed disk of a VM: its position, how it is attached, and Azure's own *body* of it."""

    position: str
    id: ArmId
    body: Mapping[str, Any] = field(repr=False)
    caching: str = ""
    delete_option: str = ""
    write_accelerator: bool = False


@dataclass(frozen=True, slots=True)
class MachineNow:
    """A VM, its power and its disks, as they are now.

    Not *settled*: Azure is at it, for whomever, and it may come to something else than this says.
    """

    id: ArmId
    name: str
    region: str
    power: MachinePower
    disks: tuple[AttachedDisk, ...]
    settled: bool = True

    def disk_at(self, position: str) -> AttachedDisk | None:
        """Return the disk at *position*, or None where there is none."""
        return next((each for each in self.disks if each.position == position), None)


@dataclass(frozen=True, slots=True)
class DiskPlace:
    """The disk that is to be at *position* of a VM, in place of the disk *instead_of*."""

    position: str
    disk_id: ArmId
    instead_of: ArmId
    caching: str = ""
    delete_option: str = ""
    write_accelerator: bool = False


class RewoundMachines(Protocol):
    """VMs of users whose disks are swapped; nothing else of them is changed.

    What is asked for is so once Azure has ended what it was at, whoever began that.
    """

    async def find(self, vm_id: ArmId) -> MachineNow | None:
        """Return the VM with all its managed disks, or None where there is none.

        One whose disks are not managed, or ephemeral, is a PermanentError ``DiskNotSupported``.
        """

    async def deallocate(self, vm_id: ArmId) -> bool:
        """Stop the VM and give its hardware back; True once that is so."""

    async def start(self, vm_id: ArmId) -> bool:
        """Start the VM; True once it runs."""

    async def swap(self, vm_id: ArmId, places: Sequence[DiskPlace]) -> bool:
        """Have each disk of *places* at its position; True once all are.

        Azure takes a data disk from its LUN and puts another one there in two changes; a crash may
        fall between. The VM has to be deallocated. Another disk at one of the positions than the
        two that a place names is a PermanentError ``OtherDiskAttached``, and nothing is changed.
        """


@dataclass(frozen=True, slots=True)
class CopyToMake:
    """A disk made of a snapshot, or a snapshot of a disk, which the id says, by the run *run_id*.

    *body* is the PUT's but for its source and our tags.
    """

    id: ArmId
    run_id: RunId
    source_id: ArmId
    body: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class CopyMade:
    """A disk or snapshot as Azure holds it.

    *run_id* made it, as tags say that prove it ours; None where it is somebody else's. *ready*: all
    of its content is there. *failure* is why Azure gave up on it, else None. *unique_id* tells it
    from one that is made again under the same id.
    """

    id: ArmId
    run_id: RunId | None
    ready: bool
    unique_id: str
    failure: str | None = None


class WorkerDisks(Protocol):
    """Disks of a rewind, attached to a worker of ours while it writes them."""

    async def attach(self, vm_id: ArmId, disks: Mapping[int, ArmId]) -> bool:
        """Have the worker's data disks be these, by their LUNs; True once all are.

        LostAttempt, ``WorkerLost``, where there is no such worker any more.
        """

    async def detach(self, disks: Collection[ArmId]) -> bool:
        """Have no worker of ours hold any of the disks; True once none does.

        A VM that is none of our workers keeps what it has.
        """


class Copies(Protocol):
    """Disks and snapshots that Azure makes of each other, without a worker."""

    async def find(self, copy_id: ArmId) -> CopyMade | None:
        """Return the disk or snapshot, or None where there is none."""

    async def request(self, wanted: CopyToMake) -> None:
        """Ask for the copy, closed to everybody; one that is there is left as it is."""

    async def delete(self, copy_id: ArmId, run_id: RunId) -> bool:
        """Delete what the run made under the id; True once there is no such thing.

        What somebody else made there is not touched, and none of the run's. ``KeyRingIncomplete``
        where the key that sealed it has left the ring: then nobody can tell.
        """
