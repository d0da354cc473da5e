"""A team's namespace with objects in all phases, as the operator would have written them.

Unit tests show it as it is; tests of the cluster store it first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from vmbackup_core.ids import CommitSlot, RunId
from vmbackup_operator.model.backup_policy import (
    BackupPolicy,
    BackupPolicySpec,
    BackupPolicyStatus,
    MachinesShown,
    Rule,
    Schedule,
    Selector,
    Unprotected,
    VirtualMachines,
)
from vmbackup_operator.model.backup_repository import (
    BackupRepository,
    BackupRepositorySpec,
    BackupRepositoryStatus,
    EncryptionKey,
    JobRecord,
    Maintenance,
)
from vmbackup_operator.model.backup_session import (
    BackupSession,
    BackupSessionSpec,
    BackupSessionStatus,
)
from vmbackup_operator.model.conditions import Condition, Statement, as_ready
from vmbackup_operator.model.display import with_display
from vmbackup_operator.model.metadata import Metadata
from vmbackup_operator.model.phase import PHASES, RESTORE_PHASES, REWIND_PHASES, Phases
from vmbackup_operator.model.progress import Progress, SessionError
from vmbackup_operator.model.recovery_point import (
    RecoveryPoint,
    RecoveryPointDisk,
    RecoveryPointSpec,
    RecoveryPointStatus,
)
from vmbackup_operator.model.references import (
    LocalReference,
    ObjectReference,
    SecretKeyReference,
)
from vmbackup_operator.model.restore_session import (
    RestoreSession,
    RestoreSessionSpec,
    RestoreSessionStatus,
    RestoreTarget,
)
from vmbackup_operator.model.retention import Retention
from vmbackup_operator.model.session_findings import (
    Resolved,
    ResolvedVirtualMachine,
    SnapshotMember,
)

NAMESPACE = "web-team"
SUBSCRIPTION = "11111111-2222-4333-8444-555555555555"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-production"
NOW = datetime(2026, 11, 27, 9, 30, tzinfo=UTC)
SLOT = datetime(2026, 11, 27, 0, 30, tzinfo=UTC)
GIB, MIB = 2**30, 2**20
WEB_RUN = RunId("381011f65c06cf9e73ebf02ef74ad59e")


def vm(name: str) -> str:
    """Return the id of a VM of the team's."""
    return f"{GROUP}/providers/Microsoft.Compute/virtualMachines/{name}"


@dataclass(frozen=True, slots=True)
class Team:
    """All objects of the namespace."""

    policies: tuple[BackupPolicy, ...]
    sessions: tuple[BackupSession, ...]
    restores: tuple[RestoreSession, ...]
    repositories: tuple[BackupRepository, ...]
    points: tuple[RecoveryPoint, ...]

    def session(self, beginning: str) -> BackupSession:
        """Return the session whose name begins so."""
        return next(each for each in self.sessions if each.metadata.name.startswith(beginning))

    def restore(self, name: str) -> RestoreSession:
        """Return the restore of that name."""
        return next(each for each in self.restores if each.metadata.name == name)


def team(namespace: str = NAMESPACE) -> Team:
    """Return the team's objects, in *namespace*."""
    return Team(
        policies=(nightly(namespace), weekly(namespace)),
        sessions=(
            _complete(namespace),
            _failed(namespace),
            _backing_off(namespace),
            _transferring(namespace),
            _cancelled(namespace),
        ),
        restores=(_restored(namespace), _awaiting_swap(namespace)),
        repositories=(_repository(namespace),),
        points=(_point(namespace, days=1), _point(namespace, days=0)),
    )


def _metadata(namespace: str, name: str, created: datetime = SLOT) -> Metadata:
    return Metadata(name=name, namespace=namespace, generation=1, creation_timestamp=created)


def _condition(said: Statement, moment: datetime = SLOT) -> Condition:
    return Condition(said.type, said.status, said.reason, said.message, moment, 1)


def nightly(namespace: str = NAMESPACE) -> BackupPolicy:
    """Return the policy of the sessions, which backs four VMs up and cannot one."""
    lacking = Unprotected(
        "rg-production/legacy-09", "DiskNotSupported", "disk os of legacy-09 is ephemeral"
    )
    names = tuple(f"rg-production/{each}" for each in ("db-01", "legacy-07", "web-01", "web-02"))
    ready = as_ready("disk os of legacy-09 is ephemeral", "DiskNotSupported")
    return BackupPolicy(
        metadata=_metadata(namespace, "nightly", SLOT - timedelta(days=30)),
        spec=BackupPolicySpec(
            repository_ref=ObjectReference("west-europe"),
            virtual_machines=VirtualMachines(selector=Selector(scopes=(GROUP,))),
            retention=Retention(last=7, daily=14),
            schedule=Schedule("30 1 * * *", "Europe/Amsterdam", jitter_seconds=900),
            max_concurrent_sessions=3,
        ),
        status=BackupPolicyStatus(
            observed_generation=1,
            appliance_id="contoso-backup",
            conditions=tuple(_condition(each) for each in ready),
            rule=Rule("30 1 * * *", "Europe/Amsterdam", SLOT - timedelta(days=30)),
            last_slot=SLOT,
            next_start=SLOT + timedelta(days=1, seconds=432),
            last_success_time=SLOT + timedelta(minutes=5, seconds=4),
            last_session="nightly-txpgws-202611270030",
            virtual_machines=MachinesShown(4, 1, names, unprotected=(lacking,)),
        ),
    )


def weekly(namespace: str = NAMESPACE) -> BackupPolicy:
    """Return a policy that is suspended."""
    status = BackupPolicyStatus(
        observed_generation=1,
        appliance_id="contoso-backup",
        conditions=tuple(_condition(each) for each in as_ready()),
        virtual_machines=MachinesShown(1, 0, ("rg-production/web-01",)),
    )
    policy = nightly(namespace)
    schedule = Schedule("0 3 * * 0")
    return BackupPolicy(
        metadata=_metadata(namespace, "weekly", SLOT - timedelta(days=2)),
        spec=replace(
            policy.spec,
            suspend=True,
            schedule=schedule,
            virtual_machines=VirtualMachines(ids=(vm("web-01"),)),
        ),
        status=status,
    )


def _spec(machine: str) -> BackupSessionSpec:
    return BackupSessionSpec(
        virtual_machine_id=vm(machine),
        repository_ref=ObjectReference("west-europe"),
        policy_ref=LocalReference("nightly"),
        slot=SLOT,
    )


def steps(phases: Phases, upto: int, *, at: Statement | None = None) -> tuple[Condition, ...]:
    """Return the conditions of a session that has taken *upto* steps, and is *at* the next one."""
    done = [Statement(type_, "True", "Succeeded", "done") for type_, _ in phases[:upto]]
    return tuple(_condition(each) for each in [*done, *([] if at is None else [at])])


def _session(namespace: str, name: str, machine: str, status: BackupSessionStatus) -> BackupSession:
    made = BackupSession(_metadata(namespace, name), _spec(machine), status)
    return with_display(made)


def _ended(*said: Statement) -> Iterable[Condition]:
    return (_condition(each) for each in said)


def _complete(namespace: str) -> BackupSession:
    taken = SnapshotMember("os", f"{GROUP}/snapshots/os", taken_at=SLOT + timedelta(seconds=20))
    machine = ResolvedVirtualMachine(vm("web-01"), "web-01", "northeurope", "u-1")
    status = BackupSessionStatus(
        run_id=WEB_RUN,
        outcome="Succeeded",
        attempt=1,
        start_time=SLOT,
        completion_time=SLOT + timedelta(minutes=5, seconds=4),
        message=f"recovery point {WEB_RUN} is stored",
        conditions=(
            *steps(PHASES, len(PHASES)),
            *_ended(Statement("Complete", "True", "Succeeded", "")),
        ),
        progress=Progress(100, 2576980378, 2576980378, 641728512),
        snapshot_set=(taken,),
        resolved=Resolved(virtual_machine=machine),
        recovery_point=WEB_RUN,
    )
    return _session(namespace, "nightly-txpgws-202611270030", "web-01", status)


def _failed(namespace: str) -> BackupSession:
    message = "there is no virtual machine legacy-07: correct the id, or take it out"
    status = BackupSessionStatus(
        outcome="Failed",
        ending="Failed",
        attempt=1,
        start_time=SLOT,
        completion_time=SLOT + timedelta(seconds=15),
        message=message,
        conditions=tuple(
            _ended(
                Statement("Accepted", "False", "VirtualMachineNotFound", message),
                Statement("Failed", "True", "VirtualMachineNotFound", message),
            )
        ),
    )
    return _session(namespace, "nightly-q6woui-202611270030", "legacy-07", status)


def _backing_off(namespace: str) -> BackupSession:
    error = SessionError(
        "DataTransferred", "TransferInterrupted", "disk db-01-data: connection reset by peer", 1
    )
    status = BackupSessionStatus(
        attempt=2,
        start_time=SLOT,
        retry_time=NOW + timedelta(minutes=7),
        conditions=steps(PHASES, 5),
        errors=(error,),
    )
    return _session(namespace, "nightly-4xk2ab-202611270030", "db-01", status)


def _transferring(namespace: str) -> BackupSession:
    at = Statement("DataTransferred", "False", "InProgress", "worker 1e5089f8618a15576cd3-1 works")
    status = BackupSessionStatus(
        attempt=1,
        start_time=SLOT + timedelta(minutes=1),
        conditions=steps(PHASES, 5, at=at),
        progress=Progress(46, 300 * MIB, 141 * MIB, int(31.9 * MIB)),
    )
    return _session(namespace, "nightly-ijmemm-202611270030", "web-02", status)


def _cancelled(namespace: str) -> BackupSession:
    before = SLOT - timedelta(days=1)
    status = BackupSessionStatus(
        outcome="Cancelled",
        ending="Cancelled",
        attempt=1,
        start_time=before,
        completion_time=before + timedelta(minutes=2),
        message="cancelled",
        conditions=(
            *steps(PHASES, 2),
            *_ended(Statement("Failed", "True", "Cancelled", "cancelled")),
        ),
    )
    session = _session(namespace, "nightly-ijmemm-202611260030", "web-02", status)
    metadata = replace(session.metadata, creation_timestamp=before)
    spec = replace(session.spec, slot=before, cancel=True)
    return replace(session, metadata=metadata, spec=spec)


def _restore(
    namespace: str, name: str, spec: RestoreSessionSpec, status: RestoreSessionStatus
) -> RestoreSession:
    created = NOW - timedelta(minutes=12)
    return with_display(RestoreSession(_metadata(namespace, name, created), spec, status))


def _restored(namespace: str) -> RestoreSession:
    spec = RestoreSessionSpec(
        recovery_point_ref=ObjectReference("web-01-202611270030-381011"),
        mode="VirtualMachine",
        target=RestoreTarget(SUBSCRIPTION, "rg-restored", "northeurope", vm_name="web-01-again"),
    )
    status = RestoreSessionStatus(
        outcome="Succeeded",
        start_time=NOW - timedelta(minutes=12),
        completion_time=NOW - timedelta(minutes=8),
        conditions=(
            *steps(RESTORE_PHASES, len(RESTORE_PHASES)),
            *_ended(Statement("Complete", "True", "Succeeded", "")),
        ),
        progress=Progress(100, 389 * MIB, 389 * MIB, 0),
    )
    return _restore(namespace, "web-01-again", spec, status)


def _awaiting_swap(namespace: str) -> RestoreSession:
    spec = RestoreSessionSpec(
        recovery_point_ref=ObjectReference("web-01-202611270030-381011"),
        mode="Rewind",
        target=RestoreTarget(SUBSCRIPTION, "rg-production", "northeurope"),
    )
    message = "the VM is stopped; annotate the session with vmbackup.dev/swap to go on"
    at = Statement("SwapConfirmed", "False", "SwapNotConfirmed", message)
    status = RestoreSessionStatus(
        attempt=1,
        start_time=NOW - timedelta(minutes=12),
        conditions=steps(REWIND_PHASES, 4, at=at),
    )
    return _restore(namespace, "web-01-back", spec, status)


def _repository(namespace: str) -> BackupRepository:
    account = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/contosobackups01"
    check = JobRecord(
        "Check",
        SLOT + timedelta(hours=2),
        SLOT + timedelta(hours=2, minutes=3),
        "Findings",
        "2 findings; vmbackup repository check names them",
    )
    return BackupRepository(
        metadata=_metadata(namespace, "west-europe", SLOT - timedelta(days=30)),
        spec=BackupRepositorySpec(
            storage_account_id=account,
            container="vm-backups",
            subscription_id=SUBSCRIPTION,
            region="westeurope",
            encryption_key=EncryptionKey(SecretKeyReference("west-europe-key", "key")),
            tier="Cool",
        ),
        status=BackupRepositoryStatus(
            conditions=tuple(_condition(each) for each in as_ready()),
            recovery_points=57,
            maintenance=Maintenance(jobs=(check,)),
        ),
    )


def _point(namespace: str, *, days: int) -> RecoveryPoint:
    created = SLOT + timedelta(seconds=20) - timedelta(days=days)
    run = WEB_RUN if days == 0 else RunId("2629c7679108de56f73ac0b85e97125b")
    disk = RecoveryPointDisk("web-01-os", 30 * GIB, CommitSlot(1))
    return RecoveryPoint(
        metadata=_metadata(namespace, f"web-01-{created:%Y%m%d%H%M}-{run[:6]}", created),
        spec=RecoveryPointSpec(
            repository_ref=ObjectReference("west-europe"),
            run_id=run,
            virtual_machine_id=vm("web-01"),
            virtual_machine_name="web-01",
            created_at=created,
            type="Backup",
            disks=(disk,),
            size_bytes=30 * GIB,
            stored_bytes=612 * MIB,
        ),
        status=RecoveryPointStatus(kept_until=created + timedelta(days=14)),
    )
