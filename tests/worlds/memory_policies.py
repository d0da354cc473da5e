"""What policies rest on, in memory: objects as the API server keeps them, VMs that exist or not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace
from typing_extensions import override

from tests.worlds.memory_azure import AWAY
from tests.worlds.memory_cluster import ready_repository
from tests.worlds.memory_objects import MemoryEvents, MemoryObjects, MemorySessions
from tests.worlds.samples import SETTINGS, VM
from tests.worlds.turned_clock import TurnedClock
from vmbackup_core.errors import RefusedForNow
from vmbackup_operator.model.backup_policy import (
    BackupPolicy,
    BackupPolicySpec,
    Schedule,
    VirtualMachines,
)
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.metadata import (
    NEW_CHAIN_ANNOTATION,
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
from vmbackup_operator.reconciling.outcome import Outcome as Answer
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
KEY = ObjectKey("team", "nightly")
CREATED = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class MemoryPolicies(MemoryObjects[BackupPolicy]):
    """BackupPolicies."""

    def __init__(self, clock: TurnedClock) -> None:
        super().__init__(BackupPolicy, clock)


class MemoryPolicySessions(MemorySessions):
    """The sessions of policies, which end when a test says so."""

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


class MemoryMachineLists(ports.VirtualMachineLists):
    """The VMs that there are, by their groups."""

    def __init__(self) -> None:
        self.there: set[ArmId] = set()
        self.luns: tuple[int, ...] = (0, 1)
        #: The tags of those that have any, by the VM's id.
        self.tags: dict[ArmId, dict[str, str]] = {}
        #: Those whose OS disk is ephemeral.
        self.ephemeral: set[ArmId] = set()
        self.trouble: Exception | None = None
        #: Subscriptions in which there are no rights.
        self.forbidden: set[str] = set()
        self.looks = 0

    @override
    async def of_group(
        self, subscription_id: str, resource_group: str
    ) -> Sequence[ports.MachineListed]:
        scope = f"/subscriptions/{subscription_id}/resourceGroups/{resource_group}"
        return self._within(subscription_id, scope)

    @override
    async def of_subscription(self, subscription_id: str) -> Sequence[ports.MachineListed]:
        return self._within(subscription_id, f"/subscriptions/{subscription_id}")

    def _within(self, subscription_id: str, scope: str) -> Sequence[ports.MachineListed]:
        self.looks += 1
        if self.trouble is not None:
            raise self.trouble
        if subscription_id in self.forbidden:
            raise RefusedForNow("may not list", reason="NotAuthorized", retry_after_s=30)
        return [self._listed(each) for each in sorted(self.there) if lies_within(each, scope)]

    def _listed(self, vm_id: ArmId) -> ports.MachineListed:
        os_disk = ports.DiskListed(None, "os", "is ephemeral" if vm_id in self.ephemeral else None)
        data = tuple(ports.DiskListed(lun, f"data-{lun}") for lun in self.luns)
        # Azure writes ids in whatever case it likes.
        tags = self.tags.get(vm_id, {})
        return ports.MachineListed(ArmId(vm_id.upper()), (os_disk, *data), tags, AWAY)


class MemoryOtherSubscriptions(ports.OtherSubscriptions):
    """What the administrator wrote of VMs in other subscriptions, by region."""

    def __init__(self) -> None:
        self.refused: dict[str, str] = {}

    @override
    async def exports_refused(self, region: str) -> str:
        return self.refused.get(region, "")


class PolicyWorld:
    """One policy and what it rests on; *now* is two hours past midnight of 22 November."""

    def __init__(self, settings: Settings = SETTINGS) -> None:
        self.settings = settings
        self.clock = TurnedClock()
        self.policies = MemoryPolicies(self.clock)
        self.sessions = MemoryPolicySessions(self.clock)
        self.repositories = MemoryObjects(BackupRepository, self.clock)
        self.repositories.put(ready_repository())
        self.machines = MemoryMachineLists()
        self.elsewhere = MemoryOtherSubscriptions()
        self.events = MemoryEvents()
        self.start()

    def start(self) -> None:
        """Start the operator, with nothing in its memory."""
        interval_s = SETTINGS.discovery.interval_seconds
        presence = Presence(self.clock, self.machines, interval_s)
        surveyor = Surveyor(self.settings, self.repositories, presence, self.elsewhere)
        self.reconciler = PolicyReconciler(
            self.settings, self.clock, self.policies, self.sessions, surveyor, self.events
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

    def trigger(self, token: str | None, *, new_chain: str | None = None) -> None:
        policy = self.policy
        annotations = {} if token is None else {TRIGGER_ANNOTATION: token}
        if new_chain is not None:
            annotations[NEW_CHAIN_ANNOTATION] = new_chain
        metadata = replace(policy.metadata, annotations=annotations)
        self.policies.put(replace(policy, metadata=metadata))

    def edit(self, **spec: object) -> None:
        policy = self.policy
        self.policies.put(replace(policy, spec=replace(policy.spec, **spec)))


def fleet(count: int) -> list[ArmId]:
    return [ArmId(VM.replace("web-01", f"vm-{number:02}")) for number in range(1, count + 1)]


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
