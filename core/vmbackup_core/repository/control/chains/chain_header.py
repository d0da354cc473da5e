"""A disk's chain: named, found, begun, made again and begun anew; see section 27 of the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from msgspec.structs import replace as replace_struct

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import ChainId, DiskUniqueId, RunId
from vmbackup_core.repository.control.chains.chain_said import (
    ChainHeader,
    ChainParameters,
    ChainPurpose,
    open_header,
    seal_header,
)
from vmbackup_core.repository.control.chains.named_manifests import first_that_opens
from vmbackup_core.repository.control.log.log import Log
from vmbackup_core.repository.control.log.log_entries import BegunAnew, Entry
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.sealed_objects import Control, is_there
from vmbackup_core.repository.data.grants import Parameters
from vmbackup_core.repository.data.manifest import Manifest
from vmbackup_core.repository.primitives.chain_keys import ChainKeys, for_reading
from vmbackup_core.repository.primitives.failures import ChainUnclear
from vmbackup_core.repository.primitives.json_payloads import Time
from vmbackup_core.repository.primitives.masters import Master
from vmbackup_core.repository.primitives.names import (
    chain_header_name,
    prefix_of_commits,
    prefix_of_folder,
)
from vmbackup_core.repository.primitives.parsed_names import CommitName
from vmbackup_core.stores.port import NotStored, Store


@dataclass(frozen=True, slots=True)
class DiskChain:
    """A disk's chain as it stands for good: *epoch* is the one in which it was begun."""

    chain: ChainId
    generation: int
    epoch: int
    parameters: Parameters

    @staticmethod
    def of_header(header: ChainHeader) -> DiskChain:
        """Return the chain that *header* is of."""
        said = header.parameters
        parameters = Parameters(said.block_bytes, said.shard_bytes, said.pack_bytes)
        return DiskChain(header.chain_id, header.generation, header.epoch, parameters)

    @staticmethod
    def of_manifest(manifest: Manifest) -> DiskChain:
        """Return the chain that *manifest* is of: each one repeats what the header says."""
        said = manifest.said
        parameters = Parameters(said.block_bytes, said.shard_bytes, said.pack_bytes)
        return DiskChain(said.chain_id, said.generation, said.chain_epoch, parameters)


def name_chain(control: Control, state: LogState, disk: DiskUniqueId) -> ChainId:
    """Return the chain that backups of *disk* go to, which may not be there yet.

    KeyRingIncomplete says that it may have one of an epoch whose master is not here.
    """
    return _named(control, state, disk).chain


def find_chain(log: Log, data: Store, disk: DiskUniqueId) -> DiskChain | None:
    """Return the chain of *disk* where it has one; nothing is written.

    Raise ChainUnclear where its header is lost and no manifest opens.
    """
    state = log.read().state
    return _Chains(log.control, data, state).find(name_chain(log.control, state, disk))


def ensure_chain(
    log: Log, data: Store, disk: DiskUniqueId, run: RunId, parameters: Parameters
) -> DiskChain:
    """Return the chain of *disk*, begun with *parameters* where it has none.

    A header that is lost or damaged is made again from the newest manifest that opens, whatever
    *parameters* are; ChainUnclear where commits or manifests are there and none opens, ReadOnly
    where the repository is another's.
    """
    state = log.read().state
    log.check_owner(state)
    named = _named(log.control, state, disk)
    return _ensured(log, data, state, named, _Begun(disk, run, parameters))


def find_archive_chain(log: Log, data: Store, disk: DiskUniqueId, run: RunId) -> DiskChain | None:
    """Return the chain that the archive session *run* has made of *disk*, where it has.

    Nothing is written. Raise ChainUnclear where its header is lost and no manifest opens.
    """
    state = log.read().state
    named = _named_archive(log.control, state, disk, run)
    return _Chains(log.control, data, state).find(named.chain)


def ensure_archive_chain(
    log: Log, data: Store, disk: DiskUniqueId, run: RunId, parameters: Parameters
) -> DiskChain:
    """Return the chain of the archive session *run* for *disk*, begun where there is none.

    It is that session's alone, and shares nothing with any other; else as `ensure_chain`.
    """
    state = log.read().state
    log.check_owner(state)
    named = _named_archive(log.control, state, disk, run)
    return _ensured(log, data, state, named, _Begun(disk, run, parameters))


def begin_anew(
    log: Log,
    data: Store,
    disk: DiskUniqueId,
    run: RunId,
    why: str,
    parameters: Parameters | None = None,
) -> DiskChain:
    """Begin the next generation of *disk*'s chain by order of a person, and return it.

    Nothing of the old chain is used; it keeps its points. What *run* has begun already is the
    answer, and so is what another order began meanwhile. *parameters* are those of the old chain
    unless they are given, or it has none that can be known.
    """
    state = log.read().state
    log.check_owner(state)
    chains = _Chains(log.control, data, state)
    old = _named(log.control, state, disk)
    header = chains.header(old.chain)
    if header is not None and old.generation and header.created_by == run:
        return DiskChain.of_header(header)
    settled = parameters or chains.parameters_of(old.chain)
    epoch, generation = state.newest_epoch, old.generation + 1
    successor = log.control.master_of(epoch).chain_name(disk, generation)
    begun = DiskChain(successor, generation, epoch, settled)
    chains.put(_header(log, begun, disk, old.chain, run))
    entry = BegunAnew(chain=old.chain, successor=successor, generation=generation, why=why)
    log.append(lambda now: _unless_succeeded(now, entry))
    return ensure_chain(log, data, disk, run, settled)


def open_chain(
    control: Control, data: Store, chain: ChainId, state: LogState | None = None
) -> DiskChain:
    """Return the chain of that id by its header, else by the newest manifest that opens.

    *state* lets manifests be found that only a point names. Raise ChainUnclear where none opens.
    """
    found = _Chains(control, data, state or LogState()).find(chain)
    if found is None:
        raise ChainUnclear(chain)
    return found


def reading_keys(control: Control, data: Store, chain: ChainId, state: LogState) -> ChainKeys:
    """Return what opens all records of *chain*; raise ChainUnclear as `open_chain` does."""
    begun = open_chain(control, data, chain, state).epoch
    return for_reading(control.ring, chain, begun, state.newest_epoch)


#: Returns the name that a chain has where it was begun in the epoch of a master.
NameBy = Callable[[Master], ChainId]


@dataclass(frozen=True, slots=True)
class _Named:
    """Which chain a disk is written to, known by the log and by names alone."""

    chain: ChainId
    name_by: NameBy
    generation: int = 0
    predecessor: ChainId | None = None
    purpose: ChainPurpose = "live"


@dataclass(frozen=True, slots=True)
class _Begun:
    """What a chain is begun for."""

    disk: DiskUniqueId
    run: RunId
    parameters: Parameters


def _named(control: Control, state: LogState, disk: DiskUniqueId) -> _Named:
    """Follow what was begun anew from the disk's first chain."""
    named = _first(control, state, partial(_live_name, disk, 0))
    passed = {named.chain}
    while (entry := state.begun_anew.get(named.chain)) is not None:
        if entry.successor in passed:
            raise CorruptRepository(f"chain {entry.successor} succeeds itself, as the log says")
        passed.add(entry.successor)
        name_by = partial(_live_name, disk, entry.generation)
        named = _Named(entry.successor, name_by, entry.generation, named.chain)
    return named


def _named_archive(control: Control, state: LogState, disk: DiskUniqueId, run: RunId) -> _Named:
    named = _first(control, state, lambda master: master.archive_name(run, disk))
    return replace(named, purpose="archive")


def _live_name(disk: DiskUniqueId, generation: int, master: Master) -> ChainId:
    return master.chain_name(disk, generation)


def _ensured(log: Log, data: Store, state: LogState, named: _Named, begun: _Begun) -> DiskChain:
    """Return the chain as it is there, or as it is begun."""
    chains = _Chains(log.control, data, state)
    header = chains.header(named.chain)
    if header is not None:
        return DiskChain.of_header(header)
    chain = chains.find(named.chain)
    if chain is None:
        epoch = chains.epoch_of(named)
        chain = DiskChain(named.chain, named.generation, epoch, begun.parameters)
    made = _header(log, chain, begun.disk, named.predecessor, begun.run)
    return chains.put(replace_struct(made, purpose=named.purpose))


def _unless_succeeded(state: LogState, entry: BegunAnew) -> Sequence[Entry]:
    return () if state.successor(entry.chain) is not None else (entry,)


def _header(
    log: Log, chain: DiskChain, disk: DiskUniqueId, predecessor: ChainId | None, run: RunId
) -> ChainHeader:
    return ChainHeader(
        chain_id=chain.chain,
        generation=chain.generation,
        epoch=chain.epoch,
        disk_unique_id=disk,
        predecessor=predecessor,
        created_by=run,
        created_at=Time.of(log.clock.now()),
        purpose="live",
        parameters=ChainParameters.of(chain.parameters),
    )


def _first(control: Control, state: LogState, name_by: NameBy) -> _Named:
    """Return the first chain of that name: of the first epoch under which there is anything."""
    for epoch in sorted(each for each in control.ring.epochs if each < state.newest_epoch):
        chain = name_by(control.master_of(epoch))
        if _is_begun(control, state, chain):
            return _Named(chain, name_by)
    return _Named(name_by(control.master_of(state.newest_epoch)), name_by)


def _is_begun(control: Control, state: LogState, chain: ChainId) -> bool:
    return (
        chain in state.begun_anew
        or is_there(control.store, chain_header_name(chain))
        or _has_commits(control, state, chain)
    )


def _has_commits(control: Control, state: LogState, chain: ChainId) -> bool:
    """Tell whether the chain has commits, or the log says what is only said of one that had."""
    return (
        bool(state.highest_slot(chain) or state.bad_of(chain))
        or any(healed == chain for healed, _ in state.healed)
        or control.first(prefix_of_commits(chain), CommitName) is not None
    )


@dataclass(frozen=True, slots=True)
class _Chains:
    """Headers of chains, and what they are made again from."""

    control: Control
    data: Store
    state: LogState

    def header(self, chain: ChainId) -> ChainHeader | None:
        """Return the header of *chain*; None where it is lost or damaged."""
        try:
            return open_header(self.control, chain)
        except (NotStored, CorruptRepository):
            return None

    def find(self, chain: ChainId) -> DiskChain | None:
        """Return *chain* by its header, else by a manifest; None where it was never written."""
        header = self.header(chain)
        if header is None and not self._is_written(chain):
            return None
        header = header or self.header(chain)  # it comes before anything else of the chain
        if header is not None:
            return DiskChain.of_header(header)
        found = first_that_opens(self.control, self.data, self.state, chain)
        if found is None:
            raise ChainUnclear(chain)
        return DiskChain.of_manifest(found[1])

    def parameters_of(self, chain: ChainId) -> Parameters:
        """Return what is settled for *chain*, or what is usual where nobody knows."""
        try:
            found = self.find(chain)
        except ChainUnclear:
            found = None
        return Parameters() if found is None else found.parameters

    def epoch_of(self, named: _Named) -> int:
        """Return the epoch whose key gives the chain its name."""
        for epoch, master in sorted(self.control.ring.masters.items()):
            if named.name_by(master) == named.chain:
                return epoch
        raise ChainUnclear(named.chain)

    def put(self, header: ChainHeader) -> DiskChain:
        """Put *header*, or return what another's says; a damaged one is replaced."""
        made = seal_header(self.control, header, self.state.newest_epoch)
        if self.control.put(made):
            return DiskChain.of_header(header)
        there = self.header(header.chain_id)
        if there is not None:
            return DiskChain.of_header(there)
        self.control.store.delete(made.name)
        return self.put(header)

    def _is_written(self, chain: ChainId) -> bool:
        """Tell whether the chain may have been written, with parameters of its own."""
        manifests = self.data.list(prefix_of_folder(chain, "m"), limit=1)
        return _has_commits(self.control, self.state, chain) or any(True for _ in manifests)
