"""The API server of the bench keeps to what the product's client code relies on."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from msgspec.structs import replace

from tools.bench.api_server import ApiServer, Document
from tools.bench.fleet import put_repository, session_document, session_path
from tools.bench.turned_time import ComputedClock, TurnedLoop
from vmbackup_core.ids import RunId
from vmbackup_operator.cluster.backup_sessions import StoredSessions
from vmbackup_operator.cluster.objects import Objects
from vmbackup_operator.cluster.undo_records import StoredUndoRecords
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.session_findings import Resolved
from vmbackup_operator.reconciling.outcome import Conflict
from vmbackup_operator.sessions.undo_record import UndoRecord

KEY = ObjectKey("team-00", "nightly")


class Stage:
    def __init__(self) -> None:
        self.clock = ComputedClock(lambda: 0.0)
        self.server = ApiServer(self.clock)
        self.sessions = StoredSessions(self.server)
        self.told: list[tuple[str, bool]] = []
        self.server.watch = self._tell

    def _tell(self, plural: str, _document: Document, gone: bool) -> None:  # noqa: FBT001 - as a watch
        self.told.append((plural, gone))

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        loop = TurnedLoop(self.clock)
        try:
            loop.run_until_complete(work)
        finally:
            loop.close()


def test_a_session_is_read_written_and_watched_until_its_outcome() -> None:
    stage = Stage()

    async def live() -> None:
        stage.server.put(session_path(KEY), session_document(KEY, "/vm"))
        session = await stage.sessions.find(KEY)
        assert session is not None
        begun = await stage.sessions.write_status(
            replace(session, status=replace(session.status, attempt=1))
        )
        with pytest.raises(Conflict):
            await stage.sessions.write_finalizers(session)
        ended = replace(begun.status, outcome="Succeeded")
        await stage.sessions.write_status(replace(begun, status=ended))
        assert await stage.sessions.unfinished() == ()
        assert [each.status.attempt for each in await stage.sessions.all()] == [1]
        await asyncio.sleep(1)

    stage.run(live())

    assert stage.told == [("backupsessions", False), ("backupsessions", False),
                          ("backupsessions", True)]  # fmt: skip
    assert stage.server.writes == {"PUT backupsessions": 2, "PATCH backupsessions": 1}
    assert stage.server.reads == {"GET backupsessions": 3}


def test_what_is_not_there_is_none_and_what_is_there_is_not_made_again() -> None:
    stage = Stage()
    repositories = Objects(stage.server, BackupRepository)
    records = StoredUndoRecords(stage.server, "vmbackup-system", "appliance")
    record = UndoRecord(KEY, "uid", RunId("r"), "/vm", Resolved(), 0)

    async def live() -> None:
        assert await stage.sessions.find(KEY) is None
        put_repository(stage.server)
        assert await repositories.find(ObjectKey("team", "repo")) is not None
        await records.keep(record)
        await records.keep(replace(record, stored=True))
        assert [each.stored for each in await records.all()] == [True]
        await records.drop(record.virtual_machine_id, record.run_id)
        await records.drop(record.virtual_machine_id, record.run_id)
        assert await records.all() == []

    stage.run(live())
