"""An appliance, an Azure in memory and the objects that describe regions."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec
import pytest

from tests.worlds.arm_in_memory import ArmInMemory
from tests.worlds.memory_objects import MemoryEnvironments
from tests.worlds.turned_clock import TurnedClock
from vmbackup_operator.environments.bodies import Body
from vmbackup_operator.environments.environment import Environment, Report
from vmbackup_operator.environments.reconciler import EnvironmentReconciler
from vmbackup_operator.environments.regions import Environments, Owner
from vmbackup_operator.environments.seals import RegionSeals
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.naming import ArmId, arm_id, environment_names
from vmbackup_operator.ownership import Ownership
from vmbackup_operator.reconciling.outcome import Outcome
from vmbackup_operator.settings import Settings

SUBSCRIPTION = "11111111-2222-4333-8444-555555555555"
APPLIANCE_NETWORK = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Network"
    "/virtualNetworks/cluster"
)
REPOSITORY = ArmId(
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Storage"
    "/storageAccounts/repository01"
)


def disk_access_of(region: str, subscription: str = SUBSCRIPTION, group: str = "") -> ArmId:
    """Return the id of the first disk access for what lies in the subscription, of the region."""
    names = environment_names("contoso", subscription, region)
    name, resource_type = names.disk_access(0), "Microsoft.Compute/diskAccesses"
    return arm_id(subscription, group or names.resource_group, resource_type, name)


OWNERSHIP = Ownership("contoso", "2026", {"2026": b"k" * 32})


@dataclass
class Appliance:
    """All of it together."""

    settings: Settings
    arm: ArmInMemory
    objects: MemoryEnvironments
    woken: list[ObjectKey] = field(default_factory=list)
    clock: TurnedClock = field(default_factory=TurnedClock)
    ownership: Ownership = OWNERSHIP

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget everything that the process remembers."""
        self.seals = RegionSeals(
            self.settings.appliance, self.ownership.keys, self.settings.snapshot_groups
        )
        owner = Owner(self.settings, self.ownership, self.seals)
        self.regions = Environments(owner, self.arm, self.objects, self.clock, self.woken.append)
        self.reconciler = EnvironmentReconciler(
            self.settings, self.objects, self.regions, self.clock
        )

    async def ready(self, region: str, *accounts: ArmId) -> Environment:
        """Ensure home and *region* to their ends, looking anew."""
        self.later()
        for name in dict.fromkeys(("westeurope", region)):
            report = await self.regions.ensure(SUBSCRIPTION, name, accounts)
            assert report.environment is not None, report.outcome
            environment = report.environment
        return environment

    async def ensure(self, region: str = "westeurope", *accounts: ArmId) -> Report:
        """Ask for *region* once, so much later that nobody has looked lately."""
        self.later()
        return await self.regions.ensure(SUBSCRIPTION, region, accounts)

    async def reconcile(self, key: ObjectKey) -> Outcome:
        """Have the object looked at, so much later that nobody has looked lately."""
        self.later()
        return await self.reconciler.reconcile(key)

    def later(self, seconds: float = 61) -> None:
        """Let what was seen lately grow old."""
        self.clock.turn(seconds)


@pytest.fixture
def settings() -> Settings:
    return msgspec.convert(
        {
            "namespace": "vmbackup",
            "appliance": {
                "id": "contoso",
                "tenantId": SUBSCRIPTION,
                "subscriptionId": SUBSCRIPTION,
                "region": "westeurope",
                "resourceGroup": "rg",
                "virtualNetworkId": APPLIANCE_NETWORK,
                "keyRing": {"secretRef": {"namespace": "vmbackup", "name": "keys"}},
            },
            "workers": {"bundle": "/opt/bundle"},
        },
        Settings,
    )


@pytest.fixture
def appliance(settings: Settings) -> Appliance:
    arm = ArmInMemory()
    space: Body = {"addressSpace": {"addressPrefixes": ["10.240.0.0/16"]}}
    arm.add("VirtualNetwork", APPLIANCE_NETWORK, {"location": "westeurope", "properties": space})
    arm.add("StorageAccount", REPOSITORY, {"location": "westeurope"})
    clock = TurnedClock()
    objects = MemoryEnvironments(clock, settings.namespace)
    return Appliance(settings, arm, objects, clock=clock)
