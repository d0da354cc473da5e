"""What the commits of a chain that counts need: which packs are to be read, in order; section 33.

Pack lists are streamed. Where one does not open, the tables of the manifest are counted instead.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import ChainId, CommitSlot
from vmbackup_core.repository.control.chains.chain_header import reading_keys
from vmbackup_core.repository.control.chains.named_manifests import manifest_of, open_named
from vmbackup_core.repository.control.commits.commits import FoundCommit, find_commit, is_as_logged
from vmbackup_core.repository.control.commits.list_parts import OpenList
from vmbackup_core.repository.control.commits.pack_list import PACK, ListEntry
from vmbackup_core.repository.control.log.log import Log
from vmbackup_core.repository.control.log.log_entries import Place
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.points.points import PointDisk, open_counted
from vmbackup_core.repository.control.retention.stored_manifests import StoredManifests
from vmbackup_core.repository.data.grants import ManifestAt
from vmbackup_core.repository.data.manifest import Manifest
from vmbackup_core.repository.primitives.identities import HEALING_SLOT, PackId, WritingSession
from vmbackup_core.stores.port import NotStored, Store

#: So many packs are kept while the next ones in order are looked for: they become one job.
CANDIDATES_MOST: Final = 16_384


@dataclass(frozen=True, slots=True)
class NeededPack:
    """A pack, the size that lists have, and a slot whose manifest needs it; 0 of healing packs."""

    pack: PackId
    size_bytes: int
    needed_by: CommitSlot


@dataclass(frozen=True, slots=True)
class CommitNeeds:
    """A commit that counts, by the manifest that it names, or that its point does."""

    place: Place
    at: ManifestAt
    commit: FoundCommit | None


@dataclass(frozen=True, slots=True)
class Needs:
    """Reads what the commits of counted points need."""

    log: Log
    data: Store
    state: LogState

    def slots(self, chain: ChainId) -> list[CommitSlot]:
        """Return the slots of *chain* that points which count name, in order."""
        return sorted(slot for named, slot in self.state.counted_places if named == chain)

    def find(self, place: Place) -> CommitNeeds:
        """Return the commit of *place*; CorruptRepository where no manifest is known of it."""
        found = find_commit(self.log.control, *place)
        if found is not None and not is_as_logged(self.state, place[0], found):
            found = None
        at = None if found is None else manifest_of(found)
        if at is None:
            disk = self.disk(place)
            at = ManifestAt(disk.manifest_name, disk.manifest_sha256, disk.slot)
        return CommitNeeds(place, at, found)

    def manifest(self, needs: CommitNeeds) -> Manifest:
        """Return the manifest of a commit; CorruptRepository where it does not open."""
        return open_named(self.log.control, self.data, needs.place[0], needs.at)

    def keys(self, chain: ChainId) -> str:
        """Return what opens all records of *chain*, for a job."""
        return reading_keys(self.log.control, self.data, chain, self.state).text

    def disk(self, place: Place) -> PointDisk:
        """Return what the point says of the disk whose commit is at *place*."""
        entry = self.state.counted[self.state.counted_places[place]]
        try:
            point = open_counted(self.log.control, entry)
        except NotStored as error:
            raise CorruptRepository(f"{error}: it counts, and it is lost") from error
        return next(each for each in point.disks if (each.chain_id, each.slot) == place)

    def entries(self, needs: CommitNeeds) -> Iterator[ListEntry]:
        """Yield what the commit needs, in order, each once."""
        last: ListEntry | None = None
        for part in self._parts(needs):
            for entry in part:
                if last is None or entry.key > last.key:
                    last = entry
                    yield entry

    def _parts(self, needs: CommitNeeds) -> Iterator[Iterable[ListEntry]]:
        """Yield the parts of the list; where one does not open, all is counted anew behind it."""
        commit = None if needs.commit is None else needs.commit.commit
        try:
            if commit is not None:
                yield from OpenList.of(self.log.control, commit, needs.place[0]).parts()
                return
        except CorruptRepository:
            pass
        yield self._recounted(needs)

    def _recounted(self, needs: CommitNeeds) -> Iterable[ListEntry]:
        ring, newest = self.log.control.ring, self.state.newest_epoch
        stored = StoredManifests(self.data, ring, newest)
        return stored.recount(needs.at.name, needs.at.sha256)

    def healing(self, chain: ChainId) -> Iterator[NeededPack]:
        """Yield the healing packs of *chain* that are there, as the log says."""
        for entry in self.state.healed.values():
            if entry.chain == chain and entry.phase == "done":
                for each in entry.packs:
                    pack = PackId(HEALING_SLOT, entry.session, each.number)
                    yield NeededPack(pack, each.size, HEALING_SLOT)


@dataclass
class Rota:
    """The packs of a chain in order from *after* on, and behind the last one from the first."""

    after: PackId | None
    total_bytes: int = 0
    _seen: defaultdict[tuple[CommitSlot, WritingSession], set[int]] = field(
        default_factory=lambda: defaultdict(set)
    )
    _next: list[NeededPack] = field(default_factory=list)
    _first: list[NeededPack] = field(default_factory=list)

    def add(self, packs: Iterable[NeededPack]) -> None:
        """Take *packs* in; those that are there already are passed over."""
        for each in packs:
            known = self._seen[each.pack.slot, each.pack.session]
            if each.pack.number in known:
                continue
            known.add(each.pack.number)
            self.total_bytes += each.size_bytes
            is_next = self.after is None or each.pack > self.after
            kept = self._next if is_next else self._first
            kept.append(each)
            if len(kept) >= 2 * CANDIDATES_MOST:
                kept.sort(key=_order)
                del kept[CANDIDATES_MOST:]

    def share(self, part: float) -> int:
        """Return how many bytes are this *part* of all packs."""
        return math.ceil(self.total_bytes * min(1.0, max(0.0, part)))

    def in_turn(self) -> Iterator[NeededPack]:
        """Yield the packs in the order in which they are read."""
        yield from sorted(self._next, key=_order)[:CANDIDATES_MOST]
        if len(self._next) < CANDIDATES_MOST:
            yield from sorted(self._first, key=_order)[:CANDIDATES_MOST]


def _order(needed: NeededPack) -> PackId:
    return needed.pack


def packs_in(entries: Iterable[ListEntry], slot: CommitSlot) -> Iterator[NeededPack]:
    """Yield the packs among *entries*, which the manifest of *slot* needs."""
    for each in entries:
        if each.kind == PACK:
            pack = PackId(each.session.slot, each.session.session, each.number)
            yield NeededPack(pack, each.size_bytes, slot)
