"""RestoreSession: bring a recovery point back, as disks or as a whole VM."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Literal

import msgspec
from typing_extensions import override

from vmbackup_core.ids import RunId
from vmbackup_core.stores.archive_tier import Priority
from vmbackup_operator.model.metadata import Metadata, ObjectKey
from vmbackup_operator.model.references import ObjectReference
from vmbackup_operator.model.rewound import Rewound
from vmbackup_operator.model.session import Session, SessionSpec, SessionStatus

RestoreMode = Literal["Disks", "VirtualMachine", "Rewind"]

#: What the content comes from: the repository's packs, or the snapshots that the point is made of.
RestoreSource = Literal["Repository", "Snapshots"]


#: A JSON merge patch (RFC 7396) over a body of Azure's.
Patch = dict[str, Any]


class TargetTag(msgspec.Struct, frozen=True, rename="camel"):
    """One tag of Azure's for everything that is made."""

    name: str
    value: str


class RestoreTarget(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Where the disks, and the VM where one is asked for, are made, and as what.

    What is absent is as it was recorded; *tags* are put over the recorded ones.
    """

    subscription_id: str
    resource_group: str
    region: str
    subnet_id: str | None = None
    vm_name: str | None = None
    vm_size: str | None = None
    zone: str | None = None
    disk_encryption_set_id: str | None = None
    disk_sku: str | None = None
    tags: tuple[TargetTag, ...] = ()


class DiskOverride(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What one disk is to be that its record does not say; *disk* is its position."""

    disk: str
    name: str | None = None
    size_gib: int | None = msgspec.field(name="sizeGiB", default=None)
    patch: Patch = {}


class InterfaceOverride(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What one network interface is to be; *index* is its place among the VM's."""

    index: int
    name: str | None = None
    patch: Patch = {}


class RestoreOverrides(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What is put over the recorded bodies, property by property."""

    disks: tuple[DiskOverride, ...] = ()
    network_interfaces: tuple[InterfaceOverride, ...] = ()
    virtual_machine: Patch = {}


class RehydrationWanted(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """How soon packs are to come back that lie in the Archive tier."""

    priority: Priority = "Standard"


class RestoreSessionSpec(SessionSpec, frozen=True, rename="camel", omit_defaults=True):
    """What is asked for; *disks* are the positions of those that are brought back, none: all.

    Where no *source* is said a rewind is made of snapshots, and all else of the repository.
    """

    recovery_point_ref: ObjectReference
    mode: RestoreMode
    target: RestoreTarget
    source: RestoreSource | None = None
    disks: tuple[str, ...] = ()
    overrides: RestoreOverrides = RestoreOverrides()
    rehydration: RehydrationWanted = RehydrationWanted()

    @property
    def copies_snapshots(self) -> bool:
        """Whether new disks are made of a retained snapshot set, by Azure alone."""
        return self.mode != "Rewind" and self.source == "Snapshots"


class RestoredPoint(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The recovery point that is brought back, as its repository had it; *repository* is where.

    One of a snapshot set alone is in none.
    """

    run_id: RunId
    virtual_machine_id: str
    repository: ObjectKey | None = None


class RestoredDisk(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A disk that is made of the recovery point's; *disk* is the position of that one.

    *used_bytes* are in its blocks that are not zero. *expires_at* is when write access to it ends,
    from before it is asked for until it has ended. *written_bytes* is the worker's word.
    """

    disk: str
    disk_id: str
    size_bytes: int
    used_bytes: int = 0
    disk_access_id: str | None = None
    expires_at: datetime | None = None
    written_bytes: int | None = None


class Restored(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What is made of the recovery point: planned before anything is, under names of its own.

    *not_restored* says what could not be set again, and why. *plan_digest* is that of the plan
    which was accepted. *conclusion* is there once all that
    was asked for is.
    """

    recovery_point: RestoredPoint
    disks: tuple[RestoredDisk, ...] = ()
    network_interface_ids: tuple[str, ...] = ()
    virtual_machine_id: str | None = None
    not_restored: tuple[str, ...] = ()
    plan_digest: str = ""
    conclusion: str = ""


class Rehydration(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Packs that are copied out of the Archive tier, to be read; *back* of the copies can be.

    *expected_by* is when the last of them can be, as Azure has it.
    """

    packs: int
    size_bytes: int
    back: int
    requested_at: datetime
    expected_by: datetime


class RestoreSessionStatus(
    SessionStatus, frozen=True, rename="camel", omit_defaults=True, kw_only=True
):
    """What a restore has found and made beside what every session keeps.

    *rewound* is of a rewind alone; its *restored* says the point and how it ended, no disks.
    """

    restored: Restored | None = None
    rewound: Rewound | None = None
    rehydration: Rehydration | None = None

    @property
    @override
    def achieved(self) -> str:
        return "" if self.restored is None else self.restored.conclusion


class RestoreKey(ObjectKey, frozen=True, order=True):
    """What tells a restore from all sessions: it equals no backup's key, whatever its name."""

    @property
    def at(self) -> ObjectKey:
        """Where the object lies."""
        return ObjectKey(self.namespace, self.name)

    @override
    def __str__(self) -> str:
        return f"RestoreSession {self.namespace}/{self.name}"


class RestoreSession(Session, frozen=True, rename="camel"):
    """Bring a recovery point back."""

    kind: ClassVar[str] = "RestoreSession"
    plural: ClassVar[str] = "restoresessions"

    metadata: Metadata
    spec: RestoreSessionSpec
    status: RestoreSessionStatus = RestoreSessionStatus()

    @classmethod
    @override
    def key_at(cls, at: ObjectKey) -> ObjectKey:
        return RestoreKey(at.namespace, at.name)
