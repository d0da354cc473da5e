"""What a check has seen so far: each object is found fault with once; threads tell side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Final, get_args

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import RunId
from vmbackup_core.repository.control.check.report import Finding, Place, What
from vmbackup_core.repository.primitives.failures import NotUnderstood
from vmbackup_core.stores.port import UNREADABLE_NOW, NotStored

#: Findings are kept in memory; of a place that is lost whole there would be millions.
FINDINGS_MOST: Final = 10_000

_GRAVEST: Final = {what: rank for rank, what in enumerate(get_args(What))}


@dataclass(slots=True)
class Fault:
    """An object that is not as it was written.

    *parts* are offsets of what is wrong in a pack or index object; *whole* says that no part of it
    is trusted. What is only *suspected* is a finding where it turns out to hurt.
    """

    object: str
    place: Place
    what: What
    found: str
    parts: set[int] = field(default_factory=set)
    whole: bool = False
    suspected: bool = False
    runs: set[RunId] = field(default_factory=set)
    size_bytes: int | None = None

    def take_in(self, other: Fault) -> None:
        """Be as grave as the graver of the two, and have the parts of both."""
        graver = _GRAVEST[other.what] > _GRAVEST[self.what]
        if (self.suspected and not other.suspected) or (
            graver and self.suspected == other.suspected
        ):
            self.what, self.found = other.what, other.found
        self.suspected &= other.suspected
        self.parts |= other.parts
        self.whole |= other.whole
        self.runs |= other.runs
        self.size_bytes = self.size_bytes or other.size_bytes

    def finding(self) -> Finding:
        """Return it as a value, without what it hurts on disks."""
        parts = tuple(sorted(self.parts)) if self.parts and not self.whole else None
        runs = tuple(sorted(self.runs))
        said = (self.object, self.place, self.what, self.found)
        return Finding(*said, parts, runs=runs, size_bytes=self.size_bytes)


@dataclass(slots=True)
class Counts:
    """How much was looked at."""

    points: int = 0
    chains: int = 0
    commits: int = 0
    indexes: int = 0
    packs: int = 0
    unreferenced_packs: int = 0
    archived_packs: int = 0
    read_bytes: int = 0
    copies: int = 0
    copied_bytes: int = 0

    def add(self, other: Counts) -> None:
        """Count what *other* has."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


@dataclass
class Observations:
    """The faults of what is being looked at, by place and name.

    *on_look* hears of each look at an object.
    """

    on_look: Callable[[], None]
    faults: dict[tuple[Place, str], Fault] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)
    left_out: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def fault(self, fault: Fault) -> None:
        """Note *fault*, beside what is known of its object."""
        with self._lock:
            known = self.faults.get((fault.place, fault.object))
            if known is not None:
                known.take_in(fault)
            elif len(self.faults) < FINDINGS_MOST:
                self.faults[fault.place, fault.object] = fault
            else:
                self.left_out += 1

    def say(self, place: Place, name: str, what: What, found: str) -> None:
        """Note that the object called *name* is not as it was written."""
        self.fault(Fault(name, place, what, found.removeprefix(f"{name}: ")))

    def take_over(self, other: Observations) -> None:
        """Know what *other* has seen, and no more."""
        self.faults, self.counts, self.left_out = other.faults, other.counts, other.left_out

    def found(self, place: Place, name: str) -> bool:
        """Tell whether the object has been found fault with."""
        return (place, name) in self.faults

    def add(
        self, *, packs: int = 0, unreferenced: int = 0, archived: int = 0, read_bytes: int = 0
    ) -> None:
        """Count what was listed, and what threads have read."""
        with self._lock:
            self.counts.packs += packs
            self.counts.unreferenced_packs += unreferenced
            self.counts.archived_packs += archived
            self.counts.read_bytes += read_bytes

    @contextmanager
    def noting(
        self, place: Place, name: str, part: int | None = None, runs: Iterable[RunId] = ()
    ) -> Iterator[None]:
        """Note what stops the block from reading the object called *name*, and go on behind it.

        *part* is the offset of what is read; *runs* are the points that are lost with it.
        """
        self.on_look()
        try:
            yield
        except NotStored:
            found = Fault(name, place, "missing", "is missing")
        except CorruptRepository as error:
            found = Fault(name, place, "damaged", str(error).removeprefix(f"{name}: "))
        except NotUnderstood as error:
            found = Fault(name, place, "notUnderstood", str(error).removeprefix(f"{name}: "))
        except UNREADABLE_NOW as error:
            found = Fault(name, place, "unreadable", str(error))
        else:
            return
        found.parts, found.whole = (set(), True) if part is None else ({part}, False)
        found.runs = set(runs)
        self.fault(found)
