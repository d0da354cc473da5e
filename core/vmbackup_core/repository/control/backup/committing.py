"""Commits a disk that a worker has written: section 29 of the format's page.

Nothing is kept between preparing and committing but what the session resolved: the slot is in the
manifest's name, and the newest manifest is the newest commit's, as it was when the job was made.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final, Literal

from vmbackup_core.errors import CorruptRepository, LostAttempt
from vmbackup_core.ids import ChainId, CommitSlot
from vmbackup_core.repository.control.backup.admission import (
    Expected,
    manifest_bound,
    manifest_named,
    manifest_refusals,
    object_refusals,
    section_refusals,
)
from vmbackup_core.repository.control.backup.asked_chains import find_asked
from vmbackup_core.repository.control.backup.attempt_listing import (
    AttemptListing,
    TooManyListed,
    list_attempt,
)
from vmbackup_core.repository.control.backup.disk_asked import DiskAsked
from vmbackup_core.repository.control.backup.list_making import Attempt, ListMaking, UnknownObject
from vmbackup_core.repository.control.backup.own_commits import OwnCommits
from vmbackup_core.repository.control.chains.chain_header import DiskChain
from vmbackup_core.repository.control.chains.named_manifests import manifest_of, open_named
from vmbackup_core.repository.control.chains.newest import Newest, look_at_newest
from vmbackup_core.repository.control.commits.commits import (
    Commit,
    FoundCommit,
    ListPartRef,
    find_commit,
    seal_commit,
)
from vmbackup_core.repository.control.commits.counting import DamagedTable
from vmbackup_core.repository.control.commits.locking import Keep, Locking
from vmbackup_core.repository.control.log.log import Log
from vmbackup_core.repository.control.log.log_entries import Bad
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.data.manifest import Manifest, decode_manifest
from vmbackup_core.repository.data.said import Statistics
from vmbackup_core.repository.primitives import chain_keys
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.envelope import unseal
from vmbackup_core.repository.primitives.json_payloads import Time
from vmbackup_core.repository.primitives.names import prefix_of_chain
from vmbackup_core.repository.primitives.parsed_names import ManifestName
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.stores.port import NotStored, ObjectUnreadable, Store

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

    What is expiring or dropped is none: the run begins anew in a new slot.
    """
    found = find_asked(log, data, asked)
    return None if found is None else Committing(log, data, asked, found).find()


def commit_disk(
    log: Log,
    data: Store,
    asked: DiskAsked,
    manifest: str,
    sha256: str,
    keep: Keep | None = None,
) -> CommittedDisk:
    """Commit the manifest that a worker has named, whose digest it said; twice is once.

    With *keep* all that the commit needs is locked first, and it itself then. Raise LostAttempt
    where nothing but another attempt helps.
    """
    found = find_asked(log, data, asked)
    named = None if found is None else manifest_named(found, manifest)
    if found is None or named is None:
        raise ManifestDiffers(repr(manifest[:120]), "it is no manifest of the disk's chain")
    return Committing(log, data, asked, found, keep).commit(Offer(manifest, sha256, named))


@dataclass(frozen=True, slots=True)
class Offer:
    """A manifest as the worker said: its whole name, its digest, and what the name says."""

    name: str
    sha256: str
    named: ManifestName


@dataclass(frozen=True, slots=True)
class Ground:
    """What an attempt is committed on."""

    state: LogState
    newest: Newest
    expected: Expected
    keys: ChainKeys

    @property
    def newest_list(self) -> tuple[ListPartRef, ...]:
        """The newest commit's pack list."""
        found = self.newest.found
        return () if found is None or found.commit is None else found.commit.pack_list


@dataclass(frozen=True)
class Committing:
    """Commits one disk of one run."""

    log: Log
    data: Store
    asked: DiskAsked
    chain: DiskChain
    keep: Keep | None = None

    @property
    def locking(self) -> Locking:
        """What locks in the repository's places."""
        return Locking(Places(self.data, self.log.control.store), self.log.clock)

    @property
    def own(self) -> OwnCommits:
        """The run's commits of this snapshot."""
        return OwnCommits(self.log, self.data, self.chain.chain, self.asked)

    def list_making(self, ground: Ground, attempt: Attempt) -> ListMaking:
        """Return what makes the list of *attempt*."""
        control, epoch = self.log.control, ground.state.newest_epoch
        return ListMaking(control, self.data, ground.keys, ground.expected, attempt, epoch)

    def find(self) -> CommittedDisk | None:
        """Return the newest own commit whose manifest opens."""
        answers = (self._answer(found) for found in self.own.find())
        return next((answer for answer in answers if answer is not None), None)

    def commit(self, offer: Offer) -> CommittedDisk:
        """Commit what *offer* says, or return what the run has committed already."""
        found = self.find()
        if found is not None:
            return self._relocked(found)
        state, slot = self.log.read().state, offer.named.slot
        newest = look_at_newest(self.log.control, self.data, state, self.chain)
        if not isinstance(newest, Newest) or newest.slot != slot - 1:
            return self._committed_or_lost(offer)
        keys = self._keys(state)
        epochs = frozenset(keys.metadata)
        expected = Expected(self.asked, self.chain, slot, epochs, state.ended_epochs)
        ground = Ground(state, newest, expected, keys)
        attempt = self._attempt(ground, offer)
        return self._put(ground, offer, attempt, self._list(ground, attempt))

    def _committed_or_lost(self, offer: Offer) -> CommittedDisk:
        """Return the run's commit where another was faster with it (S17)."""
        found = self.find()
        if found is None:
            slot = offer.named.slot
            raise SlotTaken(offer.name, f"slot {slot} is not the chain's next one any more")
        return self._relocked(found)

    def _relocked(self, committed: CommittedDisk) -> CommittedDisk:
        """Lock an own commit again: whoever put it may have died before it did."""
        found = find_commit(self.log.control, committed.chain, committed.slot)
        if found is not None and found.commit is not None:
            self.locking.lock_commit(found.commit)
        return committed

    def _attempt(self, ground: Ground, offer: Offer) -> Attempt:
        """Read the manifest and list what its sessions have stored; steps 3 to 5."""
        expected, newest = ground.expected, ground.newest.manifest
        manifest, size_bytes = self._read(ground, offer)
        listing = self._listed(expected, offer, manifest)
        listing.total_bytes += size_bytes
        unknown = chain(
            object_refusals(expected, manifest, newest, listing),
            section_refusals(expected, manifest, newest),
        )
        if told := list(islice(unknown, _TOLD)):
            raise UnknownObject(offer.name, "; ".join(told))
        below = self.chain.chain, ground.newest.slot
        is_wrong = below in self.log.wrong_lists
        return Attempt(offer.name, manifest, listing, newest, ground.newest_list, is_wrong)

    def _read(self, ground: Ground, offer: Offer) -> tuple[Manifest, int]:
        """Return the manifest within its bound (S25), and how long it is as stored; step 3."""
        name, keys, bound = offer.name, ground.keys, manifest_bound(ground.expected)
        try:
            stored = self.data.get(name, most=bound.stored)
            found = hashlib.sha256(stored).hexdigest()
            if found != offer.sha256:
                raise ManifestDiffers(name, f"its SHA-256 is {found}, not what the worker said")
            opened = unseal("MANI", name, stored, keys.secret_of, keys.repository, bound)
            manifest = decode_manifest(name, opened.payload)
        except (CorruptRepository, NotStored, ObjectUnreadable) as error:
            raise ManifestDiffers(name, str(error)) from error
        differs = manifest_refusals(ground.expected, offer.named, opened.epoch, manifest)
        if told := list(islice(differs, _TOLD)):
            raise ManifestDiffers(name, "; ".join(told))
        return manifest, len(stored)

    def _listed(self, expected: Expected, offer: Offer, manifest: Manifest) -> AttemptListing:
        """Return what the attempt's sessions have stored; step 4."""
        sessions, slot = manifest.said.sessions, offer.named.slot
        try:
            return list_attempt(self.data, self.chain.chain, slot, sessions, expected.most_listed)
        except TooManyListed as error:
            raise UnknownObject(offer.name, str(error)) from error

    def _list(self, ground: Ground, attempt: Attempt) -> tuple[ListPartRef, ...]:
        """Put the pack list; step 6."""
        try:
            return self.list_making(ground, attempt).make()
        except DamagedTable as error:
            if error.at.index.slot != ground.expected.slot:
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

    def _put(
        self, ground: Ground, offer: Offer, attempt: Attempt, refs: tuple[ListPartRef, ...]
    ) -> CommittedDisk:
        """Take the slot (S1), and look whether it was the next one (S10); step 7.

        What the commit needs is locked before it is put, so that no commit promises too much.
        """
        made = self._commit(ground, offer, attempt, refs)
        self.locking.lock_needed(self.log.control, made, ground.newest.found)
        sealed = seal_commit(self.log.control, made, ground.state.newest_epoch)
        if not self.log.control.put(sealed):
            return self._committed_or_lost(offer)
        self.locking.lock_commit(made)
        if not self.own.counts(FoundCommit(made.slot, sealed.sha256, made)):
            raise SlotTaken(offer.name, f"slot {made.slot} was that of a commit that is lost")
        return _committed(made, sealed.sha256, attempt.manifest)

    def _commit(
        self, ground: Ground, offer: Offer, attempt: Attempt, refs: tuple[ListPartRef, ...]
    ) -> Commit:
        asked, found = self.asked, ground.newest.found
        return Commit(
            chain_id=self.chain.chain,
            slot=offer.named.slot,
            kind="backup",
            reason=None,
            run_id=asked.run,
            session=offer.named.session,
            manifest=offer.name.removeprefix(prefix_of_chain(self.chain.chain)),
            manifest_sha256=offer.sha256,
            of_slot=offer.named.slot,
            snapshot_unique_id=asked.snapshot_unique_id,
            disk_bytes=asked.disk_bytes,
            stored_bytes=attempt.listing.total_bytes,
            previous=None if found is None else found.sha256,
            pack_list=refs,
            locked_until=self._locked_until(),
            by=self.log.author.by,
            at=Time.of(self.log.clock.now()),
        )

    def _locked_until(self) -> Time | None:
        if self.keep is None:
            return None
        return Time.of(self.keep.locked_until(self.log.clock.now()))

    def _answer(self, found: FoundCommit) -> CommittedDisk | None:
        """Return what an own commit says with its manifest; None where that does not open."""
        at = manifest_of(found)
        if found.commit is None or at is None:
            return None
        try:
            manifest = open_named(self.log.control, self.data, self.chain.chain, at)
        except CorruptRepository:  # the next attempt begins with a skip
            return None
        return _committed(found.commit, found.sha256, manifest)

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
