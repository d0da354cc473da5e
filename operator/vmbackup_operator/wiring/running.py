"""Puts the operator together: every adapter behind its port, every reconciler behind the queue."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from vmbackup_core.clock import Clock, SystemClock
from vmbackup_operator.backups.resealing import OldSeals
from vmbackup_operator.backups.retaining.standing_sets import StandingSets
from vmbackup_operator.cluster.backup_sessions import StoredSessions
from vmbackup_operator.cluster.connection import Connection
from vmbackup_operator.cluster.events import ToldEvents
from vmbackup_operator.cluster.objects import Objects
from vmbackup_operator.cluster.recovery_points import StoredRecoveryPoints
from vmbackup_operator.cluster.region_environments import StoredEnvironments
from vmbackup_operator.cluster.restore_sessions import StoredRestores
from vmbackup_operator.cluster.secrets_by_name import KeySecrets
from vmbackup_operator.cluster.undo_records import StoredUndoRecords
from vmbackup_operator.environments.reconciler import EnvironmentReconciler
from vmbackup_operator.environments.regions import Environments, Owner
from vmbackup_operator.environments.seals import RegionSeals
from vmbackup_operator.metrics.arm_counts import ArmCounts
from vmbackup_operator.metrics.picture import Picture
from vmbackup_operator.model.backup_policy import BackupPolicy
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.region_environment import RegionEnvironment
from vmbackup_operator.model.restore_session import RestoreKey, RestoreSession
from vmbackup_operator.policies.presence import Presence
from vmbackup_operator.policies.reconciler import PolicyReconciler
from vmbackup_operator.policies.standing import Surveyor
from vmbackup_operator.reconciling.mistakes import shows_mistakes
from vmbackup_operator.reconciling.outcome import Outcome
from vmbackup_operator.reconciling.work import ENDED_SESSIONS, PRIORITIES, WorkKind
from vmbackup_operator.repositories.reconciler import RepositoryReconciler
from vmbackup_operator.services.archiving import StoredArchiveChains
from vmbackup_operator.services.arm_resources import ArmResources
from vmbackup_operator.services.bundles import AzureBundles
from vmbackup_operator.services.catalogs import StoredCatalogs
from vmbackup_operator.services.clients import Clients
from vmbackup_operator.services.commands import AzureCommands
from vmbackup_operator.services.copies import AzureCopies
from vmbackup_operator.services.credentials import asynchronous_credential, synchronous_credential
from vmbackup_operator.services.data_plane import DataPlane
from vmbackup_operator.services.disk_accesses import AzureDiskAccesses
from vmbackup_operator.services.disks import AzureDisks
from vmbackup_operator.services.fence import Fence, open_fence
from vmbackup_operator.services.machine_parts import AzureMachineParts
from vmbackup_operator.services.mirrored_points import StoredMirror
from vmbackup_operator.services.opened_repositories import OpenedRepositories
from vmbackup_operator.services.operations import Operations
from vmbackup_operator.services.point_books import PointBooks
from vmbackup_operator.services.queues import AzureQueues
from vmbackup_operator.services.regions import AzureRegions, AzureWays
from vmbackup_operator.services.remains import AzureRemains
from vmbackup_operator.services.repositories import StoredPoints, StoredRepositories
from vmbackup_operator.services.repository_stores import RepositoryStores
from vmbackup_operator.services.resource_manager import AzureResourceManager
from vmbackup_operator.services.restore_targets import AzureRestoreTargets
from vmbackup_operator.services.restoring import StoredPointsToRestore
from vmbackup_operator.services.rewound_machines import AzureRewoundMachines
from vmbackup_operator.services.shared_reads import SharedReads
from vmbackup_operator.services.signatures import AzureSignatures
from vmbackup_operator.services.snapshots import AzureSnapshots, SnapshotOwner
from vmbackup_operator.services.upkeep_jobs import RepositoryUpkeep
from vmbackup_operator.services.verification import StoredVerifications
from vmbackup_operator.services.virtual_machine_lists import AzureVirtualMachineLists
from vmbackup_operator.services.virtual_machines import AzureVirtualMachines
from vmbackup_operator.services.worker_disks import AzureWorkerDisks
from vmbackup_operator.services.workers import AzureWorkers
from vmbackup_operator.sessions.allocator import Allocator
from vmbackup_operator.sessions.book import SessionBook
from vmbackup_operator.sessions.booked import BookedSessions, SessionsOfAllKinds
from vmbackup_operator.sessions.ground import Ground, Pacing
from vmbackup_operator.sessions.idling import IdleWorkers, WorkerGroup
from vmbackup_operator.sessions.intake import Intake, Surroundings
from vmbackup_operator.sessions.keys import KeyRing
from vmbackup_operator.sessions.left_behind import LeftBehind
from vmbackup_operator.sessions.reconciler import SessionReconciler
from vmbackup_operator.sessions.seen_regions import SeenRegions
from vmbackup_operator.settings import Settings
from vmbackup_operator.sweeping.sweeper import Surroundings as Sweeping
from vmbackup_operator.sweeping.sweeper import Sweeper
from vmbackup_operator.upkeep.busy_runs import KnownRuns
from vmbackup_operator.upkeep.departing import DepartedRepositories
from vmbackup_operator.upkeep.reconciler import UpkeepReconciler
from vmbackup_operator.upkeep.surroundings import Surroundings as Upkeep
from vmbackup_operator.wiring.launches import launches_of
from vmbackup_operator.wiring.operating import Operator, Reconcile, take_in, take_in_restores
from vmbackup_operator.wiring.pictured import LIST_S, lists_all, picture_of
from vmbackup_operator.wiring.tables import UNDO, backup_sessions, restore_sessions


@dataclass(frozen=True, slots=True)
class _Azure:
    """What every adapter for Azure is made of."""

    resources: ArmResources
    operations: Operations
    data_plane: DataPlane
    stores: RepositoryStores
    seals: RegionSeals
    fence: Fence


@contextlib.asynccontextmanager
async def azure_adapters(
    clock: Clock, seals: RegionSeals, fence: Fence = open_fence, counts: ArmCounts | None = None
) -> AsyncIterator[_Azure]:
    """Yield what the adapters for Azure are made of, with the environment's identity.

    Every write to Azure asks *fence* first, and every one to Resource Manager *seals*; *counts*
    has every request to that.
    """
    clients = Clients(asynchronous_credential(), clock, fence, counts=counts)
    azure = _Azure(
        ArmResources(clients, SharedReads(clock), seals),
        Operations(),
        DataPlane(clients),
        RepositoryStores(synchronous_credential(), fence),
        seals,
        fence,
    )
    try:
        yield azure
    finally:
        await azure.operations.close()
        azure.stores.close()
        await azure.data_plane.close()
        await clients.close()


@contextlib.asynccontextmanager
async def running(
    settings: Settings,
    ring: KeyRing,
    connection: Connection,
    instance: str,
    fence: Fence,
    counts: ArmCounts,
) -> AsyncIterator[Operator]:
    """Build the operator and have it work for as long as the context lasts.

    *fence* raises where this process may not write to Azure at this moment; *counts* has what it
    asks of Resource Manager.
    """
    clock = SystemClock()
    seals = RegionSeals(settings.appliance, ring.keys, settings.snapshot_groups)
    async with azure_adapters(clock, seals, fence, counts) as azure:
        operator = Operator(settings.appliance.id)
        parts = _Parts(settings, ring, clock, connection, azure, operator, instance)
        operator.serve(parts.reconcilers())
        operator.sessions, operator.restores = parts.booked, parts.booked_restores
        operator.picture = parts.picture()
        await take_in_restores(operator, parts.restores, parts.booked_restores)
        grace_s = settings.sweeper.grace_seconds
        await take_in(operator, parts.sessions, parts.booked, grace_s)
        operator.queue.add_within(ENDED_SESSIONS, LIST_S, priority=PRIORITIES["EndedSessions"])
        intake = asyncio.create_task(parts.intake.run(), name="events intake")

        async def end_intake() -> None:
            intake.cancel()
            await asyncio.gather(intake, return_exceptions=True)

        operator.ends_with(end_intake)
        operator.ends_with(parts.environments.close)
        operator.ends_with(parts.opened.close)
        operator.ends_with(azure.operations.close)
        try:
            async with operator.queue.running():
                # Its environment comes up while nobody waits for it yet.
                await parts.environments.ensure_home_object()
                yield operator
        finally:
            await operator.end()


class _Parts:
    """The operator's parts, each made once."""

    def __init__(  # noqa: PLR0913, PLR0917 - all that the parts have in common
        self,
        settings: Settings,
        ring: KeyRing,
        clock: Clock,
        connection: Connection,
        azure: _Azure,
        operator: Operator,
        instance: str,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._operator = operator
        self._azure = azure
        self._connection = connection
        appliance = settings.appliance
        book = SessionBook()
        self.sessions = StoredSessions(connection, book.ended)
        self.policies = Objects(connection, BackupPolicy)
        self.point_objects = StoredRecoveryPoints(connection, settings.appliance.id)
        self.repositories = Objects(connection, BackupRepository)
        self.restores = StoredRestores(connection, book.ended)
        self.environment_objects = StoredEnvironments(connection, settings.namespace)
        self.secrets = KeySecrets(connection)
        self.events = ToldEvents(connection, clock, instance)
        self.environments = Environments(
            Owner(settings, ring.ownership(appliance.id), azure.seals),
            AzureResourceManager(azure.resources, azure.operations),
            self.environment_objects,
            clock,
            lambda key: operator.seen("RegionEnvironment", key),
        )
        self.virtual_machines = AzureVirtualMachines(azure.resources)
        regions = SeenRegions(appliance, AzureRegions(self.environments), clock)
        self.opened = OpenedRepositories(azure.stores, appliance.id, clock)
        self._books = PointBooks()
        signatures = AzureSignatures(azure.data_plane, clock)
        queues = AzureQueues(azure.data_plane, signatures)
        self._bundles = AzureBundles(
            azure.data_plane, signatures, azure.operations, clock, settings.workers.bundle_path
        )
        wake = self._wake_session
        azure.seals.ask(lambda: launches_of(book.unfinished()))
        allocator = Allocator(book, wake)
        around = (book, allocator, operator.sessions_stirred)
        self.booked = BookedSessions(BackupSession, self.sessions, *around)
        self.booked_restores = BookedSessions(RestoreSession, self.restores, *around)
        sessions = SessionsOfAllKinds(self.booked, self.booked_restores)
        self.intake = Intake(ring, clock, Surroundings(queues, sessions, wake))
        ownership = ring.ownership(appliance.id)
        self.ground = Ground(
            settings=settings,
            ring=ring,
            clock=clock,
            pacing=Pacing(worker_timeout_s=settings.workers.timeout_seconds),
            regions=regions,
            virtual_machines=self.virtual_machines,
            snapshots=AzureSnapshots(
                azure.resources, azure.operations, SnapshotOwner(appliance.id, ring)
            ),
            disk_accesses=AzureDiskAccesses(azure.resources, self.environments, appliance.id),
            workers=AzureWorkers(azure.resources, azure.operations, ownership),
            commands=AzureCommands(azure.resources, azure.operations, ownership),
            bundles=self._bundles,
            signatures=signatures,
            queues=queues,
            points=StoredPoints(self.opened, self.secrets, appliance.id, self._books),
            verifications=StoredVerifications(self.opened, self.secrets),
            disks=AzureDisks(azure.resources, azure.operations, ownership),
            points_to_restore=StoredPointsToRestore(self.opened, self.secrets),
            targets=AzureRestoreTargets(azure.resources, ownership),
            machine_parts=AzureMachineParts(azure.resources, azure.operations, ownership),
            rewound_machines=AzureRewoundMachines(azure.resources, azure.operations),
            worker_disks=AzureWorkerDisks(azure.resources, azure.operations, ownership),
            copies=AzureCopies(azure.resources, azure.operations, ownership),
            archive_chains=StoredArchiveChains(self.opened, self.secrets),
            sessions=sessions,
            book=book,
            allocator=allocator,
            undo_records=StoredUndoRecords(connection, settings.namespace, appliance.id),
            repositories=self.repositories,
            policies=self.policies,
            point_objects=self.point_objects,
            events=self.events,
            wake=wake,
            listen=self.intake.listen,
            silence=self.intake.silence_of,
        )
        self.idle = IdleWorkers(self.ground, self._worker_groups)
        self.sweeper = self._sweeper()

    def picture(self) -> Picture:
        """Return what metrics are computed from."""
        lookers, queue = (self.idle, self.sweeper), self._operator.queue
        appliance_id = self._settings.appliance.id
        return picture_of(appliance_id, self._clock, self.ground.book, queue, lookers)

    def reconcilers(self) -> Mapping[WorkKind, Reconcile]:
        """Return who looks at each kind."""
        settings, clock = self._settings, self._clock
        plain: Mapping[WorkKind, Reconcile] = {
            "BackupPolicy": PolicyReconciler(
                settings,
                clock,
                self.policies,
                self.sessions,
                Surveyor(
                    settings,
                    self.repositories,
                    Presence(
                        clock,
                        AzureVirtualMachineLists(self._azure.resources.clients),
                        settings.discovery.interval_seconds,
                    ),
                    self.environments,
                ),
                self.events,
            ).reconcile,
            "BackupSession": SessionReconciler(self.ground, backup_sessions(self.booked)).reconcile,
            "BackupRepository": RepositoryReconciler(
                settings,
                clock,
                self.repositories,
                self.secrets,
                AzureWays(self.environments, settings.appliance),
                StoredRepositories(self.opened),
            ).reconcile,
            "Upkeep": self._upkeep().reconcile,
            "DepartedRepository": DepartedRepositories(
                self.repositories, self.point_objects
            ).reconcile,
            "RegionEnvironment": EnvironmentReconciler(
                settings, self.environment_objects, self.environments, clock
            ).reconcile,
            "RestoreSession": SessionReconciler(
                self.ground, restore_sessions(self.booked_restores)
            ).reconcile,
            "IdleWorkers": _of_all(self.idle.reconcile),
            "LeftBehind": _of_all(LeftBehind(self.ground, UNDO).reconcile),
            "OldSeals": _of_all(OldSeals(self.ground).reconcile),
            "StandingSets": _of_all(StandingSets(self.ground, self.point_objects).reconcile),
            "Sweeper": _of_all(self.sweeper.reconcile),
            "EndedSessions": _of_all(lists_all(self.sessions.all, self.restores.all)),
        }
        return {**plain, **self._showing_mistakes(plain)}

    def _sweeper(self) -> Sweeper:
        appliance = self._settings.appliance
        ownership = self.ground.ring.ownership(appliance.id)
        remains = AzureRemains(
            self._azure.resources,
            self._azure.data_plane,
            self._bundles,
            (appliance, ownership),
            self.environment_objects.list,
        )
        catalogs = StoredCatalogs(self.opened, self.secrets)
        return Sweeper(self.ground, Sweeping(remains, catalogs, self.repositories, self.events))

    def _upkeep(self) -> UpkeepReconciler:
        """Return who keeps repositories up; a mistake of ours is shown at its job."""
        ground, operator, books = self.ground, self._operator, self._books
        return UpkeepReconciler(
            Upkeep(
                appliance_id=self._settings.appliance.id,
                clock=self._clock,
                repositories=self.repositories,
                secrets=self.secrets,
                jobs=RepositoryUpkeep(self.opened, self._azure.fence, self._clock, books),
                policies=self.policies,
                busy_runs=KnownRuns(
                    ground.book, ground.undo_records, self._clock, lambda: operator.taken_in
                ),
                due=ground.verifications,
                sessions=self.sessions,
                points=StoredMirror(self.opened, self._clock, books),
                point_objects=self.point_objects,
                events=self.events,
            )
        )

    def _showing_mistakes(
        self, plain: Mapping[WorkKind, Reconcile]
    ) -> Mapping[WorkKind, Reconcile]:
        """Return those of *plain* whose objects have no steps to show a mistake of ours in."""
        environments = Objects(self._connection, RegionEnvironment)
        around = (self.events, self._clock)
        return {
            "BackupPolicy": shows_mistakes(plain["BackupPolicy"], self.policies, *around),
            "BackupRepository": shows_mistakes(
                plain["BackupRepository"], self.repositories, *around
            ),
            "RegionEnvironment": shows_mistakes(plain["RegionEnvironment"], environments, *around),
        }

    def _wake_session(self, key: ObjectKey) -> None:
        if isinstance(key, RestoreKey):
            self._operator.seen("RestoreSession", key.at)
        else:
            self._operator.seen("BackupSession", key)

    async def _worker_groups(self) -> Sequence[WorkerGroup]:
        """Return where workers may be: the groups of the regions that were ever ready."""
        environments = await self.environment_objects.list()
        return [
            WorkerGroup(environment.spec.subscription_id, environment.status.resource_group)
            for environment in environments
            if environment.status.resource_group is not None
        ]


def _of_all(reconcile: Callable[[], Awaitable[Outcome]]) -> Reconcile:
    """Return what looks at everything of its kind, whatever key it is asked with."""
    return lambda _key: reconcile()
