"""What the API server keeps, kept in memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

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
from tests.contract.ports.point_object_facts import PointObjectFacts
from tests.contract.ports.session_facts import SessionFacts, session
from tests.worlds.memory_cluster import MemoryPointObjects, MemoryUndoRecords, ready_repository
from tests.worlds.memory_objects import (
    MemoryEnvironments,
    MemoryEvents,
    MemoryObjects,
    MemorySessions,
)
from tests.worlds.memory_policies import MemoryPolicies, MemoryPolicySessions, policy
from tests.worlds.memory_repositories import MemorySecrets
from tests.worlds.memory_upkeep import MemoryVerifySessions
from tests.worlds.samples import VM
from tests.worlds.turned_clock import TurnedClock
from vmbackup_operator.model.backup_policy import BackupPolicy
from vmbackup_operator.model.backup_repository import BackupRepository, BackupRepositoryStatus
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.metadata import ObjectKey


@pytest.fixture
def namespace() -> str:
    return "team"


class TestMemorySessions(SessionFacts):
    over = (MemorySessions, MemoryPolicySessions, MemoryVerifySessions)

    @pytest.fixture(params=[MemorySessions, MemoryPolicySessions, MemoryVerifySessions])
    def stored(self, request: pytest.FixtureRequest) -> MemorySessions:
        made: MemorySessions = request.param(TurnedClock())
        return made


class TestMemoryObjects(ObjectFacts):
    over = (MemoryObjects, MemoryPolicies)

    @pytest.fixture(params=[BackupPolicy, BackupRepository], ids=lambda kind: kind.kind)
    def place(self, request: pytest.FixtureRequest) -> ObjectPlace:
        clock = TurnedClock()
        kept = BackupRepositoryStatus()
        stored: MemoryObjects[BackupPolicy] | MemoryObjects[BackupRepository]
        if request.param is BackupPolicy:
            stored, wanted = MemoryPolicies(clock), policy(VM)
            stored.put(wanted)
            return _place(stored, wanted.metadata.key, lambda: stored.put(policy(VM)))
        repositories = MemoryObjects(BackupRepository, clock)
        written = replace(ready_repository(), status=kept)
        repositories.put(written)
        return _place(repositories, written.metadata.key, lambda: repositories.put(written))


def _place(
    stored: MemoryObjects[BackupPolicy] | MemoryObjects[BackupRepository],
    key: ObjectKey,
    put: Callable[[], None],
) -> ObjectPlace:
    async def delete() -> None:
        stored.request_deletion(key)

    async def write() -> None:
        put()

    return ObjectPlace(stored, key, delete, write)


class TestMemoryUndoRecords(UndoRecordFacts):
    over = (MemoryUndoRecords,)

    @pytest.fixture
    def records(self) -> MemoryUndoRecords:
        return MemoryUndoRecords("one")

    @pytest.fixture
    def others(self, records: MemoryUndoRecords) -> MemoryUndoRecords:
        return MemoryUndoRecords("two", records)

    @pytest.fixture
    def several(self, records: MemoryUndoRecords) -> Sequence[MemoryUndoRecords]:
        return [MemoryUndoRecords("one", records) for _ in range(4)]


class TestMemoryEvents(EventFacts):
    over = (MemoryEvents,)

    @pytest.fixture
    def events(self) -> MemoryEvents:
        return MemoryEvents()

    @pytest.fixture
    def about(self, namespace: str) -> BackupSession:
        return session(namespace)

    @pytest.fixture
    def told(self, events: MemoryEvents) -> Callable[[], Awaitable[Sequence[tuple[str, str]]]]:
        async def told() -> Sequence[tuple[str, str]]:
            return events.reasons

        return told


class TestMemorySecrets(SecretFacts):
    over = (MemorySecrets,)

    @pytest.fixture
    def secrets(self) -> MemorySecrets:
        return MemorySecrets()

    @pytest.fixture
    def keep(
        self, secrets: MemorySecrets, namespace: str
    ) -> Callable[[str, bool], Awaitable[ObjectKey]]:
        async def keep(name: str, marked: bool) -> ObjectKey:  # noqa: FBT001 - as the suite asks
            secrets.keep(ObjectKey(namespace, name), {"key": b"0123"}, marked=marked)
            return ObjectKey(namespace, name)

        return keep


class TestMemoryEnvironments(RegionEnvironmentFacts):
    over = (MemoryEnvironments,)

    @pytest.fixture
    def stored(self) -> MemoryEnvironments:
        return MemoryEnvironments(TurnedClock(), "vmbackup-system")


class TestMemoryPointObjects(PointObjectFacts):
    over = (MemoryPointObjects,)

    @pytest.fixture
    def stored(self) -> MemoryPointObjects:
        return MemoryPointObjects()

    @pytest.fixture
    def find(self, stored: MemoryPointObjects) -> object:
        return stored.find

    @pytest.fixture
    def half_made(self, stored: MemoryPointObjects) -> object:
        return stored.create
