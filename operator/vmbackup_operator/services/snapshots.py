"""Incremental snapshots: asked for, tied to a disk access, exported, closed and deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import msgspec
from typing_extensions import override

from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import DiskUniqueId, SnapshotUniqueId
from vmbackup_operator.arm_ids import folded, same_id
from vmbackup_operator.arm_tags import folded_tags, merged_tags, tag_value
from vmbackup_operator.environments.bodies import Body, body_at
from vmbackup_operator.model.nulls import read_as
from vmbackup_operator.naming import APPLIANCE_TAG, ArmId, name_of
from vmbackup_operator.services.arm_resources import ArmResources, encoded
from vmbackup_operator.services.export_access import end_access, export_rules, grant_access
from vmbackup_operator.services.made_by_runs import is_being_deleted
from vmbackup_operator.services.operations import Operations
from vmbackup_operator.services.resource_kinds import address
from vmbackup_operator.sessions.keys import KeyRing
from vmbackup_operator.sessions.ports import Snapshots
from vmbackup_operator.sessions.seen import (
    NetworkAccess,
    SecretUrl,
    SnapshotSeen,
    SnapshotWanted,
)
from vmbackup_operator.sessions.tags import check_ours

_COMPLETE_PERCENT = 100.0


class _CreationData(msgspec.Struct, rename="camel", frozen=True):
    source_resource_id: str = ""
    source_unique_id: str = ""


class _Properties(msgspec.Struct, rename="camel", frozen=True):
    creation_data: _CreationData = _CreationData()
    provisioning_state: str = ""
    disk_size_bytes: int = 0
    disk_size_gb: int = msgspec.field(name="diskSizeGB", default=0)
    completion_percent: float | None = None
    time_created: datetime | None = None
    network_access_policy: str = "AllowAll"
    public_network_access: str = "Enabled"
    disk_access_id: str | None = None
    disk_state: str = ""
    unique_id: str = ""
    incremental: bool = False


class _Snapshot(msgspec.Struct, rename="camel", frozen=True):
    id: str
    location: str = ""
    properties: _Properties = _Properties()


@dataclass(frozen=True, slots=True)
class SnapshotOwner:
    """Whose snapshots they are: the appliance by its plain tag, and the keys that prove it."""

    appliance_id: str
    ring: KeyRing


class AzureSnapshots(Snapshots):
    """Azure's snapshots; only what the key ring proves to be ours is ever deleted.

    Listed are all with the appliance's plain tag: one whose sealed tags were altered is to be seen.
    They are looked at by lists of their group. An operation that a snapshot itself shows (it is
    made, tied to a disk access, gone) is not asked about beside that.
    """

    def __init__(
        self,
        resources: ArmResources,
        operations: Operations,
        owner: SnapshotOwner,
    ) -> None:
        self._resources = resources
        self._operations = operations
        self._owner = owner

    @override
    async def find(self, snapshot_id: ArmId) -> SnapshotSeen | None:
        body = await self._resources.find_listed("Snapshot", snapshot_id)
        return None if body is None else snapshot_seen(body)

    @override
    async def of_group(self, subscription_id: str, resource_group: str) -> Sequence[SnapshotSeen]:
        bodies = await self._resources.of_group("Snapshot", subscription_id, resource_group)
        found = [snapshot_seen(body) for body in bodies]
        return [snapshot for snapshot in found if self._is_marked(snapshot.tags)]

    @override
    async def request(self, wanted: SnapshotWanted) -> None:
        if await self.find(wanted.id) is not None:
            return
        await self._operations.advance(
            _key("take", wanted.id),
            lambda: self._resources.begin("Snapshot", wanted.id, body(wanted)),
        )

    @override
    async def associate(self, snapshot_id: ArmId, disk_access_id: ArmId | None) -> bool:
        key = _key("associate", snapshot_id)
        if not self._operations.under_way(key):
            seen = await self.find(snapshot_id)
            if seen is None:
                raise _missing(snapshot_id)
            if not seen.ready:
                return False
            if _associated(seen, disk_access_id):
                return True
        at = address(snapshot_id)
        snapshots = self._resources.clients.compute(at.subscription_id).snapshots
        change = export_rules(disk_access_id)

        async def begin() -> Body:
            call = snapshots.begin_update(at.group, at.name, encoded(change), polling=False)
            what = f"tying snapshot {at.name} to its disk access"
            return await self._resources.carry_out(what, snapshot_id, call)

        await self._operations.advance(key, begin)
        return False

    @override
    async def grant(self, snapshot_id: ArmId, duration_s: int) -> SecretUrl | None:
        wanted: Body = {"access": "Read", "durationInSeconds": duration_s}
        what = f"exporting snapshot {name_of(snapshot_id)}"
        return await self._operations.advance(
            _key("grant", snapshot_id),
            lambda: grant_access(self._resources, "snapshot", snapshot_id, what, wanted),
            lasts_s=duration_s,
        )

    @override
    async def revoke(self, snapshot_id: ArmId) -> bool:
        key = _key("revoke", snapshot_id)
        if not self._operations.under_way(key) and await self.find(snapshot_id) is None:
            return True
        # Always asked for, whatever its state says: a SAS that outlives its session must not be.
        # It ends even where a key of the ring is missing: that takes nothing away.
        ended = await self._operations.advance(
            key, lambda: end_access(self._resources, "snapshot", snapshot_id)
        )
        return ended or False

    @override
    async def delete(self, snapshot_id: ArmId) -> bool:
        key = _key("delete", snapshot_id)
        if not self._operations.under_way(key):
            found = await self._resources.find_listed("Snapshot", snapshot_id)
            if found is None:
                return True
            check_ours(self._owner.ring, snapshot_id, folded_tags(body_at(found, "tags")))
            if is_being_deleted(found):
                return False  # Azure is at it, and would refuse to begin anew
        await self._operations.advance(
            key, lambda: self._resources.begin_delete("Snapshot", snapshot_id)
        )
        return False

    @override
    async def seal(self, snapshot_id: ArmId, tags: Mapping[str, str]) -> bool:
        key = _key("seal", snapshot_id)
        change: Body = {}
        if not self._operations.under_way(key):
            seen = await self.find(snapshot_id)
            if seen is None:
                return True
            check_ours(self._owner.ring, snapshot_id, seen.tags)
            change = {"tags": {**merged_tags(seen.tags, tags)}}
        at = address(snapshot_id)
        snapshots = self._resources.clients.compute(at.subscription_id).snapshots

        async def begin() -> bool:
            following = self._resources.following()
            call = snapshots.begin_update(at.group, at.name, encoded(change), polling=following)
            what = f"sealing snapshot {at.name} anew"
            await self._resources.carry_out(what, snapshot_id, call)
            return True

        return await self._operations.advance(key, begin) or False

    def _is_marked(self, tags: Mapping[str, str]) -> bool:
        return tag_value(tags, APPLIANCE_TAG) == self._owner.appliance_id


def body(wanted: SnapshotWanted) -> Body:
    """Return the snapshot as it is asked for: closed, since there is no disk access yet."""
    return {
        "location": wanted.region,
        "tags": dict(wanted.tags),
        "properties": {
            "incremental": True,
            "creationData": {"createOption": "Copy", "sourceResourceId": wanted.disk_id},
            "networkAccessPolicy": "DenyAll",
            "publicNetworkAccess": "Disabled",
        },
    }


def _associated(seen: SnapshotSeen, disk_access_id: ArmId | None) -> bool:
    if disk_access_id is None:
        return seen.network_access == "AllowAll" and seen.public_access
    private = seen.network_access == "AllowPrivate" and not seen.public_access
    return private and same_id(seen.disk_access_id or "", disk_access_id)


def snapshot_seen(answer: Body) -> SnapshotSeen:
    """Return the snapshot that Azure's *answer* describes."""
    snapshot = read_as(answer, _Snapshot)
    held = snapshot.properties
    state = folded(held.provisioning_state)
    complete = held.completion_percent is None or held.completion_percent >= _COMPLETE_PERCENT
    created = held.time_created
    unique_id = folded(held.unique_id) or ("" if created is None else created.isoformat())
    return SnapshotSeen(
        id=ArmId(snapshot.id),
        source_disk_id=ArmId(held.creation_data.source_resource_id),
        source_unique_id=DiskUniqueId(held.creation_data.source_unique_id),
        unique_id=SnapshotUniqueId(unique_id),
        size_bytes=held.disk_size_bytes or held.disk_size_gb << 30,
        created_at=created or datetime.fromtimestamp(0, UTC),
        tags=folded_tags(body_at(answer, "tags")),
        # Azure fills in both late; what nothing tells from another snapshot can't be relied on.
        ready=state in {"", "succeeded"} and complete and unique_id != "",
        failure=f"Azure ended it as {held.provisioning_state}"
        if state in {"failed", "canceled"}
        else None,
        network_access=_network_access(held.network_access_policy),
        public_access=folded(held.public_network_access) != "disabled",
        disk_access_id=ArmId(held.disk_access_id) if held.disk_access_id else None,
        exported=folded(held.disk_state).startswith("activesas"),
        incremental=held.incremental,
        region=folded(snapshot.location).replace(" ", ""),
    )


def _network_access(said: str) -> NetworkAccess:
    policies: tuple[Literal["AllowAll", "AllowPrivate", "DenyAll"], ...]
    policies = ("AllowAll", "AllowPrivate", "DenyAll")
    return next((policy for policy in policies if folded(policy) == folded(said)), "AllowAll")


def _missing(snapshot_id: ArmId) -> PermanentError:
    return PermanentError(f"snapshot {snapshot_id} does not exist", reason="SnapshotNotFound")


def _key(verb: str, snapshot_id: ArmId) -> str:
    return f"{verb} {folded(snapshot_id)}"
