"""One chain looked at whole; again from the start where its manifests expire meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from typing_extensions import override

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import ChainId
from vmbackup_core.repository.control.chains.chain_said import ChainHeader, open_header
from vmbackup_core.repository.control.check.archived import ArchivedPacks, archived_packs
from vmbackup_core.repository.control.check.chains import (
    ChainSeen,
    Left,
    Looking,
    look_at_chain,
    may_be_there,
    open_left,
)
from vmbackup_core.repository.control.check.entries import EntryCheck
from vmbackup_core.repository.control.check.hurt import HurtSearch, LostBlock
from vmbackup_core.repository.control.check.indexes import IndexCheck
from vmbackup_core.repository.control.check.lists import ListCheck
from vmbackup_core.repository.control.check.locks import check_locks
from vmbackup_core.repository.control.check.log import read_now
from vmbackup_core.repository.control.check.packs import (
    PackCheck,
    PackReading,
    check_healing,
    done_healings,
    suspect_what_is_bad,
    watched_keys,
)
from vmbackup_core.repository.control.check.points import Use
from vmbackup_core.repository.control.check.report import Finding
from vmbackup_core.repository.control.sealed_objects import is_there
from vmbackup_core.repository.data.block_reader import Healed
from vmbackup_core.repository.data.healing import HealingIndex
from vmbackup_core.repository.data.index_reader import IndexReader
from vmbackup_core.repository.data.manifest import Manifest
from vmbackup_core.repository.primitives.chain_keys import ChainKeys, for_prune, for_reading
from vmbackup_core.repository.primitives.failures import NotUnderstood
from vmbackup_core.repository.primitives.names import chain_header_name
from vmbackup_core.repository.transfer import Tally

#: How often a chain is looked at anew where manifests go meanwhile.
TRIES: Final = 5


def check_chain(
    looking: Looking, chain: ChainId, uses: list[Use], tally: Tally | None, threads: int
) -> list[tuple[Finding, bool]]:
    """Return what was found of *chain*, and of each whether all that it cost was healed.

    With *tally* all records are read. *uses* are those of counted points.
    """
    for last in range(TRIES):
        attempt = looking.afresh()
        check = ChainCheck(attempt, chain, tally, threads)
        check.run(uses)
        if not attempt.seen.faults or last == TRIES - 1 or not check.has_changed():
            looking.seen.take_over(attempt.seen)
            return check.findings()
        counted = read_now(looking.log).state
        uses = [use for use in uses if use.point in counted.counted]
        looking = replace(looking, state=counted)
    return []


@dataclass(frozen=True, slots=True)
class _Either(Healed):
    """What one or the other has healed."""

    first: Healed
    second: Healed

    @override
    def find(self, block_hash: bytes, block_bytes: int) -> bytes | None:
        found = self.first.find(block_hash, block_bytes)
        return self.second.find(block_hash, block_bytes) if found is None else found


@dataclass
class ChainCheck:
    """One look at a chain: `run`, then `findings`. With *tally* all records are read."""

    looking: Looking
    chain: ChainId
    tally: Tally | None
    threads: int

    def __post_init__(self) -> None:
        ring, state = self.looking.control.ring, self.looking.state
        self._newest_epoch = state.newest_epoch
        self._metadata = for_prune(ring, self.chain, self._newest_epoch)
        self._lists = ListCheck(self.looking.control, self.chain, self.looking.seen)
        self._found = ChainSeen(self.chain)
        self._archived = ArchivedPacks()
        self._lost: list[Left] = []
        self._epoch: int | None = None
        self._said: ChainHeader | None = None

    def run(self, uses: list[Use]) -> None:
        """Look at everything of the chain."""
        self._found = look_at_chain(self.looking, self.chain, uses)
        self._archived = archived_packs(self.looking.data, self.chain)
        self._check_header()
        self._check_manifests()
        self._check_packs()
        check_locks(self.looking, self._found)
        suspect_what_is_bad(self.looking.state, self.chain, self.looking.seen)

    def has_changed(self) -> bool:
        """Tell whether a manifest that was left has expired since: then all is looked at again."""
        data = self.looking.data
        gone = [left for left in self._found.left.values() if not may_be_there(data, left.name)]
        state = read_now(self.looking.log).state if gone else self.looking.state
        newest = self._found.newest
        return any(
            (newest is None or newest.manifest != left.name)
            and not any(use.point in state.counted for use in left.uses)
            for left in gone
        )

    def findings(
        self,
        on_lost: Callable[[LostBlock], None] | None = None,
        also: Healed | None = None,
    ) -> list[tuple[Finding, bool]]:
        """Return what was found, with what it costs beside what the log and *also* have healed.

        *on_lost* hears of the blocks that are lost with their records.
        """
        seen, data = self.looking.seen, self.looking.data
        search = HurtSearch(data, seen)
        if on_lost is not None:
            search.on_lost = on_lost
        for left in self._lost:
            search.whole_disk(left)
        healed: Healed | None = None
        for left in self._found.in_order() if search.needs_manifests else ():
            manifest = self._reopened(left)
            if manifest is not None:
                keys = self._keys_of(manifest)
                healed = healed or self._healed(keys, also)
                search.look(left, manifest, keys, healed)
        return list(search.findings(self.chain))

    def _healed(self, keys: ChainKeys, also: Healed | None) -> Healed:
        packs = (each for _, each in done_healings(self.looking.state, self.chain))
        index = HealingIndex.load(self.looking.data, keys, packs)
        return index if also is None else _Either(index, also)

    def newest_opened(self) -> Manifest | None:
        """Return the newest manifest that is left and opens."""
        opened = (self._reopened(left) for left in reversed(self._found.in_order()))
        return next((manifest for manifest in opened if manifest is not None), None)

    def _check_header(self) -> None:
        name, control = chain_header_name(self.chain), self.looking.control
        if not self._found.highest and not is_there(control.store, name):
            return  # nothing of it counts
        with self.looking.seen.noting("control", name):
            self._said = open_header(control, self.chain)
            self._epoch = self._said.epoch

    def _check_manifests(self) -> None:
        indexes: IndexCheck | None = None
        for left in self._found.in_order():
            manifest = open_left(self.looking, left, self._metadata)
            if manifest is None:
                self._lost.append(left)
                if left.commit is not None:
                    self._lists.believe(left.commit.pack_list)
                continue
            self._compare_header(manifest)
            keys = self._keys_of(manifest)
            index = IndexReader(self.looking.data, keys, manifest)
            if indexes is None:
                entries = None
                if self.tally is not None:
                    data, seen = self.looking.data, self.looking.seen
                    entries = EntryCheck(data, keys, seen, self.threads, self._archived)
                indexes = IndexCheck(self.looking.data, self.chain, self.looking.seen, entries)
            indexes.look(manifest, index)
            if left.commit is not None:
                self._lists.compare(left.name, left.commit.pack_list, manifest, index)
            else:
                self._lists.count(manifest, index)

    def _compare_header(self, manifest: Manifest) -> None:
        said, header = manifest.said, self._said
        self._epoch = self._epoch or said.chain_epoch
        theirs = (
            said.generation,
            said.chain_epoch,
            (said.block_bytes, said.shard_bytes, said.pack_bytes),
        )
        if header is None:
            return
        settled = header.parameters
        sizes = settled.block_bytes, settled.shard_bytes, settled.pack_bytes
        if (header.generation, header.epoch, sizes) != theirs:
            name = chain_header_name(self.chain)
            self.looking.seen.say("control", name, "damaged", "differs from the chain's manifests")

    def _keys_of(self, manifest: Manifest) -> ChainKeys:
        """Return what opens sections and records: metadata only where the hash key is lacking."""
        ring = self.looking.control.ring
        try:
            return for_reading(ring, self.chain, manifest.said.chain_epoch, self._newest_epoch)
        except (NotUnderstood, CorruptRepository):
            return self._metadata

    def _check_packs(self) -> None:
        state, seen, data = self.looking.state, self.looking.seen, self.looking.data
        watched = watched_keys(state, self.chain)
        packs = PackCheck(data, self.chain, seen, self._found.highest, self._archived, watched)
        if self._epoch is None:
            for _ in packs.compare(self._lists):
                pass
            return
        keys = for_reading(self.looking.control.ring, self.chain, self._epoch, self._newest_epoch)
        there = packs.compare(self._lists)
        if self.tally is None:
            for _ in there:
                pass
        else:
            reading = PackReading(data, keys, seen, self.tally, self.threads)
            reading.read(there)
        healing = list(check_healing(data, keys, state, packs.healed_needed, seen))
        if self.tally is not None:
            PackReading(data, keys, seen, self.tally, self.threads).read(healing)

    def _reopened(self, left: Left) -> Manifest | None:
        if left in self._lost:
            return None
        return open_left(self.looking.afresh(), left, self._metadata)
