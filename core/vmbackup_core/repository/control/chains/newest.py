"""A chain's newest commit with its manifest, and whether a skip comes first; sections 18 and 29."""

from __future__ import annotations

from dataclasses import dataclass

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import CommitSlot
from vmbackup_core.repository.control.chains.chain_header import DiskChain
from vmbackup_core.repository.control.chains.named_manifests import manifest_of, open_named
from vmbackup_core.repository.control.commits.commits import FoundCommit, is_as_logged, newest
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.repository.data.grants import ManifestAt
from vmbackup_core.repository.data.manifest import Manifest
from vmbackup_core.stores.port import Store


@dataclass(frozen=True, slots=True)
class Newest:
    """What a backup of the chain is written on.

    *slot* is the highest that commits or the log name, 0 where none does: the next one is above it
    (S10). *found* is what lies in it. *at* is its manifest and *manifest* that, opened; both are
    None where the chain holds nothing.
    """

    slot: CommitSlot
    found: FoundCommit | None
    at: ManifestAt | None
    manifest: Manifest | None


@dataclass(frozen=True, slots=True)
class SkipDue:
    """The newest commit or its manifest cannot be written on: a skip takes the next slot first.

    *slot* is the highest that commits or the log name, *found* what lies in the highest commit's.
    """

    why: str
    slot: CommitSlot
    found: FoundCommit | None


def look_at_newest(
    control: Control, data: Store, state: LogState, chain: DiskChain
) -> Newest | SkipDue:
    """Return the newest commit with its manifest, or why a skip is due.

    *state* was read before: what it names has been put by now. NotUnderstood stops who asks, and
    what cannot be read now is raised: neither is a reason to skip.
    """
    found = newest(control, chain.chain)
    highest = highest_slot(state, chain, found)
    why = _trouble(state, chain, found, highest)
    if why is not None:
        return SkipDue(why, highest, found)
    at = None if found is None else manifest_of(found)
    if at is None:
        return Newest(highest, found, None, None)
    try:
        return Newest(highest, found, at, open_named(control, data, chain.chain, at))
    except CorruptRepository as error:
        return SkipDue(f"the newest manifest does not open: {error}", highest, found)


def _trouble(
    state: LogState, chain: DiskChain, found: FoundCommit | None, highest: CommitSlot
) -> str | None:
    """Return what is wrong with the newest commit, whatever its manifest is like."""
    if found is None or found.slot < highest:
        return f"the commit in slot {highest} is lost" if highest else None
    if found.commit is None:
        return f"the newest commit is damaged: {found.damage}"
    if not is_as_logged(state, chain.chain, found):
        return f"the commit in slot {found.slot} is not the one that was recorded"
    of_slot = found.commit.of_slot
    if found.commit.kind == "skip" and (chain.chain, of_slot) in state.expiring_places:
        return f"the manifest of slot {of_slot}, which it skips to, is expiring"
    return None


def highest_slot(state: LogState, chain: DiskChain, found: FoundCommit | None) -> CommitSlot:
    """Return the highest slot that commits or the log name, 0 where none does (S10)."""
    return max(CommitSlot(0) if found is None else found.slot, state.highest_slot(chain.chain))
