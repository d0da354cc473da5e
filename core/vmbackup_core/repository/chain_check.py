"""Checking one chain: that everything its commits name is there and as it was written."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass

from vmbackup_core.ids import CommitSlot
from vmbackup_core.repository.chain import Chain
from vmbackup_core.repository.index import ShardIndex
from vmbackup_core.repository.names import PackId, commit_name, pack_of
from vmbackup_core.repository.pack import PackFooter
from vmbackup_core.repository.pack_reader import footer_of, read_footer, verify_records
from vmbackup_core.repository.records import Commit, Manifest, ShardReference
from vmbackup_core.repository.report import Observations
from vmbackup_core.repository.transfer import Tally
from vmbackup_core.stores.port import NotStored

#: Indexes name packs nearly in order, so few decoded footers serve for many entries.
FOOTERS_AT_HAND = 32


@dataclass(frozen=True, slots=True)
class _Records:
    """A pack's footer, and where each of the records begins that it describes."""

    footer: PackFooter
    offsets: list[int]

    def described(self, number: int) -> tuple[int, int, int, bytes, int] | None:
        """Return what the footer says of a record: offset, length, codec, hash, block's length."""
        footer = self.footer
        if number >= len(footer):
            return None
        kind = footer.kind_of(number)
        offset, length = self.offsets[number], footer.lengths[number]
        return offset, length, kind.codec, kind.block_hash, kind.block_bytes


class ChainCheck:
    """One look at a chain; *needed* are the slots that recovery points name."""

    def __init__(
        self,
        chain: Chain,
        needed: AbstractSet[CommitSlot],
        seen: Observations,
        tally: Tally,
        *,
        read_data: bool,
    ) -> None:
        self._chain = chain
        self._needed = needed
        self._seen = seen
        self._tally = tally
        self._read_data = read_data
        self._sizes: dict[PackId, int] = {}
        self._packs_listed = False
        self._named: set[PackId] = set()
        self._indexes: set[str] = set()
        self._read: set[PackId] = set()
        self._footers: OrderedDict[PackId, _Records | None] = OrderedDict()

    def run(self) -> None:
        """Look at everything."""
        # Slots before packs: what is committed while we look is left to the next check, since its
        # packs may be newer than our listing of them.
        slots: list[CommitSlot] = []
        with self._seen.noting(self._chain.full_name("k/")):
            slots = self._chain.slots()
        with self._seen.noting(self._chain.full_name("p/")):
            self._list_packs()
        if self._read_data:
            self._tally.add(total=sum(self._sizes.values()))
        self._seen.packs += len(self._sizes)
        self._commits(slots)
        if self._read_data:
            for pack in self._sizes.keys() - self._read:
                self._unreferenced(pack)
        self._seen.unreferenced_packs += len(self._sizes.keys() - self._named)

    def _list_packs(self) -> None:
        for each in self._chain.store.list(self._chain.full_name("p/")):
            pack = pack_of(self._chain.short_name(each.name))
            if pack is not None:
                self._sizes[pack] = each.size_bytes
        self._packs_listed = True

    def _commits(self, slots: list[CommitSlot]) -> None:
        previous: str | None = None
        newest = max(slots, default=0)
        for slot in range(1, newest + 1):
            name = self._chain.full_name(commit_name(CommitSlot(slot)))
            digest: str | None = None
            with self._seen.noting(name):
                found = self._chain.find_commit(CommitSlot(slot))
                if found is None:
                    self._seen.fault(name, "is missing: a slot before the newest is never free")
                else:
                    commit, digest = found
                    self._commit(name, commit, previous)
                    self._manifest(commit, newest=slot == newest)
            previous = digest

    def _commit(self, name: str, commit: Commit, previous: str | None) -> None:
        self._seen.commits += 1
        if previous is not None and commit.previous != previous:
            self._seen.fault(name, f"says {commit.previous} came before it, which is {previous}")

    def _manifest(self, commit: Commit, *, newest: bool) -> None:
        if commit.manifest is None:
            return
        name = self._chain.full_name(commit.manifest)
        if not self._is_there(name):
            if newest or commit.slot in self._needed:
                self._seen.fault(name, f"is missing; the commit in slot {commit.slot} names it")
            return  # else it has expired
        with self._seen.noting(name):
            manifest = self._chain.manifest_of(commit)
            if manifest is not None:
                self._digest(name, manifest)
                for line in manifest.shards:
                    self._index(manifest, line)

    def _is_there(self, name: str) -> bool:
        return any(each.name == name for each in self._chain.store.list(name))

    def _digest(self, name: str, manifest: Manifest) -> None:
        found = self._chain.disk_digest(manifest.disk_bytes, manifest.shards)
        if found != manifest.digest:
            self._seen.fault(name, f"digest {found} by its shards, says {manifest.digest}")

    def _index(self, manifest: Manifest, line: ShardReference) -> None:
        if line.index in self._indexes:  # an earlier manifest has the same shard
            return
        self._indexes.add(line.index)
        name = self._chain.full_name(line.index)
        with self._seen.noting(name):
            index = self._chain.index_of(line)
            self._seen.indexes += 1
            for row in index.packs:
                self._named.add(row.holder)
                self._pack(name, row.holder, row.size_bytes)
            if self._read_data:
                self._entries(name, index, manifest)

    def _pack(self, index: str, pack: PackId, size_bytes: int) -> None:
        if not self._packs_listed:
            return  # that was said of the listing
        name, found = self._chain.full_name(str(pack)), self._sizes.get(pack)
        if found is None:
            self._seen.fault(name, f"is missing; {index} names it")
        elif found != size_bytes:
            self._seen.fault(name, f"has {found} bytes; {index} has {size_bytes}")

    def _entries(self, name: str, index: ShardIndex, manifest: Manifest) -> None:
        """Compare each entry of *index* with the footer of its pack."""
        first = index.shard * (manifest.shard_bytes // manifest.block_bytes)
        for entry, at in enumerate(index.used()):
            place = index.place_at(entry)
            records = self._footer(index.packs[place.row].holder)
            if records is None:
                continue  # that was said of the pack
            offset = (first + at) * manifest.block_bytes
            length = min(manifest.block_bytes, manifest.disk_bytes - offset)
            described = (place.offset, place.length, place.codec, index.hash_at(entry), length)
            if described != records.described(place.number):
                pack = index.packs[place.row].holder
                self._seen.fault(name, f"block {first + at}: not record {place.number} of {pack}")

    def _unreferenced(self, pack: PackId) -> None:
        """Read a pack that no entry of an index led to; it may be pruned meanwhile."""
        with self._seen.noting(self._chain.full_name(str(pack))), suppress(NotStored):
            self._look_at(pack)

    def _footer(self, pack: PackId) -> _Records | None:
        """Return the pack's footer; the first time, with *read_data*, all its records are read."""
        if pack in self._footers:
            self._footers.move_to_end(pack)
            return self._footers[pack]
        records: _Records | None = None
        if pack in self._sizes:
            with self._seen.noting(self._chain.full_name(str(pack))):
                footer = self._look_at(pack)
                records = _Records(footer, footer.offsets())
        self._footers[pack] = records
        if len(self._footers) > FOOTERS_AT_HAND:
            self._footers.popitem(last=False)
        return records

    def _look_at(self, pack: PackId) -> PackFooter:
        if pack in self._read:
            return read_footer(self._chain, pack, self._sizes[pack])
        self._read.add(pack)
        name = self._chain.full_name(str(pack))
        stored = self._chain.store.get(name)
        self._tally.add(done=len(stored))
        self._seen.read_bytes += len(stored)
        footer = footer_of(self._chain, pack, stored)
        wrong = verify_records(self._chain, pack, stored, footer)
        if wrong:
            self._seen.fault(name, "; ".join(each.removeprefix(f"{name}: ") for each in wrong[:8]))
        return footer
