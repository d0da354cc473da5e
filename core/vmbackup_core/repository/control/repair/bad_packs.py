"""Packs and index objects that somebody says are bad: logged only after an own look (S27)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Union

from vmbackup_core.ids import ChainId
from vmbackup_core.repository.control.check.report import Finding
from vmbackup_core.repository.control.log.log import Appended, Log
from vmbackup_core.repository.control.log.log_entries import ENTRIES_MOST, Bad
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.verify.own_looks import OwnLooks
from vmbackup_core.repository.data.ports import DataSource
from vmbackup_core.repository.data.read_back import PackReadBack, read_pack
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.identities import IndexId, PackId
from vmbackup_core.repository.primitives.parsed_names import IndexName, PackName, parse_data
from vmbackup_core.stores.port import Store

#: Offsets of one log object: of ten digits each, a quarter of its bound.
PARTS_MOST: Final = 200_000

#: Reads a pack that has a size; for tests to take away.
Look = Callable[[DataSource, ChainKeys, PackId, int], PackReadBack]


@dataclass(frozen=True, slots=True)
class ToldBad:
    """A pack of which a worker, or a check, says that it is bad; *size_bytes* is what lists say."""

    chain: ChainId
    pack: PackId
    size_bytes: int

    @staticmethod
    def of(finding: Finding) -> ToldBad | None:
        """Return the pack that *finding* is of; None for any other object."""
        named = parse_data(finding.object) if finding.place == "data" else None
        if not isinstance(named, PackName) or finding.size_bytes is None:
            return None
        return ToldBad(named.chain, named.pack, finding.size_bytes)


@dataclass(frozen=True, slots=True)
class ToldBadIndex:
    """A section or table, by its offset in an index object, that is said to be bad."""

    chain: ChainId
    index: IndexId
    offset: int

    @staticmethod
    def of(finding: Finding) -> tuple[ToldBadIndex, ...]:
        """Return what *finding* is of: nothing for an object that has no such parts."""
        named = parse_data(finding.object) if finding.place == "data" else None
        if not isinstance(named, IndexName):
            return ()
        return tuple(ToldBadIndex(named.chain, named.index, at) for at in finding.parts or ())


Told = Union[ToldBad, ToldBadIndex]  # noqa: UP007 - evaluated at run time on 3.10


def told_by(findings: Iterable[Finding]) -> Iterator[Told]:
    """Yield the packs, sections and tables that *findings* of a check are of."""
    for finding in findings:
        pack = ToldBad.of(finding)
        if pack is not None:
            yield pack
        yield from ToldBadIndex.of(finding)


def log_bad(log: Log, data: Store, told: Iterable[Told], look: Look = read_pack) -> Appended:
    """Log which of *told* are bad, as far as they are when they are read here.

    What is said without being so is passed over; what is known already is not said again.
    KeyRingIncomplete says that something cannot be read with the given key.
    """
    return append_bad(log, confirm_bad(log, data, told, look))


def confirm_bad(
    log: Log, data: Store, told: Iterable[Told], look: Look = read_pack
) -> tuple[Bad, ...]:
    """Return the entries of those of *told* that are bad when read here; none is logged."""
    return tuple(_confirmed(log, data, told, look))


def append_bad(log: Log, confirmed: Sequence[Bad], parts_most: int = PARTS_MOST) -> Appended:
    """Log what `confirm_bad` has returned, in as many objects as it takes."""
    done = log.append(lambda _state: ())
    for batch in _batches(confirmed, parts_most):
        there = log.append(_always(batch))
        done = Appended(
            there.state, (*done.entries, *there.entries), (*done.refused, *there.refused)
        )
    return done


def _always(entries: Sequence[Bad]) -> Callable[[LogState], Sequence[Bad]]:
    return lambda _state: entries


def _batches(confirmed: Sequence[Bad], parts_most: int) -> Iterator[Sequence[Bad]]:
    """Yield what one log object holds: it has bounds for its bytes too, and offsets are many."""
    batch: list[Bad] = []
    parts = 0
    for each in confirmed:
        mine = len(each.parts or ())
        if batch and (len(batch) == ENTRIES_MOST or parts + mine > parts_most):
            yield batch
            batch, parts = [], 0
        batch.append(each)
        parts += mine
    if batch:
        yield batch


def _confirmed(log: Log, data: Store, told: Iterable[Told], look: Look) -> Iterator[Bad]:
    state, looks = log.read().state, dict[ChainId, OwnLooks]()
    for each in told:
        if each.chain not in looks:
            looks[each.chain] = OwnLooks(log, data, each.chain, state)
        found = _look_at(looks[each.chain], data, each, look)
        if found is not None:
            yield found


def _look_at(looks: OwnLooks, data: Store, told: Told, look: Look) -> Bad | None:
    if isinstance(told, ToldBadIndex):
        return looks.index(told.index, told.offset, None)
    back = look(data, looks.keys, told.pack, told.size_bytes)
    return looks.read(back, told.size_bytes)
