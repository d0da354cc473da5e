"""What a worker is given to write a disk: where it aims, what it is written on, what is held."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.sampling import some_of
from tests.unit.repository.control.chain_bench import (
    DISK_BYTES,
    ChainBench,
    content_of,
    killed_after,
    prepare,
)
from tests.unit.repository.control.log_bench import numbered, run
from tests.unit.repository.control.repository_bench import UnreadableNow
from tests.unit.repository.data.bench import PARAMETERS, ring
from tests.unit.repository.turns import Stopped, interleave
from vmbackup_core.ids import CommitSlot, RunId
from vmbackup_core.repository.control.backup.disk_asked import DiskAsked
from vmbackup_core.repository.control.backup.preparing import MISSING_MOST, prepare_disk
from vmbackup_core.repository.control.chains.chain_header import begin_anew
from vmbackup_core.repository.control.chains.holds import held_slots
from vmbackup_core.repository.control.log.log_entries import Bad
from vmbackup_core.repository.data.footer import BACKUP, pack_start
from vmbackup_core.repository.data.grants import BadObject, LeftSession, ManifestAt
from vmbackup_core.repository.data.tables import SessionRow
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.failures import KeyNotGiven, KeyRingIncomplete
from vmbackup_core.repository.primitives.identities import PackId, WritingSession
from vmbackup_core.repository.primitives.names import pack_name
from vmbackup_core.repository.primitives.reading import Places


def left_by(
    bench: ChainBench,
    of: RunId,
    session: int,
    *numbers: int,
    slot: int = 1,
    epoch: int = 1,
    start: bytes | None = None,
) -> WritingSession:
    """Put packs of a session of run *of*, of which only their start can be read."""
    named = WritingSession(numbered(session))
    row = SessionRow(CommitSlot(slot), named, of, epoch)
    for number in numbers:
        name = pack_name(bench.chain().chain, PackId(row.slot, named, number))
        bench.places.data.put_new(name, start or pack_start(ring().repository, row, BACKUP))
    return named


def begun() -> ChainBench:
    """A chain that has a header, and nothing else."""
    bench = ChainBench().begun()
    bench.prepared(99)
    return bench


def held(bench: ChainBench) -> frozenset[CommitSlot]:
    return held_slots(bench.control(), bench.chain().chain)


class TestGrant:
    def test_a_first_backup_is_a_full_with_nothing_known(self) -> None:
        bench = ChainBench().begun()
        asked = bench.asked(1)

        prepared = prepare_disk(
            bench.log(), bench.places.data, asked, PARAMETERS, deltas=True, level=7
        )

        grant = prepared.grant
        assert prepared.chain == bench.chain()
        assert (grant.slot, grant.newest, grant.base, grant.left, grant.bad) == (
            1,
            None,
            None,
            (),
            (),
        )
        assert (grant.generation, grant.chain_epoch, grant.parameters) == (0, 1, PARAMETERS)
        assert (grant.run_id, grant.snapshot_unique_id) == (run(1), "snapshot-1")
        assert (grant.disk, grant.vm, grant.disk_bytes) == (asked.disk, asked.vm, DISK_BYTES)
        assert (grant.deltas, grant.level) == (True, 7)
        bench.write(prepared)

    def test_the_next_one_is_written_on_the_newest(self) -> None:
        bench = ChainBench().begun()
        first = bench.back_up(1)

        prepared = bench.prepared(2, first)

        assert (prepared.grant.slot, prepared.grant.newest, prepared.grant.base) == (
            2,
            first,
            first,
        )
        assert held(bench) == frozenset()  # the newest commit's manifest is never deleted

    def test_a_skip_comes_first_where_one_is_due(self) -> None:
        bench = ChainBench().begun()
        first, second = bench.back_up(1), bench.back_up(2)
        bench.spoil(second.name)

        grant = bench.prepared(3, second).grant

        assert (grant.slot, grant.newest) == (4, first)
        assert bench.restored(bench.back_up(4, first)) == content_of(4)

    def test_what_is_bad_goes_with_it(self) -> None:
        bench = begun()
        packed = PackId(CommitSlot(1), WritingSession(numbered(1)), 7).packed().hex()
        for object_, parts in (("pack", (64,)), ("index", None)):
            bench.say(
                Bad(
                    chain=bench.chain().chain,
                    object="pack" if object_ == "pack" else "index",
                    id=packed,
                    size=9,
                    what="damaged",
                    parts=parts,
                )
            )

        assert bench.prepared(1).grant.bad == (
            BadObject("pack", packed, (64,)),
            BadObject("index", packed, None),
        )

    def test_the_keys_open_no_record_of_another_run(self) -> None:
        bench = ChainBench().begun()
        first = bench.back_up(1)
        bench.rotate()
        prepared = bench.prepared(2, first)

        keys = ChainKeys.parse(prepared.keys.text)

        assert keys.newest == 2
        assert set(keys.runs) == {(2, run(2))}
        pack = PackId(CommitSlot(1), WritingSession(numbered(1)), 0)
        with pytest.raises(KeyNotGiven):
            keys.pack_cipher(pack, run(1), 1)
        assert bench.restored(bench.back_up(3, first)) == content_of(3)

    def test_an_epoch_that_was_begun_since_is_told(self) -> None:
        bench = ChainBench().begun()
        bench.rotate()
        bench.places.control.put_new("header-00000002", b"")
        bench.epochs = 1

        with pytest.raises(KeyRingIncomplete):
            bench.prepared(1)


class TestBase:
    def test_one_that_is_not_the_newest_is_held_for_the_run(self) -> None:
        bench = ChainBench().begun()
        first = bench.back_up(1)
        bench.back_up(2)

        for _ in range(2):
            assert bench.prepared(3, first).grant.base == first
        assert held(bench) == {1}

        bench.let_go(1)
        bench.finish()
        assert bench.restored(bench.back_up(3, first)) == content_of(3)

    @pytest.mark.parametrize("ended", [False, True])
    def test_one_that_is_going_or_gone_makes_a_full_and_is_not_held(
        self,
        ended: bool,  # noqa: FBT001
    ) -> None:
        bench = ChainBench().begun()
        first, second = bench.back_up(1), bench.back_up(2)
        bench.let_go(1)
        if ended:
            bench.finish()
            assert bench.state().expiring == {}

        grant = bench.prepared(3, first).grant

        assert (grant.base, grant.newest) == (None, second)
        assert held(bench) == frozenset()
        assert bench.restored(bench.back_up(4, first)) == content_of(4)

    def test_one_of_the_chain_before_makes_a_full(self) -> None:
        bench = ChainBench().begun()
        first = bench.back_up(1)
        begin_anew(bench.log(), bench.places.data, bench.asked(2).unique_id, run(2), "said so")

        for base in (first, ManifestAt("header", "0" * 64, 1)):
            grant = bench.prepared(2, base).grant
            assert (grant.generation, grant.slot, grant.base) == (1, 1, None)
        assert held(bench) == frozenset()


class TestLeft:
    def test_what_a_broken_off_attempt_has_stored_is_adopted(self) -> None:
        bench = ChainBench().begun()
        first = bench.back_up(1)
        prepared = bench.prepared(2, first)
        done = bench.write(prepared)
        bench.places.data.delete(done.manifest)

        again = bench.prepared(2, first)
        assert [each.packs for each in again.grant.left] == [1]
        assert bench.write(again).statistics.new_blocks == 0

    def test_of_an_earlier_epoch_too_with_its_key(self) -> None:
        bench = ChainBench().begun()
        bench.write(bench.prepared(1))
        bench.rotate()

        again = bench.prepared(1)

        assert [each.epoch for each in again.grant.left] == [1]
        assert set(again.keys.runs) == {(1, run(1)), (2, run(1))}
        assert bench.write(again).statistics.new_blocks == 0

    def test_of_an_epoch_that_has_ended_nothing_is(self) -> None:
        bench = ChainBench().begun()
        bench.write(bench.prepared(1))
        bench.rotate(1)

        assert bench.prepared(1).grant.left == ()

    def test_only_this_run_s_sessions_in_the_slot_are(self) -> None:
        bench = begun()
        own = left_by(bench, run(1), 5, 0, 1, 3)
        left_by(bench, run(2), 6, 0)
        left_by(bench, run(1), 7, 0, slot=2)
        left_by(bench, run(1), 8, 0, epoch=9)
        left_by(bench, run(1), 9, 0, start=b"VMBKPACK, and cut")

        assert bench.prepared(1).grant.left == (LeftSession(own, 1, 4),)

    def test_a_session_whose_packs_the_store_cannot_give_is_passed_over(self) -> None:
        """Whoever may create a blob may create it archived, in any slot."""
        bench = begun()
        own = left_by(bench, run(1), 5, 0)
        planted = left_by(bench, run(1), 6, 0)
        bench.places = replace(bench.places, data=UnreadableNow(bench.places.data, planted))

        assert bench.prepared(1).grant.left == (LeftSession(own, 1, 1),)

    def test_a_planted_number_has_nobody_ask_for_all_below_it(self) -> None:
        bench = begun()
        own = left_by(bench, run(1), 5, 0, 2**32 - 1)

        assert bench.prepared(1).grant.left == (LeftSession(own, 1, 2 + MISSING_MOST),)

    @pytest.mark.at_length
    def test_there_are_never_more_than_a_manifest_may_name(self) -> None:
        bench = begun()
        for session in range(1000):
            left_by(bench, run(1), session, 0)

        assert len(bench.prepared(1).grant.left) == 992


def test_killed_at_any_call_it_is_prepared_again_and_written() -> None:
    begun = ChainBench().begun()
    first = begun.back_up(1)
    begun.spoil(begun.back_up(2).name)
    begun.spoil(f"c/{begun.chain().chain}/chain")
    for calls in some_of(range(1, 100)):
        bench = begun.copied()

        def preparing(places: Places, bench: ChainBench = bench) -> object:
            asked: DiskAsked = bench.asked(3, first)
            return prepare(bench.log(places.control), places.data, asked)

        (ended,) = interleave(bench.places, [preparing], killed_after(calls))

        again = bench.prepared(3, first)
        assert (again.grant.slot, again.grant.newest, again.grant.base) == (4, first, first)
        if not isinstance(ended, Stopped):
            assert ended == again
            break
    else:
        pytest.fail("it was never done")
