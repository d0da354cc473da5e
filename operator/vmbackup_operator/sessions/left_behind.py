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

from vmbackup_core.errors import VmbackupError
from vmbackup_core.ids import RunId
from vmbackup_operator.model.metadata import FINALIZER
from vmbackup_operator.reconciling.outcome import Outcome, Waiting
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.undo_record import RecordType, UndoRecord
from vmbackup_operator.sessions.undoing import Undo

log = logging.getLogger(__name__)

#: How often it is looked for while there are records, how soon again where undoing takes Azure a
#: while, and how soon where there are none.
LOOK_S = 300.0
LOOK_AGAIN_S = 10.0
UNEXPECTED_S = 24 * 3600.0


class LeftBehind:
    """Undoes what is left of sessions that have gone."""

    def __init__(self, ground: Ground, undo: Mapping[RecordType, Undo]) -> None:
        self._ground = ground
        self._undo = undo

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
        if not await self._undo[record.type](self._ground, record):
            # Where another session of the run goes on, it answers for what is left.
            return self._ground.book.goes_on(record.run_id)
        await self._ground.undo_records.drop(record.virtual_machine_id, record.run_id)
        log.info("run %s of %s, which has gone: nothing is left", record.run_id, record.session)
        return True

    async def _is_owned(self, record: UndoRecord) -> bool:
        """Tell whether the record's session, or another one of its run, answers for it."""
        if self._ground.book.goes_on(record.run_id):
            return True
        session = await self._ground.sessions.find(record.key)
        if session is None or session.metadata.uid != record.uid:
            return self._ground.book.goes_on(record.run_id)
        return session.status.outcome is None or FINALIZER in session.metadata.finalizers


def _one_of_each_run(records: Iterable[UndoRecord]) -> list[UndoRecord]:
    """Return a record of each run: a crash may have left two, and what says stored is newer."""
    by_run: dict[RunId, UndoRecord] = {}
    for record in records:
        known = by_run.get(record.run_id)
        by_run[record.run_id] = record if known is None or record.stored else known
    return list(by_run.values())
