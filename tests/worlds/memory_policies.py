"""What policies rest on, in memory: objects as the API server keeps them, VMs that exist or not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal

import jsonschema_rs
import msgspec
import yaml
from msgspec.structs import replace
from typing_extensions import override

from tests.worlds.memory_cluster import ready_repository
from tests.worlds.samples import SETTINGS, VM
from tests.worlds.turned_clock import TurnedClock
from vmbackup_core.errors import PermanentError
from vmbackup_operator.model.backup_policy import (
    BackupPolicy,
    BackupPolicySpec,
    Schedule,
    VirtualMachines,
)
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.backup_session import BackupSession, BackupSessionStatus
from vmbackup_operator.model.kinds import AnyResource
from vmbackup_operator.model.metadata import (
    POLICY_LABEL,
    TRIGGER_ANNOTATION,
    Metadata,
    ObjectKey,
)
from vmbackup_operator.model.references import ObjectReference
from vmbackup_operator.model.retention import Retention
from vmbackup_operator.model.session import Outcome
from vmbackup_operator.naming import ArmId, lies_within, name_of
from vmbackup_operator.policies import ports
from vmbackup_operator.policies.presence import Presence
from vmbackup_operator.policies.reconciler import PolicyReconciler
from vmbackup_operator.policies.standing import Surveyor
from vmbackup_operator.reconciling.outcome import Conflict, Waiting
from vmbackup_operator.reconciling.outcome import Outcome as Answer

ROOT = Path(__file__).resolve().parents[2]
KEY = ObjectKey("team", "nightly")
CREATED = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class MemoryPolicies(ports.Policies):
    """BackupPolicies with generations and resourceVersions; the CRD's schema holds."""

    def __init__(self) -> None:
        self.stored: dict[ObjectKey, BackupPolicy] = {}
        self.writes = 0
        self.meets: Callable[[str], None] = lambda _what: None

    def put(self, policy: BackupPolicy) -> None:
        """Store what a user wrote: another spec is another generation."""
        before = self.stored.get(policy.metadata.key)
        generation = 1
        if before is not None:
            generation = before.metadata.generation + (before.spec != policy.spec)
        self._store(replace(policy, metadata=replace(policy.metadata, generation=generation)))

    def _store(self, policy: BackupPolicy) -> BackupPolicy:
        before = self.stored.get(policy.metadata.key)
        version = str(int("0" if before is None else before.metadata.resource_version) + 1)
        metadata = replace(policy.metadata, resource_version=version)
        self.stored[policy.metadata.key] = as_stored(replace(policy, metadata=metadata))
        return self.stored[policy.metadata.key]

    @override
    async def find(self, key: ObjectKey) -> BackupPolicy | None:
        return self.stored.get(key)

    @override
    async def write_status(self, policy: BackupPolicy) -> BackupPolicy:
        stored = self.stored.get(policy.metadata.key)
        if stored is None or stored.metadata.resource_version != policy.metadata.resource_version:
            raise Conflict(f"policy {policy.metadata.key}")
        self.meets("before the status")
        self.writes += 1
        written = self._store(replace(stored, status=policy.status))
        self.meets("after the status")
        return written


class MemoryPolicySessions(ports.PolicySessions):
    """BackupSessions with uids, resourceVersions, finalizers; the CRD's schema holds."""

    def __init__(self, clock: TurnedClock) -> None:
        self.clock = clock
        self.stored: dict[ObjectKey, BackupSession] = {}
        self.created: list[str] = []
        self.deleted: list[str] = []
        self.meets: Callable[[str], None] = lambda _what: None

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
            self.meets("before a session")
            self.created.append(key.name)
            metadata = replace(
                session.metadata,
                uid=f"uid-{len(self.created)}",
                generation=1,
                creation_timestamp=self.clock.now().replace(microsecond=0),
            )
            # A status that comes along is dropped: it is a subresource.
            self.store(replace(session, metadata=metadata, status=BackupSessionStatus()))
            self.meets("after a session")
        return self.stored[key]

    @override
    async def write_status(self, session: BackupSession) -> BackupSession:
        stored = self.stored.get(session.metadata.key)
        if stored is None or stored.metadata.resource_version != session.metadata.resource_version:
            raise Conflict(f"session {session.metadata.key}")
        if stored.status.outcome not in {None, session.status.outcome}:
            raise PermanentError("an outcome is final", reason="RefusedByCluster")
        self.meets("before a session's status")
        written = self.store(replace(stored, status=session.status))
        self.meets("after a session's status")
        return written

    @override
    async def delete(self, session: BackupSession) -> None:
        stored = self.stored.get(session.metadata.key)
        if stored is None or stored.metadata.uid != session.metadata.uid:
            return
        self.deleted.append(session.metadata.name)
        if not stored.metadata.finalizers:
            del self.stored[session.metadata.key]
            return
        metadata = replace(stored.metadata, deletion_timestamp=self.clock.now())
        self.store(replace(stored, metadata=metadata))

    def store(self, session: BackupSession) -> BackupSession:
        key = session.metadata.key
        before = self.stored.get(key)
        version = str(int("0" if before is None else before.metadata.resource_version) + 1)
        metadata = replace(session.metadata, resource_version=version)
        self.stored[key] = as_stored(replace(session, metadata=metadata))
        return self.stored[key]

    def end(self, outcome: Outcome = "Succeeded") -> None:
        """End every session that is under way."""
        for session in list(self.stored.values()):
            if session.status.outcome is None:
                status = replace(
                    session.status,
                    outcome=outcome,
                    start_time=session.metadata.creation_timestamp,
                    completion_time=self.clock.now().replace(microsecond=0),
                )
                self.store(replace(session, status=status))

    def of_outcome(self, outcome: Outcome | None) -> list[str]:
        """Return the names of the VMs that have a session of *outcome*, each as often."""
        return sorted(
            name_of(ArmId(each.spec.virtual_machine_id))
            for each in self.stored.values()
            if each.status.outcome == outcome
        )


class MemoryRepositories(ports.Repositories):
    def __init__(self) -> None:
        self.stored: BackupRepository | None = ready_repository()

    @override
    async def find(self, key: ObjectKey) -> BackupRepository | None:
        stored = self.stored
        return stored if stored is not None and stored.metadata.key == key else None


class MemoryMachineLists(ports.VirtualMachineLists):
    """The VMs that there are, by their groups."""

    def __init__(self) -> None:
        self.there: set[ArmId] = set()
        self.luns: tuple[int, ...] = (0, 1)
        self.trouble: Exception | None = None
        self.looks = 0

    @override
    async def of_group(
        self, subscription_id: str, resource_group: str
    ) -> Sequence[ports.MachineListed]:
        self.looks += 1
        if self.trouble is not None:
            raise self.trouble
        scope = f"/subscriptions/{subscription_id}/resourceGroups/{resource_group}"
        # Azure writes ids in whatever case it likes.
        return [
            ports.MachineListed(ArmId(each.upper()), self.luns)
            for each in sorted(self.there)
            if lies_within(each, scope)
        ]


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
        self.machines = MemoryMachineLists()
        self.events = MemoryEvents()
        self.start()

    def start(self) -> None:
        """Start the operator, with nothing in its memory."""
        presence = Presence(self.clock, self.machines)
        surveyor = Surveyor(SETTINGS, self.repositories, presence)
        self.reconciler = PolicyReconciler(
            SETTINGS, self.clock, self.policies, self.sessions, surveyor, self.events
        )

    def put(self, policy: BackupPolicy) -> None:
        """Have the policy made anew, with VMs that are there."""
        self.policies.stored.pop(policy.metadata.key, None)
        self.machines.there |= set(map(ArmId, policy.spec.virtual_machines.ids))
        self.policies.put(policy)

    async def look(self, key: ObjectKey = KEY) -> Answer:
        return await self.reconciler.reconcile(key)

    async def settle(self) -> Answer:
        """Look until the policy asks for no more at once, as the queue does."""
        for _ in range(5):
            answer = await self.look()
            if not isinstance(answer, Waiting) or answer.seconds > 0:
                return answer
        raise AssertionError("a policy that asks to be looked at without end")

    async def pass_time(self, *, hours: int = 24, every_s: int = 900) -> None:
        """Let *hours* pass; a session takes less than *every_s*."""
        for _ in range(hours * 3600 // every_s):
            self.clock.turn(every_s)
            self.sessions.end()
            await self.settle()

    @property
    def policy(self) -> BackupPolicy:
        return self.policies.stored[KEY]

    def reason(self, kind: str = "Ready") -> tuple[str, str, str]:
        said = next(each for each in self.policy.status.conditions if each.type == kind)
        return said.status, said.reason, said.message

    def trigger(self, token: str | None) -> None:
        policy = self.policy
        annotations = {} if token is None else {TRIGGER_ANNOTATION: token}
        metadata = replace(policy.metadata, annotations=annotations)
        self.policies.put(replace(policy, metadata=metadata))

    def edit(self, **spec: object) -> None:
        policy = self.policy
        self.policies.put(replace(policy, spec=replace(policy.spec, **spec)))


def fleet(count: int) -> list[ArmId]:
    return [ArmId(VM.replace("web-01", f"vm-{number:02}")) for number in range(1, count + 1)]


def as_stored(wanted: AnyResource) -> AnyResource:
    """Return *wanted* as it comes back from the API server, which takes what the schema has."""
    sent = msgspec.json.encode(wanted)
    document = msgspec.json.decode(sent)
    for part, judge in _judges(type(wanted).plural).items():
        judge.validate(document[part])
    return msgspec.json.decode(sent, type=type(wanted))


@cache
def _judges(plural: str) -> dict[str, Any]:
    document = yaml.safe_load((ROOT / "crds" / f"{plural}.yaml").read_text())
    properties = document["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    return {
        part: jsonschema_rs.Draft4Validator(_strict(properties[part]), validate_formats=True)
        for part in ("spec", "status")
    }


def _strict(schema: Any) -> Any:
    """Return *schema* where what it does not name is refused; the API server would drop it."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {key: _strict(value) for key, value in schema.items()}
    if "properties" in strict and strict.get("type") == "object":
        strict["additionalProperties"] = False
    return strict


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
