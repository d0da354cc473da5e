"""Packs that earlier sessions of the run left without a commit, taken over by this one."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import CommitSlot, RunId
from vmbackup_core.repository.crew import work_through
from vmbackup_core.repository.data.footer import Footer, is_proven
from vmbackup_core.repository.data.grants import LeftSession
from vmbackup_core.repository.data.known_places import KnownPlaces
from vmbackup_core.repository.data.pack_reader import read_footer
from vmbackup_core.repository.data.ports import DataSource
from vmbackup_core.repository.data.tables import PackRow, SessionRow
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.failures import NotUnderstood
from vmbackup_core.repository.primitives.frames import DELTA
from vmbackup_core.repository.primitives.identities import PackId
from vmbackup_core.stores.port import NotStored, ObjectUnreadable


@dataclass(frozen=True, slots=True)
class AdoptedPack:
    """A pack of this run without a commit, and between which blocks of the disk it was written."""

    row: PackRow
    first_block: int
    last_block: int


class Adoption:
    """What the sessions that the operator names have left for this run."""

    def __init__(
        self, store: DataSource, keys: ChainKeys, slot: CommitSlot, run: RunId, threads: int
    ) -> None:
        self._store = store
        self._keys = keys
        self._slot = slot
        self._run = run
        self._threads = threads
        self._packs: list[AdoptedPack] = []

    @property
    def packs(self) -> Sequence[AdoptedPack]:
        """What was found, in order."""
        return self._packs

    def look(self, left: Sequence[LeftSession]) -> None:
        """Look which packs of the *left* sessions may be used, side by side."""
        lock = threading.Lock()

        def look_at(place: tuple[SessionRow, int]) -> None:
            found = self._footer(*place)
            if found is not None:
                footer, row = found
                blocks = footer.records.blocks
                with lock:
                    self._packs.append(AdoptedPack(row, min(blocks), max(blocks)))

        work_through(self._numbers(left), look_at, self._threads)
        self._packs.sort(key=lambda each: each.row.holder)

    def add_to(self, known: KnownPlaces, blocks: range) -> None:
        """Have *known* know the packs that were written within *blocks*."""
        for each in self._packs:
            if each.first_block < blocks.stop and each.last_block >= blocks.start:
                found = self._footer(each.row.holder_session, each.row.holder_number)
                if found is not None:
                    known.add_adopted(found[1], found[0].records)

    def _numbers(self, left: Sequence[LeftSession]) -> Iterator[tuple[SessionRow, int]]:
        for each in left:
            session = SessionRow(self._slot, each.session, self._run, each.epoch)
            yield from ((session, number) for number in range(each.packs))

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
        whole = DELTA not in records.codecs and list(records.numbers) == list(range(len(records)))
        own = len(footer.origins) == 1 and footer.origins[0].pack == pack
        return whole and own and is_proven(self._keys, pack, footer)
