"""RestoreSession: bring a recovery point back, as disks or as a whole VM."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from vmbackup_operator.model.metadata import Metadata
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
