"""What a restore that goes on past damage could not bring."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hole:
    """Bytes of a disk that were not restored; *why* names the object that could not be used."""

    offset: int
    length: int
    why: str


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
