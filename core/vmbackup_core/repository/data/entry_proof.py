"""Whether a section's entry is what the foot of its pack says of the record that lies there."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Final, Literal

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.crew import work_through
from vmbackup_core.repository.data.block_reader import Wanted
from vmbackup_core.repository.data.footer import Footer, Origin
from vmbackup_core.repository.data.pack_reader import read_footer
from vmbackup_core.repository.data.ports import DataSource
from vmbackup_core.repository.data.restore_windows import wanted_of
from vmbackup_core.repository.data.said import ManifestSaid
from vmbackup_core.repository.data.shard_view import ShardView
from vmbackup_core.repository.data.tables import PackRow
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.failures import NotUnderstood
from vmbackup_core.repository.primitives.frames import DELTA
from vmbackup_core.repository.primitives.identities import PackId
from vmbackup_core.stores.port import UNREADABLE_NOW, NotStored

#: Sections name packs nearly in order, so that few feet serve for many entries: so many records of
#: feet are kept, some 300 bytes each.
RECORDS_AT_HAND: Final = 131_072

#: What a foot says of a record: whose it is, its number, length and codec, the block's hash and
#: length.
_Said = tuple[Origin, int, int, int, bytes, int]

#: A delta is proven beside its base only; without a foot nothing can be said of an entry, nor of
#: one whose pack is offline, which is not asked for its foot.
Verdict = Literal["right", "wrong", "delta", "no foot", "offline"]


def _none(_pack: PackId) -> bool:
    return False


@dataclass
class Feet:
    """The feet of packs that entries are compared with; several threads may ask.

    Of a pack that *is_offline* nothing is read: it lies in the Archive tier.
    """

    store: DataSource
    keys: ChainKeys
    is_offline: Callable[[PackId], bool] = _none
    _known: OrderedDict[PackId, dict[int, _Said] | None] = field(default_factory=OrderedDict)
    _records: int = 0
    _lock: Lock = field(default_factory=Lock)

    def odd(
        self,
        said: ManifestSaid,
        view: ShardView[PackRow],
        is_asked: Callable[[int], bool],
        threads: int,
    ) -> dict[int, tuple[Wanted, Verdict]]:
        """Return the blocks of a shard that no foot proves right, and what is said of each.

        Looked at are, pack by pack, those whose entries are *asked* for.
        """
        by_row: dict[int, list[int]] = {}
        for block, entry in view.places():
            if is_asked(entry):
                by_row.setdefault(view.entries.rows[entry], []).append(block)
        bases, odd = view.entries.bases_before(), dict[int, tuple[Wanted, Verdict]]()

        def compare(blocks: Sequence[int]) -> None:
            for block in blocks:
                entry, extent = view.at[block], said.block_extent(view.shard, block)
                wanted = wanted_of(view, entry, bases[entry], extent.length)
                verdict = self.judge(wanted)
                if verdict not in {"right", "offline"}:
                    odd[block] = wanted, verdict

        work_through(by_row.values(), compare, threads)
        return dict(sorted(odd.items()))

    def judge(self, wanted: Wanted) -> Verdict:
        """Return what *wanted*, an entry and its place, is beside what the foot says."""
        place, kind = wanted.place, wanted.kind
        if self.is_offline(place.row.holder):
            return "offline"
        foot = self._foot(place.row)
        if foot is None:
            return "no foot"
        if kind.codec == DELTA:
            return "delta"
        entry = (
            Origin(place.row.origin, place.row.run, place.row.epoch),
            place.number,
            place.length,
            kind.codec,
            kind.block_hash,
            kind.block_bytes,
        )
        return "right" if foot.get(place.offset) == entry else "wrong"

    def _foot(self, row: PackRow) -> dict[int, _Said] | None:
        """Return what the foot says of the record at each offset; None where it is lost."""
        pack = row.holder
        with self._lock:
            if pack in self._known:
                self._known.move_to_end(pack)
                return self._known[pack]
        found = self._read(pack, row.size_bytes)
        with self._lock:
            if pack not in self._known:
                self._known[pack] = found
                self._records += len(found or ())
            while self._records > RECORDS_AT_HAND and len(self._known) > 1:
                _, oldest = self._known.popitem(last=False)
                self._records -= len(oldest or ())
        return found

    def _read(self, pack: PackId, size_bytes: int) -> dict[int, _Said] | None:
        try:
            return dict(_said(read_footer(self.store, self.keys, pack, size_bytes)[0]))
        except (CorruptRepository, NotUnderstood, NotStored, *UNREADABLE_NOW):
            return None  # said of the pack


def _said(footer: Footer) -> Iterator[tuple[int, _Said]]:
    records = footer.records
    for record, (kind, offset) in enumerate(zip(records.kinds(), records.offsets(), strict=False)):
        origin = footer.origins[records.origins[record]]
        number, length = records.numbers[record], records.lengths[record]
        yield offset, (origin, number, length, kind.codec, kind.block_hash, kind.block_bytes)
