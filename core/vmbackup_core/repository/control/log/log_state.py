"""What the log says when it has been read to an object: pure, and the same from states or entries.

`log_conditions` tells which entries may be applied; whoever applies one has asked it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import TypeVar

from msgspec.structs import replace
from typing_extensions import assert_never

from vmbackup_core.ids import ChainId, CommitSlot
from vmbackup_core.repository.control.log.log_entries import (
    Bad,
    BadObject,
    BegunAnew,
    Claimed,
    Dropped,
    Entry,
    Expiring,
    Healed,
    Key,
    NewEpoch,
    Place,
    Point,
    Proof,
    Proven,
    Rebuilt,
    Recorded,
)
from vmbackup_core.repository.primitives.identities import Fingerprint, WritingSession
from vmbackup_core.repository.primitives.names import FIRST_EPOCH

#: What an expiring entry is about: a point, or slots without one.
Subject = tuple[Point | None, tuple[Place, ...]]
Healing = tuple[ChainId, WritingSession]
DroppedKey = tuple[str, ChainId, CommitSlot | WritingSession]
BadKey = tuple[ChainId, BadObject, str]
ProvenKey = tuple[ChainId, Proof, CommitSlot | None]

K = TypeVar("K")
V = TypeVar("V")


def subject_of(entry: Expiring) -> Subject:
    """Return what *entry* is about, whichever phase it says."""
    return entry.point, () if entry.point is not None else tuple(sorted(entry.places))


@dataclass(slots=True)
class LogState:
    """The facts that hold; `apply` changes it in place, and readers of it must not."""

    counted: dict[Point, Recorded] = field(default_factory=dict)
    counted_places: dict[Place, Point] = field(default_factory=dict)
    expiring: dict[Subject, Expiring] = field(default_factory=dict)
    expiring_places: dict[Place, Subject] = field(default_factory=dict)
    #: In which log object each subject began to expire, at the latest; no fact of the log (S16).
    begun_in: dict[Subject, int] = field(default_factory=dict, compare=False)
    bad: dict[BadKey, Bad] = field(default_factory=dict)
    healed: dict[Healing, Healed] = field(default_factory=dict)
    dropped: dict[DroppedKey, Dropped] = field(default_factory=dict)
    begun_anew: dict[ChainId, BegunAnew] = field(default_factory=dict)
    proven: dict[ProvenKey, Proven] = field(default_factory=dict)
    keys: dict[Fingerprint, Key] = field(default_factory=dict)
    epochs: NewEpoch | None = None
    claim: Claimed | None = None
    highest_slots: dict[ChainId, CommitSlot] = field(default_factory=dict)

    @property
    def owner(self) -> str | None:
        """The appliance that owns the repository; None before anybody has said so."""
        return None if self.claim is None else self.claim.appliance

    @property
    def newest_epoch(self) -> int:
        """The epoch under which new objects are sealed."""
        return FIRST_EPOCH if self.epochs is None else self.epochs.epoch

    @property
    def ended_epochs(self) -> frozenset[int]:
        """The epochs whose sessions can commit no longer."""
        return frozenset(() if self.epochs is None else self.epochs.ended)

    def highest_slot(self, chain: ChainId) -> CommitSlot:
        """Return the highest slot of *chain* that any entry ever named; 0 where none did."""
        return self.highest_slots.get(chain, CommitSlot(0))

    def successor(self, chain: ChainId) -> ChainId | None:
        """Return the chain that backups of the disk go to instead, where there is one."""
        entry = self.begun_anew.get(chain)
        return None if entry is None else entry.successor

    def commit_digest(self, place: Place) -> str | None:
        """Return the digest that the commit at *place* must have, where a point counts there."""
        point = self.counted_places.get(place)
        if point is None:
            return None
        disks = self.counted[point].disks
        return next(disk.commit_sha256 for disk in disks if (disk.chain, disk.slot) == place)

    def bad_of(self, chain: ChainId) -> tuple[Bad, ...]:
        """Return the packs and index objects of *chain* that are not to be reused."""
        return tuple(entry for entry in self.bad.values() if entry.chain == chain)

    def is_dropped(self, chain: ChainId, named: CommitSlot | WritingSession) -> bool:
        """Tell whether a person let a commit or manifest, or a healing session, of *chain* go."""
        return any((what, chain, named) in self.dropped for what in _DROPPED)

    def is_list_proven(self, chain: ChainId, slot: CommitSlot) -> bool:
        """Tell whether the pack list of the commit in *slot* was recounted and found right."""
        return (chain, "list", slot) in self.proven

    def copy(self) -> LogState:
        """Return another of the same facts, to which entries can be applied."""
        copied = LogState()
        for each in fields(self):
            value = getattr(self, each.name)
            setattr(copied, each.name, dict(value) if isinstance(value, dict) else value)
        return copied

    def entries(self) -> Iterator[Entry]:
        """Yield entries that, applied to nothing, give these facts but the highest slots."""
        yield from sorted(self.counted.values(), key=lambda it: (it.vm, it.created_at, it.run))
        for known in (
            self.expiring,
            self.bad,
            self.healed,
            self.dropped,
            self.begun_anew,
            self.proven,
            self.keys,
        ):
            yield from known.values()
        yield from (entry for entry in (self.epochs, self.claim) if entry is not None)

    def apply(self, entry: Entry, number: int | None = None) -> None:
        """Take in what *entry* says, which has been found right, and that object *number* has it.

        Of an entry that a state repeats it is the number of the state's object.
        """
        self._name_slots(entry)
        match entry:
            case Recorded():
                self.counted[entry.point] = entry
                self.counted_places.update(dict.fromkeys(entry.places, entry.point))
            case Expiring():
                self._expire(entry, number)
            case Dropped():
                self.dropped[_dropped_key(entry)] = entry
            case _:
                self._apply_simple(entry)

    def _apply_simple(
        self, entry: Proven | Bad | Healed | BegunAnew | Key | NewEpoch | Claimed | Rebuilt
    ) -> None:
        match entry:
            case Proven():
                slot = entry.slot if entry.what == "list" else None
                self.proven[entry.chain, entry.what, slot] = entry
            case Bad():
                key = entry.chain, entry.object, entry.id
                self.bad[key] = united(self.bad.get(key), entry)
            case Healed():
                self.healed[entry.chain, entry.session] = entry
            case BegunAnew():
                self.begun_anew[entry.chain] = entry
            case Key():
                self.keys[entry.fingerprint] = entry
            case _:
                self._apply_about_repository(entry)

    def _apply_about_repository(self, entry: NewEpoch | Claimed | Rebuilt) -> None:
        match entry:
            case NewEpoch():
                self.epochs = entry
            case Claimed():
                self.claim = entry
            case Rebuilt():
                pass
            case _:
                assert_never(entry)

    def _expire(self, entry: Expiring, number: int | None) -> None:
        subject = subject_of(entry)
        if entry.point is not None and (point := self.counted.pop(entry.point, None)):
            for place in point.places:
                del self.counted_places[place]
        if entry.phase == "begun":
            self.expiring[subject] = entry
            self.expiring_places.update(dict.fromkeys(entry.places, subject))
            if number is not None:
                self.begun_in[subject] = number
            return
        self.begun_in.pop(subject, None)
        for place in self.expiring.pop(subject).places:
            del self.expiring_places[place]
            self.proven.pop((place[0], "list", place[1]), None)

    def _name_slots(self, entry: Entry) -> None:
        for chain, slot in places_of(entry):
            self.highest_slots[chain] = max(slot, self.highest_slot(chain))


_DROPPED = ("commit", "manifest", "healing")


def places_of(entry: Entry) -> tuple[Place, ...]:
    """Return the slots that *entry* names; ids of packs name none."""
    match entry:
        case Recorded() | Expiring():
            return entry.places
        case Proven():
            return ((entry.chain, entry.slot),)
        case Dropped():
            return () if entry.slot is None else ((entry.chain, entry.slot),)
        case _:
            return ()


def united(before: Bad | None, entry: Bad) -> Bad:
    """Return *entry* with the parts that were said before: damage does not go away."""
    if before is None or entry.parts is None:
        return entry
    if before.parts is None:
        return before
    return replace(entry, parts=tuple(sorted({*before.parts, *entry.parts})))


def _dropped_key(entry: Dropped) -> DroppedKey:
    named = entry.session if entry.what == "healing" else entry.slot
    assert named is not None  # noqa: S101 - the entry has seen to it
    return entry.what, entry.chain, named
