"""Disks made for an upload: asked for, written to by a SAS, closed, changed and deleted."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any

from typing_extensions import override

from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import RunId
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.environments.bodies import Body, body_at, text_at, value_at
from vmbackup_operator.environments.differences import differing
from vmbackup_operator.naming import ArmId, name_of
from vmbackup_operator.ownership import Ownership
from vmbackup_operator.services.arm_resources import ArmResources, encoded
from vmbackup_operator.services.export_access import end_access, export_rules, grant_access
from vmbackup_operator.services.made_by_runs import (
    MadeByRuns,
    check_made_by,
    marked,
    standing_of,
)
from vmbackup_operator.services.operations import Operations
from vmbackup_operator.services.resource_kinds import Model, Poller, address
from vmbackup_operator.sessions.restore_ports import DiskMade, Disks, DiskToMake
from vmbackup_operator.sessions.seen import SecretUrl

#: A fixed VHD ends with a footer, which Azure counts in: ``uploadSizeBytes``.
FOOTER_BYTES = 512


class AzureDisks(Disks):
    """Azure's disks; only what the key ring proves to be ours, and of the run, is touched."""

    def __init__(
        self, resources: ArmResources, operations: Operations, ownership: Ownership
    ) -> None:
        self._resources = resources
        self._operations = operations
        self._ownership = ownership
        self._made = MadeByRuns(resources, operations, ownership)

    @override
    async def find(self, disk_id: ArmId) -> DiskMade | None:
        body = await self._resources.find("Disk", disk_id)
        return None if body is None else disk_made(body, self._ownership)

    @override
    async def request(self, wanted: DiskToMake) -> None:
        if await self.find(wanted.id) is not None:
            return
        body = marked(upload_body(wanted), self._ownership, wanted.id, wanted.run_id)
        await self._operations.advance(
            _key("make", wanted.id), lambda: self._resources.begin("Disk", wanted.id, body)
        )

    @override
    async def grant(self, disk_id: ArmId, run_id: RunId, duration_s: int) -> SecretUrl | None:
        key = _key("grant", disk_id)
        if not self._operations.under_way(key):
            await self._own(disk_id, run_id)
        wanted: Body = {"access": "Write", "durationInSeconds": duration_s}
        what = f"opening disk {name_of(disk_id)} for its upload"
        return await self._operations.advance(
            key,
            lambda: grant_access(self._resources, "disk", disk_id, what, wanted),
            lasts_s=duration_s,
        )

    @override
    async def revoke(self, disk_id: ArmId, run_id: RunId) -> bool:
        key = _key("revoke", disk_id)
        if not self._operations.under_way(key):
            found = await self.find(disk_id)
            if found is None or found.run_id != run_id:
                # Of what is not this run's no SAS was ever asked for.
                return True
        ended = await self._operations.advance(
            key, lambda: end_access(self._resources, "disk", disk_id)
        )
        return ended or False

    @override
    async def change(self, disk_id: ArmId, run_id: RunId, body: Mapping[str, Any]) -> bool:
        key = _key("change", disk_id)
        if not self._operations.under_way(key):
            found = await self._own(disk_id, run_id)
            # Azure refuses it of the disk of a VM that runs: what is so is not asked for again.
            if standing_of(found, self._ownership).ready and differing(dict(body), found) is None:
                return True
        at = address(disk_id)
        disks = self._resources.clients.compute(at.subscription_id).disks

        async def begin() -> bool:
            call: Awaitable[Model | Poller] = disks.begin_update(
                at.group, at.name, encoded(dict(body)), polling=self._resources.following()
            )
            await self._resources.carry_out(f"changing disk {at.name}", disk_id, call)
            return True

        return await self._operations.advance(key, begin) or False

    @override
    async def delete(self, disk_id: ArmId, run_id: RunId) -> bool:
        return await self._made.delete("Disk", disk_id, run_id, self._resources.begin_delete)

    async def _own(self, disk_id: ArmId, run_id: RunId) -> Body:
        """Return the disk; raise PermanentError where it is not there, or is not the run's."""
        body = await self._resources.find("Disk", disk_id)
        if body is None:
            raise PermanentError(f"disk {disk_id} does not exist", reason="DiskNotFound")
        check_made_by(run_id, body, self._ownership, disk_id)
        return body


def disk_made(body: Body, ownership: Ownership) -> DiskMade:
    """Return the disk that Azure's *body* describes."""
    standing = standing_of(body, ownership)
    access = text_at(body, "properties", "diskAccessId")
    size = value_at(body, "properties", "diskSizeBytes")
    return DiskMade(
        id=ArmId(text_at(body, "id")),
        run_id=standing.run_id,
        ready=standing.ready,
        state=text_at(body, "properties", "diskState"),
        size_bytes=size if isinstance(size, int) else 0,
        disk_access_id=ArmId(access) if access else None,
        failure=standing.failure,
        doubt=standing.doubt,
    )


def upload_body(wanted: DiskToMake) -> Body:
    """Return the body that makes the disk, closed but for the way in that it is written by."""
    properties: Body = {
        **body_at(dict(wanted.body), "properties"),
        **body_at(export_rules(wanted.disk_access_id), "properties"),
        "creationData": {
            **wanted.creation_data,
            "createOption": "Upload",
            "uploadSizeBytes": wanted.size_bytes + FOOTER_BYTES,
        },
    }
    return {**wanted.body, "properties": properties}


def _key(verb: str, disk_id: ArmId) -> str:
    return f"{verb} {folded(disk_id)}"
