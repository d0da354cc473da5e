"""Packs that earlier sessions of the run left without a commit, taken over by this one."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import CommitSlot, RunId
from vmbackup_core.repository.crew import work_through
from vmbackup_core.repository.data.footer import Footer, Records, is_proven
from vmbackup_core.repository.data.grants import LeftSession
from vmbackup_core.repository.data.known_places import KnownPlaces
from vmbackup_core.repository.data.pack_reader import read_footer
from vmbackup_core.repository.data.ports import DataSource
from vmbackup_core.repository.data.tables import PackRow, SessionRow
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.failures import NotUnderstood
from vmbackup_core.repository.primitives.identities import PackId
from vmbackup_core.stores.port import NotStored, ObjectUnreadable

#: So many packs of a session are looked at side by side: each is three requests that wait.
AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class _LeftPack:
    """A pack of this run without a commit."""

    row: PackRow
    records: Records

    @property
    def first_block(self) -> int:
        return min(self.records.blocks)

    @property
    def last_block(self) -> int:
        return max(self.records.blocks)


@dataclass(slots=True)
class _LeftPacks:
    """The packs of one session, read in the order in which they were begun, each once.

    That is the order of the disk but for the blocks of one shard: behind a pack whose blocks all
    lie behind a shard none has any of it.
    """

    session: SessionRow
    count: int
    next: int = 0
    reached: int = -1

    def take(self, end: int) -> range:
        """Return the numbers to look at next for the blocks before *end*; none when it is done."""
        if self.reached >= end:
            return range(0)
        numbers = range(self.next, min(self.next + AT_ONCE, self.count))
        self.next = numbers.stop
        return numbers


class Adoption:
    """What the sessions that the operator names have left for this run.

    Packs are looked at as far as the shards have come that are written: what is known of them is
    in memory only while these are.
    """

    def __init__(
        self,
        store: DataSource,
        keys: ChainKeys,
        slot: CommitSlot,
        run: RunId,
        left: Sequence[LeftSession],
    ) -> None:
        self._store = store
        self._keys = keys
        self._run = run
        sessions = ((SessionRow(slot, each.session, run, each.epoch), each.packs) for each in left)
        self._left = [_LeftPacks(*each) for each in sessions]
        self._packs: list[_LeftPack] = []

    def add_to(self, known: KnownPlaces, blocks: range) -> None:
        """Have *known* know the packs with any of *blocks*; never asked for earlier ones again."""
        while owed := self._take(blocks.stop):
            self._look(owed)
            self._forget_before(blocks.start)
        self._forget_before(blocks.start)
        for each in self._packs:
            if each.first_block < blocks.stop:
                known.add_adopted(each.row, each.records)

    def _take(self, end: int) -> list[tuple[_LeftPacks, int]]:
        return [(left, number) for left in self._left for number in left.take(end)]

    def _look(self, owed: Sequence[tuple[_LeftPacks, int]]) -> None:
        """Look which of the packs may be used, side by side."""
        lock = threading.Lock()

        def look_at(place: tuple[_LeftPacks, int]) -> None:
            left, number = place
            found = self._footer(left.session, number)
            if found is not None:
                pack = _LeftPack(found[1], found[0].records)
                with lock:
                    self._packs.append(pack)
                    left.reached = max(left.reached, pack.first_block)

        work_through(owed, look_at, min(AT_ONCE, len(owed)))
        self._packs.sort(key=lambda each: each.row.holder)

    def _forget_before(self, block: int) -> None:
        self._packs = [each for each in self._packs if each.last_block >= block]

    def _footer(self, session: SessionRow, number: int) -> tuple[Footer, PackRow] | None:
        """Return the footer and the row of a pack, or None where it can't be used.

        One that is damaged, that the store can't give, of another run or without that run's proof
        is passed over, and that is all: it holds nothing of the repository's yet.
        """
        pack = PackId(session.slot, session.session, number)
        try:
            footer, size = read_footer(self._store, self._keys, pack)
        except (CorruptRepository, NotUnderstood, NotStored, ObjectUnreadable):
            return None
        if not self._is_ours(session, pack, footer):
            return None
        return footer, PackRow.own(session, number, size)

    def _is_ours(self, session: SessionRow, pack: PackId, footer: Footer) -> bool:
        start, records = footer.start, footer.records
        if (start.run, start.epoch) != (self._run, session.epoch):
            return False
        in_order = list(records.numbers) == list(range(len(records)))
        own = len(footer.origins) == 1 and footer.origins[0].pack == pack
        return in_order and own and is_proven(self._keys, pack, footer)
