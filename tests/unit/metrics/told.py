"""Objects whose metrics the tests of this folder look at, and what is read of a text of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.worlds.memory_azure import APPLIANCE, SUBSCRIPTION
from tests.worlds.samples import session_of
from vmbackup_core.ids import RunId, SnapshotUniqueId
from vmbackup_operator.metrics.facts import Facts
from vmbackup_operator.metrics.families import FAMILIES
from vmbackup_operator.model.backup_policy import (
    BackupPolicy,
    BackupPolicySpec,
    BackupPolicyStatus,
    MachinesShown,
    Rule,
    Schedule,
    VirtualMachines,
)
from vmbackup_operator.model.backup_session import BackupSession, BackupSessionStatus
from vmbackup_operator.model.conditions import Condition
from vmbackup_operator.model.metadata import POLICY_LABEL, Metadata, ObjectKey
from vmbackup_operator.model.references import LocalReference, ObjectReference
from vmbackup_operator.model.retention import Retention
from vmbackup_operator.model.session import Outcome
from vmbackup_operator.model.session_findings import DiskResult, SnapshotMember
from vmbackup_operator.naming import ArmId, arm_id
from vmbackup_operator.sessions.ended import EndedSession, ended_session

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

POLICY = ObjectKey("team", "nightly")
#: In the middle of a day between two slots at two o'clock.
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
LAST_SLOT = datetime(2026, 11, 24, 2, tzinfo=UTC)
DAY = timedelta(days=1)


def vm(name: str) -> ArmId:
    return arm_id(SUBSCRIPTION, "prod", "Microsoft.Compute/virtualMachines", name)


def policy(
    *names: str, count: int | None = None, key: ObjectKey = POLICY, **spec: object
) -> BackupPolicy:
    """Return a policy that was looked at and backs these VMs up, each night at two."""
    wanted = BackupPolicySpec(
        VirtualMachines(),
        Retention(last=3),
        ObjectReference("repo", "team"),
        schedule=Schedule("0 2 * * *"),
    )
    shown = MachinesShown(
        count=len(names) if count is None else count,
        unprotected_count=1,
        names=tuple(sorted(f"prod/{name}" for name in names)),
    )
    return BackupPolicy(
        Metadata(key.name, key.namespace, creation_timestamp=NOON - 9 * DAY),
        replace(wanted, **spec),
        BackupPolicyStatus(
            appliance_id=APPLIANCE,
            conditions=(Condition("Ready", "True", "Ready", "", NOON),),
            rule=Rule("0 2 * * *", "Etc/UTC", NOON - 9 * DAY),
            last_success_time=LAST_SLOT + timedelta(minutes=7),
            next_start=LAST_SLOT + DAY,
            virtual_machines=shown,
        ),
    )


def backup(
    name: str,
    taken: datetime,
    outcome: Outcome | None = "Succeeded",
    reason: str = "",
    *,
    policy_key: ObjectKey = POLICY,
) -> BackupSession:
    """Return a policy's session of the VM, whose snapshot was taken at that moment."""
    at = ObjectKey(policy_key.namespace, f"{policy_key.name}-{name}-{taken:%d%H%M}")
    session = session_of(at, vm(name), policy_ref=LocalReference(policy_key.name))
    failed = Condition("Failed", "True", reason, "said", taken)
    status = BackupSessionStatus(
        appliance_id=APPLIANCE,
        outcome=outcome,
        conditions=(failed,) if reason else (),
        start_time=taken,
        completion_time=None if outcome is None else taken + timedelta(minutes=9),
        snapshot_set=(
            SnapshotMember("os", "snapshot", SnapshotUniqueId("u"), 1, taken),
            SnapshotMember("0", "snapshot-0", SnapshotUniqueId("v"), 1, taken + DAY / 24),
        ),
        disks=(
            DiskResult("os", "m", "d", read_bytes=500, changed_bytes=400, stored_bytes=30),
            DiskResult("0", "m", "d", read_bytes=100, stored_bytes=7),
        ),
        recovery_point=RunId("0" * 32) if outcome == "Succeeded" else None,
    )
    metadata = replace(session.metadata, labels={POLICY_LABEL: policy_key.name})
    return replace(session, metadata=metadata, status=status)


def ended(*sessions: BackupSession) -> list[EndedSession]:
    found = [ended_session(session) for session in sessions]
    return [each for each in found if each is not None]


def facts(policies: Iterable[BackupPolicy] = (), sessions: Iterable[BackupSession] = ()) -> Facts:
    every = list(sessions)
    unfinished = [each for each in every if each.status.outcome is None]
    return Facts(NOON, list(policies), unfinished=unfinished, ended=ended(*every))


#: A parser that knows nothing of who wrote the text; its library gives it no types.
_read: Callable[[str], Iterable[Metric]] = text_string_to_metric_families


def parsed(text: bytes) -> dict[str, Metric]:
    """Return the metrics of an OpenMetrics text by their names, as a parser reads it."""
    return {each.name: each for each in _read(text.decode())}


def values(metric: Metric) -> Mapping[tuple[str, ...], float]:
    """Return the samples by the values of their labels, in the order of the family's."""
    labels = FAMILIES[metric.name].labels
    return {tuple(each.labels[label] for label in labels): each.value for each in metric.samples}
