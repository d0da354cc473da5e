"""Network interfaces and VMs that restores make: asked for, looked at and deleted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from typing_extensions import override

from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import RunId
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.environments.bodies import Body, text_at
from vmbackup_operator.naming import ArmId
from vmbackup_operator.ownership import Ownership
from vmbackup_operator.services.arm_resources import ArmResources
from vmbackup_operator.services.made_by_runs import (
    MadeByRuns,
    check_made_by,
    marked,
    standing_of,
)
from vmbackup_operator.services.operations import Operations
from vmbackup_operator.services.resource_kinds import ResourceKind
from vmbackup_operator.sessions.target_ports import MachineParts, PartMade, PartToMake

_KINDS: Final[Mapping[str, ResourceKind]] = {
    "virtualmachines": "VirtualMachine",
    "networkinterfaces": "NetworkInterface",
}


class AzureMachineParts(MachineParts):
    """Azure's; only what the key ring proves to be ours, and of the run, is touched."""

    def __init__(
        self, resources: ArmResources, operations: Operations, ownership: Ownership
    ) -> None:
        self._resources = resources
        self._operations = operations
        self._ownership = ownership
        self._made = MadeByRuns(resources, operations, ownership)

    @override
    async def find(self, part_id: ArmId) -> PartMade | None:
        body = await self._resources.find(_kind(part_id), part_id)
        return None if body is None else part_made(body, self._ownership)

    @override
    async def request(self, wanted: PartToMake) -> PartMade | None:
        key = f"make {folded(wanted.id)}"
        if not self._operations.under_way(key):
            found = await self._resources.find(_kind(wanted.id), wanted.id)
            if found is not None:
                check_made_by(wanted.run_id, found, self._ownership, wanted.id)
                made = part_made(found, self._ownership)
                return made if made.ready or made.failure is not None else None
        return await self._operations.advance(key, lambda: self._make(wanted))

    @override
    async def delete(self, part_id: ArmId, run_id: RunId) -> bool:
        return await self._made.delete(_kind(part_id), part_id, run_id, self._resources.delete)

    async def _make(self, wanted: PartToMake) -> PartMade:
        body = marked(dict(wanted.body), self._ownership, wanted.id, wanted.run_id)
        kind = _kind(wanted.id)
        await self._resources.put(kind, wanted.id, body, shows=False)
        made = await self.find(wanted.id)
        if made is None:
            message = f"{wanted.id} was made, and is not there"
            raise PermanentError(message, reason="NotFound")
        return made


def part_made(body: Body, ownership: Ownership) -> PartMade:
    """Return the interface or VM that Azure's *body* describes."""
    standing = standing_of(body, ownership)
    return PartMade(
        id=ArmId(text_at(body, "id")),
        run_id=standing.run_id,
        ready=standing.ready,
        failure=standing.failure,
        doubt=standing.doubt,
    )


def _kind(part_id: ArmId) -> ResourceKind:
    return _KINDS[folded(part_id).split("/")[-2]]
