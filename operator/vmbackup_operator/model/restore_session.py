"""RestoreSession: bring a recovery point back, as disks or as a whole VM."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

import msgspec

from vmbackup_operator.model.backup_session import Outcome
from vmbackup_operator.model.conditions import Condition
from vmbackup_operator.model.metadata import Metadata
from vmbackup_operator.model.progress import Display, Progress, SessionError
from vmbackup_operator.model.references import ObjectReference

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


class RestoreSessionSpec(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What is asked for; nothing of it ever changes but *cancel*, once, to true."""

    recovery_point_ref: ObjectReference
    mode: RestoreMode
    target: RestoreTarget
    overwrite: bool = False
    cancel: bool = False


class RestoreSessionStatus(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """How far it is and how it ended."""

    observed_generation: int = 0
    appliance_id: str | None = None
    outcome: Outcome | None = None
    phase: str | None = None
    attempt: int = 0
    start_time: datetime | None = None
    completion_time: datetime | None = None
    message: str = ""
    conditions: tuple[Condition, ...] = ()
    progress: Progress | None = None
    display: Display | None = None
    errors: tuple[SessionError, ...] = ()


class RestoreSession(msgspec.Struct, frozen=True, rename="camel"):
    """Bring a recovery point back."""

    kind: ClassVar[str] = "RestoreSession"
    plural: ClassVar[str] = "restoresessions"

    metadata: Metadata
    spec: RestoreSessionSpec
    status: RestoreSessionStatus = RestoreSessionStatus()
