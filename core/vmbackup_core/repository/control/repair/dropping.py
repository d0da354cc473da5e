"""A person's order to wait no longer for a commit or manifest that is damaged; sections 17 and 32.

Prune and expire leave a chain alone while something of it is lost: nobody knows what it needs.
What is dropped is never looked for again, so what is whole is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from vmbackup_core.errors import CorruptRepository, PermanentError
from vmbackup_core.ids import ChainId, CommitSlot
from vmbackup_core.repository.control.chains.manifest_versions import open_manifest_kept
from vmbackup_core.repository.control.commits.commits import find_commit, is_as_logged, slots_taken
from vmbackup_core.repository.control.log.log import Log
from vmbackup_core.repository.control.log.log_entries import Dropped, Dropping, Entry
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.points.points import open_counted
from vmbackup_core.repository.control.sealed_objects import is_there
from vmbackup_core.repository.primitives.chain_keys import for_prune
from vmbackup_core.stores.port import NotStored, Store


class NotDamaged(PermanentError):
    """What a person wants to drop is whole, or was never there."""

    def __init__(self, what: str) -> None:
        super().__init__(f"nothing is dropped: {what}", reason="NotDamaged")


def drop_commit(log: Log, chain: ChainId, slot: CommitSlot, why: str) -> Dropped | None:
    """Drop the commit in *slot*, which is lost or damaged; None where that was said before."""
    state = log.read().state
    found = find_commit(log.control, chain, slot)
    if found is None:
        highest = max([state.highest_slot(chain), *slots_taken(log.control, chain)])
        if slot > highest:
            raise NotDamaged(f"chain {chain} has no slot {slot} yet")
    elif found.commit is not None and is_as_logged(state, chain, found):
        raise NotDamaged(f"the commit in slot {slot} of chain {chain} opens")
    return _drop(log, "commit", chain, slot, why)


def drop_manifest(
    log: Log, data: Store, chain: ChainId, slot: CommitSlot, why: str
) -> Dropped | None:
    """Drop the manifest of *slot*, which its commit or a point names and which does not open."""
    state = log.read().state
    keys = for_prune(log.control.ring, chain, state.newest_epoch)
    named = set(_named(log, state, chain, slot))
    if not named:
        raise NotDamaged(f"nothing that opens names a manifest of slot {slot} of chain {chain}")
    for name, sha256 in named:
        if not is_there(data, name):  # prune misses it, whatever an older version of it holds
            continue
        try:
            open_manifest_kept(data, keys, name, sha256)
        except CorruptRepository:
            continue
        raise NotDamaged(f"{name} opens")
    return _drop(log, "manifest", chain, slot, why)


def _named(
    log: Log, state: LogState, chain: ChainId, slot: CommitSlot
) -> Iterator[tuple[str, str]]:
    found = find_commit(log.control, chain, slot)
    if found is not None and found.commit is not None and found.commit.of_slot == slot:
        name, sha256 = found.commit.manifest_name, found.commit.manifest_sha256
        if name is not None and sha256 is not None:
            yield name, sha256
    point = state.counted_places.get((chain, slot))
    if point is None:
        return
    try:
        disks = open_counted(log.control, state.counted[point]).disks
    except (CorruptRepository, NotStored):
        return
    for disk in disks:
        if (disk.chain_id, disk.slot) == (chain, slot):
            yield disk.manifest_name, disk.manifest_sha256


def _drop(log: Log, what: Dropping, chain: ChainId, slot: CommitSlot, why: str) -> Dropped | None:
    entry = Dropped(chain=chain, slot=slot, what=what, session=None, why=why)
    appended = log.append(_unless_said(entry))
    return entry if entry in appended.entries else None


def _unless_said(entry: Dropped) -> Callable[[LogState], Sequence[Entry]]:
    def decide(state: LogState) -> Sequence[Entry]:
        assert entry.slot is not None  # noqa: S101 - made so above
        return () if (entry.what, entry.chain, entry.slot) in state.dropped else (entry,)

    return decide
