"""What a restore has to know of where it restores to, and the VM that it makes there.

The contract of `sessions/ports.py` is that of these too: asking twice is asking once, not-ready is
a value, and no foreign error comes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from vmbackup_core.ids import RunId
from vmbackup_operator.naming import ArmId


@dataclass(frozen=True, slots=True)
class ResourceSeen:
    """Something that is there; *region* is empty for a resource group.

    *run_id* made it, as tags say that prove it ours; None where it is somebody else's. *subnets*
    are the names of a network's, in small letters.
    """

    id: ArmId
    region: str = ""
    run_id: RunId | None = None
    subnets: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Usage:
    """How much of something a subscription uses in a region, and how much it may."""

    name: str
    words: str
    used: int
    limit: int


@dataclass(frozen=True, slots=True)
class SizeSeen:
    """A VM size that a subscription may have in a region, and which quota its cores count on.

    A VM of it takes as many *data_disks* at once; None where Azure does not say.
    """

    name: str
    family: str
    cores: int
    data_disks: int | None = None


class RestoreTargets(Protocol):
    """What there is where a restore goes to."""

    async def find(self, resource_id: ArmId) -> ResourceSeen | None:
        """Return the resource, or None where there is none.

        A resource group, a disk, a VM, a network interface, a network, a security group, a disk
        encryption set or a user-assigned identity.
        """

    async def usages(self, subscription_id: str, region: str) -> Sequence[Usage]:
        """Return what the subscription uses in the region of what is bounded: cores, disks, VMs."""

    async def find_size(self, subscription_id: str, region: str, name: str) -> SizeSeen | None:
        """Return the size, or None where the subscription cannot have it in the region."""


@dataclass(frozen=True, slots=True)
class PartToMake:
    """A network interface or a VM, by its id, that the run makes; *body* lacks our tags."""

    id: ArmId
    run_id: RunId
    body: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class PartMade:
    """A network interface or a VM as Azure holds it.

    *run_id* made it, as tags say that prove it ours; None where it is somebody else's, and then
    *doubt* says why. *failure* is why Azure gave up on it, else None.
    """

    id: ArmId
    run_id: RunId | None
    ready: bool
    failure: str | None = None
    doubt: str = ""


class MachineParts(Protocol):
    """Network interfaces and VMs that are made of recovery points; none but a run's is touched.

    What does not prove to be ours, and that run's, is a PermanentError with reason ``NotOurs``,
    or ``KeyRingIncomplete`` where the key that sealed it has left the ring.
    """

    async def find(self, part_id: ArmId) -> PartMade | None:
        """Return the interface or VM, or None where there is none."""

    async def request(self, wanted: PartToMake) -> PartMade | None:
        """Have it made, and return it once it is; None meanwhile. What is there stays as it is."""

    async def delete(self, part_id: ArmId, run_id: RunId) -> bool:
        """Delete it; True once it is gone. A VM takes along what its body says."""
