"""Packs that are to be read, cut into what one job asks for, beside the listing; section 33."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from vmbackup_core.ids import ChainId
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.verify.verify_needed import NeededPack
from vmbackup_core.repository.control.verify.verify_work import ListedLost, PackRun
from vmbackup_core.repository.primitives.identities import HEALING_SLOT, PackId
from vmbackup_core.repository.primitives.names import prefix_of_healing, prefix_of_session
from vmbackup_core.repository.primitives.parsed_names import PackName, parse_data
from vmbackup_core.stores.port import Store, StoredObject

#: Runs of one job, and packs that the listing has otherwise: more are for the next job.
RUNS_MOST: Final = 2_000
LISTED_MOST: Final = 1_000


@dataclass
class Batch:
    """The packs of one job, as far as its bounds let them in."""

    most_bytes: int
    packs: list[NeededPack] = field(default_factory=list)
    read_bytes: int = 0
    is_full: bool = False
    _runs: int = 0

    def fill(self, packs: Iterable[NeededPack]) -> None:
        """Take *packs* in order, one at least, until the bounds are reached."""
        for each in packs:
            follows = bool(self.packs) and _follows(self.packs[-1], each)
            runs = self._runs + (not follows)
            over = self.read_bytes + each.size_bytes > self.most_bytes
            if self.packs and (over or runs > RUNS_MOST):
                self.is_full = True
                return
            self._runs = runs
            self.packs.append(each)
            self.read_bytes += each.size_bytes

    @property
    def last(self) -> PackId | None:
        """The last pack of it."""
        return self.packs[-1].pack if self.packs else None


@dataclass(frozen=True, slots=True)
class Cut:
    """What a worker reads, what the listing has otherwise, and up to which pack that is.

    *archived* counts those that lie in the Archive tier with their sizes: nobody reads them.
    """

    runs: tuple[PackRun, ...]
    listed: tuple[ListedLost, ...]
    last: PackId | None
    is_all: bool
    archived: int = 0


def cut(data: Store, chain: ChainId, state: LogState, batch: Batch) -> Cut:
    """Return the runs of *batch*: without packs that are bad as a whole, or listed otherwise.

    Nor has it those that lie in the Archive tier. It ends early where the listing lacks too many of
    them.
    """
    there = _listed(data, chain, batch.packs)
    archived = 0
    wanted: list[NeededPack] = []
    listed: list[ListedLost] = []
    last: PackId | None = None
    for each in batch.packs:
        if len(listed) >= LISTED_MOST:
            runs = tuple(_runs(wanted))
            return Cut(runs, tuple(listed), last, is_all=False, archived=archived)
        last = each.pack
        if _is_bad(state, chain, each.pack):
            continue
        found = there.get(each.pack)
        if found is None or found.size_bytes != each.size_bytes:
            listed.append(ListedLost(each.pack, each.size_bytes, each.needed_by))
        elif found.archived:
            archived += 1
        else:
            wanted.append(each)
    runs = tuple(_runs(wanted))
    return Cut(runs, tuple(listed), last, is_all=not batch.is_full, archived=archived)


def _is_bad(state: LogState, chain: ChainId, pack: PackId) -> bool:
    known = state.bad.get((chain, "pack", pack.packed().hex()))
    return known is not None and known.parts is None


def _listed(data: Store, chain: ChainId, packs: list[NeededPack]) -> dict[PackId, StoredObject]:
    """Return *packs* as they are listed: no more of a session is listed than up to its last."""
    found: dict[PackId, StoredObject] = {}
    for _, group in groupby(packs, key=lambda each: (each.pack.slot, each.pack.session)):
        wanted = {each.pack for each in group}
        first, last = min(wanted), max(wanted)
        if first.slot == HEALING_SLOT:
            prefix = f"{prefix_of_healing(chain)}{first.session}-"
        else:
            prefix = prefix_of_session(chain, "p", first.slot, first.session)
        for each in data.list(prefix):
            named = parse_data(each.name)
            if not isinstance(named, PackName):
                continue
            if named.pack.number > last.number:
                break
            if named.pack in wanted:
                found[named.pack] = each
    return found


def _follows(before: NeededPack, each: NeededPack) -> bool:
    one, other = before.pack, each.pack
    return (one.slot, one.session, one.number + 1, before.needed_by) == (
        other.slot,
        other.session,
        other.number,
        each.needed_by,
    )


def _runs(packs: list[NeededPack]) -> Iterator[PackRun]:
    mine: list[NeededPack] = []
    for each in packs:
        if mine and not _follows(mine[-1], each):
            yield _run(mine)
            mine = []
        mine.append(each)
    if mine:
        yield _run(mine)


def _run(packs: list[NeededPack]) -> PackRun:
    first = packs[0]
    sizes = tuple(each.size_bytes for each in packs)
    return PackRun(first.pack.slot, first.pack.session, first.pack.number, sizes, first.needed_by)
