"""When a skip is due, and what it goes back to; section 29."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.sampling import some_of
from tests.unit.repository.control.backup.skip_work import (
    commit_in,
    damage_commit,
    damage_manifest,
    lose_commit,
    lose_manifest,
    manifest,
    replace_commit,
    skip,
    skipping,
    slot_,
    three,
)
from tests.unit.repository.control.chain_bench import (
    ChainBench,
    after,
    content_of,
    killed_after,
)
from tests.unit.repository.control.repository_bench import UnreadableNow
from tests.unit.repository.turns import Stopped, interleave
from vmbackup_core.repository.control.backup.skipping import skip_where_due
from vmbackup_core.repository.control.chains.named_manifests import named_manifests
from vmbackup_core.repository.control.chains.newest import Newest
from vmbackup_core.repository.control.commits.commits import find_commit
from vmbackup_core.repository.control.commits.counting import Counted, recount
from vmbackup_core.repository.control.commits.list_parts import OpenList
from vmbackup_core.repository.control.log.log_entries import Dropped, Expiring, ExpiringDisk, Proven
from vmbackup_core.repository.data.grants import ManifestAt
from vmbackup_core.repository.data.index_reader import IndexReader
from vmbackup_core.repository.primitives.failures import NewerFormat
from vmbackup_core.repository.primitives.names import prefix_of_folder
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import ObjectUnreadable


class TestDue:
    def test_a_chain_that_nobody_wrote_is_written_on_nothing(self) -> None:
        bench = ChainBench().begun()
        bench.prepared(1)

        assert bench.newest() == Newest(slot_(0), None, None, None)

    def test_a_newest_commit_that_opens_is_written_on(self) -> None:
        bench = three()

        newest = skip(bench)

        assert newest == bench.newest()
        assert (newest.slot, newest.at and newest.at.name) == (3, manifest(bench, 3))
        assert newest.manifest is not None
        assert newest.manifest.said.slot == 3

    @pytest.mark.parametrize("recorded", [False, True])
    @pytest.mark.parametrize(
        ("harm", "back_to"),
        [
            (damage_commit, 2),
            (damage_manifest, 2),
            (lose_manifest, 2),
        ],
    )
    def test_what_does_not_open_is_skipped(
        self,
        harm: Callable[[ChainBench], None],
        back_to: int,
        recorded: bool,  # noqa: FBT001
    ) -> None:
        bench = three(recorded=recorded)
        harm(bench)
        if harm is damage_commit and recorded:
            back_to = 3  # the point names the manifest

        newest = skip(bench)

        assert newest.slot == 4
        assert newest.at is not None
        assert newest.at.name == manifest(bench, back_to)
        commit = commit_in(bench, 4)
        assert (commit.kind, commit.reason, commit.of_slot) == ("skip", "damaged", back_to)
        below = find_commit(bench.control(), bench.chain().chain, slot_(3))
        assert below is not None
        assert commit.previous == below.sha256
        assert skip(bench) == newest

    @pytest.mark.parametrize("harm", [lose_commit, replace_commit])
    def test_a_commit_that_the_log_knows_and_is_not_there_is_skipped(
        self, harm: Callable[[ChainBench], None]
    ) -> None:
        bench = three()
        harm(bench)

        newest = skip(bench)

        assert newest.slot == 4  # the slot of the lost one is not used twice
        assert newest.at is not None
        assert newest.at.name == manifest(bench, 3)

    def test_whatever_names_a_slot_takes_it(self) -> None:
        bench = three()
        bench.say(
            Proven(chain=bench.chain().chain, slot=slot_(9), what="packs", up_to=None, amount=1)
        )

        assert skip(bench).slot == 10

    def test_nothing_that_opens_leaves_the_chain_with_nothing(self) -> None:
        bench = three()
        for slot in (1, 2, 3):
            bench.spoil(manifest(bench, slot))

        newest = skip(bench)

        assert (newest.slot, newest.at, newest.manifest) == (4, None, None)
        assert commit_in(bench, 4).pack_list == ()
        assert bench.restored(bench.back_up(4)) == content_of(4)

    def test_a_table_that_does_not_open_is_no_reason(self) -> None:
        bench = three()
        for each in bench.places.data.list(prefix_of_folder(bench.chain().chain, "i")):
            bench.spoil(each.name)

        assert skip(bench).slot == 3

    def test_what_is_not_understood_or_cannot_be_read_now_is_not_skipped(self) -> None:
        bench = three()
        before = [each.name for each in bench.places.control.list("")]
        at = bench.commit_name(3)
        control = bench.places.control
        assert isinstance(control, MemoryStore)
        stored = control.get(at)
        newer = bench.control().seal_bytes("COMM", at, b'{"kind": "merge"}', 1)
        control.overwrite(at, newer.stored)
        with pytest.raises(NewerFormat):
            skip(bench)
        control.overwrite(at, stored)

        with pytest.raises(ObjectUnreadable):
            skip_where_due(bench.log(), UnreadableNow(bench.places.data, "/m/"), bench.chain())

        assert [each.name for each in bench.places.control.list("")] == before


class TestBack:
    """What a skip goes back to is left, and needs nothing that may have gone."""

    def test_its_list_is_counted_from_the_tables(self) -> None:
        bench = three()
        damage_manifest(bench)

        newest = skip(bench)

        commit, chain = commit_in(bench, 4), bench.chain()
        assert newest.manifest is not None
        reader = IndexReader(bench.places.data, bench.keys(chain), newest.manifest)
        listed = [
            entry
            for part in OpenList.of(bench.control(), commit, chain.chain).parts()
            for entry in part
        ]
        assert listed == list(recount(Counted(newest.manifest, reader)).entries())
        assert listed
        assert commit.stored_bytes == sum(
            each.size_bytes
            for folder in ("p", "i", "m")
            for each in bench.places.data.list(prefix_of_folder(chain.chain, folder))
            if f"/{folder}/00000/002/" in each.name
        )

    def test_tables_that_do_not_open_are_left_out_of_it(self) -> None:
        bench = three()
        damage_manifest(bench)
        for each in bench.places.data.list(prefix_of_folder(bench.chain().chain, "i")):
            bench.spoil(each.name)

        assert skip(bench).slot == 4
        assert commit_in(bench, 4).pack_list == ()

    @pytest.mark.parametrize("what", ["expiring", "manifest", "commit"])
    def test_what_is_let_go_is_passed_over(self, what: str) -> None:
        bench = three(recorded=False)
        damage_manifest(bench)
        place = ExpiringDisk(bench.chain().chain, slot_(2))
        if what == "expiring":
            bench.say(Expiring(phase="begun", vm=None, run=None, disks=(place,)))
        else:
            bench.say(
                Dropped(
                    chain=place.chain,
                    slot=place.slot,
                    what="commit" if what == "commit" else "manifest",
                    session=None,
                    why="said so",
                )
            )

        newest = skip(bench)

        assert newest.at is not None
        assert newest.at.name == manifest(bench, 1)

    def test_a_dropped_commit_s_manifest_stays_where_a_point_names_it(self) -> None:
        bench = three()
        damage_commit(bench)
        dropped = Dropped(
            chain=bench.chain().chain, slot=slot_(3), what="commit", session=None, why="said so"
        )
        bench.say(dropped)

        newest = skip(bench)

        assert newest.at is not None
        assert newest.at.name == manifest(bench, 3)

    def test_a_stalled_session_in_a_lost_one_s_place_is_not_believed(self) -> None:
        bench = ChainBench().begun()
        bench.back_up(1, recorded=False)
        stalled = bench.prepared(7)
        bench.back_up(2, recorded=False)
        bench.back_up(3, recorded=False)
        damage_manifest(bench)
        bench.places.control.delete(bench.commit_name(2))
        assert bench.commit(stalled, bench.write(stalled)) is not None

        newest = skip(bench)

        assert newest.at is not None
        assert newest.at.of_slot == 1

    def test_nor_is_one_in_the_place_of_a_recorded_one(self) -> None:
        bench = ChainBench().begun()
        bench.back_up(1)
        stalled = bench.prepared(7)
        second = bench.back_up(2)
        bench.places.control.delete(bench.commit_name(2))
        assert bench.commit(stalled, bench.write(stalled)) is not None

        newest = skip(bench)

        assert (newest.slot, newest.at) == (3, second)

    def test_what_only_an_earlier_skip_names_is_no_candidate(self) -> None:
        bench = three(recorded=False)
        damage_manifest(bench)
        assert skip(bench).slot == 4
        bench.places.control.delete(bench.commit_name(2))
        bench.back_up(5, recorded=False)

        found = named_manifests(bench.control(), bench.state(), bench.chain().chain)

        assert [each.of_slot for each in found] == [5, 3]

    def test_a_skip_whose_manifest_expires_is_skipped(self) -> None:
        bench = three()
        damage_manifest(bench)
        assert skip(bench).at == ManifestAt(
            manifest(bench, 2), commit_in(bench, 2).manifest_sha256 or "", 2
        )
        bench.let_go(2)

        newest = skip(bench)

        assert newest.slot == 5
        assert newest.at is not None
        assert newest.at.of_slot == 1

    def test_a_backup_whose_manifest_expires_is_written_on(self) -> None:
        bench = three(recorded=False)
        place = ExpiringDisk(bench.chain().chain, slot_(3))
        bench.say(Expiring(phase="begun", vm=None, run=None, disks=(place,)))

        assert skip(bench).slot == 3


class TestRivals:
    def test_two_who_skip_at_once_agree(self) -> None:
        begun = three()
        damage_manifest(begun)
        for calls in some_of(range(40)):
            bench = begun.copied()
            ended = interleave(bench.places, [skipping(bench), skipping(bench)], after(calls))

            assert ended[0] == ended[1] == bench.newest()
            assert bench.newest().slot == 4

    def test_a_session_that_had_read_the_damaged_one_is_before_or_lost(self) -> None:
        begun = three()
        stalled = begun.prepared(4)
        done = begun.write(stalled)
        damage_manifest(begun)
        for calls in some_of(range(40)):
            bench = begun.copied()

            def commit(places: Places, bench: ChainBench = bench) -> object:
                return bench.seen(places).commit(stalled, done)

            ended = interleave(bench.places, [skipping(bench), commit], after(calls))

            newest = bench.newest()
            assert newest.slot == 4
            assert ended[0] == newest
            assert newest.found is not None
            assert newest.found.commit is not None
            assert (newest.found.commit.kind == "skip") is (ended[1] is None)

    def test_killed_at_any_call_it_is_made_good_by_whoever_comes_next(self) -> None:
        begun = three()
        damage_manifest(begun)
        for calls in some_of(range(1, 60)):
            bench = begun.copied()
            (ended,) = interleave(bench.places, [skipping(bench)], killed_after(calls))

            newest = skip(bench)
            assert (newest.slot, newest.at and newest.at.of_slot) == (4, 2)
            if not isinstance(ended, Stopped):
                assert ended == newest
                break
        else:
            pytest.fail("it was never done")
