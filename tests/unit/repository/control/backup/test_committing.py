"""A disk that a worker wrote is committed once, with the list that its tables give."""

from __future__ import annotations

import pytest

from tests.unit.repository.control.commit_bench import (
    BLOCKS,
    CHAIN,
    CommitBench,
    at_of,
    content_of,
    offered,
)
from tests.unit.repository.control.log_bench import run
from vmbackup_core.errors import LostAttempt
from vmbackup_core.ids import CommitSlot
from vmbackup_core.repository.control.backup.committing import (
    ManifestDiffers,
    SlotTaken,
    commit_disk,
    find_committed,
)
from vmbackup_core.repository.control.log.log_entries import Expiring, ExpiringDisk
from vmbackup_core.repository.data.grants import ManifestAt
from vmbackup_core.repository.primitives.names import prefix_of_folder


def test_a_committed_disk_comes_back_and_says_what_it_is() -> None:
    bench = CommitBench().begun()
    asked = bench.asked(1)
    offer = bench.write(asked, content_of(1))

    committed = commit_disk(bench.log(), bench.places.data, asked, offer.name, offer.sha256)

    commit = bench.find_commit(1)
    assert bench.restored(committed) == content_of(1)
    assert (committed.kind, committed.slot) == ("full", 1)
    assert (commit.run_id, commit.session, commit.previous) == (run(1), offer.named.session, None)
    listed = bench.places.data.list(f"c/{CHAIN}/")
    assert committed.stored_bytes == commit.stored_bytes == sum(each.size_bytes for each in listed)
    assert committed.statistics.read_bytes == len(content_of(1))
    assert bench.entries(1) == bench.recounted(1)


def test_a_list_follows_from_the_one_before_and_is_what_a_recount_gives() -> None:
    bench = CommitBench().begun()
    for number in range(1, 12):
        committed = bench.committed(number)

        assert committed.kind == ("full" if number == 1 else "incremental")
        assert bench.entries(number) == bench.recounted(number)
        assert bench.restored(committed) == content_of(number)
    assert {entry.session.slot for entry in bench.entries(11)} != {11}


def test_commits_name_the_bytes_before_them() -> None:
    bench = CommitBench().begun()
    first = bench.committed(1)

    bench.committed(2)

    assert bench.find_commit(2).previous == first.sha256


def test_a_list_that_comes_out_equal_is_named_again() -> None:
    bench = CommitBench().begun()
    first = bench.committed(1)
    asked = bench.asked(2, at_of(first))

    bench.commit(asked, bench.write(asked, content_of(1)))

    assert bench.find_commit(2).pack_list == bench.find_commit(1).pack_list


def test_the_same_offer_twice_is_committed_once() -> None:
    bench = CommitBench().begun()
    asked = bench.asked(1)
    offer = bench.write(asked, content_of(1))

    assert bench.commit(asked, offer) == bench.commit(asked, offer)


def test_whoever_comes_back_finds_the_commit_of_its_run_and_snapshot() -> None:
    bench = CommitBench().begun()
    assert find_committed(bench.log(), bench.places.data, bench.asked(1)) is None
    first = bench.committed(1)
    bench.committed(2)

    found = find_committed(bench.log(), bench.places.data, bench.asked(1))

    assert found == first
    assert find_committed(bench.log(), bench.places.data, bench.asked(3)) is None


def test_another_session_of_the_run_is_answered_by_its_commit() -> None:
    bench = CommitBench().begun()
    asked = bench.asked(1)
    offers = [bench.write(asked, content_of(1)) for _ in range(2)]

    first, second = (bench.commit(asked, offer) for offer in offers)

    assert first == second


def test_a_commit_that_is_let_go_is_no_answer_and_the_run_begins_anew() -> None:
    bench = CommitBench().begun()
    bench.committed(1)
    asked = bench.asked(2, bench.newest())
    first = bench.commit(asked, bench.write(asked, content_of(2)))
    disks = (ExpiringDisk(CHAIN, first.slot),)
    entry = Expiring(phase="begun", vm=None, run=None, disks=disks)
    assert bench.log().append(lambda _: (entry,)).entries

    assert find_committed(bench.log(), bench.places.data, asked) is None
    again = bench.commit(asked, bench.write(asked, content_of(2)))

    assert again.slot == first.slot + 1


def test_a_base_of_the_chain_before_hides_no_commit_of_this_one() -> None:
    bench = CommitBench().begun()
    first = at_of(bench.committed(1))
    before = ManifestAt(first.name.replace(CHAIN, "0" * 32), first.sha256, CommitSlot(9))
    asked = bench.asked(2, before)

    committed = bench.commit(asked, bench.write(asked, content_of(2)))

    assert committed.kind == "full"
    assert find_committed(bench.log(), bench.places.data, asked) == committed


def test_a_commit_whose_manifest_does_not_open_is_no_answer() -> None:
    bench = CommitBench().begun()
    first = bench.committed(1)
    bench.places.data.delete(at_of(first).name)

    assert find_committed(bench.log(), bench.places.data, bench.asked(1)) is None


def test_an_older_commit_of_the_run_is_found_below_those_of_others() -> None:
    bench = CommitBench().begun()
    first = bench.committed(1)
    asked = bench.asked(1)
    for number in (2, 3):
        bench.committed(number)

    assert bench.commit(asked, bench.write(asked, content_of(1))) == first


def test_an_attempt_written_on_the_commit_of_its_own_run_is_answered_by_it() -> None:
    bench = CommitBench().begun()
    first = bench.committed(1)
    asked = bench.asked(1)

    again = bench.commit(asked, bench.write(asked, content_of(1)))

    assert again == first


def test_whose_slot_another_run_took_has_lost() -> None:
    bench = CommitBench().begun()
    offer = bench.write(bench.asked(1), content_of(1))
    bench.committed(2)

    with pytest.raises(SlotTaken) as lost:
        bench.commit(bench.asked(1), offer)

    assert isinstance(lost.value, LostAttempt)
    assert lost.value.reason == "SlotTaken"


def test_what_is_no_manifest_of_the_chain_is_not_looked_at() -> None:
    bench = CommitBench().begun()
    asked = bench.asked(1)
    offer = bench.write(asked, content_of(1))
    other = offer.name.replace(CHAIN, "0" * 32)

    for name in ("", "header", "../x", other, offer.name + "/", "c" * 2000):
        with pytest.raises(ManifestDiffers):
            commit_disk(bench.log(), bench.places.data, asked, name, offer.sha256)


def test_a_manifest_that_is_not_there_or_not_the_one_that_was_said_is_refused() -> None:
    bench = CommitBench().begun()
    asked = bench.asked(1)
    offer = bench.write(asked, content_of(1))

    with pytest.raises(ManifestDiffers, match="SHA-256"):
        bench.commit(asked, offered(offer.name, "0" * 64))
    bench.places.data.delete(offer.name)
    with pytest.raises(ManifestDiffers, match="not stored"):
        bench.commit(asked, offer)


def test_a_disk_without_a_block_is_committed() -> None:
    bench = CommitBench().begun()
    asked = bench.asked(1)

    committed = bench.commit(asked, bench.write(asked, bytes(len(content_of(1)))))

    assert bench.find_commit(1).pack_list == ()
    assert committed.statistics.zero_blocks == BLOCKS


def test_nothing_but_the_commit_and_its_list_is_put() -> None:
    bench = CommitBench().begun()
    asked = bench.asked(1)
    offer = bench.write(asked, content_of(1))
    before = [each.name for each in bench.places.data.list("")]

    bench.commit(asked, offer)

    assert [each.name for each in bench.places.data.list("")] == before
    assert len(list(bench.places.control.list(prefix_of_folder(CHAIN, "x")))) == 1
