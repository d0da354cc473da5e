"""What sessions have left behind whose objects are gone: undone from the records of them.

Nothing is looked for here that an unfinished session still owns: whether the object is there is
asked of the API server, by name and uid, and a session that was made again under the same run id
has taken over what the run has made.

Where there is a record it is looked at every few minutes, and within these after anything happened
to a session; where there is none, nothing was left, and a look a day is for what nobody foresaw.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from vmbackup_core.errors import VmbackupError
from vmbackup_core.ids import RunId
from vmbackup_operator.backups.descriptions import drop_description
from vmbackup_operator.model.backup_session import (
    BackupSession,
    BackupSessionSpec,
    BackupSessionStatus,
    SessionType,
)
from vmbackup_operator.model.metadata import FINALIZER, Metadata
from vmbackup_operator.model.references import ObjectReference
from vmbackup_operator.model.restore_session import RestoreSession
from vmbackup_operator.reconciling.outcome import Outcome, Waiting
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Table
from vmbackup_operator.sessions.undo_record import UndoRecord
from vmbackup_operator.sessions.undoing import Undo, is_undone, take_last_steps

log = logging.getLogger(__name__)

#: How often it is looked for while there are records, how soon again where undoing takes Azure a
#: while, and how soon where there are none.
LOOK_S = 300.0
LOOK_AGAIN_S = 10.0
UNEXPECTED_S = 24 * 3600.0


class LeftBehind:
    """Undoes what is left of sessions that have gone."""

    def __init__(
        self,
        ground: Ground,
        tables: Mapping[SessionType, Table[BackupSession]],
        undo_restore: Undo | None = None,
    ) -> None:
        self._ground = ground
        self._tables = tables
        self._undo_restore = undo_restore

    async def reconcile(self) -> Outcome:
        """Take a step for every record without a session; one that fails keeps no other waiting."""
        again_s = UNEXPECTED_S
        for record in _one_of_each_run(await self._ground.undo_records.all()):
            again_s = min(again_s, LOOK_S)
            try:
                if not await self._is_settled(record):
                    again_s = LOOK_AGAIN_S
            except VmbackupError as error:
                log.warning("run %s of %s, gone: %s", record.run_id, record.session, error)
        return Waiting(again_s, "what was left behind is looked for again")

    async def _is_settled(self, record: UndoRecord) -> bool:
        """Tell whether nothing is to be done for the record soon."""
        if await self._is_owned(record):
            return True
        if not await self._take_last_steps(record):
            # Where another session of the run goes on, it answers for what is left.
            return self._ground.book.goes_on(record.run_id)
        await self._ground.undo_records.drop(record.virtual_machine_id, record.run_id)
        log.info("run %s of %s, which has gone: nothing is left", record.run_id, record.session)
        return True

    async def _take_last_steps(self, record: UndoRecord) -> bool:
        """Take the last steps of the record's session; True once all are done."""
        if record.type == "Restore":
            return self._undo_restore is not None and await self._undo_restore(self._ground, record)
        # The snapshots of a recovery point are the next increment's base.
        without = {"SnapshotsPruned"} if record.stored else set[str]()
        return await take_last_steps(
            self._tables[record.type], self._ground, _as_session(record, record.type), without
        )

    async def _is_owned(self, record: UndoRecord) -> bool:
        """Tell whether the record's session, or another one of its run, answers for it."""
        if self._ground.book.goes_on(record.run_id):
            return True
        key = record.session
        if record.type == "Restore":
            key = RestoreSession.key_at(key)
        session = await self._ground.sessions.find(key)
        if session is None or session.metadata.uid != record.uid:
            return self._ground.book.goes_on(record.run_id)
        return session.status.outcome is None or FINALIZER in session.metadata.finalizers


async def drop_record(table: Table[BackupSession], ground: Ground, session: BackupSession) -> None:
    """Drop the record of a session that has undone everything; what was given up stays known."""
    drop_description(ground, session)
    status = session.status
    if status.run_id is None or status.resolved is None:
        return
    if is_undone(table, status):
        await ground.undo_records.drop(session.spec.virtual_machine_id, status.run_id)


def _one_of_each_run(records: Iterable[UndoRecord]) -> list[UndoRecord]:
    """Return a record of each run: a crash may have left two, and what says stored is newer."""
    by_run: dict[RunId, UndoRecord] = {}
    for record in records:
        known = by_run.get(record.run_id)
        by_run[record.run_id] = record if known is None or record.stored else known
    return list(by_run.values())


def _as_session(record: UndoRecord, kind: SessionType) -> BackupSession:
    """Return a session that has nothing but its last steps left, as the record knows it."""
    namespace, name = record.session.namespace, record.session.name
    return BackupSession(
        metadata=Metadata(name=name, namespace=namespace, uid=record.uid),
        spec=BackupSessionSpec(
            record.virtual_machine_id,
            _reference(record),
            kind,
            retry_limit=record.retry_limit,
        ),
        status=BackupSessionStatus(
            run_id=record.run_id,
            attempt=1,
            start_time=datetime.fromtimestamp(0, UTC),
            resolved=record.resolved,
            recovery_point=record.run_id if record.stored else None,
        ),
    )


def _reference(record: UndoRecord) -> ObjectReference:
    where = record.repository
    if where is None:
        return ObjectReference("none")
    return ObjectReference(where.name, where.namespace)
