"""What sessions left in Azure as the sweeper finds it, over the memory world's Azure."""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import override

from tests.worlds.memory_azure import APPLIANCE, HOME, SUBSCRIPTION, Azure, account, recased
from tests.worlds.samples import RING
from vmbackup_core.ids import RunId
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.arm_tags import tag_value
from vmbackup_operator.naming import (
    RUN_TAG,
    ArmId,
    environment_names,
    is_launch_command,
    is_queue_of_worker,
    launch_of_blob,
    name_of,
    resource_group_of,
    subscription_of,
    worker_of_vm_name,
)
from vmbackup_operator.sessions.restore_ports import UPLOADING
from vmbackup_operator.sessions.seen import Account
from vmbackup_operator.sweeping import ports
from vmbackup_operator.sweeping.things import LeftParts, LeftUpload, Place


class MemoryRemains(ports.Remains):
    def __init__(self, azure: Azure, regions: Sequence[str]) -> None:
        self.azure, self.regions = azure, regions
        self.ownership = RING.ownership(APPLIANCE)
        #: Regions that have no RegionEnvironment object.
        self.forgotten: set[str] = set()

    @override
    async def places(self) -> Sequence[Place]:
        return [self._place(region) for region in self.regions]

    def _place(self, region: str) -> Place:
        names = environment_names(APPLIANCE, SUBSCRIPTION, region)
        is_home, looked_after = region == HOME, region not in self.forgotten
        where = (SUBSCRIPTION, region, names.resource_group, account(region))
        return Place(*where, is_home=is_home, looked_after=looked_after)

    @override
    async def parts(self, place: Place) -> Sequence[LeftParts]:
        found: list[LeftParts] = []
        for vm_id in sorted(self.azure.interfaces - self.azure.workers.keys()):
            group, worker = (
                resource_group_of(ArmId(vm_id)),
                worker_of_vm_name(name_of(ArmId(vm_id))),
            )
            if worker is not None and folded(group) == folded(place.resource_group):
                found.append(LeftParts(recased(ArmId(vm_id)), worker))
        return found

    @override
    async def commands(self, vm_id: ArmId) -> Sequence[str]:
        there = [name for vm, name in self.azure.command_states if vm == folded(vm_id)]
        return [name for name in there if is_launch_command(name)]

    @override
    async def queues(self, account: Account) -> Sequence[str]:
        there = [name for where, name in self.azure.queues if where == account.id]
        return [name for name in there if is_queue_of_worker(name)]

    @override
    async def messages(self, account: Account) -> Sequence[str]:
        launches = {launch_of_blob(name) for name in self.azure.blobs}
        return sorted(launch for launch in launches if launch is not None)

    @override
    async def old_bundles(self, account: Account) -> Sequence[str]:
        return sorted(self.azure.old_bundles.get(account.id, set()))

    @override
    async def uploads(
        self, subscription_id: str, resource_group: str | None
    ) -> Sequence[LeftUpload]:
        return [
            LeftUpload(recased(disk.id), RunId(run))
            for disk in self.azure.disks.values()
            if subscription_of(disk.id) == folded(subscription_id)
            and resource_group in {None, folded(resource_group_of(disk.id))}
            and disk.state in UPLOADING
            and not self.ownership.doubt(disk.id, disk.tags)
            and (run := tag_value(disk.tags, RUN_TAG)) is not None
        ]

    @override
    async def delete_bundle(self, account: Account, folder: str) -> None:
        there = self.azure.old_bundles.get(account.id, set())
        if folder in there:
            self.azure.write(f"delete bundle {folder}", lambda: there.discard(folder))
