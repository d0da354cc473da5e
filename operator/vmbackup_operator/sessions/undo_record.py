"""What is written down, in the operator's own namespace, of what a session may leave in Azure.

A session's finalizer keeps its object until all is undone. Whoever may write the object can take
the finalizer off and delete it; nobody but the operator writes these.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from vmbackup_core.ids import RunId
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.session_findings import Resolved


class UndoRecord(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A session, its run, and what it found: from these follow the names of all that it makes.

    *stored*: its recovery point exists, so that its snapshots stay. There is nothing secret in it.
    """

    session: ObjectKey
    uid: str
    run_id: RunId
    virtual_machine_id: str
    resolved: Resolved
    retry_limit: int
    stored: bool = False


class UndoRecords(Protocol):
    """Records, one for each run; every method may be called twice."""

    async def keep(self, record: UndoRecord) -> None:
        """Write the record; one of the same run that is there is replaced."""

    async def all(self) -> Sequence[UndoRecord]:
        """Return every record of this appliance."""

    async def drop(self, run_id: RunId) -> None:
        """Delete the run's record; gone already is no error."""
