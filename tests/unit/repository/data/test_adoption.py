"""An attempt that died leaves packs, and the next one of the run takes them over, no others."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress

import pytest
from typing_extensions import override

from tests.unit.repository.data.bench import (
    Bench,
    DataMemory,
    Written,
    changes,
    noise,
    pack_of,
    run_of,
)
from tests.unit.repository.data.samples import BLOCK, SHARD
from vmbackup_core.repository.data.adoption import AT_ONCE, Adoption
from vmbackup_core.repository.data.disk_writer import packs_at_once
from vmbackup_core.repository.data.grants import BadObject, LeftSession, Parameters
from vmbackup_core.repository.data.known_places import KnownPlaces
from vmbackup_core.repository.data.pack_reader import read_footer
from vmbackup_core.repository.data.restore import Holes
from vmbackup_core.repository.primitives.identities import WritingSession
from vmbackup_core.stores.port import Buffer, ObjectUnreadable

CONTENT = bytes(5 * SHARD) + noise(1, SHARD)
AFTER = noise(2, 5 * SHARD) + CONTENT[5 * SHARD :]  # a pack and a quarter


class Killed(BaseException):
    """The process is gone: nothing in the code under test may catch this."""


class DyingStore(DataMemory):
    """Passes calls on until the *last*-th; that is made or not, and then nothing more."""

    def __init__(self, inner: DataMemory, last: int, *, made: bool) -> None:
        super().__init__()
        self._inner = inner
        self._left = last
        self._made = made

    def _count(self) -> bool:
        """Return whether the call is to be made; raise after the last."""
        self._left -= 1
        if self._left < 0:
            raise Killed
        return self._left > 0 or self._made

    def _end(self) -> None:
        if self._left == 0:
            raise Killed

    @override
    def put_new(self, name: str, data: Buffer) -> None:
        if self._count():
            self._inner.put_new(name, data)
        self._end()

    @override
    def get(self, name: str, *, most: int | None = None) -> bytes:
        self._count()
        self._end()
        return self._inner.get(name, most=most)

    @override
    def get_range(self, name: str, offset: int, length: int) -> bytes:
        self._count()
        self._end()
        return self._inner.get_range(name, offset, length)

    @override
    def get_end(self, name: str, length: int, *, size: int | None = None) -> tuple[bytes, int]:
        self._count()
        self._end()
        return self._inner.get_end(name, length, size=size)


def begun() -> tuple[Bench, Written]:
    bench = Bench()
    return bench, bench.write(bench.grant(1, len(CONTENT)), CONTENT)


def attempt(bench: Bench, first: Written, store: DataMemory | None = None) -> Written:
    """Write slot 2, taking over what is left there."""
    grant = bench.grant(2, len(AFTER), newest=first, base=first, left=bench.left(2))
    return bench.write(grant, AFTER, changes(CONTENT, AFTER), store=store)


def records_of(bench: Bench, slot: int) -> list[bytes]:
    found: list[bytes] = []
    for name in bench.store.names("p", slot):
        records = read_footer(bench.store, bench.reader_keys(), pack_of(name))[0].records
        found += [records.hash_at(record) for record in range(len(records))]
    return found


def test_killed_at_any_call_the_next_attempt_stores_nothing_twice() -> None:
    deaths = 0
    for made in (False, True):
        for last in range(1, 100):
            bench, first = begun()
            try:
                attempt(bench, first, DyingStore(bench.store, last, made=made))
            except Killed:
                deaths += 1
            else:
                break
            written = attempt(bench, first)
            assert bench.restore(written)[0] == AFTER
            hashes = records_of(bench, 2)
            assert len(hashes) == len(set(hashes)) == len(changes(CONTENT, AFTER))
            check_sessions(bench, written)
        else:
            raise AssertionError("never got through")
    assert deaths >= 10


def check_sessions(bench: Bench, written: Written) -> None:
    """The manifest names every session whose objects of the slot it refers to."""
    index, said = bench.index(written), bench.manifest(written).said
    used = {
        row.holder.session
        for line in index.manifest.lines
        for row in index.rows(line)
        if row.holder.slot == said.slot
    }
    assert used <= set(said.sessions)
    assert said.session in said.sessions


def killed_after_a_pack(run: int | None = None) -> tuple[Bench, Written]:
    """Return a chain in whose slot 2 one pack of several has been left."""
    for last in range(1, 100):
        bench, first = begun()
        grant = bench.grant(2, len(AFTER), newest=first, base=first, run=run)
        with suppress(Killed):
            dying = DyingStore(bench.store, last, made=True)
            bench.write(grant, AFTER, changes(CONTENT, AFTER), store=dying)
        if bench.store.names("p", 2):
            return bench, first
    raise AssertionError("no pack was ever stored")


def test_packs_of_another_run_are_passed_over() -> None:
    bench, first = killed_after_a_pack(run=99)
    foreign = bench.left(2)
    written = attempt(bench, first)
    assert written.done.statistics.new_blocks == len(changes(CONTENT, AFTER))
    assert not {each.session for each in foreign} & set(bench.manifest(written).said.sessions)
    assert bench.restore(written)[0] == AFTER


def test_a_pack_that_says_our_run_without_its_proof_is_passed_over() -> None:
    """Any backup job of the chain has the metadata secrets, and could write such a pack."""
    bench, first = begun()
    given = bench.writer_keys(run_of(2))
    forged = type(given)(
        given.repository,
        given.chain,
        given.newest,
        given.hash_key,
        given.metadata,
        {},
        {(1, run_of(2)): b"f" * 32},
    )
    grant = bench.grant(2, len(AFTER), newest=first, base=first)
    bench.write(grant, AFTER, changes(CONTENT, AFTER), keys=forged)
    planted = bench.left(2)
    assert planted
    written = attempt(bench, first)
    assert written.done.statistics.new_blocks == len(changes(CONTENT, AFTER))
    assert not {each.session for each in planted} & set(bench.manifest(written).said.sessions)
    assert bench.restore(written)[0] == AFTER


class ArchivedPacks(DataMemory):
    """Shows packs of a slot as a store does that can't give their bytes."""

    def __init__(self, inner: DataMemory, names: list[str]) -> None:
        super().__init__()
        self._objects = inner._objects  # noqa: SLF001 - one place, seen in two ways
        self._names = inner._names  # noqa: SLF001
        self._archived = frozenset(names)

    @override
    def get_range(self, name: str, offset: int, length: int) -> bytes:
        if name in self._archived:
            raise ObjectUnreadable(f"{name}: status 409", reason="BlobArchived")
        return super().get_range(name, offset, length)


def test_packs_whose_bytes_the_store_cannot_give_are_passed_over() -> None:
    """Whoever may create a blob may create it in the archive tier."""
    bench, first = killed_after_a_pack()
    archived = bench.store.names("p", 2)
    written = attempt(bench, first, ArchivedPacks(bench.store, archived))
    assert written.done.statistics.new_blocks == len(changes(CONTENT, AFTER))
    assert not {pack_of(name).session for name in archived} & set(
        bench.manifest(written).said.sessions
    )
    assert bench.restore(written)[0] == AFTER


def test_damaged_packs_and_numbers_that_are_not_there_are_passed_over() -> None:
    bench, first = killed_after_a_pack()
    (name, *_) = bench.store.names("p", 2)
    content = bytearray(bench.store.get(name))
    content[-20] ^= 1
    bench.store.replace(name, bytes(content))
    (left,) = bench.left(2)
    others = LeftSession(WritingSession("99" * 16), 1, 3)
    grant = bench.grant(
        2,
        len(AFTER),
        newest=first,
        base=first,
        left=[LeftSession(left.session, 1, left.packs + 2), others],
    )
    written = bench.write(grant, AFTER, changes(CONTENT, AFTER))
    assert bench.restore(written)[0] == AFTER


#: CONTENT with some bytes of each block changed.
EDITED = CONTENT[: 5 * SHARD] + b"".join(
    CONTENT[at : at + 9] + b"new" + CONTENT[at + 12 : at + BLOCK]
    for at in range(5 * SHARD, len(CONTENT), BLOCK)
)


def deltas_left(content: bytes) -> tuple[Bench, Written]:
    """Return a chain in whose slot 2 an attempt has left deltas of every block after *content*."""
    bench = Bench()
    first = bench.write(bench.grant(1, len(content)), content)
    grant = bench.grant(2, len(EDITED), newest=first, base=first, deltas=True)
    lost = bench.write(grant, EDITED, changes(content, EDITED), predecessor=content)
    assert lost.done.statistics.delta_blocks == SHARD // BLOCK
    return bench, first


def after_deltas(bench: Bench, first: Written, bad: Sequence[BadObject] = ()) -> Written:
    left = bench.left(2)
    grant = bench.grant(2, len(EDITED), newest=first, base=first, left=left, deltas=True, bad=bad)
    changed = changes(first.content, EDITED)
    return bench.write(grant, EDITED, changed, predecessor=first.content)


def test_deltas_that_were_left_are_adopted_with_their_bases() -> None:
    bench, first = deltas_left(CONTENT)
    written = after_deltas(bench, first)
    assert written.done.statistics.new_blocks == 0
    (line,) = bench.index(written).manifest.lines
    view = bench.index(written).shard(line)
    assert len(view.entries.bases) == SHARD // BLOCK
    assert {row.holder.slot for row in view.rows} == {1, 2}
    assert bench.restore(written) == (EDITED, Holes())


def test_a_delta_that_was_left_is_passed_over_where_its_base_is_bad() -> None:
    """It would be lost with its base; the others of its pack are adopted all the same."""
    bench, first = deltas_left(CONTENT)
    (pack,) = bench.store.names("p", 1)
    footer, _ = read_footer(bench.store, bench.reader_keys(), pack_of(pack))
    second = footer.records.offsets()[1]
    bad = [BadObject("pack", pack_of(pack).packed().hex(), (second,))]
    written = after_deltas(bench, first, bad)
    assert written.done.statistics.new_blocks == 1
    assert written.done.statistics.delta_blocks == 0
    assert bench.restore(written) == (EDITED, Holes())


def test_a_delta_that_was_left_is_passed_over_where_its_base_is_in_no_newest_manifest() -> None:
    """Only what the newest manifest names is kept for whoever refers to it (S30)."""
    bench, _ = deltas_left(CONTENT)
    left, other = bench.left(2), noise(3, 6 * SHARD)
    first = bench.write(bench.grant(1, len(other)), other)
    written = after_deltas(bench, first)
    assert written.done.statistics.new_blocks == SHARD // BLOCK
    assert not {each.session for each in left} & set(bench.manifest(written).said.sessions)
    assert bench.restore(written) == (EDITED, Holes())


def test_packs_of_an_earlier_epoch_are_adopted() -> None:
    bench, first = killed_after_a_pack()
    stored = len(records_of(bench, 2))
    bench.epochs = 2
    written = attempt(bench, first)
    changed = len(changes(CONTENT, AFTER))
    assert written.done.statistics.new_blocks == changed - stored < changed
    assert bench.restore(written)[0] == AFTER
    index = bench.index(written)
    epochs = {row.epoch for line in index.manifest.lines for row in index.rows(line)}
    assert epochs == {1, 2}


def test_a_block_that_was_adopted_is_known_only_where_it_was_written() -> None:
    """Known places are those of one shard: the memory of a shard bounds the memory of all."""
    bench, first = killed_after_a_pack()
    written = attempt(bench, first)
    assert bench.restore(written)[0] == AFTER
    assert len(bench.store.names("p", 2)) <= 4
    assert BLOCK * len(records_of(bench, 2)) == 5 * SHARD


@pytest.mark.parametrize("threads", [1, 4, 32])
def test_what_dies_with_an_attempt_is_64_mib_at_most(threads: int) -> None:
    assert packs_at_once(threads) * Parameters().pack_bytes <= 64 * 1024**2


class SlowFeet(DataMemory):
    """Counts how often each pack's end is read; the first two are read at once or not at all."""

    def __init__(self, inner: DataMemory) -> None:
        super().__init__()
        self._objects = inner._objects  # noqa: SLF001 - one place, seen in two ways
        self._names = inner._names  # noqa: SLF001
        self.ends: list[str] = []
        self._together = threading.Barrier(2)

    @override
    def get_end(self, name: str, length: int, *, size: int | None = None) -> tuple[bytes, int]:
        self.ends.append(name)
        if len(self.ends) <= self._together.parties:
            self._together.wait(60)  # breaks where they come one after another
        return super().get_end(name, length, size=size)


def test_each_left_pack_is_looked_at_once_and_many_side_by_side() -> None:
    bench = Bench()
    content = noise(5, 40 * SHARD)  # of several packs, and of more shards
    first = bench.write(bench.grant(1, len(content)), bytes(len(content)))
    bench.write(bench.grant(2, len(content), newest=first), content)
    packs = bench.store.names("p", 2)
    left = bench.left(2)
    store = SlowFeet(bench.store)

    again = bench.write(bench.grant(2, len(content), newest=first, left=left), content, store=store)

    assert sorted(store.ends) == packs
    assert len(packs) > 8
    assert again.done.statistics.new_blocks == 0
    assert bench.restore(again)[0] == content


def test_packs_behind_the_shard_that_is_written_wait_for_theirs() -> None:
    """What is known of left packs is in memory only while their shards are written."""
    bench = Bench()
    content = noise(6, 100 * SHARD)
    bench.write(bench.grant(1, len(content)), content)
    (left,) = bench.left(1)
    assert left.packs > AT_ONCE
    store = SlowFeet(bench.store)
    grant = bench.grant(1, len(content), left=[left])
    keys = bench.writer_keys(run_of(1))
    adoption = Adoption(store, keys, grant.slot, grant.run_id, grant.left)
    known = KnownPlaces()

    adoption.add_to(known, range(SHARD // BLOCK))

    assert len(store.ends) == AT_ONCE
    assert all(
        known.find(keys.block_hash(content[at : at + BLOCK])) is not None
        for at in range(0, SHARD, BLOCK)
    )
