"""Commits a disk that a worker has written: section 29 of the format's page.

Nothing is kept between preparing and committing but what the session resolved: the slot is in the
manifest's name, and the newest manifest is the newest commit's, as it was when the job was made.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal

from vmbackup_core.errors import CorruptRepository, LostAttempt
from vmbackup_core.ids import ChainId, CommitSlot
from vmbackup_core.repository.control.admission import (
    Expected,
    manifest_bound,
    manifest_named,
    manifest_refusals,
    object_refusals,
    section_refusals,
)
from vmbackup_core.repository.control.attempt_listing import TooManyListed, list_attempt
from vmbackup_core.repository.control.attempt_tables import CommittedTables
from vmbackup_core.repository.control.chain_header import DiskChain, find_chain
from vmbackup_core.repository.control.commits import (
    Commit,
    FoundCommit,
    ListPartRef,
    seal_commit,
)
from vmbackup_core.repository.control.disk_asked import DiskAsked
from vmbackup_core.repository.control.list_making import Attempt, ListMaking, UnknownObject
from vmbackup_core.repository.control.log import Log
from vmbackup_core.repository.control.log_entries import Bad
from vmbackup_core.repository.control.log_state import LogState
from vmbackup_core.repository.control.needed_objects import DamagedTable
from vmbackup_core.repository.control.newest import Newest, look_at_newest
from vmbackup_core.repository.control.own_commits import OwnCommits
from vmbackup_core.repository.data.index_reader import open_manifest
from vmbackup_core.repository.data.manifest import Manifest, decode_manifest
from vmbackup_core.repository.data.said import Statistics
from vmbackup_core.repository.primitives import chain_keys
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.envelope import unseal
from vmbackup_core.repository.primitives.json_payloads import Time
from vmbackup_core.repository.primitives.names import prefix_of_chain
from vmbackup_core.repository.primitives.parsed_names import ManifestName
from vmbackup_core.stores.port import NotStored, Store

#: So many differences are told; a hostile manifest has any number.
_TOLD: Final = 5


@dataclass(frozen=True, slots=True)
class CommittedDisk:
    """A disk's commit, as a recovery point names it."""

    chain: ChainId
    slot: CommitSlot
    sha256: str
    manifest: str
    manifest_sha256: str
    kind: Literal["full", "incremental"]
    stored_bytes: int
    statistics: Statistics


class SlotTaken(LostAttempt):
    """The slot that the attempt was written for is not the next one of its chain any more."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name} is not committed: {why}", reason="SlotTaken")


class ManifestDiffers(LostAttempt):
    """The manifest is not what the worker said, or not of what was asked."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name} is not committed: {why}", reason="ManifestDiffers")


def find_committed(log: Log, data: Store, asked: DiskAsked) -> CommittedDisk | None:
    """Return the run's own commit of this snapshot, where it has one that a point can name (S17).

    Commits up to the one that the changed extents count from are older than the run.
    """
    chain = find_chain(log, data, asked.unique_id)
    if chain is None:
        return None
    down_to = 1 if asked.base is None else asked.base.of_slot + 1
    return Committing(log, data, asked, chain).find(down_to)


def commit_disk(
    log: Log, data: Store, asked: DiskAsked, manifest: str, sha256: str
) -> CommittedDisk:
    """Commit the manifest that a worker has named, whose digest it said; once is enough.

    Raise LostAttempt where nothing but another attempt helps.
    """
    chain = find_chain(log, data, asked.unique_id)
    named = None if chain is None else manifest_named(chain, manifest)
    if chain is None or named is None:
        raise ManifestDiffers(manifest[:120], "it is no manifest of the disk's chain")
    return Committing(log, data, asked, chain).commit(named, manifest, sha256)


@dataclass(frozen=True)
class Committing:
    """Commits one disk of one run; each safeguard is a method of its own."""

    log: Log
    data: Store
    asked: DiskAsked
    chain: DiskChain

    @property
    def own(self) -> OwnCommits:
        """The run's commits of this snapshot."""
        return OwnCommits(self.log, self.chain.chain, self.asked)

    def list_making(self, state: LogState, expected: Expected, attempt: Attempt) -> ListMaking:
        """Return what makes the list of *attempt*."""
        tables = CommittedTables(self.data, self._keys(state))
        return ListMaking(self.log.control, tables, expected, attempt, state.newest_epoch)

    def find(self, down_to: int) -> CommittedDisk | None:
        """Return the newest own commit from slot *down_to* whose manifest opens."""
        for found in self.own.find(down_to):
            try:
                return self._answer(found)
            except CorruptRepository:  # the next attempt begins with a skip
                continue
        return None

    def commit(self, named: ManifestName, name: str, sha256: str) -> CommittedDisk:
        """Commit what *named* says, or return what the run has committed already."""
        state = self.log.read().state
        newest = look_at_newest(self.log.control, self.data, state, self.chain)
        if not isinstance(newest, Newest) or newest.slot != named.slot - 1:
            return self._committed_or_lost(named, name)
        if newest.found is not None and self.own.is_own(newest.found.commit):
            earlier = self.find(named.slot - 1)
            if earlier is not None:
                return earlier
        expected = self._expected(state, named)
        attempt = self._attempt(state, expected, named, newest, name, sha256)
        refs = self._list(state, expected, attempt)
        return self._put(state, named, attempt, refs, sha256, newest)

    def _committed_or_lost(self, named: ManifestName, name: str) -> CommittedDisk:
        """Return the run's commit in this slot or above it, if there is one that counts."""
        found = self.find(named.slot)
        if found is None:
            raise SlotTaken(name, f"slot {named.slot} is not the chain's next one any more")
        return found

    def _attempt(  # noqa: PLR0913, PLR0917 - what was read on the way
        self,
        state: LogState,
        expected: Expected,
        named: ManifestName,
        newest: Newest,
        name: str,
        sha256: str,
    ) -> Attempt:
        """Read the manifest and list what its sessions have stored; steps 3 to 5."""
        manifest, size_bytes = self._read(state, expected, named, name, sha256)
        sessions = manifest.said.sessions
        try:
            listing = list_attempt(
                self.data, self.chain.chain, named.slot, sessions, expected.most_listed
            )
        except TooManyListed as error:
            raise UnknownObject(name, str(error)) from error
        listing.total_bytes += size_bytes
        unknown = (
            *islice(object_refusals(expected, manifest, newest.manifest, listing), _TOLD),
            *islice(section_refusals(expected, manifest, newest.manifest), _TOLD),
        )
        if unknown:
            raise UnknownObject(name, "; ".join(unknown[:_TOLD]))
        commit = None if newest.found is None else newest.found.commit
        before = () if commit is None else commit.pack_list
        return Attempt(name, manifest, listing, newest.manifest, before)

    def _read(
        self,
        state: LogState,
        expected: Expected,
        named: ManifestName,
        name: str,
        sha256: str,
    ) -> tuple[Manifest, int]:
        """Return the manifest within its bound (S25), and how long it is as stored; step 3."""
        bound, keys = manifest_bound(expected), self._keys(state)
        try:
            stored = self.data.get(name, most=bound.stored)
            found = hashlib.sha256(stored).hexdigest()
            if found != sha256:
                raise ManifestDiffers(name, f"its SHA-256 is {found}, not {sha256[:64]}")
            opened = unseal("MANI", name, stored, keys.secret_of, keys.repository, bound)
            manifest = decode_manifest(name, opened.payload)
        except (CorruptRepository, NotStored) as error:
            raise ManifestDiffers(name, str(error)) from error
        differs = list(islice(manifest_refusals(expected, named, opened.epoch, manifest), _TOLD))
        if differs:
            raise ManifestDiffers(name, "; ".join(differs))
        return manifest, len(stored)

    def _list(
        self, state: LogState, expected: Expected, attempt: Attempt
    ) -> tuple[ListPartRef, ...]:
        """Put the pack list; step 6."""
        try:
            return self.list_making(state, expected, attempt).make()
        except DamagedTable as error:
            if error.at.index.slot != expected.slot:
                self._log_bad(error)
            raise LostAttempt(
                f"{attempt.name} is not committed: {error}", reason="DamagedTable"
            ) from error

    def _log_bad(self, damaged: DamagedTable) -> None:
        """Have the next attempt not name the sections of a table that does not open."""
        at = damaged.at
        entry = Bad(
            chain=self.chain.chain,
            object="index",
            id=at.index.packed().hex(),
            size=at.size_bytes,
            what="missing" if isinstance(damaged.why.__cause__, NotStored) else "damaged",
            parts=(at.table_offset,),
        )
        self.log.append(lambda _state: (entry,))

    def _put(  # noqa: PLR0913, PLR0917 - what was read on the way
        self,
        state: LogState,
        named: ManifestName,
        attempt: Attempt,
        refs: tuple[ListPartRef, ...],
        sha256: str,
        newest: Newest,
    ) -> CommittedDisk:
        """Take the slot (S1), and look whether it was the next one (S10); step 7."""
        made = self._commit(named, attempt, refs, sha256, newest)
        sealed = seal_commit(self.log.control, made, state.newest_epoch)
        if not self.log.control.put(sealed):
            return self._committed_or_lost(named, attempt.name)
        if not self.own.counts(FoundCommit(named.slot, sealed.sha256, made)):
            raise SlotTaken(attempt.name, f"slot {named.slot} was that of a commit that is lost")
        return _committed(made, sealed.sha256, attempt.manifest)

    def _commit(
        self,
        named: ManifestName,
        attempt: Attempt,
        refs: tuple[ListPartRef, ...],
        sha256: str,
        newest: Newest,
    ) -> Commit:
        asked = self.asked
        return Commit(
            chain_id=self.chain.chain,
            slot=named.slot,
            kind="backup",
            reason=None,
            run_id=asked.run,
            session=named.session,
            manifest=attempt.name.removeprefix(prefix_of_chain(self.chain.chain)),
            manifest_sha256=sha256,
            of_slot=named.slot,
            snapshot_unique_id=asked.snapshot_unique_id,
            disk_bytes=asked.disk_bytes,
            stored_bytes=attempt.listing.total_bytes,
            previous=None if newest.found is None else newest.found.sha256,
            pack_list=refs,
            locked_until=None,
            by=self.log.author.by,
            at=Time.of(self.log.clock.now()),
        )

    def _answer(self, found: FoundCommit) -> CommittedDisk:
        """Return what a commit that lies there says with its manifest."""
        commit = found.commit
        if commit is None or commit.manifest_name is None or commit.manifest_sha256 is None:
            raise CorruptRepository(f"slot {found.slot} of {self.chain.chain}: no backup")
        keys, digest = self._keys(self.log.read().state), bytes.fromhex(commit.manifest_sha256)
        manifest = open_manifest(self.data, keys, commit.manifest_name, digest)
        return _committed(commit, found.sha256, manifest)

    def _expected(self, state: LogState, named: ManifestName) -> Expected:
        epochs = frozenset(self.log.control.ring.masters)
        return Expected(self.asked, self.chain, named.slot, epochs, state.ended_epochs)

    def _keys(self, state: LogState) -> ChainKeys:
        return chain_keys.for_prune(self.log.control.ring, self.chain.chain, state.newest_epoch)


def _committed(commit: Commit, sha256: str, manifest: Manifest) -> CommittedDisk:
    return CommittedDisk(
        chain=commit.chain_id,
        slot=commit.slot,
        sha256=sha256,
        manifest=commit.manifest or "",
        manifest_sha256=commit.manifest_sha256 or "",
        kind=manifest.said.kind,
        stored_bytes=commit.stored_bytes,
        statistics=manifest.said.statistics,
    )
