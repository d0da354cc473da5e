"""Policies over a real API server: statuses, Skipped sessions and Events as they are there."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from tests.cluster.crd_objects import RIGHT, Writer, changed
from tests.worlds.memory_cluster import ready_repository
from tests.worlds.memory_objects import MemoryObjects
from tests.worlds.memory_policies import MemoryMachineLists, MemoryOtherSubscriptions
from tests.worlds.samples import SETTINGS, VM
from tests.worlds.turned_clock import TurnedClock
from tools.local_cloud.control_plane import ControlPlane
from vmbackup_operator.cluster.backup_sessions import StoredSessions
from vmbackup_operator.cluster.connection import Connection, connected
from vmbackup_operator.cluster.events import ToldEvents
from vmbackup_operator.cluster.objects import Objects
from vmbackup_operator.model.backup_policy import BackupPolicy
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.metadata import TRIGGER_ANNOTATION, ObjectKey
from vmbackup_operator.naming import ArmId
from vmbackup_operator.policies.presence import Presence
from vmbackup_operator.policies.reconciler import PolicyReconciler
from vmbackup_operator.policies.standing import Surveyor
from vmbackup_operator.settings import Settings, Tenant

pytestmark = pytest.mark.control_plane

VMS = [ArmId(VM.replace("web-01", f"vm-{number}")) for number in range(3)]


def settings_for(namespace: str) -> Settings:
    scope = f"/subscriptions/{SETTINGS.appliance.subscription_id}"
    tenant = Tenant(namespace, (scope,), (f"{namespace}/*",))
    return replace(SETTINGS, tenancy=(tenant,))


class Stage:
    """A policy of three VMs with room for one, on the API server; Azure is in memory."""

    def __init__(self, connection: Connection, namespace: str) -> None:
        self.key = ObjectKey(namespace, "right")
        self.clock = TurnedClock(datetime.now(UTC))
        self.sessions = StoredSessions(connection)
        self.policies = Objects(connection, BackupPolicy)
        repositories = MemoryObjects(BackupRepository, self.clock)
        self.machines = machines = MemoryMachineLists()
        repositories.put(ready_repository("west-europe", namespace))
        machines.there = set(VMS)
        settings = settings_for(namespace)
        self.reconciler = PolicyReconciler(
            settings,
            self.clock,
            self.policies,
            self.sessions,
            Surveyor(
                settings,
                repositories,
                Presence(self.clock, machines, interval_s=3600),
                MemoryOtherSubscriptions(),
            ),
            ToldEvents(connection, self.clock, "test"),
        )

    async def look(self) -> BackupPolicy:
        await self.reconciler.reconcile(self.key)
        found = await self.policies.find(self.key)
        assert found is not None
        return found


async def test_a_policys_occasion_is_kept_by_the_api_server_and_told_by_its_events(
    connection: Connection, installed: ControlPlane, namespace: str
) -> None:
    manifest = changed(RIGHT["backuppolicies"], "spec.virtualMachines.ids", [*VMS])
    manifest = changed(manifest, "spec.maxConcurrentSessions", 1)
    async with connected(str(installed.administrator.kubeconfig)) as administrator:
        writer = Writer(administrator, namespace)
        await writer.create("backuppolicies", manifest)
        stage = Stage(connection, namespace)
        await stage.look()
        annotation = {TRIGGER_ANNOTATION: "go"}
        await writer.merge("backuppolicies", "metadata.annotations", annotation)
        policy = await stage.look()
        occasion = policy.status.occasion
        assert occasion is not None
        assert occasion.trigger is not None
        assert occasion.trigger.first_seen == stage.clock.now()
        assert (occasion.last, occasion.ended) == (VMS[0], False)

        await writer.merge("backuppolicies", "spec.suspend", value=True)
        policy = await stage.look()

    assert policy.status.occasion is not None
    assert policy.status.occasion.ended
    user = installed.administrator

    def names(outcome: str) -> int:
        selector = f"--field-selector=status.outcome={outcome}"
        return len(user.get("bses", "-n", namespace, selector)["items"])

    assert (names(""), names("Skipped")) == (1, 2)
    described = user.kubectl("describe", "bpol", "right", "-n", namespace)
    assert "trigger go: no turn for vm-1, vm-2: the policy was suspended" in described
    assert "OccasionBegun" in described
    shown = user.kubectl("get", "bses", "-n", namespace)
    assert shown.count("Skipped") == 2


async def test_what_a_selector_finds_is_kept_by_the_api_server_and_told(
    connection: Connection, installed: ControlPlane, namespace: str
) -> None:
    scope = f"/subscriptions/{SETTINGS.appliance.subscription_id}"
    tag = {"name": "Backup", "values": ["nightly", ""]}
    exclude = {"tags": [{"name": "skip"}], "ids": [VMS[0]]}
    selector = {"scopes": [scope, f"{scope}/resourceGroups/prod"], "tags": [tag]}
    wanted = {"selector": {**selector, "exclude": exclude}}
    manifest = changed(RIGHT["backuppolicies"], "spec.virtualMachines", wanted)
    async with connected(str(installed.administrator.kubeconfig)) as administrator:
        await Writer(administrator, namespace).create("backuppolicies", manifest)
    stage = Stage(connection, namespace)
    stage.machines.tags = {VMS[1]: {"backup": "nightly"}, VMS[2]: {"backup": "weekly"}}
    stage.machines.ephemeral.add(VMS[2])
    policy = await stage.look()
    assert policy.spec.virtual_machines.selector is not None
    stage.machines.tags[VMS[2]] = {"BACKUP": ""}
    stage.clock.turn(3600)
    await stage.look()
    stage.machines.ephemeral.clear()
    stage.clock.turn(3600)
    policy = await stage.look()

    shown = policy.status.virtual_machines
    assert shown is not None
    assert [each.name.lower() for each in shown.found] == ["prod/vm-2"]
    words = ("get", "bpol", "-n", namespace, "--no-headers")
    assert installed.administrator.kubectl(*words).split()[1] == "2"
    described = installed.administrator.kubectl("describe", "bpol", "right", "-n", namespace)
    assert "backed up from now on: PROD/VM-2" in described
