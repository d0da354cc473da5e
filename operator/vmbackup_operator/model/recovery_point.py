"""RecoveryPoint: one restorable state of one VM, a mirror of what holds it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final, Literal

import msgspec

from vmbackup_core.ids import CommitSlot, RunId
from vmbackup_operator.model.conditions import Condition
from vmbackup_operator.model.exclusions import ExcludedDisk
from vmbackup_operator.model.metadata import Metadata
from vmbackup_operator.model.references import NONE, ObjectReference

#: Where it lies: in a backup repository, in an archive, or in Azure's snapshots alone.
PointType = Literal["Backup", "Archive", "Snapshot"]


class RecoveryPointDisk(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One disk of the recovery point; *lun* is None for the OS disk.

    One of a snapshot set alone has no *slot*.
    """

    name: str
    size_bytes: int
    slot: CommitSlot | None = None
    lun: int | None = None


class RecoveryPointSpec(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What the repository's manifest says, or a snapshot set's sealed tags.

    The latter names no repository; *packed_description* is then what Azure said of its VM, where
    that is known: see `vm_description`.
    """

    run_id: RunId
    virtual_machine_id: str
    virtual_machine_name: str
    created_at: datetime
    type: PointType
    disks: tuple[RecoveryPointDisk, ...]
    size_bytes: int
    stored_bytes: int
    repository_ref: ObjectReference | None = None
    packed_description: str | None = None
    excluded_disks: tuple[ExcludedDisk, ...] = ()

    @property
    def stored_in(self) -> ObjectReference:
        """The repository that is named; none of any name where there is none."""
        return self.repository_ref or NONE


@dataclass(frozen=True, slots=True)
class Kept:
    """Why a point is kept, and until when; None where that has no end that is known."""

    because: str = ""
    until: datetime | None = None


NOT_LOOKED_AT: Final = Kept()


class RecoveryPointStatus(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Whether it can be restored, as far as is known, and why it is kept and until when.

    *kept_until* is None where that has no end that is known.
    """

    observed_generation: int = 0
    appliance_id: str | None = None
    size: str = ""
    stored: str = ""
    kept_because: str = ""
    kept_until: datetime | None = None
    conditions: tuple[Condition, ...] = ()

    @property
    def kept(self) -> Kept:
        """What is shown of why it is kept; empty where that was never looked at."""
        return Kept(self.kept_because, self.kept_until)


class RecoveryPoint(msgspec.Struct, frozen=True, rename="camel"):
    """One restorable state of one VM."""

    kind: ClassVar[str] = "RecoveryPoint"
    plural: ClassVar[str] = "recoverypoints"

    metadata: Metadata
    spec: RecoveryPointSpec
    status: RecoveryPointStatus = RecoveryPointStatus()
