"""A disk prepared, written by a real worker, committed, recorded, expired, pruned and restored."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sampling import some_of
from tests.unit.repository.control.chain_bench import (
    DISK,
    ChainBench,
    after,
    content_of,
    killed_after,
    over_and_over,
)
from tests.unit.repository.control.log_bench import run
from tests.unit.repository.data.bench import PARAMETERS
from tests.unit.repository.turns import Stopped, Work, interleave
from vmbackup_core.errors import LostAttempt
from vmbackup_core.ids import CommitSlot
from vmbackup_core.repository.control.backup.committing import (
    CommittedDisk,
    commit_disk,
    find_committed,
)
from vmbackup_core.repository.control.backup.preparing import prepare_disk
from vmbackup_core.repository.control.chains.chain_header import begin_anew
from vmbackup_core.repository.control.commits.commits import find_commit
from vmbackup_core.repository.control.log.log_entries import Dropped
from vmbackup_core.repository.control.points.recording import record
from vmbackup_core.repository.data.grants import ManifestAt
from vmbackup_core.repository.primitives.names import prefix_of_chain
from vmbackup_core.repository.primitives.reading import Places


def back_up(bench: ChainBench, number: int, base: ManifestAt | None = None) -> CommittedDisk:
    """Take one run to its end as a session does: a lost attempt is begun again."""
    log, data, asked = bench.log(), bench.places.data, bench.asked(number, base)
    committed = find_committed(log, data, asked)
    while committed is None:
        prepared = prepare_disk(log, data, asked, PARAMETERS)
        done = bench.write(prepared)
        try:
            committed = commit_disk(log, data, asked, done.manifest, done.sha256)
        except LostAttempt:
            continue
    found = find_commit(log.control, committed.chain, committed.slot)
    assert found is not None
    assert found.sha256 == committed.sha256
    record(log, data, bench.point(number, found))
    return committed


def backing_up(bench: ChainBench, number: int, base: ManifestAt | None = None) -> Work:
    return lambda places: back_up(bench.seen(places), number, base)


def letting_go(bench: ChainBench, number: int) -> Work:
    """Expire a point and prune, twice: what stays the first time may go the second."""

    def work(places: Places) -> None:
        seen = bench.seen(places)
        seen.let_go(number)
        for _ in range(2):
            seen.finish()
            seen.prune()

    return work


def at(committed: CommittedDisk) -> ManifestAt:
    name = prefix_of_chain(committed.chain) + committed.manifest
    return ManifestAt(name, committed.manifest_sha256, committed.slot)


def two(*, damaged: bool = False) -> tuple[ChainBench, ManifestAt, ManifestAt]:
    """Return two backups of the disk; the second one's manifest may be damaged, and dropped."""
    bench = ChainBench().begun()
    first = at(back_up(bench, 1))
    second = at(back_up(bench, 2, first))
    if damaged:
        bench.spoil(second.name)
        bench.say(
            Dropped(
                chain=bench.chain().chain,
                slot=CommitSlot(second.of_slot),
                what="manifest",
                session=None,
                why="said so",
            )
        )
    return bench, first, second


def hurt(bench: ChainBench, *, damaged: bool) -> list[str]:
    """Return what is missed, but for the point whose manifest was damaged."""
    told = bench.complaints()
    return [each for each in told if not (damaged and bench.is_of(each, 2))]


def test_a_full_then_incrementals_restore_and_store_what_changed() -> None:
    bench, first, second = two()
    third = back_up(bench, 3, second)

    assert (third.slot, third.kind, third.statistics.new_blocks) == (3, "incremental", 1)
    for number, each in enumerate((first, second, at(third)), 1):
        assert bench.restored(each) == content_of(number)
    assert bench.complaints() == []


def test_a_run_that_comes_again_is_answered_by_its_commit() -> None:
    bench, _, second = two()
    third = back_up(bench, 3, second)

    assert back_up(bench, 3, second) == third
    assert bench.newest().slot == 3


def test_a_disk_whose_chain_is_begun_anew_keeps_its_points() -> None:
    bench, _, second = two()
    begin_anew(bench.log(), bench.places.data, DISK, run(3), "said so")

    third = back_up(bench, 3, second)

    assert (third.slot, third.kind) == (1, "full")
    assert third.chain not in second.name
    assert bench.complaints() == []


def test_a_backup_goes_on_over_a_damaged_manifest_and_prune_after_it() -> None:
    bench, first, _ = two(damaged=True)

    third = back_up(bench, 3, first)
    letting_go(bench, 1)(bench.places)

    assert (third.slot, third.kind) == (4, "incremental")
    assert hurt(bench, damaged=True) == []
    assert bench.restored(at(third)) == content_of(3)


@pytest.mark.parametrize("damaged", [False, True])
@given(choices=st.lists(st.integers(0, 4), min_size=1, max_size=80))
def test_two_runs_and_expire_with_prune_at_once_lose_nothing(
    damaged: bool,  # noqa: FBT001
    choices: list[int],
) -> None:
    begun, first, second = STARTS[damaged]
    bench = begun.copied()

    ended = interleave(
        bench.places,
        [
            backing_up(bench, 3, first),
            backing_up(bench, 4, second if not damaged else first),
            letting_go(bench, 1),
        ],
        over_and_over(choices),
    )

    assert [type(each) for each in ended] == [CommittedDisk, CommittedDisk, type(None)], ended
    assert hurt(bench, damaged=damaged) == []
    bench.finish()
    bench.prune()
    back_up(bench, 5)
    assert hurt(bench, damaged=damaged) == []


@pytest.mark.parametrize("damaged", [False, True])
def test_expire_and_prune_come_whole_between_any_two_calls_of_a_run(
    damaged: bool,  # noqa: FBT001
) -> None:
    begun, first, _ = STARTS[damaged]
    for calls in some_of(range(0, 120, 6)):
        bench = begun.copied()

        ended = interleave(
            bench.places, [backing_up(bench, 3, first), letting_go(bench, 1)], after(calls)
        )

        assert [type(each) for each in ended] == [CommittedDisk, type(None)], ended
        assert hurt(bench, damaged=damaged) == []


@pytest.mark.parametrize("damaged", [False, True])
def test_a_run_killed_at_any_call_is_taken_to_its_end(
    damaged: bool,  # noqa: FBT001
) -> None:
    begun, first, _ = STARTS[damaged]
    for calls in some_of(range(1, 300, 7)):
        bench = begun.copied()
        (ended,) = interleave(bench.places, [backing_up(bench, 3, first)], killed_after(calls))

        committed = back_up(bench, 3, first)

        assert committed.statistics.new_blocks <= 3
        assert hurt(bench, damaged=damaged) == []
        if not isinstance(ended, Stopped):
            assert ended == committed
            break
    else:
        pytest.fail("it was never done")


STARTS = {damaged: two(damaged=damaged) for damaged in (False, True)}
