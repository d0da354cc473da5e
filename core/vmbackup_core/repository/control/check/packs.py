"""Packs: listed as they are needed, and where data is read, every record of them opened."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import ChainId
from vmbackup_core.repository.control.check.archived import ArchivedPacks
from vmbackup_core.repository.control.check.lists import ListCheck, joined, listed_objects
from vmbackup_core.repository.control.check.observations import Fault, Observations
from vmbackup_core.repository.control.check.report import What
from vmbackup_core.repository.control.commits.pack_list import INDEX, PACK, Key
from vmbackup_core.repository.control.commits.prune_listing import name_of
from vmbackup_core.repository.control.log.log_entries import Bad, Healed
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.crew import work_through
from vmbackup_core.repository.data.healing import HealingPack
from vmbackup_core.repository.data.pack_reader import read_foot_of
from vmbackup_core.repository.data.ports import DataSource
from vmbackup_core.repository.data.read_back import read_pack
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.identities import IndexId, PackId
from vmbackup_core.repository.primitives.names import index_name, pack_name, prefix_of_folder
from vmbackup_core.repository.transfer import Tally
from vmbackup_core.stores.port import Store


@dataclass(frozen=True, slots=True)
class _Found:
    """A pack that is needed, and its size."""

    pack: PackId
    size_bytes: int


@dataclass
class PackCheck:
    """Looks at the packs of one chain; *highest* is the last slot that is taken.

    Those of *archived* are counted, where they are as long as they were stored, and not yielded.
    *watched* are packs that were healed; those that are still needed are in *healed_needed* once
    the listing was compared.
    """

    data: Store
    chain: ChainId
    seen: Observations
    highest: int
    archived: ArchivedPacks = field(default_factory=ArchivedPacks)
    watched: frozenset[Key] = frozenset()
    healed_needed: set[Key] = field(default_factory=set)

    def compare(self, lists: ListCheck) -> Iterator[_Found]:
        """Compare the listing with what is needed, and yield the packs that can be read."""
        listed = listed_objects(self.data, self.chain, self.seen)
        for key, size, sizes in joined(listed, lists.needed()):
            self.seen.on_look()
            self._count(key, size, sizes)
            if sizes and size is None:
                self._say_missing(key, min(sizes))
            elif sizes and size is not None and sizes != {size}:
                wanted = ", ".join(str(each) for each in sorted(sizes))
                found = f"has {size} bytes, of which {wanted} were stored"
                self._say(key, "resized", found, min(sizes), whole=key[0] != INDEX)
            elif sizes and size is not None and key[0] == PACK:
                pack = PackId(*key[1:])
                if pack in self.archived:
                    self.seen.add(archived=1)
                else:
                    yield _Found(pack, size)

    def _count(self, key: Key, size: int | None, sizes: set[int]) -> None:
        if key in self.watched and sizes:
            self.healed_needed.add(key)
        if key[0] == PACK and size is not None and key[1] <= self.highest:
            self.seen.add(packs=1, unreferenced=not sizes)

    def _say_missing(self, key: Key, size_bytes: int) -> None:
        """Note that an object is missing, unless the listing could not be read to where it is."""
        folder = prefix_of_folder(self.chain, "i" if key[0] == INDEX else "p")
        if not self.seen.found("data", folder):
            self._say(key, "missing", "is missing", size_bytes, whole=True)

    def _say(self, key: Key, what: What, found: str, size_bytes: int, *, whole: bool) -> None:
        name = name_of(self.chain, key)
        self.seen.fault(Fault(name, "data", what, found, whole=whole, size_bytes=size_bytes))


@dataclass(frozen=True, slots=True)
class PackReading:
    """Reads packs whole, several side by side."""

    store: DataSource
    keys: ChainKeys
    seen: Observations
    tally: Tally
    threads: int

    def read(self, packs: Iterable[_Found]) -> None:
        """Open every record of *packs*."""
        work_through(packs, self._read, self.threads)

    def _read(self, found: _Found) -> None:
        name = pack_name(self.keys.chain, found.pack)
        self.tally.add(total=found.size_bytes)
        with self.seen.noting("data", name):
            back = read_pack(self.store, self.keys, found.pack, found.size_bytes)
            if back.lost is not None:
                what = "its foot does not open" if back.lost == "damaged" else f"is {back.lost}"
                fault = Fault(name, "data", back.lost, what, set(back.offsets))
                fault.whole, fault.size_bytes = not back.offsets, found.size_bytes
                if back.offsets:
                    fault.found = f"{len(back.offsets)} of its records are not what was stored"
                self.seen.fault(fault)
        self.seen.add(read_bytes=found.size_bytes)
        self.tally.add(done=found.size_bytes)


def suspect_what_is_bad(state: LogState, chain: ChainId, seen: Observations) -> None:
    """Note what the log has as bad: it is a finding where a block turns out to be lost by it."""
    for entry in state.bad_of(chain):
        fault = Fault(_name_of_bad(entry), "data", entry.what, "the log has it as bad")
        fault.parts = set(entry.parts or ())
        fault.whole = entry.parts is None
        fault.suspected, fault.size_bytes = True, entry.size
        seen.fault(fault)


def done_healings(state: LogState, chain: ChainId) -> Iterator[tuple[Healed, HealingPack]]:
    """Yield the healing packs of *chain* that the log has as done."""
    for entry in state.healed.values():
        if entry.chain == chain and entry.phase == "done":
            for each in entry.packs:
                digest = bytes.fromhex(each.foot_sha256)
                yield entry, HealingPack(entry.session, each.number, each.size, digest)


def watched_keys(state: LogState, chain: ChainId) -> frozenset[Key]:
    """Return the packs of *chain* that were healed."""
    healed = (each for each in state.healed.values() if each.chain == chain)
    return frozenset(_keys_of(pack) for each in healed for pack in each.heals)


def check_healing(
    store: DataSource,
    keys: ChainKeys,
    state: LogState,
    needed: set[Key],
    seen: Observations,
) -> Iterator[_Found]:
    """Look at the feet of healing packs whose blocks are needed, and yield those that are whole.

    Those of sessions that have begun, or that the log does not know, are in flight.
    """
    for entry, each in done_healings(state, keys.chain):
        heals = {_keys_of(pack) for pack in entry.heals}
        if heals and not heals & needed:
            continue  # prune takes it
        with seen.noting("data", pack_name(keys.chain, each.pack)):
            _, foot, size = read_foot_of(store, keys, each.pack)
            if (size, hashlib.sha256(foot).digest()) != (each.size_bytes, each.foot_sha256):
                raise CorruptRepository("is not what was logged")
            yield _Found(each.pack, size)


def _keys_of(packed: str) -> Key:
    pack = PackId.parse(bytes.fromhex(packed))
    return PACK, pack.slot, pack.session, pack.number


def _name_of_bad(entry: Bad) -> str:
    packed = bytes.fromhex(entry.id)
    if entry.object == "index":
        return index_name(entry.chain, IndexId.parse(packed))
    return pack_name(entry.chain, PackId.parse(packed))
