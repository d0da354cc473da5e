"""The manifests that a chain's commits and counted points name, and that are left; section 18.

A skip names none of its own: what an older skip once named may have been let go since.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import ChainId, CommitSlot
from vmbackup_core.repository.control.commits.commits import FoundCommit, commits, is_as_logged
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.points.points import open_counted
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.repository.data.grants import ManifestAt
from vmbackup_core.repository.data.index_reader import open_manifest
from vmbackup_core.repository.data.manifest import Manifest
from vmbackup_core.repository.primitives import chain_keys
from vmbackup_core.stores.port import NotStored, Store


def is_believed(
    state: LogState, chain: ChainId, found: FoundCommit, above: FoundCommit | None
) -> bool:
    """Tell whether a commit is the one that took its slot (S10, S11).

    *above* is what lies in the next slot that has anything. The log knows best; else a commit above
    that opens must have this one's digest, or a stalled session has taken the place of a lost one.
    """
    if state.commit_digest((chain, found.slot)) is not None:
        return is_as_logged(state, chain, found)
    if above is None or above.commit is None:
        return True
    return above.commit.previous == found.sha256


def named_manifests(control: Control, state: LogState, chain: ChainId) -> Iterator[ManifestAt]:
    """Yield what a skip may go back to, the newest first and each once; none has been opened."""
    seen: set[ManifestAt] = set()
    named = heapq.merge(
        _of_commits(control, state, chain),
        _of_points(control, state, chain),
        key=lambda at: -at.of_slot,
    )
    for at in named:
        place = chain, CommitSlot(at.of_slot)
        is_let_go = place in state.expiring_places or ("manifest", *place) in state.dropped
        if at not in seen and not is_let_go:
            seen.add(at)
            yield at


def open_named(control: Control, data: Store, chain: ChainId, at: ManifestAt) -> Manifest:
    """Return the manifest of *chain* that lies there; CorruptRepository where it does not open."""
    keys = chain_keys.for_prune(control.ring, chain, max(control.ring.masters))
    return open_manifest(data, keys, at.name, bytes.fromhex(at.sha256))


def first_that_opens(
    control: Control, data: Store, state: LogState, chain: ChainId
) -> tuple[ManifestAt, Manifest] | None:
    """Return the newest manifest that opens; None where none does."""
    for at in named_manifests(control, state, chain):
        manifest = _find_open(control, data, chain, at)
        if manifest is not None:
            return at, manifest
    return None


def _find_open(control: Control, data: Store, chain: ChainId, at: ManifestAt) -> Manifest | None:
    try:
        return open_named(control, data, chain, at)
    except CorruptRepository:
        return None


def _of_commits(control: Control, state: LogState, chain: ChainId) -> Iterator[ManifestAt]:
    above: FoundCommit | None = None
    for found in commits(control, chain):
        is_left = is_believed(state, chain, found, above) and not state.is_dropped(
            chain, found.slot
        )
        at = manifest_of(found)
        if at is not None and at.of_slot == found.slot and is_left:
            yield at
        above = found


def manifest_of(found: FoundCommit) -> ManifestAt | None:
    """Return the manifest that a commit names; None where it does not open or names none."""
    commit = found.commit
    name = found.manifest
    if commit is None or name is None or commit.manifest_sha256 is None or commit.of_slot is None:
        return None
    return ManifestAt(name, commit.manifest_sha256, commit.of_slot)


def _of_points(control: Control, state: LogState, chain: ChainId) -> Iterator[ManifestAt]:
    slots = sorted((slot for named, slot in state.counted_places if named == chain), reverse=True)
    for slot in slots:
        entry = state.counted[state.counted_places[chain, slot]]
        try:
            opened = open_counted(control, entry)
        except (CorruptRepository, NotStored):
            continue
        for disk in opened.disks:
            if (disk.chain_id, disk.slot) == (chain, slot):
                yield ManifestAt(disk.manifest_name, disk.manifest_sha256, slot)
