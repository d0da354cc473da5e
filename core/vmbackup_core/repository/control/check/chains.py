"""A chain's commits and which of its manifests are left: what all else of it is judged by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import ChainId, CommitSlot, RunId
from vmbackup_core.repository.control.chains.holds import held_slots
from vmbackup_core.repository.control.chains.manifest_versions import (
    oldest_that_opens,
    open_manifest_kept,
)
from vmbackup_core.repository.control.check.log import read_now
from vmbackup_core.repository.control.check.observations import Observations
from vmbackup_core.repository.control.check.point_locks import PointLocks
from vmbackup_core.repository.control.check.points import Use
from vmbackup_core.repository.control.commits.commits import (
    Commit,
    FoundCommit,
    find_commit,
    is_as_logged,
    slots_taken,
)
from vmbackup_core.repository.control.log.log import Log
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.sealed_objects import Control, is_there
from vmbackup_core.repository.data.index_reader import manifest_in
from vmbackup_core.repository.data.manifest import Manifest
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.failures import NotUnderstood
from vmbackup_core.repository.primitives.names import (
    commit_name,
    prefix_of_commits,
    prefix_of_folder,
)
from vmbackup_core.repository.primitives.parsed_names import ManifestName, parse_data
from vmbackup_core.stores.port import UNREADABLE_NOW, NotStored, Store

#: Lost slots are named one by one where no more than these follow each other.
_SLOTS_NAMED: Final = 16


@dataclass(slots=True)
class Left:
    """A manifest that is left: its commit where that opens and names it, and who uses it.

    *sha256* is None for a manifest that only a hold names: it is authentic where it opens.
    """

    name: str
    slot: CommitSlot
    sha256: str | None = None
    commit: Commit | None = None
    uses: list[Use] = field(default_factory=list)

    @property
    def runs(self) -> set[RunId]:
        """The runs whose points are lost with it."""
        return {use.run for use in self.uses}


@dataclass(slots=True)
class ChainSeen:
    """A chain as its commits, counted points and holds give it; slots above *highest* are free."""

    chain: ChainId
    highest: int = 0
    newest: FoundCommit | None = None
    left: dict[str, Left] = field(default_factory=dict)

    def in_order(self) -> list[Left]:
        """Return the manifests that are left, the oldest first."""
        return sorted(self.left.values(), key=lambda left: (left.slot, left.name))


@dataclass(frozen=True, slots=True)
class Looking:
    """What a chain is looked at with."""

    log: Log
    data: Store
    state: LogState
    seen: Observations
    locks: PointLocks | None = None

    def afresh(self) -> Looking:
        """Return the same with nothing noted."""
        return replace(self, seen=Observations(self.seen.on_look))

    @property
    def control(self) -> Control:
        """The control place."""
        return self.log.control


def look_at_chain(looking: Looking, chain: ChainId, uses: list[Use]) -> ChainSeen:
    """Return which manifests of *chain* are left, having looked at every commit.

    The log was read before; what is committed from here on has slots above `highest`.
    """
    found = ChainSeen(chain)
    listed = _listed_manifests(looking, chain)
    _check_commits(looking, found, listed)
    _add_used(looking, found, uses, listed)
    _add_newest(looking, found, listed)
    _add_held(looking, found, listed)
    return found


def may_be_there(data: Store, name: str) -> bool:
    """Tell whether an object is there; one that cannot be looked for may be."""
    try:
        return is_there(data, name)
    except UNREADABLE_NOW:
        return True


@contextmanager
def missing_where_gone(store: Store, name: str) -> Iterator[None]:
    """Raise NotStored where the block finds the object damaged because it is not there."""
    try:
        yield
    except CorruptRepository:
        if not may_be_there(store, name):
            raise NotStored(name) from None
        raise


def open_left(looking: Looking, left: Left, keys: ChainKeys) -> Manifest | None:
    """Return a manifest that is left, where it opens and is the one that it is named for."""
    with looking.seen.noting("data", left.name), missing_where_gone(looking.data, left.name):
        if left.sha256 is None:
            manifest = _open_held(looking.data, left.name, keys)
        else:
            manifest = open_manifest_kept(looking.data, keys, left.name, left.sha256)
        _compare(left, manifest)
        return manifest
    return None


def _listed_manifests(looking: Looking, chain: ChainId) -> dict[str, CommitSlot]:
    prefix = prefix_of_folder(chain, "m")
    listed: dict[str, CommitSlot] = {}
    with looking.seen.noting("data", prefix):
        for each in looking.data.list(prefix):
            named = parse_data(each.name)
            if isinstance(named, ManifestName):
                listed[each.name] = named.slot
    return listed


def _check_commits(looking: Looking, found: ChainSeen, listed: dict[str, CommitSlot]) -> None:
    """Look at each slot from the newest down: at what lies there, and what the next one says."""
    control, seen, chain = looking.control, looking.seen, found.chain
    found.highest = looking.state.highest_slot(chain)
    above = found.highest + 1
    later: Commit | None = None
    slots: list[CommitSlot] = []
    with seen.noting("control", prefix_of_commits(chain)):
        slots = list(slots_taken(control, chain))
    for slot in slots:
        found.highest = max(found.highest, slot)
        _note_lost(looking, chain, slot + 1, above)
        at = _find(looking, chain, slot)
        if later is not None and above == slot + 1 and at is not None:
            _check_previous(later, at, chain, seen)
        if at is not None:
            _take_in(looking, found, at, listed)
        above, later = slot, None if at is None else at.commit
    _note_lost(looking, chain, 1, above)
    seen.counts.commits += len(slots)


def _note_lost(looking: Looking, chain: ChainId, first: int, behind: int) -> None:
    """Note the slots from *first* on that have no commit, though later ones are taken."""
    if looking.seen.found("control", prefix_of_commits(chain)):
        return  # they were not listed
    lost = [
        slot
        for slot in range(first, min(behind, first + _SLOTS_NAMED))
        if not looking.state.is_dropped(chain, CommitSlot(slot))
    ]
    more = behind - first - _SLOTS_NAMED
    for slot in lost:
        found = "is missing: a slot below one that is taken is never free"
        if more > 0 and slot == lost[-1]:
            found += f"; and {more} slots behind it"
        looking.seen.say("control", commit_name(chain, CommitSlot(slot)), "missing", found)


def _find(looking: Looking, chain: ChainId, slot: CommitSlot) -> FoundCommit | None:
    """Return what lies in *slot*, having noted what is wrong with it."""
    name, control = commit_name(chain, slot), looking.control
    with looking.seen.noting("control", name):
        try:
            at = find_commit(control, chain, slot)
        except NotUnderstood as error:
            looking.seen.say("control", name, "notUnderstood", str(error))
            return FoundCommit(slot, control.get("COMM", name).sha256, None, str(error))
        if at is None:
            raise NotStored(name)
        if not is_as_logged(looking.state, chain, at):
            known = looking.state.commit_digest((chain, slot))
            found = f"its digest is {at.sha256}, not {known} as recorded"
            looking.seen.say("control", name, "damaged", found)
            return FoundCommit(slot, at.sha256, None, found)
        if at.commit is None:
            looking.seen.say("control", name, "damaged", at.damage or "does not open")
        return at
    return None


def _check_previous(later: Commit, at: FoundCommit, chain: ChainId, seen: Observations) -> None:
    if later.previous != at.sha256:
        found = f"its digest is {at.sha256}, the commit above follows on {later.previous}"
        seen.say("control", commit_name(chain, at.slot), "damaged", found)


def _take_in(
    looking: Looking, found: ChainSeen, at: FoundCommit, listed: dict[str, CommitSlot]
) -> None:
    if found.newest is None:
        found.newest = at
    name, commit = at.manifest, at.commit
    if name is None or commit is None or commit.kind == "skip":
        return
    if name in listed or may_be_there(looking.data, name):
        found.left[name] = Left(name, at.slot, commit.manifest_sha256, commit)


def _add_used(
    looking: Looking, found: ChainSeen, uses: list[Use], listed: dict[str, CommitSlot]
) -> None:
    """Add the manifests that counted points name: by themselves, where they open, else by slot."""
    by_slot = {left.slot: left for left in found.left.values()}
    for use in uses:
        if use.disk is None:
            left = by_slot.get(use.slot) or _left_of(looking, found.chain, use.slot, None)
        else:
            name = use.disk.manifest_name
            left = found.left.get(name) or _left_of(looking, found.chain, use.slot, name)
        if left is None:
            continue
        if use.disk is not None:
            _check_digests(looking, found.chain, left, use.disk.manifest_sha256)
            left.sha256 = use.disk.manifest_sha256
        if left.name in listed or _still_used(looking, left, use):
            found.left[left.name] = by_slot[left.slot] = left
        left.uses.append(use)


def _left_of(looking: Looking, chain: ChainId, slot: CommitSlot, name: str | None) -> Left | None:
    """Return a manifest that was not listed, with its commit: that tells what it needs.

    Without *name*, since its point does not open, it is the one that the slot's commit names.
    """
    try:
        at = find_commit(looking.control, chain, slot)
    except (NotUnderstood, *UNREADABLE_NOW):  # said of the commit
        at = None
    commit = None
    if at is not None and at.commit is not None and is_as_logged(looking.state, chain, at):
        commit = at.commit if name in {None, at.manifest} else None
    if commit is not None and commit.manifest_name is not None:
        return Left(commit.manifest_name, slot, commit.manifest_sha256, commit)
    return None if name is None else Left(name, slot)


def _check_digests(looking: Looking, chain: ChainId, left: Left, sha256: str) -> None:
    if left.commit is not None and left.sha256 not in {None, sha256}:
        found = f"names {left.name} with digest {left.sha256}, a recovery point with {sha256}"
        looking.seen.say("control", commit_name(chain, left.slot), "damaged", found)


def _still_used(looking: Looking, left: Left, use: Use) -> bool:
    """Tell whether a manifest that was not listed is to be there; it may have expired meanwhile."""
    is_there_now = may_be_there(looking.data, left.name)
    return is_there_now or use.point in read_now(looking.log).state.counted


def _add_newest(looking: Looking, found: ChainSeen, listed: dict[str, CommitSlot]) -> None:
    """Add the newest commit's manifest, which nothing ever deletes."""
    at = found.newest
    if at is None or at.commit is None or at.manifest is None or at.commit.of_slot is None:
        return
    known = found.left.get(at.manifest)
    if known is None:
        is_dropped = looking.state.is_dropped(found.chain, at.commit.of_slot)
        if at.manifest not in listed and (is_dropped or _is_followed(looking, found.chain, at)):
            return
        known = Left(at.manifest, at.commit.of_slot, at.commit.manifest_sha256)
        found.left[at.manifest] = known
    if known.commit is None:
        known.commit = at.commit  # a skip's pack list is that of its manifest


def _is_followed(looking: Looking, chain: ChainId, at: FoundCommit) -> bool:
    """Tell whether a commit has been put above the one that was newest."""
    return next(slots_taken(looking.control, chain), at.slot) > at.slot


def _add_held(looking: Looking, found: ChainSeen, listed: dict[str, CommitSlot]) -> None:
    held: frozenset[CommitSlot] = frozenset()
    with looking.seen.noting("control", f"d/{found.chain}/"):
        held = held_slots(looking.control, found.chain)
    for name, slot in listed.items():
        if slot in held and slot <= found.highest and name not in found.left:
            found.left[name] = Left(name, slot)


def _open_held(data: Store, name: str, keys: ChainKeys) -> Manifest:
    return oldest_that_opens(data, name, lambda stored: manifest_in(keys, name, stored))


def _compare(left: Left, manifest: Manifest) -> None:
    """Compare the manifest with its commit and with the points that name it."""
    said = manifest.said
    told = [("its name", said.slot, left.slot)]
    found: list[tuple[str, object, object]] = list(told)
    if left.commit is not None and left.commit.kind != "skip":
        commit = left.commit
        found += [
            ("its commit", (said.run_id, said.session), (commit.run_id, commit.session)),
            ("its commit", said.snapshot_unique_id, commit.snapshot_unique_id),
            ("its commit", said.disk_bytes, commit.disk_bytes),
        ]
    for use in left.uses:
        if use.disk is not None:
            who = f"the point of run {use.run}"
            found += [
                (who, said.disk.unique_id.lower(), use.disk.unique_id.lower()),
                (who, said.snapshot_unique_id, use.disk.snapshot_unique_id),
                (who, said.disk_bytes, use.disk.size_bytes),
            ]
    for who, ours, theirs in found:
        if ours != theirs:
            raise CorruptRepository(f"says {ours}, {who} says {theirs}")
