"""What lies in Azure that sessions made: found by lists, by names, and by the seals of accounts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from typing_extensions import override

from vmbackup_operator.arm_ids import folded
from vmbackup_operator.environments.bodies import Body, body_at, text_at
from vmbackup_operator.environments.plan import MESSAGES_CONTAINER
from vmbackup_operator.model.region_environment import RegionEnvironment
from vmbackup_operator.naming import (
    QUEUES,
    ArmId,
    arm_id,
    environment_names,
    is_launch_command,
    is_queue_of_worker,
    launch_of_blob,
    name_of,
    worker_of_vm_name,
)
from vmbackup_operator.ownership import Ownership
from vmbackup_operator.services.arm_resources import ArmResources
from vmbackup_operator.services.bundles import AzureBundles
from vmbackup_operator.services.data_plane import DataPlane
from vmbackup_operator.services.disks import disk_made
from vmbackup_operator.services.failures import translated
from vmbackup_operator.services.resource_kinds import address
from vmbackup_operator.sessions.seen import Account, account_of
from vmbackup_operator.settings import Appliance
from vmbackup_operator.sweeping.ports import Remains
from vmbackup_operator.sweeping.things import LeftParts, LeftUpload, Place

#: The environments of this appliance, as they are.
Environments = Callable[[], Awaitable[Sequence[RegionEnvironment]]]


class AzureRemains(Remains):
    """Lists, each of which costs one request for a region or an account."""

    def __init__(
        self,
        resources: ArmResources,
        data_plane: DataPlane,
        bundles: AzureBundles,
        owner: tuple[Appliance, Ownership],
        environments: Environments,
    ) -> None:
        self._resources = resources
        self._data_plane = data_plane
        self._bundles = bundles
        self._appliance, self._ownership = owner
        self._environments = environments

    @override
    async def places(self) -> Sequence[Place]:
        own = folded(self._appliance.subscription_id)
        environments = await self._environments()
        subscriptions = {own, *(folded(each.spec.subscription_id) for each in environments)}
        known = {
            folded(each.status.resource_group)
            for each in environments
            if each.status.resource_group is not None
        }
        found: list[Place] = []
        for subscription in sorted(subscriptions):
            accounts = await self._resources.storage_accounts(subscription)
            found += [
                self._place(subscription, each, known) for each in accounts if self._owns(each)
            ]
        return found

    def _owns(self, account: Body) -> bool:
        return self._ownership.owns(_id(account), body_at(account, "tags"))

    def _place(self, subscription: str, account: Body, known: set[str]) -> Place:
        region = folded(text_at(account, "location")).replace(" ", "")
        names = environment_names(self._appliance.id, subscription, region)
        is_own = subscription == folded(self._appliance.subscription_id)
        return Place(
            subscription,
            region,
            names.resource_group,
            account_of(_id(account)),
            is_home=is_own and region == folded(self._appliance.region),
            looked_after=folded(names.resource_group) in known,
        )

    @override
    async def parts(self, place: Place) -> Sequence[LeftParts]:
        where = (place.subscription_id, place.resource_group)
        there = {
            folded(name_of(_id(body)))
            for body in await self._resources.of_group("VirtualMachine", *where)
        }
        interfaces = await self._resources.of_group("NetworkInterface", *where)
        disks = await self._resources.of_group("Disk", *where)
        names = {folded(name_of(_id(body))) for body in (*interfaces, *disks)}
        found: list[LeftParts] = []
        for name in sorted(names - there):
            worker = worker_of_vm_name(name)
            if worker is not None:
                vm_id = arm_id(*where, "Microsoft.Compute/virtualMachines", name)
                found.append(LeftParts(vm_id, worker))
        return found

    @override
    async def commands(self, vm_id: ArmId) -> Sequence[str]:
        at = address(vm_id)
        clients = self._resources.clients
        commands = clients.compute(at.subscription_id).virtual_machine_run_commands
        with clients.translated(f"listing the commands of worker {at.name}"):
            listed = commands.list_by_virtual_machine(at.group, at.name)
            names = [text_at(dict(each.as_dict()), "name") async for each in listed]
        return [name for name in names if is_launch_command(name)]

    @override
    async def queues(self, account: Account) -> Sequence[str]:
        with translated(f"listing queues in {name_of(account.id)}"):
            listed = self._data_plane.queues(account).list_queues(name_starts_with=QUEUES)
            names = [queue.name async for queue in listed]
        return [name for name in names if is_queue_of_worker(name)]

    @override
    async def messages(self, account: Account) -> Sequence[str]:
        container = self._data_plane.blobs(account).get_container_client(MESSAGES_CONTAINER)
        with translated(f"listing messages in {name_of(account.id)}"):
            launches = {launch_of_blob(name) async for name in container.list_blob_names()}
        return sorted(launch for launch in launches if launch is not None)

    @override
    async def old_bundles(self, account: Account) -> Sequence[str]:
        return await self._bundles.find_outdated(account)

    @override
    async def uploads(
        self, subscription_id: str, resource_group: str | None
    ) -> Sequence[LeftUpload]:
        if resource_group is None:
            disks = await self._disks_of(subscription_id)
        else:
            disks = await self._resources.of_group("Disk", subscription_id, resource_group)
        made = (disk_made(each, self._ownership) for each in disks)
        return [
            LeftUpload(each.id, each.run_id)
            for each in made
            if each.run_id is not None and each.takes_upload
        ]

    async def _disks_of(self, subscription_id: str) -> Sequence[Body]:
        disks = self._resources.clients.compute(subscription_id).disks
        with self._resources.clients.translated(f"listing each disk of {subscription_id}"):
            return [dict(disk.as_dict()) async for disk in disks.list()]

    @override
    async def delete_bundle(self, account: Account, folder: str) -> None:
        await self._bundles.delete(account, folder)


def _id(body: Body) -> ArmId:
    return ArmId(text_at(body, "id"))
