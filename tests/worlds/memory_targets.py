"""Where restores go to, in memory: what is there, what is left of quotas, and VMs made there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from typing_extensions import override

from tests.worlds.memory_azure import AWAY, SUBSCRIPTION, Azure
from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import RunId
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.naming import RUN_TAG, ArmId
from vmbackup_operator.sessions.target_ports import (
    MachineParts,
    PartMade,
    PartToMake,
    ResourceSeen,
    RestoreTargets,
    SizeSeen,
    Usage,
)

#: Where the samples' namespace may restore into.
RESTORED_GROUP = ArmId(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/restored")

SIZES = {
    each.name.lower(): each
    for each in (
        SizeSeen("Standard_D4s_v5", "standardDSv5Family", 4, 8),
        SizeSeen("Standard_D8s_v5", "standardDSv5Family", 8, 16),
        SizeSeen("Standard_F2s_v2", "standardFSv2Family", 2, 4),
    )
}


@dataclass
class Target:
    """What there is where restores go to, and what of quotas is used."""

    there: dict[str, ResourceSeen] = field(default_factory=dict)
    parts: dict[str, PartMade] = field(default_factory=dict)
    bodies: dict[str, PartToMake] = field(default_factory=dict)
    usages: dict[str, Usage] = field(default_factory=dict)
    #: Of which Azure's operation fails.
    broken: set[str] = field(default_factory=set)

    def put(self, seen: ResourceSeen) -> None:
        self.there[folded(seen.id)] = seen

    def limit(self, name: str, used: int, limit: int) -> None:
        self.usages[name] = Usage(name, f"{name} in words", used, limit)


class MemoryTargets(RestoreTargets):
    def __init__(self, azure: Azure, target: Target) -> None:
        self.azure, self.target = azure, target

    @override
    async def find(self, resource_id: ArmId) -> ResourceSeen | None:
        key = folded(resource_id)
        part = self.target.parts.get(key)
        if part is not None:
            return ResourceSeen(part.id, AWAY, part.run_id)
        disk = self.azure.disks.get(key)
        if disk is not None:
            made_by = disk.tags.get(RUN_TAG)
            return ResourceSeen(disk.id, AWAY, None if made_by is None else RunId(made_by))
        return self.target.there.get(key)

    @override
    async def usages(self, subscription_id: str, region: str) -> Sequence[Usage]:
        names = ("cores", "virtualMachines", *{each.family for each in SIZES.values()})
        plenty = {name: Usage(name, name, 0, 100) for name in names}
        return tuple((plenty | self.target.usages).values())

    @override
    async def find_size(self, subscription_id: str, region: str, name: str) -> SizeSeen | None:
        return SIZES.get(folded(name))


class MemoryMachineParts(MachineParts):
    """Made within a few looks; a body's disks and interfaces are not looked at."""

    def __init__(self, azure: Azure, target: Target) -> None:
        self.azure, self.target = azure, target

    @override
    async def find(self, part_id: ArmId) -> PartMade | None:
        key = folded(part_id)
        part = self.target.parts.get(key)
        if part is None or part.ready or part.failure is not None:
            return part
        if self.azure.ended(f"part {key}"):
            broken = key in self.target.broken
            failure = "Azure ended it as failed" if broken else None
            self.target.parts[key] = replace(part, ready=not broken, failure=failure)
        return self.target.parts[key]

    @override
    async def request(self, wanted: PartToMake) -> PartMade | None:
        key = folded(wanted.id)
        found = await self.find(wanted.id)
        if found is not None:
            self._check(found, wanted.run_id)
            return found if found.ready or found.failure is not None else None

        def make() -> None:
            self.target.parts[key] = PartMade(wanted.id, wanted.run_id, ready=False)
            self.target.bodies[key] = wanted
            self.azure.begin(f"part {key}")

        self.azure.write(f"make {wanted.id}", make)
        return None

    @override
    async def delete(self, part_id: ArmId, run_id: RunId) -> bool:
        key = folded(part_id)
        found = self.target.parts.get(key)
        if found is None:
            return True
        self._check(found, run_id)
        if not self.azure.under_way(f"end of {key}"):
            self.azure.write(f"delete {part_id}", lambda: self.azure.begin(f"end of {key}"))
        elif self.azure.ended(f"end of {key}"):
            del self.target.parts[key]
        return False

    @staticmethod
    def _check(found: PartMade, run_id: RunId) -> None:
        if found.run_id != run_id:
            raise PermanentError(f"{found.id} is not this run's: {found.doubt}", reason="NotOurs")
