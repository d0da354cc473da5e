"""What the frame is told of each kind of session."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from vmbackup_operator.archives import table as archives
from vmbackup_operator.backups import table as backups
from vmbackup_operator.backups.identity import run_id_for
from vmbackup_operator.backups.retaining import table as snapshot_sets
from vmbackup_operator.backups.undo import drop_record, undo
from vmbackup_operator.model.backup_session import BackupSession, SessionType
from vmbackup_operator.model.display import with_display
from vmbackup_operator.model.restore_session import RestoreSession
from vmbackup_operator.naming import run_id_of_restore
from vmbackup_operator.restores import table as restores
from vmbackup_operator.restores.copying import table as copies
from vmbackup_operator.restores.rewinding import table as rewinds
from vmbackup_operator.restores.rewinding.undo import drop_record as drop_rewind_record
from vmbackup_operator.restores.undo import drop_record as drop_restore_record
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.reconciler import Kind, SessionStore
from vmbackup_operator.sessions.step import Table
from vmbackup_operator.sessions.steps.releasing import give_back_worker
from vmbackup_operator.sessions.undo_record import RecordType
from vmbackup_operator.sessions.undoing import Undo
from vmbackup_operator.verifications import table as verifications

TABLES: Mapping[SessionType, Table[BackupSession]] = {
    "Backup": backups.STEPS,
    "Archive": archives.STEPS,
    "Verify": verifications.STEPS,
    "Snapshot": snapshot_sets.STEPS,
}

#: How what is left of a session that has gone is undone, by the type of its record.
UNDO: Mapping[RecordType, Undo] = {
    **{kind: partial(undo, table) for kind, table in TABLES.items()},
    "Restore": restores.undo,
    "SnapshotRestore": copies.undo,
    "Rewind": rewinds.undo,
}


def restore_sessions(store: SessionStore[RestoreSession]) -> Kind[RestoreSession]:
    """Return the kind RestoreSession, whose objects *store* keeps."""
    return Kind(
        store,
        _table_of_restore,
        lambda appliance_id, session: run_id_of_restore(appliance_id, session.metadata.key),
        with_display,
        _drop_restore_record,
        give_back_worker,
    )


def _table_of_restore(session: RestoreSession) -> Table[RestoreSession]:
    if session.spec.mode == "Rewind":
        return rewinds.table_of(session)
    return copies.STEPS if session.spec.copies_snapshots else restores.STEPS


async def _drop_restore_record(ground: Ground, session: RestoreSession) -> None:
    drop = drop_rewind_record if session.spec.mode == "Rewind" else drop_restore_record
    await drop(_table_of_restore(session), ground, session)


async def _drop_record(ground: Ground, session: BackupSession) -> None:
    await drop_record(TABLES[session.spec.type], ground, session)


def backup_sessions(store: SessionStore[BackupSession]) -> Kind[BackupSession]:
    """Return the kind BackupSession, whose objects *store* keeps."""
    return Kind(
        store,
        lambda session: TABLES[session.spec.type],
        run_id_for,
        with_display,
        _drop_record,
        give_back_worker,
    )
