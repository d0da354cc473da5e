"""Network interfaces and VMs that restores make: asked for, looked at and deleted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from typing_extensions import override

from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import RunId
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.arm_tags import joined_tags, tag_value
from vmbackup_operator.environments.bodies import Body, body_at, text_at
from vmbackup_operator.naming import APPLIANCE_TAG, RUN_TAG, ArmId
from vmbackup_operator.ownership import Ownership
from vmbackup_operator.services.arm_resources import ArmResources
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
                self._check(found, wanted.id, wanted.run_id)
                made = part_made(found, self._ownership)
                return made if made.ready or made.failure is not None else None
        return await self._operations.advance(key, lambda: self._make(wanted))

    @override
    async def delete(self, part_id: ArmId, run_id: RunId) -> bool:
        key = f"delete {folded(part_id)}"
        if not self._operations.under_way(key):
            body = await self._resources.find(_kind(part_id), part_id)
            if body is None:
                return True
            self._check(body, part_id, run_id)
            if folded(text_at(body, "properties", "provisioningState")) == "deleting":
                return False  # Azure is at it, and would refuse to begin anew
        kind = _kind(part_id)
        await self._operations.advance(key, lambda: self._resources.delete(kind, part_id))
        return False

    async def _make(self, wanted: PartToMake) -> PartMade:
        recorded = body_at(dict(wanted.body), "tags")
        own = {
            APPLIANCE_TAG: self._ownership.appliance_id,
            RUN_TAG: wanted.run_id,
            **self._ownership.sealed_tag(wanted.id),
        }
        texts = {name: value for name, value in recorded.items() if isinstance(value, str)}
        body = {**wanted.body, "tags": dict(joined_tags(texts, own))}
        kind = _kind(wanted.id)
        await self._resources.put(kind, wanted.id, body, shows=False)
        made = await self.find(wanted.id)
        if made is None:
            message = f"{wanted.id} was made, and is not there"
            raise PermanentError(message, reason="NotFound")
        return made

    def _check(self, body: Body, part_id: ArmId, run_id: RunId) -> None:
        tags = body_at(body, "tags")
        self._ownership.check_ours(part_id, tags)
        if tag_value(tags, RUN_TAG) != run_id:
            raise PermanentError(f"{part_id} was made by another run", reason="NotOurs")


def part_made(body: Body, ownership: Ownership) -> PartMade:
    """Return the interface or VM that Azure's *body* describes."""
    part_id, tags = ArmId(text_at(body, "id")), body_at(body, "tags")
    doubt = ownership.doubt(part_id, tags)
    run = None if doubt else tag_value(tags, RUN_TAG)
    state = folded(text_at(body, "properties", "provisioningState"))
    return PartMade(
        id=part_id,
        run_id=None if run is None else RunId(run),
        ready=state in {"", "succeeded"},
        failure=f"Azure ended it as {state}" if state in {"failed", "canceled"} else None,
        doubt=doubt,
    )


def _kind(part_id: ArmId) -> ResourceKind:
    return _KINDS[folded(part_id).split("/")[-2]]
