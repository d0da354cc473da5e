"""What of a chain is garbage, planned without writing; section 32 of the format's page.

The order of looking is the safeguard: the log, then objects, then commits, then manifests and
holds. A plan never gets old: what was garbage once is garbage for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain as chained
from typing import Final, Protocol

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import ChainId, CommitSlot
from vmbackup_core.repository.control.chains.holds import held_slots
from vmbackup_core.repository.control.commits.commits import (
    Commit,
    FoundCommit,
    find_commit,
    is_as_logged,
    newest,
    slots_taken,
)
from vmbackup_core.repository.control.commits.list_parts import OpenList
from vmbackup_core.repository.control.commits.pack_list import PACK, Key, ListEntry
from vmbackup_core.repository.control.commits.prune_listing import Listing, list_objects, name_of
from vmbackup_core.repository.control.log.log import Log
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.points.points import open_counted
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.repository.primitives.identities import PackId, WritingSession
from vmbackup_core.repository.primitives.names import pack_name, prefix_of_chain, prefix_of_folder
from vmbackup_core.repository.primitives.parsed_names import ManifestName, parse_data
from vmbackup_core.repository.primitives.steps import Steps
from vmbackup_core.stores.port import UNREADABLE_NOW, NotStored, Store

#: How often a chain is looked at anew where manifests go meanwhile.
TRIES: Final = 5


class Manifests(Protocol):
    """Opens manifests and their tables with the chain's metadata secrets.

    *sha256* is None for a manifest that only a hold names: it is authentic where it opens. What
    is damaged or missing below a manifest is CorruptRepository; the manifest gone is NotStored.
    """

    def check(self, name: str, sha256: str | None) -> None:
        """Return where the manifest opens."""

    def recount(self, name: str, sha256: str | None) -> Iterable[ListEntry]:
        """Return the pack list of the manifest, counted from all its tables."""

    def recounting(self, name: str, sha256: str | None) -> Steps[Iterable[ListEntry]]:
        """Return the same in steps."""

    def count_what_opens(self, name: str, sha256: str | None) -> Iterable[ListEntry]:
        """Return what those of its tables need that open; nothing where the manifest does not."""


@dataclass(frozen=True, slots=True)
class Garbage:
    """An object that nothing needs any more."""

    name: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class PrunePlan:
    """What may be deleted of a chain, in both places; *kept_bytes* is the size of what stays."""

    chain: ChainId
    data: tuple[Garbage, ...]
    control: tuple[Garbage, ...]
    kept_bytes: int = 0

    @property
    def size_bytes(self) -> int:
        """How much it is."""
        return sum(each.size_bytes for each in (*self.data, *self.control))


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """A chain of which nothing is deleted, and why.

    *is_damage* tells that it stays so until somebody sees to it, *is_empty* that there is nothing
    of it yet.
    """

    chain: ChainId
    why: str
    is_damage: bool = False
    is_empty: bool = False


@dataclass(frozen=True, slots=True)
class Pruning:
    """What prune looks with."""

    log: Log
    data: Store
    manifests: Manifests

    @property
    def control(self) -> Control:
        """The control place."""
        return self.log.control


class _Unclear(Exception):
    """Something of the chain is lost or damaged, and nobody has dropped it (S8)."""


class _Empty(Exception):
    """Nothing of the chain was ever committed."""


@dataclass
class _Seen:
    """What was found of a chain, in the order of looking."""

    state: LogState
    listing: Listing
    newest: FoundCommit
    taken: frozenset[CommitSlot]
    manifests: dict[str, tuple[CommitSlot, int]]
    held: frozenset[CommitSlot]
    commits: dict[CommitSlot, Commit] = field(default_factory=dict)
    left: dict[str, str | None] = field(default_factory=dict)

    @property
    def highest(self) -> int:
        """T: slots up to it are taken."""
        return max(*self.taken, self.state.highest_slot(self.chain))

    @property
    def chain(self) -> ChainId:
        """The chain, as its newest commit names it."""
        if self.newest.commit is None:
            raise _Unclear(f"the newest commit is damaged: {self.newest.damage}")
        return self.newest.commit.chain_id


def plan_prune(pruning: Pruning, chain: ChainId) -> PrunePlan | LeftAlone:
    """Return what may be deleted of *chain*, or why nothing is.

    Raise HistoryRolledBack and ReadOnly, and NotUnderstood, which stops prune everywhere.
    """
    for _ in range(TRIES):
        planned = _plan_once(pruning, chain)
        if planned is not None:
            return planned
    return LeftAlone(chain, "its manifests went again and again while it was looked at")


def _plan_once(pruning: Pruning, chain: ChainId) -> PrunePlan | LeftAlone | None:
    """Return the plan, or None where a manifest went while this was done."""
    try:
        return _plan(pruning, chain)
    except _Empty as error:
        return LeftAlone(chain, str(error), is_empty=True)
    except _Unclear as error:
        return LeftAlone(chain, str(error), is_damage=True)
    except UNREADABLE_NOW as error:
        return LeftAlone(chain, str(error))
    except NotStored:
        return None


def _plan(pruning: Pruning, chain: ChainId) -> PrunePlan:
    seen = _look(pruning, chain)
    _check_slots(seen)
    _open_commits(pruning.control, seen)
    _find_left(pruning, seen)
    healed = _Healed(_healed_packs(seen))
    for name in seen.left:
        _mark_needed(pruning, seen, name, healed)
    data = (
        *_garbage_objects(seen),
        *_garbage_manifests(seen),
        *_garbage_healing(seen, healed),
    )
    plan = PrunePlan(chain, data, tuple(_garbage_parts(seen)))
    manifests = sum(size for _, size in seen.manifests.values())
    return replace(plan, kept_bytes=seen.listing.size_bytes + manifests - plan.size_bytes)


def _look(pruning: Pruning, chain: ChainId) -> _Seen:
    """Look at the log, then objects, then commits, then manifests and holds (S5, S9)."""
    reading = pruning.log.read()
    reading.check_history()
    pruning.log.check_owner(reading.state)
    listing = list_objects(pruning.data, pruning.control.store, chain)
    taken = frozenset(slots_taken(pruning.control, chain))
    found = newest(pruning.control, chain)
    if found is None:
        if reading.state.highest_slot(chain):
            raise _Unclear("its commits are lost")
        raise _Empty("it has no commit")
    manifests = {
        each.name: (named.slot, each.size_bytes)
        for each in pruning.data.list(prefix_of_folder(chain, "m"))
        if isinstance(named := parse_data(each.name), ManifestName)
    }
    held = held_slots(pruning.control, chain)
    return _Seen(reading.state, listing, found, taken | {found.slot}, manifests, held)


def _check_slots(seen: _Seen) -> None:
    """Raise where a commit was lost: its slot is taken, and what it needs is unknown (S8)."""
    for slot in range(1, seen.highest + 1):
        if slot not in seen.taken and not seen.state.is_dropped(seen.chain, CommitSlot(slot)):
            raise _Unclear(f"the commit in slot {slot} is lost")


def _open_commits(control: Control, seen: _Seen) -> None:
    """Open the newest commit and that of each slot of which a manifest is listed."""
    slots = {slot for slot, _ in seen.manifests.values() if slot in seen.taken}
    if not is_as_logged(seen.state, seen.chain, seen.newest):
        raise _Unclear("the newest commit is not the one that was recorded")
    for slot in slots | {seen.newest.slot}:
        found = find_commit(control, seen.chain, slot)
        is_right = found is not None and is_as_logged(seen.state, seen.chain, found)
        if found is not None and found.commit is not None and is_right:
            seen.commits[slot] = found.commit
        elif not seen.state.is_dropped(seen.chain, slot):
            raise _Unclear(f"the commit in slot {slot} is damaged, or not the one recorded")


def _find_left(pruning: Pruning, seen: _Seen) -> None:
    """Find the manifests that are left: named by their commit, the newest, a point or a hold."""
    for commit in seen.commits.values():
        if commit.manifest_name in seen.manifests:
            seen.left[commit.manifest_name] = commit.manifest_sha256
    if seen.newest.manifest is not None and seen.newest.manifest not in seen.manifests:
        raise _Unclear(f"the newest commit's manifest {seen.newest.manifest} is gone")
    for name, sha256, slot in _counted(pruning.control, seen):
        if name in seen.manifests:
            seen.left[name] = sha256
        elif not seen.state.is_dropped(seen.chain, slot):
            raise _Unclear(f"{name} is gone, and a point needs it")
    held = (name for name, (slot, _) in seen.manifests.items() if slot in seen.held)
    seen.left.update({name: None for name in held if name not in seen.left})


def _counted(control: Control, seen: _Seen) -> Iterator[tuple[str, str, CommitSlot]]:
    """Yield the manifests of the chain that counted points name: in slots up to T, no other."""
    places = ((seen.chain, CommitSlot(slot)) for slot in range(1, seen.highest + 1))
    points = {
        seen.state.counted_places[each] for each in places if each in seen.state.counted_places
    }
    for point in points:
        try:
            opened = open_counted(control, seen.state.counted[point])
        except (CorruptRepository, NotStored) as error:
            raise _Unclear(f"a point does not open: {error}") from error
        for disk in opened.disks:
            if disk.chain_id == seen.chain:
                yield disk.manifest_name, disk.manifest_sha256, disk.slot


@dataclass
class _Healed:
    """The packs that healing packs stand in for, listed or not; *needed* are those of them."""

    packs: frozenset[Key]
    needed: set[Key] = field(default_factory=set)

    def watch(self, entries: Iterable[ListEntry]) -> Iterator[Key]:
        """Yield the places of *entries*, and keep those of healed packs."""
        for entry in entries:
            key = entry.key
            if key in self.packs:
                self.needed.add(key)
            yield key


def _mark_needed(pruning: Pruning, seen: _Seen, name: str, healed: _Healed) -> None:
    """Mark what a manifest that is left needs, by its list where that is proven (S29)."""
    slot, sha256 = seen.manifests[name][0], seen.left[name]
    try:
        pruning.manifests.check(name, sha256)
        if not _mark_proven(pruning.control, seen, name, healed):
            seen.listing.mark(healed.watch(pruning.manifests.recount(name, sha256)))
    except CorruptRepository as error:
        is_newest = name == seen.newest.manifest
        if is_newest or not seen.state.is_dropped(seen.chain, slot):
            raise _Unclear(str(error)) from error
    else:
        return
    if not _mark_proven(pruning.control, seen, name, healed):
        seen.listing.mark(healed.watch(pruning.manifests.count_what_opens(name, sha256)))


def _mark_proven(control: Control, seen: _Seen, name: str, healed: _Healed) -> bool:
    """Mark what the manifest's commit lists, and tell whether that was recounted and still opens.

    Of a list that does not open to its end the beginning stays marked: it needs no less than that.
    """
    slot = seen.manifests[name][0]
    commit = seen.commits.get(slot)
    is_of_it = commit is not None and commit.manifest_name == name
    if not is_of_it or not seen.state.is_list_proven(seen.chain, slot):
        return False
    try:
        parts = OpenList.of(control, commit, seen.chain).parts()
        return seen.listing.mark(healed.watch(chained.from_iterable(parts))) > 0
    except CorruptRepository:
        return False


def _garbage_objects(seen: _Seen) -> Iterator[Garbage]:
    """Yield packs and index objects of slots that are taken and that nothing left needs (S4)."""
    for listed in (seen.listing.packs, seen.listing.indexes):
        for key, size in listed.unneeded():
            if 1 <= key[1] <= seen.highest:
                yield Garbage(name_of(seen.chain, key), size)


def _garbage_manifests(seen: _Seen) -> Iterator[Garbage]:
    for name, (slot, size) in seen.manifests.items():
        if slot <= seen.highest and name not in seen.left:
            yield Garbage(name, size)


def _garbage_parts(seen: _Seen) -> Iterator[Garbage]:
    """Yield parts of lists that neither the newest commit nor one of a left manifest names."""
    prefix = prefix_of_chain(seen.chain)
    named = {
        prefix + part.name
        for slot, commit in seen.commits.items()
        if slot == seen.newest.slot or commit.manifest_name in seen.left
        for part in commit.pack_list
    }
    for part, each in seen.listing.list_parts:
        if part.slot <= seen.highest and each.name not in named:
            yield Garbage(each.name, each.size_bytes)


def _healed_packs(seen: _Seen) -> frozenset[Key]:
    """Return the packs that sessions of listed healing packs healed."""
    sessions = {pack.session for pack, _ in seen.listing.healing}
    return frozenset(key for session in sessions for key in _heals(seen, session))


def _heals(seen: _Seen, session: WritingSession) -> Iterator[Key]:
    entry = seen.state.healed.get((seen.chain, session))
    for heals in () if entry is None or entry.phase != "done" else entry.heals:
        pack = PackId.parse(bytes.fromhex(heals))
        yield PACK, pack.slot, pack.session, pack.number


def _garbage_healing(seen: _Seen, healed: _Healed) -> Iterator[Garbage]:
    """Yield healing packs of sessions that are dropped, or done with nothing left to heal (S32)."""
    for pack, size in seen.listing.healing:
        heals = list(_heals(seen, pack.session))
        is_healed_no_more = heals and not any(key in healed.needed for key in heals)
        if seen.state.is_dropped(seen.chain, pack.session) or is_healed_no_more:
            yield Garbage(pack_name(seen.chain, pack), size)
