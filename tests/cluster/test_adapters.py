"""The adapters keep the domain's ports on a real API server, with the operator's own rights."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from tools.local_cloud.control_plane import ControlPlane
from vmbackup_core.clock import SystemClock
from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import CommitSlot, RunId
from vmbackup_operator.cluster.backup_sessions import StoredSessions
from vmbackup_operator.cluster.connection import Connection
from vmbackup_operator.cluster.events import ToldEvents
from vmbackup_operator.cluster.objects import Objects
from vmbackup_operator.cluster.recovery_points import StoredRecoveryPoints
from vmbackup_operator.cluster.region_environments import StoredEnvironments
from vmbackup_operator.cluster.secrets_by_name import KeySecrets
from vmbackup_operator.environments.ports import RegionEnvironments
from vmbackup_operator.model.backup_policy import BackupPolicy
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.backup_session import (
    BackupSession,
    BackupSessionSpec,
    BackupSessionStatus,
)
from vmbackup_operator.model.conditions import Condition
from vmbackup_operator.model.metadata import POLICY_LABEL, Metadata, ObjectKey
from vmbackup_operator.model.progress import SessionError
from vmbackup_operator.model.recovery_point import (
    RecoveryPoint,
    RecoveryPointDisk,
    RecoveryPointSpec,
)
from vmbackup_operator.model.references import LocalReference, ObjectReference
from vmbackup_operator.model.region_environment import RegionEnvironment, RegionEnvironmentSpec
from vmbackup_operator.model.retention import Retention
from vmbackup_operator.policies import ports as policies
from vmbackup_operator.reconciling.outcome import Conflict
from vmbackup_operator.repositories import ports as repositories
from vmbackup_operator.sessions import ports as sessions

pytestmark = pytest.mark.control_plane

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SUBSCRIPTION = "11111111-2222-4333-8444-555555555555"
VM = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-production"
    "/providers/Microsoft.Compute/virtualMachines/web-01"
)


def session(namespace: str, name: str = "nightly-1", policy: str = "nightly") -> BackupSession:
    return BackupSession(
        Metadata(name, namespace, labels={POLICY_LABEL: policy}),
        BackupSessionSpec(
            VM,
            ObjectReference("west"),
            policy_ref=LocalReference(policy),
            slot=NOON,
            retention=Retention(last=3, weekly=4),
        ),
    )


@pytest.fixture
def stored(connection: Connection) -> StoredSessions:
    return StoredSessions(connection)


def writes(plane: ControlPlane, namespace: str) -> int:
    """Return how many requests of the operator tried to write in *namespace*."""
    return sum(
        entry["user"].get("username") == "system:serviceaccount:vmbackup-system:vmbackup-operator"
        and entry["objectRef"].get("namespace") == namespace
        and entry["verb"] not in ("get", "list", "watch")
        for entry in plane.audited()
        if "objectRef" in entry
    )


async def test_every_port_has_its_adapter(connection: Connection) -> None:
    """The type checker compares; this names the pairs."""
    of_sessions: sessions.Sessions = StoredSessions(connection)
    of_policies: policies.PolicySessions = StoredSessions(connection)
    points: sessions.RecoveryPointObjects = StoredRecoveryPoints(connection)
    looked_up: sessions.Repositories = Objects(connection, BackupRepository)
    named: policies.Repositories = Objects(connection, BackupRepository)
    kept: repositories.Repositories = Objects(connection, BackupRepository)
    policy: policies.Policies = Objects(connection, BackupPolicy)
    secrets: repositories.Secrets = KeySecrets(connection)
    environments: RegionEnvironments = StoredEnvironments(connection, "vmbackup-system")
    events = ToldEvents(connection, SystemClock(), "test")
    told: tuple[sessions.EventLog, policies.EventLog]
    told = (events, events)

    assert await of_sessions.find(ObjectKey("web-team", "none")) is None
    assert await of_policies.find(ObjectKey("web-team", "none")) is None
    for port in (looked_up, named, kept, policy, secrets):
        assert await port.find(ObjectKey("web-team", "none")) is None
    assert await environments.find("vmbackup-system", "none") is None
    assert len({id(points), *map(id, told)}) == 2


async def test_what_is_created_is_found(stored: StoredSessions, namespace: str) -> None:
    wanted = session(namespace)
    created = await stored.create(wanted)

    assert created == await stored.find(ObjectKey(namespace, "nightly-1"))
    assert created.spec == wanted.spec
    assert created.metadata.labels[POLICY_LABEL] == "nightly"
    assert created.metadata.labels["velero.io/exclude-from-backup"] == "true"
    assert created.metadata.generation == 1


async def test_creating_again_returns_the_first_unchanged(
    stored: StoredSessions, namespace: str
) -> None:
    first = await stored.create(session(namespace))
    other = replace(session(namespace), spec=replace(session(namespace).spec, retry_limit=9))

    assert await stored.create(other) == first


async def test_a_status_is_written_over_what_was_read(
    stored: StoredSessions, namespace: str
) -> None:
    read = await stored.create(session(namespace))
    accepted = Condition("Accepted", "True", "Found", "", NOON)
    status = BackupSessionStatus(appliance_id="a", conditions=(accepted,))
    written = await stored.write_status(replace(read, status=status))

    assert written == await stored.find(read.metadata.key)
    assert written.status.conditions == status.conditions
    assert written.status.phase == "Snapshotting"
    assert written.metadata.resource_version != read.metadata.resource_version
    assert written.metadata.generation == read.metadata.generation


async def test_a_stale_status_is_refused_and_changes_nothing(
    stored: StoredSessions, namespace: str
) -> None:
    read = await stored.create(session(namespace))
    first = await stored.write_status(replace(read, status=BackupSessionStatus(attempt=1)))
    with pytest.raises(Conflict, match="nightly-1"):
        await stored.write_status(replace(read, status=BackupSessionStatus(attempt=2)))

    assert await stored.find(read.metadata.key) == first


async def test_a_status_that_is_stored_already_is_not_sent(
    stored: StoredSessions, namespace: str, plane: ControlPlane
) -> None:
    read = await stored.create(session(namespace))
    written = await stored.write_status(replace(read, status=BackupSessionStatus(attempt=1)))
    before = writes(plane, namespace)
    found = await stored.find(read.metadata.key)
    assert found is not None

    assert await stored.write_status(replace(found, status=found.status)) == written
    assert writes(plane, namespace) == before == 2


async def test_a_status_longer_than_the_schema_allows_is_cut(
    stored: StoredSessions, namespace: str
) -> None:
    read = await stored.create(session(namespace))
    errors = (SessionError("WorkerReady", "Broken", "y" * 9000),) * 9
    written = await stored.write_status(
        replace(
            read,
            status=BackupSessionStatus(outcome="Failed", message="x" * 9000, errors=errors),
        )
    )

    assert written.status.message.endswith("x…")
    assert len(written.status.errors) == 5


async def test_the_status_of_what_is_gone_is_a_conflict(
    stored: StoredSessions, namespace: str
) -> None:
    read = await stored.create(session(namespace))
    await stored.delete(read)
    with pytest.raises(Conflict):
        await stored.write_status(replace(read, status=BackupSessionStatus(attempt=1)))

    assert await stored.find(read.metadata.key) is None


async def test_unfinished_are_those_without_an_outcome(
    stored: StoredSessions, namespace: str
) -> None:
    for name in ("one", "two", "three"):
        read = await stored.create(session(namespace, name))
        if name == "two":
            await stored.write_status(replace(read, status=BackupSessionStatus(outcome="Failed")))

    unfinished = [
        found.metadata.name
        for found in await stored.unfinished()
        if found.metadata.namespace == namespace
    ]
    assert sorted(unfinished) == ["one", "three"]


async def test_a_policys_sessions_are_found_by_its_label(
    stored: StoredSessions, namespace: str
) -> None:
    await stored.create(session(namespace, "one", "nightly"))
    await stored.create(session(namespace, "two", "weekly"))

    found = await stored.of_policy(ObjectKey(namespace, "nightly"))
    assert [each.metadata.name for each in found] == ["one"]


async def test_a_list_longer_than_a_page_is_whole(
    connection: Connection, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vmbackup_operator.cluster.objects.PAGE", 2)
    objects = Objects(connection, BackupSession)
    for number in range(5):
        await objects.create(session(namespace, f"s{number}"))

    found = await objects.listed(namespace)
    assert [each.metadata.name for each in found] == ["s0", "s1", "s2", "s3", "s4"]


async def test_a_finalizer_keeps_a_deleted_session_until_it_is_taken(
    stored: StoredSessions, namespace: str
) -> None:
    read = await stored.create(session(namespace))
    held = await stored.write_finalizers(
        replace(read, metadata=replace(read.metadata, finalizers=("vmbackup.dev/undo",)))
    )
    await stored.delete(held)
    going = await stored.find(read.metadata.key)
    assert going is not None
    assert going.metadata.deletion_timestamp is not None
    await stored.write_finalizers(replace(going, metadata=replace(going.metadata, finalizers=())))

    assert await stored.find(read.metadata.key) is None


async def test_stale_finalizers_are_refused(stored: StoredSessions, namespace: str) -> None:
    read = await stored.create(session(namespace))
    await stored.write_status(replace(read, status=BackupSessionStatus(attempt=1)))
    with pytest.raises(Conflict):
        await stored.write_finalizers(
            replace(read, metadata=replace(read.metadata, finalizers=("vmbackup.dev/undo",)))
        )

    found = await stored.find(read.metadata.key)
    assert found is not None
    assert found.metadata.finalizers == ()


async def test_another_object_of_the_same_name_is_not_deleted(
    stored: StoredSessions, namespace: str
) -> None:
    first = await stored.create(session(namespace))
    await stored.delete(first)
    second = await stored.create(session(namespace))
    await stored.delete(first)

    assert await stored.find(first.metadata.key) == second


async def test_what_the_schema_refuses_is_permanent_and_says_so(
    stored: StoredSessions, namespace: str
) -> None:
    wrong = session(namespace)
    with pytest.raises(PermanentError, match="must be the ARM id of a virtual machine") as caught:
        await stored.create(replace(wrong, spec=replace(wrong.spec, virtual_machine_id="web-01")))

    assert caught.value.reason == "RefusedByCluster"


async def test_environments_of_the_own_namespace_are_listed(connection: Connection) -> None:
    stored = StoredEnvironments(connection, "vmbackup-system")
    wanted = RegionEnvironment(
        Metadata("listed", "vmbackup-system"), RegionEnvironmentSpec(SUBSCRIPTION, "uksouth")
    )
    await stored.create(wanted)
    await stored.create(wanted)

    assert "listed" in [each.metadata.name for each in await stored.list()]
    found = await stored.find("vmbackup-system", "listed")
    assert found is not None
    assert found.spec == wanted.spec
    with pytest.raises(PermanentError, match="forbidden") as caught:
        await stored.create(replace(wanted, metadata=Metadata("listed", "web-team")))
    assert caught.value.reason == "NotAuthorized"


async def test_a_recovery_point_is_mirrored_once_with_its_columns(
    connection: Connection, namespace: str, plane: ControlPlane
) -> None:
    run = RunId("0" * 32)
    spec = RecoveryPointSpec(
        repository_ref=ObjectReference("west"),
        run_id=run,
        virtual_machine_id=VM,
        virtual_machine_name="web-01",
        created_at=NOON,
        type="Backup",
        disks=(RecoveryPointDisk("web-01-os", 32 * 1024**3, CommitSlot(1)),),
        size_bytes=32 * 1024**3,
        stored_bytes=325_058_560,
    )
    point = RecoveryPoint(Metadata("web-01-1", namespace), spec)
    await StoredRecoveryPoints(connection).ensure(point)
    await StoredRecoveryPoints(connection).ensure(point)

    columns = plane.administrator.kubectl("get", "recoverypoints", "-n", namespace).splitlines()[1]
    assert columns.split()[:2] == ["web-01-1", "web-01"]
    assert "32.0 GiB" in columns
    assert "310 MiB" in columns
