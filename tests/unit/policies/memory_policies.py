"""What policies rest on, in memory: objects with resourceVersions, VMs that exist or do not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from msgspec.structs import replace
from typing_extensions import override

from tests.unit.sessions.memory_cluster import ready_repository
from tests.unit.sessions.memory_world import SETTINGS
from tests.unit.sessions.turned_clock import TurnedClock
from vmbackup_operator.model.backup_policy import (
    BackupPolicy,
    BackupPolicySpec,
    Schedule,
    VirtualMachines,
)
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.metadata import (
    POLICY_LABEL,
    TRIGGER_ANNOTATION,
    Metadata,
    ObjectKey,
)
from vmbackup_operator.model.references import ObjectReference
from vmbackup_operator.model.retention import Retention
from vmbackup_operator.model.session import Outcome
from vmbackup_operator.naming import ArmId
from vmbackup_operator.policies import ports
from vmbackup_operator.policies.reconciler import PolicyReconciler
from vmbackup_operator.policies.standing import Surveyor
from vmbackup_operator.reconciling.outcome import Conflict
from vmbackup_operator.reconciling.outcome import Outcome as Answer

KEY = ObjectKey("team", "nightly")
CREATED = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


class MemoryPolicies(ports.Policies):
    def __init__(self) -> None:
        self.stored: dict[ObjectKey, BackupPolicy] = {}
        self.writes = 0

    def put(self, policy: BackupPolicy) -> None:
        version = str(int(policy.metadata.resource_version or "0") + 1)
        metadata = replace(policy.metadata, resource_version=version)
        self.stored[policy.metadata.key] = replace(policy, metadata=metadata)

    @override
    async def find(self, key: ObjectKey) -> BackupPolicy | None:
        return self.stored.get(key)

    @override
    async def write_status(self, policy: BackupPolicy) -> BackupPolicy:
        stored = self.stored[policy.metadata.key]
        if stored.metadata.resource_version != policy.metadata.resource_version:
            raise Conflict(f"policy {policy.metadata.key}")
        self.put(replace(stored, status=policy.status))
        self.writes += 1
        return self.stored[policy.metadata.key]


class MemoryPolicySessions(ports.PolicySessions):
    def __init__(self, clock: TurnedClock) -> None:
        self.clock = clock
        self.stored: dict[ObjectKey, BackupSession] = {}
        self.created: list[str] = []
        self.deleted: list[str] = []

    @override
    async def find(self, key: ObjectKey) -> BackupSession | None:
        return self.stored.get(key)

    @override
    async def of_policy(self, policy: ObjectKey) -> Sequence[BackupSession]:
        return [
            each
            for each in self.stored.values()
            if each.metadata.namespace == policy.namespace
            and each.metadata.labels.get(POLICY_LABEL) == policy.name
        ]

    @override
    async def unfinished(self) -> Sequence[BackupSession]:
        return [each for each in self.stored.values() if each.status.outcome is None]

    @override
    async def create(self, session: BackupSession) -> BackupSession:
        key = session.metadata.key
        if key not in self.stored:
            metadata = replace(session.metadata, creation_timestamp=self.clock.now())
            self.stored[key] = replace(session, metadata=metadata)
            self.created.append(key.name)
        return self.stored[key]

    @override
    async def delete(self, session: BackupSession) -> None:
        del self.stored[session.metadata.key]
        self.deleted.append(session.metadata.name)

    def end(self, outcome: Outcome = "Succeeded") -> None:
        """End every session that is under way."""
        for key, session in self.stored.items():
            if session.status.outcome is None:
                status = replace(session.status, outcome=outcome, completion_time=self.clock.now())
                self.stored[key] = replace(session, status=status)


class MemoryRepositories(ports.Repositories):
    def __init__(self) -> None:
        self.stored: BackupRepository | None = ready_repository()

    @override
    async def find(self, key: ObjectKey) -> BackupRepository | None:
        stored = self.stored
        return stored if stored is not None and stored.metadata.key == key else None


class MemoryPresence(ports.VirtualMachinePresence):
    def __init__(self) -> None:
        self.missing: set[str] = set()
        self.trouble: Exception | None = None
        self.looks = 0

    @override
    async def exists(self, vm_id: ArmId) -> bool:
        self.looks += 1
        if self.trouble is not None:
            raise self.trouble
        return vm_id not in self.missing


class MemoryEvents(ports.EventLog):
    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    @override
    async def tell(
        self, about: BackupPolicy, kind: Literal["Normal", "Warning"], reason: str, message: str
    ) -> None:
        self.told.append((reason, message))


class PolicyWorld:
    """One policy and what it rests on; *now* is two hours past midnight of 22 November."""

    def __init__(self) -> None:
        self.clock = TurnedClock()
        self.policies = MemoryPolicies()
        self.sessions = MemoryPolicySessions(self.clock)
        self.repositories = MemoryRepositories()
        self.presence = MemoryPresence()
        self.events = MemoryEvents()
        self.start()

    def start(self) -> None:
        """Start the operator, with nothing in its memory."""
        surveyor = Surveyor(SETTINGS, self.clock, self.repositories, self.presence)
        self.reconciler = PolicyReconciler(
            SETTINGS, self.clock, self.policies, self.sessions, surveyor, self.events
        )

    async def look(self) -> Answer:
        return await self.reconciler.reconcile(KEY)

    @property
    def policy(self) -> BackupPolicy:
        return self.policies.stored[KEY]

    def reason(self, kind: str = "Ready") -> tuple[str, str, str]:
        said = next(each for each in self.policy.status.conditions if each.type == kind)
        return said.status, said.reason, said.message

    def trigger(self, token: str) -> None:
        policy = self.policy
        annotations = {TRIGGER_ANNOTATION: token}
        metadata = replace(policy.metadata, annotations=annotations)
        self.policies.put(replace(policy, metadata=metadata))

    def edit(self, **spec: object) -> None:
        policy = self.policy
        self.policies.put(replace(policy, spec=replace(policy.spec, **spec)))


def policy(
    *vms: ArmId, cron: str | None = "0 1 * * *", zone: str = "Etc/UTC", **spec: object
) -> BackupPolicy:
    schedule = None if cron is None else Schedule(cron, zone)
    wanted = BackupPolicySpec(
        repository_ref=ObjectReference("repo"),
        virtual_machines=VirtualMachines(vms),
        retention=Retention(),
        schedule=schedule,
    )
    return BackupPolicy(
        metadata=Metadata(
            name=KEY.name, namespace=KEY.namespace, uid="p", creation_timestamp=CREATED
        ),
        spec=replace(wanted, **spec),
    )
