"""Finding a run's own commit, and whether a commit counts where it lies: S10, S11 and S17."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vmbackup_core.ids import ChainId, CommitSlot
from vmbackup_core.repository.control.backup.disk_asked import DiskAsked
from vmbackup_core.repository.control.commits.commits import (
    Commit,
    FoundCommit,
    find_commit,
    is_as_logged,
    slots_taken,
)
from vmbackup_core.repository.control.log.log import Log
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.primitives.names import prefix_of_folder
from vmbackup_core.repository.primitives.parsed_names import ManifestName, parse_data
from vmbackup_core.stores.port import Store


@dataclass(frozen=True)
class OwnCommits:
    """The commits of one run and one snapshot in a chain."""

    log: Log
    data: Store
    chain: ChainId
    asked: DiskAsked

    def find(self) -> Iterator[FoundCommit]:
        """Yield those that count and that nobody lets go, the newest first.

        Most commits need not be opened: those whose manifest has gone, those that the log knows of
        other runs, and those up to the base, which are older than the run.
        """
        state = self.log.read().state
        for slot in self._slots():
            if self._is_of_other_run(state, slot) or _is_let_go(state, self.chain, slot):
                continue
            found = find_commit(self.log.control, self.chain, slot)
            if found is not None and self.is_own(found.commit) and self.counts(found):
                yield found

    def _slots(self) -> list[CommitSlot]:
        """Return the slots above the base that have a commit and a manifest, the newest first."""
        base = base_slot(self.asked, self.chain) or 0
        taken = {slot for slot in slots_taken(self.log.control, self.chain) if slot > base}
        named = (
            parse_data(each.name) for each in self.data.list(prefix_of_folder(self.chain, "m"))
        )
        there = {
            each.slot for each in named if isinstance(each, ManifestName) and each.slot in taken
        }
        return sorted(there, reverse=True)

    def is_own(self, commit: Commit | None) -> bool:
        """Tell whether the run made a commit of its snapshot, in whichever session (S17)."""
        if commit is None or commit.kind != "backup":
            return False
        asked = self.asked
        return (commit.run_id, commit.snapshot_unique_id) == (asked.run, asked.snapshot_unique_id)

    def counts(self, found: FoundCommit) -> bool:
        """Tell whether a commit is in its place, and not in a hole that a lost one left (S10).

        First the commits are listed, then the log is read: whichever came in between is seen.
        """
        above = self._next_above(found.slot)
        state = self.log.read().state
        if not is_as_logged(state, self.chain, found):
            return False
        if above is None and state.highest_slot(self.chain) > found.slot:
            # Another run may have committed and recorded since the listing: only what is missing
            # in a later one as well is lost.
            above = self._next_above(found.slot)
        if above is None:
            return state.highest_slot(self.chain) <= found.slot
        is_recorded = state.commit_digest((self.chain, found.slot)) == found.sha256
        return is_recorded or (above.commit is not None and above.commit.previous == found.sha256)

    def _next_above(self, slot: CommitSlot) -> FoundCommit | None:
        above = None
        for each in slots_taken(self.log.control, self.chain):
            if each <= slot:
                break
            above = each
        return None if above is None else find_commit(self.log.control, self.chain, above)

    def _is_of_other_run(self, state: LogState, slot: CommitSlot) -> bool:
        """Tell whether the log knows another run's commit there: most need not be opened."""
        point = state.counted_places.get((self.chain, slot))
        return point is not None and point[1] != self.asked.run


def base_slot(asked: DiskAsked, chain: ChainId) -> int | None:
    """Return the slot of the base; None for a full, and where the base is of a chain before."""
    if asked.base is None:
        return None
    named = parse_data(asked.base.name)
    is_of_chain = isinstance(named, ManifestName) and named.chain == chain
    return asked.base.of_slot if is_of_chain else None


def _is_let_go(state: LogState, chain: ChainId, slot: CommitSlot) -> bool:
    """Tell whether no point can be recorded of the commit any more (S20)."""
    return (chain, slot) in state.expiring_places or state.is_dropped(chain, slot)
