"""Azure's snapshots in memory: copied, tied to a disk access, exported and deleted.

Each of these takes Azure a while, and while one is at it the others are refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from typing_extensions import override

from tests.worlds.memory_azure import APPLIANCE, LOOKS, Azure, Refused, recased
from vmbackup_core.errors import PermanentError, VmbackupError
from vmbackup_core.ids import SnapshotUniqueId
from vmbackup_operator.arm_ids import folded, same_id
from vmbackup_operator.arm_tags import tag_value
from vmbackup_operator.naming import (
    APPLIANCE_TAG,
    ArmId,
    name_of,
    resource_group_of,
    subscription_of,
)
from vmbackup_operator.sessions import ports, seen
from vmbackup_operator.sessions.keys import KeyRing
from vmbackup_operator.sessions.tags import check_ours


class MemorySnapshots(ports.Snapshots):
    def __init__(self, azure: Azure, ring: KeyRing) -> None:
        self.azure, self.ring = azure, ring
        #: Whether a SAS tells when it ends, as Azure's examples do and its answers do not.
        self.tells_end = False
        #: Whether there is no right to list a group.
        self.refuses_lists = False

    @override
    async def find(self, snapshot_id: ArmId) -> seen.SnapshotSeen | None:
        return self._shown(snapshot_id)

    @override
    async def of_group(
        self, subscription_id: str, resource_group: str
    ) -> Sequence[seen.SnapshotSeen]:
        if self.refuses_lists or folded(subscription_id) in self.azure.forbidden:
            message = f"listing each snapshot in {resource_group}: not authorized"
            raise PermanentError(message, reason="NotAuthorized")
        found = [self._shown(ArmId(key)) for key in list(self.azure.snapshots)]
        return [
            each
            for each in found
            if each is not None
            and subscription_of(each.id) == folded(subscription_id)
            and folded(resource_group_of(each.id)) == folded(resource_group)
            and tag_value(each.tags, APPLIANCE_TAG) == APPLIANCE
        ]

    @override
    async def request(self, wanted: seen.SnapshotWanted) -> None:
        if self._look(wanted.id) is not None:
            return
        made = seen.SnapshotSeen(
            id=wanted.id,
            source_disk_id=wanted.disk_id,
            source_unique_id=(disk := self._source(wanted)).unique_id,
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
            region=wanted.region,
        )

        def asked() -> None:
            self._put(made)
            self.azure.begin(_key("copy", wanted.id))

        self.azure.write(f"snapshot {wanted.id}", asked)

    @override
    async def associate(self, snapshot_id: ArmId, disk_access_id: ArmId | None) -> bool:
        found = self._look(snapshot_id)
        if found is None:
            raise PermanentError(f"{snapshot_id} does not exist", reason="SnapshotNotFound")
        if not found.ready:
            return False
        access: seen.NetworkAccess = "AllowAll" if disk_access_id is None else "AllowPrivate"
        if found.network_access == access and same_id(
            found.disk_access_id or "", disk_access_id or ""
        ):
            return True
        if disk_access_id is not None and subscription_of(disk_access_id) != subscription_of(
            snapshot_id
        ):
            raise Refused(f"{disk_access_id} is of another subscription than {snapshot_id}")
        if disk_access_id is not None and folded(disk_access_id) not in self.azure.disk_accesses:
            what = f"tying snapshot {name_of(snapshot_id)} to its disk access"
            raise self.azure.refused(what, "NotFound", f"{disk_access_id} is not found")

        def tied() -> None:
            changed = replace(found, network_access=access, disk_access_id=disk_access_id)
            self._put(replace(changed, public_access=disk_access_id is None))
            self.azure.begin(_key("associate", snapshot_id))

        self.azure.write(f"associate {snapshot_id}", tied)
        return False

    @override
    async def grant(self, snapshot_id: ArmId, duration_s: int) -> seen.SecretUrl | None:
        key, at = folded(snapshot_id), _key("grant", snapshot_id)
        found = self._look(snapshot_id)
        if self.azure.under_way(at):
            return None
        url = self.azure.open_sas(key)
        if url is not None:
            return seen.SecretUrl(url, self.azure.sas_ends[key] if self.tells_end else None)
        if found is None:
            what = f"exporting snapshot {name_of(snapshot_id)}"
            raise self.azure.refused(what, "NotFound", f"{snapshot_id} is not found")
        self._check_way(found)
        until = self.azure.clock.now() + timedelta(seconds=duration_s)
        number = self.azure.number()

        def granted() -> None:
            self._put(replace(found, exported=True))
            self.azure.sas[key] = f"https://export/{found.id}?sig={number}"
            self.azure.sas_ends[key] = until
            self.azure.begin(at)

        self.azure.write(f"grant {snapshot_id}", granted)
        return None

    @override
    async def revoke(self, snapshot_id: ArmId) -> bool:
        found, at = self._look(snapshot_id), _key("revoke", snapshot_id)
        if found is None or not found.exported:
            return True
        if self.azure.under_way(_key("grant", snapshot_id)):
            what = f"ending access to snapshot {name_of(snapshot_id)}"
            raise self.azure.refused(what, "OperationNotAllowed", "access is being granted")
        if not self.azure.under_way(at):
            self.azure.write(f"revoke {snapshot_id}", lambda: self.azure.begin(at))
        return False

    @override
    async def delete(self, snapshot_id: ArmId) -> bool:
        found, at = self._look(snapshot_id), _key("delete", snapshot_id)
        if found is None:
            return True
        if self.azure.under_way(at):
            return False
        check_ours(self.ring, snapshot_id, found.tags)
        if found.exported:
            what = f"deleting snapshot {name_of(snapshot_id)}"
            raise self.azure.refused(what, "OperationNotAllowed", "it is exported")
        if not found.ready and found.failure is None:
            what = f"deleting snapshot {name_of(snapshot_id)}"
            raise self.azure.refused(what, "OperationNotAllowed", "another operation is at it")
        self.azure.write(f"delete {snapshot_id}", lambda: self.azure.begin(at))
        return False

    @override
    async def seal(self, snapshot_id: ArmId, tags: Mapping[str, str]) -> bool:
        found, at = self._look(snapshot_id), _key("seal", snapshot_id)
        if found is None:
            return True
        if self.azure.under_way(at):
            return self.azure.ended(at)
        check_ours(self.ring, snapshot_id, found.tags)
        sealed = replace(found, tags={**found.tags, **tags})

        def begun() -> None:
            self._put(sealed)
            self.azure.begin(at)

        self.azure.write(f"seal {snapshot_id}", begun)
        return False

    def _look(self, snapshot_id: ArmId) -> seen.SnapshotSeen | None:
        """Return the snapshot as it is now; each look brings what is under way nearer its end."""
        key = folded(snapshot_id)
        self.azure.open_sas(key)
        found = self.azure.snapshots.get(key)
        if found is None:
            return None
        if self.azure.under_way(_key("delete", snapshot_id)):
            if not self.azure.ended(_key("delete", snapshot_id)):
                return replace(found, ready=False, failure=None)
            del self.azure.snapshots[key]
            return None
        if not self.azure.ended(_key("associate", snapshot_id)):
            return replace(found, ready=False)
        self.azure.ended(_key("grant", snapshot_id))
        revoking = self.azure.under_way(_key("revoke", snapshot_id))
        if revoking and self.azure.ended(_key("revoke", snapshot_id)):
            found = replace(found, exported=False)
            self._put(found)
            self.azure.sas.pop(key, None)
        if not found.ready and not found.failure and self.azure.ended(_key("copy", snapshot_id)):
            broken = found.id in self.azure.broken_snapshots
            self.azure.broken_snapshots.discard(found.id)
            failure = "DiskFailed: the disk could not be read" if broken else None
            self._put(replace(found, ready=not broken, failure=failure))
        return self.azure.snapshots[key]

    def _shown(self, snapshot_id: ArmId) -> seen.SnapshotSeen | None:
        found = self._look(snapshot_id)
        if found is None:
            return None
        access = found.disk_access_id and recased(found.disk_access_id)
        source = recased(found.source_disk_id)
        return replace(found, id=recased(found.id), source_disk_id=source, disk_access_id=access)

    def _source(self, wanted: seen.SnapshotWanted) -> seen.DiskSeen:
        """Return the disk that is to be copied; one that is not there is refused for a time."""
        for machine in self.azure.machines.values():
            for disk in machine.disks:
                if same_id(disk.id, wanted.disk_id):
                    return disk
        what = f"asking for snapshot {name_of(wanted.id)}"
        raise self.azure.refused(what, "NotFound", f"the source disk {wanted.disk_id} is not found")

    def _check_way(self, found: seen.SnapshotSeen) -> None:
        """Refuse what Azure does not export: closed, unready, or by a way that is full."""
        if found.network_access == "DenyAll" or not found.ready:
            raise self._not_exported(found, "it can't be exported")
        open_ones = [each for each in self.azure.snapshots.values() if each.exported]
        if len([e for e in open_ones if e.source_unique_id == found.source_unique_id]) >= 5:
            raise self._not_exported(found, "five snapshots of its disk are exported already")
        if found.disk_access_id is None:
            return
        if self.azure.disk_accesses[folded(found.disk_access_id)] <= LOOKS:
            raise Refused(f"{found.disk_access_id} has no way in yet")
        way = found.disk_access_id
        others = [each for each in open_ones if same_id(each.disk_access_id or "", way)]
        if len(others) >= 5:
            raise self._not_exported(found, f"{found.disk_access_id} exports five already")

    def _not_exported(self, found: seen.SnapshotSeen, why: str) -> VmbackupError:
        what = f"exporting snapshot {name_of(found.id)}"
        return self.azure.refused(what, "OperationNotAllowed", why)

    def _put(self, snapshot: seen.SnapshotSeen) -> None:
        self.azure.snapshots[folded(snapshot.id)] = snapshot


def _key(verb: str, snapshot_id: ArmId) -> str:
    return f"{verb} {folded(snapshot_id)}"
