"""What a restore that goes on past damage could not bring."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.failures import UnsupportedFormat
from vmbackup_core.stores.port import NotStored, ObjectUnreadable

#: What is wrong with one object of a repository. Anything else (the network, credentials, the
#: place that is restored to) would be met again at the next object, and ends a restore.
DAMAGE = (CorruptRepository, UnsupportedFormat, NotStored, ObjectUnreadable)


@dataclass(frozen=True, slots=True)
class Hole:
    """Bytes of a disk that were not restored; *why* names the object that could not be used."""

    offset: int
    length: int
    why: str


#: Called for every hole, by several threads at once and in no order.
OnHole = Callable[[Hole], None]


def joined(holes: Iterable[Hole]) -> list[Hole]:
    """Return *holes* in order of offset, those that touch and have the same reason made one."""
    found: list[Hole] = []
    for hole in sorted(holes, key=lambda each: each.offset):
        last = found[-1] if found else None
        if last and last.offset + last.length == hole.offset and last.why == hole.why:
            found[-1] = Hole(last.offset, last.length + hole.length, last.why)
        else:
            found.append(hole)
    return found
