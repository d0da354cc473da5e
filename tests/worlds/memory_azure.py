"""Azure in memory, as strict as the ports' contracts: what Azure refuses is refused here.

Everything that takes Azure time takes a few looks. Each write is noted in `Azure.asked`, and
`Azure.meets` is called before and after it, which is where the tests kill the operator.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from typing_extensions import override

from tests.worlds.turned_clock import TurnedClock
from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import SnapshotUniqueId
from vmbackup_operator.naming import (
    APPLIANCE_TAG,
    ArmId,
    EnvironmentNames,
    arm_id,
    environment_names,
    resource_group_of,
)
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.sessions import ports, seen
from vmbackup_operator.sessions.keys import KeyRing
from vmbackup_operator.sessions.tags import check_ours

SUBSCRIPTION = "11111111-1111-4111-8111-111111111111"
APPLIANCE = "test-appliance"
HOME = "westeurope"
AWAY = "northeurope"
#: How many looks something takes that Azure takes its time for.
LOOKS = 2


class Refused(PermanentError):
    """What Azure would answer with an error; no test expects one."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="Refused")


def account(region: str) -> seen.Account:
    names = environment_names(APPLIANCE, SUBSCRIPTION, region)
    group = names.resource_group
    resource_type = "Microsoft.Storage/storageAccounts"
    return seen.account_of(arm_id(SUBSCRIPTION, group, resource_type, names.storage_account))


@dataclass
class Azure:
    """The state, and what is done to it."""

    clock: TurnedClock
    machines: dict[str, seen.VirtualMachineSeen] = field(default_factory=dict)
    snapshots: dict[str, seen.SnapshotSeen] = field(default_factory=dict)
    disk_accesses: dict[str, int] = field(default_factory=dict)
    workers: dict[str, seen.WorkerSeen] = field(default_factory=dict)
    worker_tags: dict[str, Mapping[str, str]] = field(default_factory=dict)
    commands: dict[tuple[str, str], seen.CommandWanted] = field(default_factory=dict)
    command_states: dict[tuple[str, str], seen.CommandSeen] = field(default_factory=dict)
    queues: dict[tuple[str, str], list[seen.Received]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    bundles: dict[str, int] = field(default_factory=dict)
    regions: dict[str, int] = field(default_factory=dict)
    #: SAS of snapshots that are open, and when each ends, whoever asks for it again meanwhile.
    sas: dict[str, str] = field(default_factory=dict)
    sas_ends: dict[str, datetime] = field(default_factory=dict)
    #: When what is signed with a delegation key ends, by URL; which keys were revoked.
    signed: dict[str, datetime] = field(default_factory=dict)
    revoked_keys: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    order: list[str] = field(default_factory=list)
    meets: Callable[[str], None] = lambda _what: None
    max_workers: int = 1
    private: bool = True
    fence: Callable[[str], None] = lambda _what: None  # see `lost_keys`
    broken_snapshots: set[str] = field(default_factory=set)
    broken_workers: set[str] = field(default_factory=set)
    _looks: Counter[str] = field(default_factory=Counter)
    _numbers: int = 0

    def write(self, what: str, apply: Callable[[], object]) -> None:
        """Do *apply*, noted as *what*; the operator may be killed on either side of it."""
        self.fence(what)
        self.meets(f"before {what}")
        apply()
        self.asked[what] += 1
        self.order.append(what)
        self.meets(f"after {what}")

    def settled(self, what: str) -> bool:
        """Tell whether *what* has been looked at often enough to be done."""
        self._looks[what] += 1
        return self._looks[what] > LOOKS

    def open_sas(self, snapshot_id: str) -> str | None:
        """Return the SAS that opens the snapshot now; one whose time is over opens nothing."""
        key = snapshot_id.lower()
        if key in self.sas and self.sas_ends[key] <= self.clock.now():
            del self.sas[key]
            self.snapshots[key] = replace(self.snapshots[key], exported=False)
        return self.sas.get(key)

    def opens(self, url: str) -> bool:
        """Tell whether what was signed with a delegation key still opens what it is for."""
        good_key = f"key={self.revoked_keys}&" in url
        return good_key and self.signed.get(url, self.clock.now()) > self.clock.now()

    def number(self) -> int:
        self._numbers += 1
        return self._numbers


class MemoryMachines(ports.VirtualMachines):
    def __init__(self, azure: Azure) -> None:
        self.azure = azure

    @override
    async def find(self, vm_id: ArmId) -> seen.VirtualMachineSeen | None:
        return self.azure.machines.get(vm_id.lower())


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

    @override
    async def seal(self, snapshot_id: ArmId, tags: Mapping[str, str]) -> bool:
        found = self._get(snapshot_id)
        check_ours(self.ring, snapshot_id, found.tags)
        sealed = replace(found, tags={**found.tags, **tags})
        self.azure.write(f"seal {snapshot_id}", lambda: self._put(sealed))
        return False

    def _get(self, snapshot_id: ArmId) -> seen.SnapshotSeen:
        self.azure.open_sas(snapshot_id)
        found = self.azure.snapshots.get(snapshot_id.lower())
        if found is None:
            raise Refused(f"{snapshot_id} does not exist")
        return found

    def _put(self, snapshot: seen.SnapshotSeen) -> None:
        self.azure.snapshots[snapshot.id.lower()] = snapshot


class MemoryDiskAccesses(ports.DiskAccesses):
    def __init__(self, azure: Azure) -> None:
        self.azure = azure

    @override
    async def of_region(self, region: seen.Region) -> Sequence[seen.DiskAccessSeen]:
        names = _names(region)
        return [
            seen.DiskAccessSeen(_disk_access(names, number), ready=True)
            for number in range(30)
            if _disk_access(names, number).lower() in self.azure.disk_accesses
        ]

    @override
    async def ensure(self, region: seen.Region, number: int) -> seen.DiskAccessSeen:
        identity = _disk_access(_names(region), number)
        key = identity.lower()
        if key not in self.azure.disk_accesses:
            self.azure.write(
                f"disk access {identity}", lambda: self.azure.disk_accesses.update({key: 0})
            )
        self.azure.disk_accesses[key] += 1
        return seen.DiskAccessSeen(identity, ready=self.azure.disk_accesses[key] > LOOKS)


def _names(region: seen.Region) -> EnvironmentNames:
    return environment_names(APPLIANCE, region.subscription_id, region.region)


def _disk_access(names: EnvironmentNames, number: int) -> ArmId:
    group, name = names.resource_group, names.disk_access(number)
    return arm_id(SUBSCRIPTION, group, "Microsoft.Compute/diskAccesses", name)


class MemorySignatures(ports.Signatures):
    """Signs with one delegation key, which is kept until it is forgotten."""

    def __init__(self, azure: Azure) -> None:
        self.azure = azure
        self._key: int | None = None

    @override
    async def container(
        self,
        account: seen.Account,
        container: str,
        access: Literal["read", "write_new"],
        until: datetime,
    ) -> seen.SecretUrl:
        return self._signed(f"{account.blob_url}/{container}?sp={access}", until)

    @override
    async def queue(
        self, account: seen.Account, queue: str, access: Literal["take", "send"], until: datetime
    ) -> seen.SecretUrl:
        return self._signed(f"{account.queue_url}/{queue}?sp={access}", until)

    @override
    def forget_keys(self) -> None:
        self._key = None

    def _signed(self, url: str, until: datetime) -> seen.SecretUrl:
        if until - self.azure.clock.now() > timedelta(days=7):
            raise Refused("a delegation key lives seven days")
        if self._key is None:
            self._key = self.azure.revoked_keys
        signed = f"{url}&key={self._key}&sig=secret-{self.azure.number()}"
        self.azure.signed[signed] = until
        return seen.SecretUrl(signed, until)


class MemoryRegions(ports.Regions):
    def __init__(self, azure: Azure) -> None:
        self.azure = azure
        self.ways: set[tuple[str, str]] = set()

    @override
    async def ensure(
        self,
        subscription_id: str,
        region: str,
        repository_accounts: Collection[ArmId],
        not_before: datetime | None = None,
    ) -> seen.Region | Waiting:
        if subscription_id != SUBSCRIPTION:
            raise Refused(f"subscription {subscription_id}")
        self.ways |= {(region, each.lower()) for each in repository_accounts}
        if region not in self.azure.regions:
            self.azure.write(f"region {region}", lambda: self.azure.regions.update({region: 0}))
        self.azure.regions[region] += 1
        if self.azure.regions[region] <= LOOKS:
            return Waiting(2, f"{region} is being made")
        names = environment_names(APPLIANCE, subscription_id, region)
        network = arm_id(
            subscription_id,
            names.resource_group,
            "Microsoft.Network/virtualNetworks",
            names.virtual_network,
        )
        return seen.Region(
            name=region,
            subscription_id=subscription_id,
            region=region,
            resource_group=names.resource_group,
            virtual_network_id=network,
            worker_subnet_id=ArmId(f"{network}/subnets/workers"),
            endpoint_subnet_id=ArmId(f"{network}/subnets/endpoints"),
            blob_zone_id=ArmId(f"{network}/zone"),
            account=account(region),
            worker_size="Standard_D4s_v5",
            worker_image="a:b:c:d",
            max_workers=self.azure.max_workers,
            private=self.azure.private,
        )
