"""Disks that Azure makes of snapshots, and snapshots of disks: asked for and deleted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from typing_extensions import override

from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import RunId
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.environments.bodies import Body, body_at, text_at, value_at
from vmbackup_operator.naming import ArmId
from vmbackup_operator.ownership import Ownership
from vmbackup_operator.services.arm_resources import ArmResources
from vmbackup_operator.services.made_by_runs import (
    MadeByRuns,
    marked,
    standing_of,
)
from vmbackup_operator.services.operations import Operations
from vmbackup_operator.services.resource_kinds import ResourceKind
from vmbackup_operator.sessions.rewind_ports import Copies, CopyMade, CopyToMake

_KINDS: Final[Mapping[str, ResourceKind]] = {"disks": "Disk", "snapshots": "Snapshot"}
_COMPLETE_PERCENT: Final = 100


class AzureCopies(Copies):
    """Azure's; only what the key ring proves to be ours, and of the run, is deleted."""

    def __init__(
        self, resources: ArmResources, operations: Operations, ownership: Ownership
    ) -> None:
        self._resources = resources
        self._operations = operations
        self._ownership = ownership
        self._made = MadeByRuns(resources, operations, ownership)

    @override
    async def find(self, copy_id: ArmId) -> CopyMade | None:
        body = await self._resources.find(_kind(copy_id), copy_id)
        return None if body is None else copy_made(body, self._ownership)

    @override
    async def request(self, wanted: CopyToMake) -> None:
        if await self.find(wanted.id) is not None:
            return
        body = marked(copy_body(wanted), self._ownership, wanted.id, wanted.run_id)
        await self._operations.advance(
            f"make {folded(wanted.id)}",
            lambda: self._resources.begin(_kind(wanted.id), wanted.id, body),
        )

    @override
    async def delete(self, copy_id: ArmId, run_id: RunId) -> bool:
        delete = self._resources.begin_delete
        try:
            return await self._made.delete(_kind(copy_id), copy_id, run_id, delete)
        except PermanentError as error:
            if error.reason != "NotOurs":
                raise
            return True


def copy_made(body: Body, ownership: Ownership) -> CopyMade:
    """Return the disk or snapshot that Azure's *body* describes."""
    standing = standing_of(body, ownership)
    percent = value_at(body, "properties", "completionPercent")
    is_whole = not isinstance(percent, int | float) or percent >= _COMPLETE_PERCENT
    unique_id = text_at(body, "properties", "uniqueId")
    return CopyMade(
        id=ArmId(text_at(body, "id")),
        run_id=standing.run_id,
        # Azure fills the id in late; what nothing tells from another one can't be agreed upon.
        ready=standing.ready and is_whole and unique_id != "",
        unique_id=unique_id,
        failure=standing.failure,
    )


def copy_body(wanted: CopyToMake) -> Body:
    """Return the body that makes the copy, but for the tags."""
    properties = body_at(dict(wanted.body), "properties")
    creation: Body = {
        **body_at(properties, "creationData"),
        "createOption": "Copy",
        "sourceResourceId": wanted.source_id,
    }
    return {**wanted.body, "properties": {**properties, "creationData": creation}}


def _kind(copy_id: ArmId) -> ResourceKind:
    return _KINDS[folded(copy_id).split("/")[-2]]
