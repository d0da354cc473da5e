"""Azure's disks in memory: made for an upload, opened, written to, closed and deleted.

Each of these takes Azure a while. An upload ends for good with its access, and a disk that has no
content yet is no disk like others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from typing_extensions import override

from tests.worlds.made_disk import MadeDisk
from tests.worlds.memory_azure import LOOKS, Azure, Refused, recased
from vmbackup_core.errors import PermanentError, VmbackupError
from vmbackup_core.ids import RunId
from vmbackup_operator.arm_ids import folded, same_id
from vmbackup_operator.arm_tags import joined_tags, tag_value
from vmbackup_operator.naming import APPLIANCE_TAG, RUN_TAG, ArmId, name_of, subscription_of
from vmbackup_operator.ownership import Ownership
from vmbackup_operator.sessions.restore_ports import DiskMade, Disks, DiskToMake
from vmbackup_operator.sessions.seen import SecretUrl


class MemoryDisks(Disks):
    def __init__(self, azure: Azure, ownership: Ownership) -> None:
        self.azure, self.ownership = azure, ownership

    @override
    async def find(self, disk_id: ArmId) -> DiskMade | None:
        found = self._look(disk_id)
        if found is None:
            return None
        doubt = self.ownership.doubt(disk_id, found.tags)
        made_by = None if doubt else tag_value(found.tags, RUN_TAG)
        return DiskMade(
            id=recased(found.id),
            run_id=None if made_by is None else RunId(made_by),
            ready=found.ready and not self.azure.under_way(_key("delete", disk_id)),
            state=found.state,
            size_bytes=found.size_bytes,
            disk_access_id=found.disk_access_id and recased(found.disk_access_id),
            failure=found.failure,
            doubt=doubt,
        )

    @override
    async def request(self, wanted: DiskToMake) -> None:
        if self._look(wanted.id) is not None:
            return
        access = wanted.disk_access_id
        if access is not None and self.azure.disk_accesses.get(folded(access), 0) <= LOOKS:
            raise Refused(f"{access} is not there, or has no way in yet")
        if access is not None and subscription_of(access) != subscription_of(wanted.id):
            raise Refused(f"{access} is of another subscription than {wanted.id}")
        tags = joined_tags(
            wanted.body.get("tags", {}),
            {APPLIANCE_TAG: self.ownership.appliance_id, RUN_TAG: wanted.run_id},
            self.ownership.sealed_tag(wanted.id),
        )
        made = MadeDisk(wanted.id, wanted.body, tags, wanted.size_bytes, access)

        def asked() -> None:
            self.azure.disks[folded(wanted.id)] = made
            self.azure.begin(_key("make", wanted.id))

        self.azure.write(f"disk {wanted.id}", asked)

    @override
    async def grant(self, disk_id: ArmId, run_id: RunId, duration_s: int) -> SecretUrl | None:
        found, at = self._own(disk_id, run_id), _key("grant", disk_id)
        if self.azure.under_way(at):
            return None
        if found.url is not None:
            return SecretUrl(found.url)
        if not found.ready or found.state != "ReadyToUpload":
            raise self._refused("opening", found, f"write access while it is {found.state}")
        access = found.disk_access_id
        open_ones = [each for each in self.azure.disks.values() if each.url is not None]
        if access is not None and self._through(access, open_ones) >= 5:
            raise self._refused("opening", found, f"{access} exports five already")
        number, until = self.azure.number(), self.azure.clock.now() + timedelta(seconds=duration_s)

        def granted() -> None:
            found.state, found.ends = "ActiveUpload", until
            found.url = f"https://upload/{found.id}?sig={number}"
            self.azure.begin(at)

        self.azure.write(f"grant {disk_id}", granted)
        return None

    @override
    async def revoke(self, disk_id: ArmId, run_id: RunId) -> bool:
        found, at = self._look(disk_id), _key("revoke", disk_id)
        if found is None or tag_value(found.tags, RUN_TAG) != run_id:
            return True
        if found.url is None:
            return True
        if self.azure.under_way(_key("grant", disk_id)):
            raise self._refused("ending access to", found, "access is being granted")
        if not self.azure.under_way(at):
            self.azure.write(f"revoke {disk_id}", lambda: self.azure.begin(at))
        return False

    @override
    async def change(self, disk_id: ArmId, run_id: RunId, body: Mapping[str, Any]) -> bool:
        found, at = self._own(disk_id, run_id), _key("change", disk_id)
        if self.azure.under_way(at):
            return self.azure.ended(at)
        if found.state != "Unattached":
            raise self._refused("changing", found, f"it is {found.state}")
        if body in found.changes:
            return True

        def changed() -> None:
            found.changes.append(body)
            self.azure.begin(at)

        self.azure.write(f"change {disk_id}", changed)
        return False

    @override
    async def delete(self, disk_id: ArmId, run_id: RunId) -> bool:
        found, at = self._look(disk_id), _key("delete", disk_id)
        if found is None:
            return True
        if self.azure.under_way(at):
            return False
        self._check(found, disk_id, run_id)
        if found.url is not None:
            raise self._refused("deleting", found, "it is exported")
        if not found.ready and found.failure is None:
            raise self._refused("deleting", found, "another operation is at it")
        self.azure.write(f"delete {disk_id}", lambda: self.azure.begin(at))
        return False

    def _own(self, disk_id: ArmId, run_id: RunId) -> MadeDisk:
        found = self._look(disk_id)
        if found is None:
            raise PermanentError(f"disk {disk_id} does not exist", reason="DiskNotFound")
        self._check(found, disk_id, run_id)
        return found

    def _check(self, found: MadeDisk, disk_id: ArmId, run_id: RunId) -> None:
        self.ownership.check_ours(disk_id, found.tags)
        if tag_value(found.tags, RUN_TAG) != run_id:
            raise PermanentError(f"{disk_id} was made by another run", reason="NotOurs")

    def _look(self, disk_id: ArmId) -> MadeDisk | None:
        """Return the disk as it is now; each look brings what is under way nearer its end."""
        found = self.azure.disks.get(folded(disk_id))
        if found is None:
            return None
        if self.azure.under_way(_key("delete", disk_id)):
            if not self.azure.ended(_key("delete", disk_id)):
                return found
            del self.azure.disks[folded(disk_id)]
            return None
        self.azure.ended(_key("grant", disk_id))
        is_over = found.ends is not None and found.ends <= self.azure.clock.now()
        revoking = self.azure.under_way(_key("revoke", disk_id))
        if is_over or (revoking and self.azure.ended(_key("revoke", disk_id))):
            found.state, found.url, found.ends = "Unattached", None, None
        if not found.ready and not found.failure and self.azure.ended(_key("make", disk_id)):
            if found.id in self.azure.broken_disks:
                self.azure.broken_disks.discard(found.id)
                found.failure = "Azure ended it as failed"
            else:
                found.ready = True
        return found

    @staticmethod
    def _through(access: ArmId, disks: list[MadeDisk]) -> int:
        return len([each for each in disks if same_id(each.disk_access_id or "", access)])

    def _refused(self, doing: str, disk: MadeDisk, why: str) -> VmbackupError:
        what = f"{doing} disk {name_of(disk.id)}"
        return self.azure.refused(what, "OperationNotAllowed", why)


def opened_disk(azure: Azure, url: str) -> MadeDisk | None:
    """Return the disk that *url* writes at this moment, None where it opens none."""
    now = azure.clock.now()
    for disk in azure.disks.values():
        if disk.url == url and disk.ends is not None and disk.ends > now:
            return disk
    return None


def whole(disk: MadeDisk) -> MadeDisk:
    """Return a copy of the disk as it is, for whoever compares."""
    return replace(disk, written=dict(disk.written))


def _key(verb: str, disk_id: ArmId) -> str:
    return f"{verb} {folded(disk_id)}"
