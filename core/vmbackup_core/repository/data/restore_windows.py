"""Pieces of a disk, each large enough to be read pack by pack and small enough for memory."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from vmbackup_core.repository.data.block_reader import BaseRecord, Place, Wanted
from vmbackup_core.repository.data.reading_order import (
    REQUESTS_OF_A_PACK,
    Places,
    Read,
    marked,
    reads_of,
)
from vmbackup_core.repository.data.records import RecordKind
from vmbackup_core.repository.data.shard_view import ShardView
from vmbackup_core.repository.data.tables import PackRow
from vmbackup_core.repository.primitives.frames import DELTA
from vmbackup_core.repository.primitives.identities import PackId

_BLOCK_BITS: Final = 16
_BLOCK: Final = 2**_BLOCK_BITS - 1


@dataclass(frozen=True, slots=True)
class Most:
    """What a window ends at: a shard may bring more blocks, and one delta more bytes.

    *blocks* that are not zero take some 50 bytes each: so many are 128 GiB in pieces of 256 KiB. A
    sparse shard takes 64 KiB, too. *delta_bytes* are kept until the bases are read.
    """

    blocks: int = 524_288
    shards: int = 128
    delta_bytes: int = 16 * 1024 * 1024


DEFAULT_MOST: Final = Most()


@dataclass(slots=True)
class Window:
    """Blocks of some shards, by the packs that they are read from.

    A mark is a block's: the place of its shard here, and its number there.
    """

    most: Most = DEFAULT_MOST
    views: list[ShardView[PackRow]] = field(default_factory=list)
    blocks: int = 0
    delta_bytes: int = 0
    _before: list[array[int]] = field(default_factory=list)
    _own: dict[PackId, array[int]] = field(default_factory=dict)
    _deltas: dict[PackId, array[int]] = field(default_factory=dict)
    _bases: dict[PackId, array[int]] = field(default_factory=dict)

    @property
    def is_full(self) -> bool:
        """Whether nothing more belongs here."""
        return (
            self.blocks >= self.most.blocks
            or len(self.views) >= self.most.shards
            or self.delta_bytes >= self.most.delta_bytes
        )

    def take(self, view: ShardView[PackRow], places: Iterator[tuple[int, int]]) -> bool:
        """Take in blocks of a shard, by number and entry; tell whether some may be left."""
        entries, place = view.entries, len(self.views)
        self.views.append(view)
        self._before.append(entries.bases_before())
        own = [self._own.setdefault(row.holder, array("Q")) for row in view.rows]
        rows, offsets, codecs = entries.rows, entries.offsets, entries.codecs
        for block, entry in places:
            mark = place << _BLOCK_BITS | block
            self.blocks += 1
            if codecs[entry] != DELTA:
                own[rows[entry]].append(marked(offsets[entry], mark))
                continue
            self._take_delta(mark, view, entry)
            if self.delta_bytes >= self.most.delta_bytes:
                return True
        return False

    def block_of(self, mark: int) -> tuple[ShardView[PackRow], int]:
        """Return the shard of a mark, and the number of the block in it."""
        return self.views[mark >> _BLOCK_BITS], mark & _BLOCK

    def is_delta(self, mark: int) -> bool:
        """Tell whether the record of a block is a delta."""
        view, block = self.block_of(mark)
        return view.entries.codecs[view.at[block]] == DELTA

    def wanted(self, mark: int, block_bytes: int) -> Wanted:
        """Return what the record of a block is, and where."""
        view, block = self.block_of(mark)
        entry = view.at[block]
        return wanted_of(view, entry, self._before[mark >> _BLOCK_BITS][entry], block_bytes)

    def reads(self, spent: int = 0) -> tuple[list[Read], Iterator[Read]]:
        """Return what is read first and what then, in two requests for each pack at most.

        First come the packs that hold deltas; then all others, and the bases. A pack with both is
        read twice. So many requests were *spent* on finding out where all of it lies.
        """
        deltas = _sorted(self._deltas, {pack: self._own.pop(pack) for pack in self._deltas})
        others = _sorted(self._own, self._bases)
        packs = len(deltas.keys() | others.keys())
        first = [*reads_of(deltas, self._own_length, len(deltas))]
        rest = REQUESTS_OF_A_PACK * packs - len(first)
        return first, reads_of(others, self._length, rest, spent)

    def _take_delta(self, mark: int, view: ShardView[PackRow], entry: int) -> None:
        entries, bases = view.entries, view.entries.bases
        at = self._before[-1][entry]
        holder, base = view.rows[entries.rows[entry]].holder, view.rows[bases.rows[at]].holder
        self._own.setdefault(holder, array("Q"))
        of_deltas = self._deltas.setdefault(holder, array("Q"))
        of_deltas.append(marked(entries.offsets[entry], mark))
        of_bases = self._bases.setdefault(base, array("Q"))
        of_bases.append(marked(bases.offsets[at], mark))
        self.delta_bytes += entries.lengths[entry]

    def _own_length(self, mark: int) -> int:
        view, block = self.block_of(mark)
        return view.entries.lengths[view.at[block]]

    def _length(self, mark: int) -> int:
        view, block = self.block_of(mark)
        entry = view.at[block]
        if view.entries.codecs[entry] != DELTA:
            return view.entries.lengths[entry]
        return view.entries.bases.lengths[self._before[mark >> _BLOCK_BITS][entry]]


def windows_of(views: Iterable[ShardView[PackRow]], most: Most = DEFAULT_MOST) -> Iterator[Window]:
    """Yield all blocks of *views* that are not zero, window by window."""
    return windows_of_some(((view, view.places()) for view in views), most)


def windows_of_some(
    chosen: Iterable[tuple[ShardView[PackRow], Iterator[tuple[int, int]]]],
    most: Most = DEFAULT_MOST,
) -> Iterator[Window]:
    """Yield the *chosen* blocks of shards, given by number and entry, window by window."""
    window = Window(most)
    for view, places in chosen:
        is_left = True
        while is_left:
            is_left = window.take(view, places)
            if window.is_full:
                yield window
                window = Window(most)
    if window.blocks:
        yield window


def wanted_of(view: ShardView[PackRow], entry: int, base: int, block_bytes: int) -> Wanted:
    """Return the block of an entry; *base* is how many deltas are before it."""
    entries, bases = view.entries, view.entries.bases
    row, number = view.rows[entries.rows[entry]], entries.numbers[entry]
    place = Place(row, number, entries.offsets[entry], entries.lengths[entry])
    codec, block_hash = entries.codecs[entry], entries.hash_at(entry)
    if codec != DELTA:
        return Wanted(RecordKind(codec, block_bytes, block_hash), place)
    before = Place(
        view.rows[bases.rows[base]], bases.numbers[base], bases.offsets[base], bases.lengths[base]
    )
    kind = RecordKind(bases.codecs[base], bases.block_bytes[base], bases.hash_at(base))
    return Wanted(
        RecordKind(codec, block_bytes, block_hash, kind.block_hash), place, BaseRecord(before, kind)
    )


def _sorted(*kinds: dict[PackId, array[int]]) -> Places:
    """Return the records of several kinds by pack, each pack's in order; packs of none left out."""
    places: dict[PackId, array[int]] = {}
    for kind in kinds:
        for pack, keys in kind.items():
            if keys:
                places.setdefault(pack, array("Q")).extend(keys)
    return {pack: array("Q", sorted(places[pack])) for pack in sorted(places)}
