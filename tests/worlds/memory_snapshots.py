"""Azure's snapshots in memory: copied, tied to a disk access, exported and deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from typing_extensions import override

from tests.worlds.memory_azure import LOOKS, Azure, Refused
from vmbackup_core.ids import SnapshotUniqueId
from vmbackup_operator.naming import APPLIANCE_TAG, ArmId, resource_group_of
from vmbackup_operator.sessions import ports, seen
from vmbackup_operator.sessions.keys import KeyRing
from vmbackup_operator.sessions.tags import check_ours


class MemorySnapshots(ports.Snapshots):
    def __init__(self, azure: Azure, ring: KeyRing) -> None:
        self.azure, self.ring = azure, ring
        #: Whether a SAS tells when it ends, as Azure's examples do and its answers do not.
        self.tells_end = False

    @override
    async def find(self, snapshot_id: ArmId) -> seen.SnapshotSeen | None:
        self.azure.open_sas(snapshot_id)
        found = self.azure.snapshots.get(snapshot_id.lower())
        if found is not None and not found.ready and self.azure.settled(f"copy {found.id}"):
            broken = found.id in self.azure.broken_snapshots
            self.azure.broken_snapshots.discard(found.id)
            failure = "DiskFailed: the disk could not be read" if broken else None
            found = replace(found, ready=not broken, failure=failure)
            self.azure.snapshots[snapshot_id.lower()] = found
        return found

    @override
    async def of_group(
        self, subscription_id: str, resource_group: str
    ) -> Sequence[seen.SnapshotSeen]:
        for key in list(self.azure.sas):
            self.azure.open_sas(key)
        return [
            each
            for each in self.azure.snapshots.values()
            if resource_group_of(each.id) == resource_group and APPLIANCE_TAG in each.tags
        ]

    @override
    async def request(self, wanted: seen.SnapshotWanted) -> None:
        key = wanted.id.lower()
        if key in self.azure.snapshots:
            return
        disk = next(
            disk
            for machine in self.azure.machines.values()
            for disk in machine.disks
            if disk.id == wanted.disk_id
        )
        made = seen.SnapshotSeen(
            id=wanted.id,
            source_disk_id=disk.id,
            source_unique_id=disk.unique_id,
            unique_id=SnapshotUniqueId(f"{disk.unique_id}-{self.azure.number()}"),
            size_bytes=disk.size_bytes,
            created_at=self.azure.clock.now(),
            tags=dict(wanted.tags),
            ready=False,
            failure=None,
            network_access="DenyAll",
            public_access=False,
            disk_access_id=None,
            exported=False,
        )
        self.azure.write(f"snapshot {wanted.id}", lambda: self._put(made))

    @override
    async def associate(self, snapshot_id: ArmId, disk_access_id: ArmId | None) -> bool:
        found = self._get(snapshot_id)
        access: seen.NetworkAccess = "AllowAll" if disk_access_id is None else "AllowPrivate"
        if disk_access_id is not None and disk_access_id.lower() not in self.azure.disk_accesses:
            raise Refused(f"{disk_access_id} does not exist")
        if (found.network_access, found.disk_access_id) != (access, disk_access_id):
            changed = replace(found, network_access=access, disk_access_id=disk_access_id)
            self.azure.write(f"associate {snapshot_id}", lambda: self._put(changed))
            return False
        return True

    @override
    async def grant(self, snapshot_id: ArmId, duration_s: int) -> seen.SecretUrl | None:
        found = self._get(snapshot_id)
        if found.network_access == "DenyAll" or not found.ready:
            raise Refused(f"{snapshot_id} can't be exported")
        if found.disk_access_id is not None:
            if self.azure.disk_accesses[found.disk_access_id.lower()] <= LOOKS:
                raise Refused(f"{found.disk_access_id} has no way in yet")
            others = [
                each
                for each in self.azure.snapshots.values()
                if each.exported and each.disk_access_id == found.disk_access_id
            ]
            if not found.exported and len(others) >= 5:
                raise Refused(f"{found.disk_access_id} exports five snapshots already")
        key = snapshot_id.lower()
        url = self.azure.open_sas(key)
        if url is not None:
            return seen.SecretUrl(url, self.azure.sas_ends[key] if self.tells_end else None)
        until = self.azure.clock.now() + timedelta(seconds=duration_s)
        number = self.azure.number()

        def granted() -> None:
            self._put(replace(found, exported=True))
            self.azure.sas[key] = f"https://export/{found.id}?sig={number}"
            self.azure.sas_ends[key] = until

        self.azure.write(f"grant {snapshot_id}", granted)
        return None

    @override
    async def revoke(self, snapshot_id: ArmId) -> bool:
        self.azure.open_sas(snapshot_id)
        found = self.azure.snapshots.get(snapshot_id.lower())
        if found is None or not found.exported:
            return True

        def revoked() -> None:
            self._put(replace(found, exported=False))
            del self.azure.sas[snapshot_id.lower()]

        self.azure.write(f"revoke {snapshot_id}", revoked)
        return False

    @override
    async def delete(self, snapshot_id: ArmId) -> bool:
        found = self.azure.snapshots.get(snapshot_id.lower())
        if found is None:
            return True
        check_ours(self.ring, snapshot_id, found.tags)
        if found.exported:
            raise Refused(f"{snapshot_id} is exported")

        def deleted() -> None:
            del self.azure.snapshots[snapshot_id.lower()]

        self.azure.write(f"delete {snapshot_id}", deleted)
        return False

    def _get(self, snapshot_id: ArmId) -> seen.SnapshotSeen:
        self.azure.open_sas(snapshot_id)
        found = self.azure.snapshots.get(snapshot_id.lower())
        if found is None:
            raise Refused(f"{snapshot_id} does not exist")
        return found

    def _put(self, snapshot: seen.SnapshotSeen) -> None:
        self.azure.snapshots[snapshot.id.lower()] = snapshot
