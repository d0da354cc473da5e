"""What a plan says: the disks, the interfaces and the VM that are made of a recovery point."""

from __future__ import annotations

from dataclasses import dataclass, field

from vmbackup_operator.environments.bodies import Body
from vmbackup_operator.naming import ArmId


@dataclass(frozen=True, slots=True)
class DiskWanted:
    """A disk to make; *position* is ``os`` or its LUN.

    *body* is the body of the PUT but for its content, its access and the tag that proves it ours.
    *creation_data* is what stands in ``creationData`` beside the upload's own. *after_upload* is
    the body of a PATCH for the time when its content is whole and nobody has access any more: Azure
    takes no upload through a disk access into a disk that has an encryption set already.
    """

    position: str
    id: ArmId
    name: str
    size_bytes: int
    region: str
    zone: str | None
    body: Body
    creation_data: Body = field(default_factory=dict)
    after_upload: Body = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InterfaceWanted:
    """A network interface to make; *body* lacks only the tag that proves it ours."""

    id: ArmId
    body: Body


@dataclass(frozen=True, slots=True)
class MachineWanted:
    """A VM to make, which attaches the disks of the plan; *body* lacks only the tag as above."""

    id: ArmId
    body: Body


@dataclass(frozen=True, slots=True)
class Planned:
    """All that is made, what of the point is not set again, and whose ids the bodies use.

    *not_restored* says a property and why, for people. *ids_used* has every ARM id that is written
    into or named by a body: it has to lie where the session's namespace may restore into.
    """

    disks: tuple[DiskWanted, ...]
    interfaces: tuple[InterfaceWanted, ...] = ()
    machine: MachineWanted | None = None
    not_restored: tuple[str, ...] = ()
    ids_used: tuple[ArmId, ...] = ()
