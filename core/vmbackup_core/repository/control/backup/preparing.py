"""What a worker is given to write one disk, made by the operator; see section 28 of the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal, Optional

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import ChainId, CommitSlot
from vmbackup_core.repository.control.backup.asked_chains import ensure_asked
from vmbackup_core.repository.control.backup.disk_asked import DiskAsked
from vmbackup_core.repository.control.backup.skipping import skip_where_due
from vmbackup_core.repository.control.chains.chain_header import DiskChain
from vmbackup_core.repository.control.chains.holds import Holder, hold, release
from vmbackup_core.repository.control.chains.named_manifests import open_named
from vmbackup_core.repository.control.chains.newest import Newest
from vmbackup_core.repository.control.log.log import Log
from vmbackup_core.repository.control.log.log_entries import Bad, Place
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.sealed_objects import is_there
from vmbackup_core.repository.data.footer import ARCHIVE, BACKUP, read_pack_start
from vmbackup_core.repository.data.grants import (
    LEVEL,
    MOST_LEFT,
    BadObject,
    DiskGrant,
    LeftSession,
    ManifestAt,
    Parameters,
)
from vmbackup_core.repository.data.sections import FIRST_RECORD_AT
from vmbackup_core.repository.primitives.chain_keys import ChainKeys, for_backup
from vmbackup_core.repository.primitives.identities import PackId
from vmbackup_core.repository.primitives.json_payloads import TEXT_MOST
from vmbackup_core.repository.primitives.names import pack_name, prefix_of_slot
from vmbackup_core.repository.primitives.parsed_names import ManifestName, PackName, parse_data
from vmbackup_core.stores.port import NotStored, ObjectUnreadable, Store

#: How many numbers of a left session may lie beyond as many as it has packs: those under way when
#: it was broken off. A planted name with a high number would have a worker ask for all below it.
MISSING_MOST: Final = 64


#: Why the base that was asked for is none of the grant's: the chain was begun anew since, its
#: point is let go, or its manifest does not open.
LostBase = Literal["other chain", "let go", "damaged"]


@dataclass(frozen=True, slots=True)
class PreparedDisk:
    """A disk that can be written: its chain, and what the worker's job carries of it.

    *lost_base* says why the grant has no base, where one was asked for.
    """

    chain: DiskChain
    keys: ChainKeys
    grant: DiskGrant
    lost_base: Optional[LostBase] = None  # noqa: UP045 - evaluated at run time on 3.10


def prepare_disk(
    log: Log,
    data: Store,
    asked: DiskAsked,
    parameters: Parameters,
    *,
    deltas: bool = False,
    level: int = LEVEL,
) -> PreparedDisk:
    """Return what a worker needs to write the disk that is *asked* for.

    Its chain is begun with *parameters* where it has none, and a skip comes first where one is due.
    The base is held for the run until that lets it go; one that is going, or does not open, makes
    the backup a full.
    """
    chain = ensure_asked(log, data, asked, parameters)
    return Preparing(log, data, asked, chain).prepared(deltas=deltas, level=level)


@dataclass(frozen=True)
class Preparing:
    """The steps before a disk of a run is written; each looks at what the others have left."""

    log: Log
    data: Store
    asked: DiskAsked
    chain: DiskChain

    def prepared(self, *, deltas: bool, level: int) -> PreparedDisk:
        """Take the steps in their order."""
        newest = self.find_newest()
        slot = CommitSlot(newest.slot + 1)
        base, is_newest = self.asked.base, self.asked.base == newest.at
        state = self.hold_and_read(None if is_newest else base)
        lost = None if base is None or is_newest else self._doubt_base(base, state)
        left = tuple(islice(self.find_left(state, slot), MOST_LEFT))
        grant = DiskGrant(
            generation=self.chain.generation,
            chain_epoch=self.chain.epoch,
            parameters=self.chain.parameters,
            run_id=self.asked.run,
            slot=slot,
            newest=newest.at,
            base=base if lost is None else None,
            bad=tuple(_bad(each) for each in state.bad_of(self.chain.chain)),
            left=left,
            snapshot_unique_id=self.asked.snapshot_unique_id,
            taken_at=self.asked.taken_at,
            disk_bytes=self.asked.disk_bytes,
            disk=self.asked.disk,
            vm=self.asked.vm,
            purpose=ARCHIVE if self.asked.archive else BACKUP,
            level=level,
            deltas=deltas and not self.asked.archive,
        )
        return PreparedDisk(self.chain, self._keys(state.newest_epoch, left), grant, lost)

    def find_newest(self) -> Newest:
        """Return what the disk is written on: the newest commit's manifest, or a skip's (S7)."""
        return skip_where_due(self.log, self.data, self.chain)

    def hold_and_read(self, base: ManifestAt | None) -> LogState:
        """Hold *base*, and only then read the log (S15)."""
        if base is not None and self._is_of_chain(base):
            hold(self.log.control, self._places(base), self._holder(), self.log.clock.now())
        return self.log.read().state

    def find_left(self, state: LogState, slot: CommitSlot) -> Iterator[LeftSession]:
        """Yield the sessions of this run that have left packs in *slot* (S18).

        What a pack says of its run is believed by nobody yet: the worker asks for the run's proof.
        """
        for each in _sessions(self.data, self.chain.chain, slot):
            epoch = self._epoch_of(each.first)
            if epoch is not None and epoch not in state.ended_epochs:
                packs = min(each.last.number + 1, each.packs + MISSING_MOST)
                yield LeftSession(each.first.session, epoch, packs)

    def _doubt_base(self, base: ManifestAt, state: LogState) -> LostBase | None:
        """Return why *base*, which is held, is not written on; it is let go of then.

        Where it has gone the log may have forgotten it.
        """
        if not self._is_of_chain(base):
            return "other chain"
        lost = self._look_at_base(base, state)
        if lost is not None:
            release(self.log.control, self._places(base), self.asked.run)
        return lost

    def _look_at_base(self, base: ManifestAt, state: LogState) -> LostBase | None:
        is_going = (self.chain.chain, base.of_slot) in state.expiring_places
        if is_going or not is_there(self.data, base.name):
            return "let go"
        try:
            open_named(self.log.control, self.data, self.chain.chain, base)
        except CorruptRepository:
            return "damaged"
        return None

    def _is_of_chain(self, base: ManifestAt) -> bool:
        """Tell whether *base* is a manifest of this chain: it was begun anew perhaps."""
        named = parse_data(base.name)
        if not isinstance(named, ManifestName):
            return False
        return (named.chain, named.slot) == (self.chain.chain, base.of_slot)

    def _places(self, base: ManifestAt) -> list[Place]:
        return [(self.chain.chain, CommitSlot(base.of_slot))]

    def _holder(self) -> Holder:
        return Holder(self.asked.run, "backup", f"backup of {self.asked.disk.name}"[:TEXT_MOST])

    def _epoch_of(self, pack: PackId) -> int | None:
        """Return the epoch in which this run wrote *pack*, as it says; None where it did not."""
        name, ring = pack_name(self.chain.chain, pack), self.log.control.ring
        try:
            start = read_pack_start(
                name, self.data.get_range(name, 0, FIRST_RECORD_AT), ring.repository
            )
        except (CorruptRepository, NotStored, ObjectUnreadable):
            return None  # the last one: whoever may create a blob may create it archived
        is_ours = start.run == self.asked.run and start.epoch in ring.masters
        return start.epoch if is_ours else None

    def _keys(self, newest_epoch: int, left: Sequence[LeftSession]) -> ChainKeys:
        """Return the run's keys of the newest epoch, and of those in which it has left packs."""
        self.log.control.master_of(newest_epoch)
        epochs = {newest_epoch, *(each.epoch for each in left)}
        runs = [(epoch, self.asked.run) for epoch in sorted(epochs)]
        ring = self.log.control.ring
        return for_backup(ring, self.chain.chain, self.chain.epoch, newest_epoch, runs)


@dataclass(frozen=True, slots=True)
class _Listed:
    """The packs of a session, as they are listed."""

    first: PackId
    last: PackId
    packs: int


def _sessions(data: Store, chain: ChainId, slot: CommitSlot) -> Iterator[_Listed]:
    """Yield each session that aims at *slot* and has packs; there may be a million."""
    named = (parse_data(each.name) for each in data.list(prefix_of_slot(chain, "p", slot)))
    packs = (each.pack for each in named if isinstance(each, PackName))
    listed: _Listed | None = None
    for pack in packs:
        if listed is not None and listed.first.session == pack.session:
            listed = _Listed(listed.first, pack, listed.packs + 1)
            continue
        if listed is not None:
            yield listed
        listed = _Listed(pack, pack, 1)
    if listed is not None:
        yield listed


def _bad(entry: Bad) -> BadObject:
    return BadObject(entry.object, entry.id, entry.parts)
