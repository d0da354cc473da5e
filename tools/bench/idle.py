"""An idle hour over the memory world, with its clock turned: ``python -m tools.bench.idle``.

Two policies, of which one selects its VMs by a tag, with their repository, whose upkeep is hours
away, workers that were given back, finished sessions: what the product's reconcilers ask of Azure
and of Kubernetes in the hour in which those workers' idle time ends, and in the one after it, in
which nothing happens. The Lease, which is not in this world, is said too.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import msgspec
from typing_extensions import override

from tests.worlds.memory_azure import APPLIANCE, AWAY, HOME, SUBSCRIPTION
from tests.worlds.memory_cluster import ready_repository
from tests.worlds.memory_remains import MemoryRemains
from tests.worlds.memory_repositories import MemoryOpening, MemorySecrets
from tests.worlds.memory_upkeep import MemoryMirror, MemoryUpkeepJobs, MemoryVerifications
from tools.bench.fleet import Size, put_repository, sessions_of
from tools.bench.limited_azure import LimitedRegions, Surroundings
from tools.bench.scale import Run
from vmbackup_core.ids import RepositoryId
from vmbackup_operator.backups.resealing import OldSeals
from vmbackup_operator.backups.retaining.standing_sets import StandingSets
from vmbackup_operator.cluster.events import ToldEvents
from vmbackup_operator.cluster.leadership import Terms
from vmbackup_operator.cluster.objects import Objects
from vmbackup_operator.cluster.recovery_points import StoredRecoveryPoints
from vmbackup_operator.model.backup_policy import BackupPolicy
from vmbackup_operator.model.backup_repository import BackupRepository, UpkeepWanted
from vmbackup_operator.model.metadata import API_VERSION, GROUP, VERSION, ObjectKey
from vmbackup_operator.naming import ArmId, environment_names
from vmbackup_operator.policies import ports
from vmbackup_operator.policies.presence import Presence
from vmbackup_operator.policies.reconciler import PolicyReconciler
from vmbackup_operator.policies.standing import Surveyor
from vmbackup_operator.reconciling.outcome import Outcome, Waiting
from vmbackup_operator.reconciling.work import AFTER_SESSIONS, STANDING_SETS, SWEEPER
from vmbackup_operator.repositories.ports import RepositorySeen, Ways
from vmbackup_operator.repositories.reconciler import RepositoryReconciler
from vmbackup_operator.services.catalogs import StoredCatalogs
from vmbackup_operator.services.shared_reads import Group, group
from vmbackup_operator.sessions.idling import IdleWorkers, WorkerGroup
from vmbackup_operator.sessions.left_behind import LeftBehind
from vmbackup_operator.sweeping.sweeper import Surroundings as Sweeping
from vmbackup_operator.sweeping.sweeper import Sweeper
from vmbackup_operator.sweeping.things import LeftParts, Place
from vmbackup_operator.upkeep.busy_runs import KnownRuns
from vmbackup_operator.upkeep.reconciler import UpkeepReconciler
from vmbackup_operator.upkeep.surroundings import Surroundings as Upkeep
from vmbackup_operator.wiring.tables import UNDO

_HOUR_S = 3600.0
_SETTLED_S = 900.0
_KEY = ObjectKey("team-00", "nightly")
#: A second policy, which selects VMs by a tag that all of them have.
_SELECTING = ObjectKey("team-00", "selecting")
_TAGS = {"backup": "nightly"}


def measure() -> dict[str, Any]:
    """Return the figures, measured in a process of its own."""
    command = [sys.executable, "-m", "tools.bench.idle"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


class LimitedMachineLists(ports.VirtualMachineLists):
    """Lists of VMs cost their pages."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around

    @override
    async def of_group(
        self, subscription_id: str, resource_group: str
    ) -> Sequence[ports.MachineListed]:
        return await self._list(group(subscription_id, resource_group))

    @override
    async def of_subscription(self, subscription_id: str) -> Sequence[ports.MachineListed]:
        return await self._list(group(subscription_id, ""))

    async def _list(self, where: Group) -> Sequence[ports.MachineListed]:
        machines = self._around.azure.machines.values()
        await self._around.list(where, "virtualMachines", len(machines))
        return [ports.MachineListed(each.id, tags=_TAGS) for each in machines]


class LimitedWays(Ways):
    """The way to an account costs a pass over the home region."""

    def __init__(self, around: Surroundings) -> None:
        self._regions = LimitedRegions(around)

    @override
    async def ensure(self, storage_account_id: ArmId, region: str) -> Waiting | None:
        found = await self._regions.ensure(SUBSCRIPTION, HOME, (storage_account_id,))
        return found if isinstance(found, Waiting) else None


class LimitedRemains(MemoryRemains):
    """What is left costs a list for each kind that Resource Manager lists."""

    def __init__(self, around: Surroundings, regions: Sequence[str]) -> None:
        super().__init__(around.azure, regions)
        self._around = around

    @override
    async def places(self) -> Sequence[Place]:
        await self._around.list(group(SUBSCRIPTION, ""), "storageAccounts", len(self.regions))
        return await super().places()

    @override
    async def parts(self, place: Place) -> Sequence[LeftParts]:
        for kind in ("virtualMachines", "networkInterfaces", "disks"):
            where = group(SUBSCRIPTION, place.resource_group)
            await self._around.list(where, kind, len(self.azure.workers))
        return await super().parts(place)

    @override
    async def commands(self, vm_id: ArmId) -> Sequence[str]:
        await self._around.list(group(SUBSCRIPTION, vm_id), "runCommands", 1)
        return await super().commands(vm_id)


def _sweeping(run: Run, objects: Objects[BackupRepository]) -> Sweeping:
    points = run.fleet.points
    return Sweeping(
        LimitedRemains(run.measured.around, (HOME, AWAY)),
        StoredCatalogs(points.opened_repositories, points.secrets),
        objects,
        ToldEvents(run.server, run.clock, "bench"),
    )


def _repositories(run: Run, objects: Objects[BackupRepository]) -> RepositoryReconciler:
    secrets, opening = MemorySecrets(), MemoryOpening()
    secrets.keep(ObjectKey("team", "repo-key"), {"key": bytes(32)})
    opening.found = RepositorySeen(RepositoryId("0" * 32), APPLIANCE, "f" * 32, "1.0", 4)
    settings, ways = run.measured.ground.settings, LimitedWays(run.measured.around)
    return RepositoryReconciler(settings, run.clock, objects, secrets, ways, opening)


def _upkeep(run: Run, objects: Objects[BackupRepository]) -> UpkeepReconciler:
    measured, ground, secrets = run.measured, run.measured.ground, MemorySecrets()
    secrets.keep(ObjectKey("team", "repo-key"), {"key": bytes(32)})
    return UpkeepReconciler(
        Upkeep(
            appliance_id=APPLIANCE,
            clock=run.clock,
            repositories=objects,
            secrets=secrets,
            jobs=MemoryUpkeepJobs(),
            policies=Objects(run.server, BackupPolicy),
            busy_runs=KnownRuns(measured.book, ground.undo_records, run.clock, lambda: True),
            due=MemoryVerifications(),
            sessions=measured.stored,
            points=MemoryMirror(),
            point_objects=StoredRecoveryPoints(run.server, APPLIANCE),
            events=ToldEvents(run.server, run.clock, "bench"),
        )
    )


def _serve(run: Run) -> None:
    """Have everything looked at that an idle operator looks at, as wiring does."""
    measured, ground = run.measured, run.measured.ground
    lists = LimitedMachineLists(measured.around)
    repositories = Objects(run.server, BackupRepository)
    policies = PolicyReconciler(
        ground.settings,
        run.clock,
        Objects(run.server, BackupPolicy),
        measured.stored,
        Surveyor(
            ground.settings,
            repositories,
            Presence(run.clock, lists, ground.settings.discovery.interval_seconds),
            LimitedRegions(measured.around),
        ),
        ToldEvents(run.server, run.clock, "bench"),
    )

    async def groups() -> Sequence[WorkerGroup]:
        names = environment_names(ground.settings.appliance.id, SUBSCRIPTION, AWAY)
        return [WorkerGroup(SUBSCRIPTION, names.resource_group)]

    idle, left = IdleWorkers(ground, groups), LeftBehind(ground, UNDO)

    async def idle_workers(_key: ObjectKey) -> Outcome:
        return await idle.reconcile()

    async def left_behind(_key: ObjectKey) -> Outcome:
        return await left.reconcile()

    async def old_seals(_key: ObjectKey) -> Outcome:
        return await OldSeals(ground).reconcile()

    sets = StandingSets(ground, StoredRecoveryPoints(run.server, APPLIANCE))

    async def standing_sets(_key: ObjectKey) -> Outcome:
        return await sets.reconcile()

    sweeping = Sweeper(ground, _sweeping(run, repositories))

    async def sweeper(_key: ObjectKey) -> Outcome:
        return await sweeping.reconcile()

    measured.serve(
        {
            "BackupSession": measured.reconciler.reconcile,
            "BackupPolicy": policies.reconcile,
            "BackupRepository": _repositories(run, repositories).reconcile,
            "Upkeep": _upkeep(run, repositories).reconcile,
            "IdleWorkers": idle_workers,
            "LeftBehind": left_behind,
            "OldSeals": old_seals,
            "StandingSets": standing_sets,
            "Sweeper": sweeper,
        }
    )


def policy_document(key: ObjectKey, machines: dict[str, Any]) -> dict[str, Any]:
    """Return a policy whose next slot is hours away."""
    return {
        "apiVersion": API_VERSION,
        "kind": "BackupPolicy",
        "metadata": {"name": key.name, "namespace": key.namespace, "generation": 1},
        "spec": {
            "repositoryRef": {"name": "repo", "namespace": "team"},
            "virtualMachines": machines,
            "retention": {"last": 3},
            "schedule": {"cron": "0 20 * * *", "timeZone": "Etc/UTC"},
        },
    }


def _put_policy(run: Run, key: ObjectKey, machines: dict[str, Any]) -> None:
    path = f"/apis/{GROUP}/{VERSION}/namespaces/{key.namespace}/backuppolicies/{key.name}"
    run.server.put(path, policy_document(key, machines))


async def _idle(run: Run, found: dict[str, Any]) -> None:
    sessions = list(sessions_of(run.fleet.size))
    selector = {"scopes": [f"/subscriptions/{SUBSCRIPTION}"], "tags": [{"name": "backup"}]}
    with run.clock.in_the_world():
        put_repository(run.server, UpkeepWanted(schedule="0 20 * * *"))
        _put_policy(run, _KEY, {"ids": [vm_id for _, vm_id in sessions]})
        _put_policy(run, _SELECTING, {"selector": selector})
    operator = run.measured.operator
    async with run.running():
        for key in (_KEY, _SELECTING):
            operator.seen("BackupPolicy", key)
        for kind in ("BackupRepository", "Upkeep"):
            operator.seen(kind, ready_repository().metadata.key)
        for work in (*AFTER_SESSIONS, STANDING_SETS, SWEEPER):
            operator.queue.add(work)
        run.put(sessions)
        await run.until_all_ended()
        await run.pause(_SETTLED_S)
        found["hour_of_the_workers_end"] = await _hour(run)
        found |= await _hour(run)
    found["lease_writes_beside_these"] = round(_HOUR_S / Terms().retry_s)


async def _hour(run: Run) -> dict[str, Any]:
    """Return what an hour asks for."""
    run.forget_requests()
    await run.pause(_HOUR_S)
    return {
        "workers_at_its_end": len(run.fleet.azure.workers),
        "arm_requests": sum(run.manager.requests.values()),
        "arm_by_kind": dict(run.manager.kinds),
        "kubernetes_reads": run.server.reads.total(),
        "kubernetes_writes": run.server.writes.total(),
        "kubernetes_by_kind": dict(run.server.reads + run.server.writes),
        "queue_requests": run.measured.queues.requests.total(),
    }


def main() -> int:
    """Measure and print."""
    logging.disable(logging.INFO)
    run = Run(Size(sessions=4, machines=4, namespaces=1, regions=1))
    found: dict[str, Any] = {}
    _serve(run)
    run.loop.run_until_complete(_idle(run, found))
    print(msgspec.json.format(msgspec.json.encode(found)).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
