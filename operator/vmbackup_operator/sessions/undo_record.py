"""What is written down, in the operator's own namespace, of what a session may leave in Azure.

A session's finalizer keeps its object until all is undone. Whoever may write the object can take
the finalizer off and delete it; nobody but the operator writes these.

A VM has one record at a time that is its claim: created where there is none, so that of two
sessions one has it, whichever process decided for them. It goes to another session only after its
holder has ended or gone; what that one may have left stays written down, under its run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, Protocol, TypeAlias

import msgspec

from vmbackup_core.ids import RunId
from vmbackup_operator.model.backup_session import SessionType
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.restore_session import Restored, RestoreSession
from vmbackup_operator.model.rewound import Rewound
from vmbackup_operator.model.session_findings import Resolved

#: What a record is of: a BackupSession by its type, or a RestoreSession by what it is made of.
RecordType: TypeAlias = SessionType | Literal["Restore", "SnapshotRestore", "Rewind"]
_RESTORES: Final[frozenset[RecordType]] = frozenset({"Restore", "SnapshotRestore", "Rewind"})


class UndoRecord(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A session, its run, and what it found: from these follow the names of all that it makes.

    *stored*: its recovery point exists, so that its snapshots stay; of a restore, that what it made
    stays. *repository* is where it holds manifests, *restored* what a restore makes, *rewound*
    whose disks a rewind swaps. There is nothing secret in it.
    """

    session: ObjectKey
    uid: str
    run_id: RunId
    virtual_machine_id: str
    resolved: Resolved
    retry_limit: int
    stored: bool = False
    type: RecordType = "Backup"
    repository: ObjectKey | None = None
    restored: Restored | None = None
    rewound: Rewound | None = None

    @property
    def is_of_restore(self) -> bool:
        """Whether it is of a RestoreSession."""
        return self.type in _RESTORES

    @property
    def key(self) -> ObjectKey:
        """What the session is known by among sessions of all kinds."""
        return RestoreSession.key_at(self.session) if self.is_of_restore else self.session

    def is_of(self, other: UndoRecord) -> bool:
        """Tell whether both are records of the same session."""
        return (self.run_id, self.uid) == (other.run_id, other.uid)


class UndoRecords(Protocol):
    """Records; every method may be called twice, and raises Conflict where it has to be."""

    async def find_claim(self, vm_id: str) -> UndoRecord | None:
        """Return the record that claims the VM, or None."""

    async def claim(self, record: UndoRecord) -> UndoRecord | None:
        """Have the record claim its VM; return the one that has it where another session's does.

        One of the same session that is there stays as it is.
        """

    async def take_over(self, held: UndoRecord, record: UndoRecord) -> None:
        """Have the record claim its VM in place of *held*, whose session has ended or gone.

        What was *held* is kept under its run first. Raise Conflict where it is not held any more.
        """

    async def keep(self, record: UndoRecord) -> None:
        """Write the record: the claim where its session has it, else the one under its run."""

    async def all(self) -> Sequence[UndoRecord]:
        """Return every record of this appliance, claims and others."""

    async def drop(self, vm_id: str, run_id: RunId) -> None:
        """Delete the run's record, be it the VM's claim or not; gone already is no error."""
