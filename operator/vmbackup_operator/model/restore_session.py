"""RestoreSession: bring a recovery point back, as disks or as a whole VM."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

import msgspec
from typing_extensions import override

from vmbackup_core.ids import RunId
from vmbackup_operator.model.metadata import Metadata, ObjectKey
from vmbackup_operator.model.references import ObjectReference
from vmbackup_operator.model.session import Session, SessionSpec, SessionStatus

RestoreMode = Literal["Disks", "VirtualMachine"]


class RestoreTarget(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Where the disks, and the VM where one is asked for, are made."""

    subscription_id: str
    resource_group: str
    region: str
    subnet_id: str | None = None
    vm_name: str | None = None
    vm_size: str | None = None
    zone: str | None = None


class RestoreSessionSpec(SessionSpec, frozen=True, rename="camel", omit_defaults=True):
    """What is asked for."""

    recovery_point_ref: ObjectReference
    mode: RestoreMode
    target: RestoreTarget
    overwrite: bool = False


class RestoredPoint(msgspec.Struct, frozen=True, rename="camel"):
    """The recovery point that is brought back, as its repository had it; *repository* is where."""

    run_id: RunId
    virtual_machine_id: str
    repository: ObjectKey


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

    *not_restored* says what could not be set again, and why. *conclusion* is there once all that
    was asked for is.
    """

    recovery_point: RestoredPoint
    disks: tuple[RestoredDisk, ...] = ()
    network_interface_ids: tuple[str, ...] = ()
    virtual_machine_id: str | None = None
    not_restored: tuple[str, ...] = ()
    conclusion: str = ""


class RestoreSessionStatus(
    SessionStatus, frozen=True, rename="camel", omit_defaults=True, kw_only=True
):
    """What a restore has found and made beside what every session keeps."""

    restored: Restored | None = None

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
