"""RestoreSession: bring a recovery point back, as disks or as a whole VM."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import msgspec

from vmbackup_operator.model.metadata import Metadata
from vmbackup_operator.model.references import ObjectReference
from vmbackup_operator.model.session import Session, SessionSpec, SessionStatus

RestoreMode = Literal["Disks", "VirtualMachine"]


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


class RestoreSessionSpec(SessionSpec, frozen=True, rename="camel", omit_defaults=True):
    """What is asked for; *disks* are the positions of those that are brought back, none: all."""

    recovery_point_ref: ObjectReference
    mode: RestoreMode
    target: RestoreTarget
    disks: tuple[str, ...] = ()
    overrides: RestoreOverrides = RestoreOverrides()


class RestoreSessionStatus(
    SessionStatus, frozen=True, rename="camel", omit_defaults=True, kw_only=True
):
    """How far it is and how it ended."""


class RestoreSession(Session, frozen=True, rename="camel"):
    """Bring a recovery point back."""

    kind: ClassVar[str] = "RestoreSession"
    plural: ClassVar[str] = "restoresessions"

    metadata: Metadata
    spec: RestoreSessionSpec
    status: RestoreSessionStatus = RestoreSessionStatus()
