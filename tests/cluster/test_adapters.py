"""The adapters keep the domain's ports on a real API server, with the operator's own rights."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from tests.contract.ports.object_facts import (
    EventFacts,
    ObjectFacts,
    ObjectPlace,
    RegionEnvironmentFacts,
    SecretFacts,
    UndoRecordFacts,
)
from tests.contract.ports.point_object_facts import NAME, PointObjectFacts, recovery_point
from tests.contract.ports.session_facts import SessionFacts, session
from tests.worlds.memory_azure import APPLIANCE
from tests.worlds.memory_cluster import ready_repository
from tests.worlds.memory_policies import policy
from tests.worlds.samples import VM
from tools.local_cloud.control_plane import ControlPlane
from vmbackup_core.clock import SystemClock
from vmbackup_core.errors import PermanentError
from vmbackup_operator.cluster.backup_sessions import StoredSessions
from vmbackup_operator.cluster.connection import Connection, connected
from vmbackup_operator.cluster.events import ToldEvents
from vmbackup_operator.cluster.objects import Objects
from vmbackup_operator.cluster.recovery_points import StoredRecoveryPoints
from vmbackup_operator.cluster.region_environments import StoredEnvironments
from vmbackup_operator.cluster.secrets_by_name import KeySecrets
from vmbackup_operator.cluster.undo_records import StoredUndoRecords
from vmbackup_operator.model.backup_policy import BackupPolicy
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.backup_session import (
    BackupSession,
    BackupSessionStatus,
)
from vmbackup_operator.model.metadata import Metadata, ObjectKey
from vmbackup_operator.model.recovery_point import (
    RecoveryPoint,
)
from vmbackup_operator.model.region_environment import RegionEnvironment, RegionEnvironmentSpec

pytestmark = pytest.mark.control_plane

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SUBSCRIPTION = "11111111-2222-4333-8444-555555555555"


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


class TestStoredSessions(SessionFacts):
    pass


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


async def test_a_list_longer_than_a_page_is_whole(
    connection: Connection, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vmbackup_operator.cluster.objects.PAGE", 2)
    objects = Objects(connection, BackupSession)
    for number in range(5):
        await objects.create(session(namespace, f"s{number}"))

    found = await objects.listed(namespace)
    assert [each.metadata.name for each in found] == ["s0", "s1", "s2", "s3", "s4"]


@pytest.fixture
async def administrator(installed: ControlPlane) -> AsyncIterator[Connection]:
    """Who may write what users write."""
    async with connected(str(installed.administrator.kubeconfig)) as made:
        yield made


class TestStoredObjects(ObjectFacts):
    @pytest.fixture(params=[BackupPolicy, BackupRepository], ids=lambda kind: kind.kind)
    async def place(
        self,
        request: pytest.FixtureRequest,
        connection: Connection,
        administrator: Connection,
        namespace: str,
    ) -> ObjectPlace:
        wanted: BackupPolicy | BackupRepository = policy(VM)
        if request.param is BackupRepository:
            wanted = ready_repository()
        wanted = replace(wanted, metadata=Metadata("kept", namespace))
        written = Objects(administrator, request.param)

        async def write() -> None:
            await written.create(wanted)

        async def delete() -> None:
            found = await written.find(wanted.metadata.key)
            assert found is not None
            await written.delete(found)

        await write()
        return ObjectPlace(Objects(connection, request.param), wanted.metadata.key, delete, write)


class TestStoredUndoRecords(UndoRecordFacts):
    @pytest.fixture
    async def records(self, connection: Connection) -> AsyncIterator[StoredUndoRecords]:
        made = StoredUndoRecords(connection, "vmbackup-system", "one")
        yield made
        while left := await made.all():
            for record in left:
                await made.drop(record.virtual_machine_id, record.run_id)

    @pytest.fixture
    def several(self, connection: Connection) -> Sequence[StoredUndoRecords]:
        return [StoredUndoRecords(connection, "vmbackup-system", "one") for _ in range(4)]

    @pytest.fixture
    def others(self, connection: Connection) -> StoredUndoRecords:
        return StoredUndoRecords(connection, "vmbackup-system", "two")


class TestToldEvents(EventFacts):
    @pytest.fixture
    def events(self, connection: Connection) -> ToldEvents:
        return ToldEvents(connection, SystemClock(), "vmbackup-operator-0")

    @pytest.fixture
    async def about(self, stored: StoredSessions, namespace: str) -> BackupSession:
        return await stored.create(session(namespace))

    @pytest.fixture
    def told(
        self, about: BackupSession, plane: ControlPlane
    ) -> Callable[[], Awaitable[Sequence[tuple[str, str]]]]:
        async def told() -> Sequence[tuple[str, str]]:
            selector = f"--field-selector=involvedObject.uid={about.metadata.uid}"
            found = plane.administrator.get("events", "-n", about.metadata.namespace, selector)
            return [(each["reason"], each["message"]) for each in found["items"]]

        return told


class TestKeySecrets(SecretFacts):
    @pytest.fixture
    def secrets(self, connection: Connection) -> KeySecrets:
        return KeySecrets(connection)

    @pytest.fixture
    def keep(
        self, namespace: str, installed: ControlPlane
    ) -> Callable[[str, bool], Awaitable[ObjectKey]]:
        kubectl = installed.administrator.kubectl

        async def keep(name: str, marked: bool) -> ObjectKey:  # noqa: FBT001 - as the suite asks
            create = ("create", "secret", "generic", name, "--from-literal=key=0123")
            kubectl(*create, "-n", namespace)
            label = "vmbackup.dev/key=" + ("true" if marked else "no")
            kubectl("label", "secret", name, label, "-n", namespace)
            return ObjectKey(namespace, name)

        return keep


class TestStoredEnvironments(RegionEnvironmentFacts):
    @pytest.fixture
    def stored(self, connection: Connection) -> StoredEnvironments:
        return StoredEnvironments(connection, "vmbackup-system")


class TestStoredRecoveryPoints(PointObjectFacts):
    @pytest.fixture
    def stored(self, connection: Connection) -> StoredRecoveryPoints:
        return StoredRecoveryPoints(connection, APPLIANCE)

    @pytest.fixture
    def find(self, connection: Connection) -> object:
        return Objects(connection, RecoveryPoint).find

    @pytest.fixture
    def half_made(self, connection: Connection) -> object:
        return Objects(connection, RecoveryPoint).create


async def test_no_environment_is_made_in_another_namespace(connection: Connection) -> None:
    stored = StoredEnvironments(connection, "vmbackup-system")
    spec = RegionEnvironmentSpec(SUBSCRIPTION, "uksouth")
    with pytest.raises(PermanentError, match="forbidden") as caught:
        await stored.create(RegionEnvironment(Metadata("listed", "web-team"), spec))
    assert caught.value.reason == "NotAuthorized"


async def test_a_recovery_point_is_shown_with_its_columns(
    connection: Connection, namespace: str, plane: ControlPlane
) -> None:
    await StoredRecoveryPoints(connection, APPLIANCE).ensure(recovery_point(namespace))

    columns = plane.administrator.kubectl("get", "recoverypoints", "-n", namespace).splitlines()[1]
    assert columns.split()[:2] == [NAME, "web-01"]
    assert "32.0 GiB" in columns
    assert "310 MiB" in columns
