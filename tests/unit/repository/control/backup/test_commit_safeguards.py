"""Each safeguard of committing, and beside it the loss where it is taken away; section 34."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import pytest
from typing_extensions import override

from tests.unit.repository.control.backup.commit_pairs import play
from tests.unit.repository.control.backup.hostile_worker import HostileWorker, second_attempt
from tests.unit.repository.control.commit_bench import (
    BLOCKS,
    CHAIN,
    CommitBench,
    Told,
    at_of,
    back_up,
    content_of,
)
from tests.unit.repository.control.log_bench import MOMENT, VM, digest, run
from tests.unit.repository.control.repository_bench import Passing
from tests.unit.repository.data.samples import BLOCK
from vmbackup_core.errors import CorruptRepository, LostAttempt
from vmbackup_core.ids import CommitSlot
from vmbackup_core.repository.control.backup.committing import (
    CommittedDisk,
    Committing,
    Ground,
    SlotTaken,
)
from vmbackup_core.repository.control.backup.list_making import Attempt, ListMaking
from vmbackup_core.repository.control.backup.own_commits import OwnCommits
from vmbackup_core.repository.control.commits.commits import Commit, FoundCommit
from vmbackup_core.repository.control.commits.counting import Needed
from vmbackup_core.repository.control.commits.pack_list import PACK, ListEntry
from vmbackup_core.repository.control.log.log_entries import (
    Dropped,
    Entry,
    Proven,
    Recorded,
    RecordedDisk,
)
from vmbackup_core.repository.data.tables import PackRow
from vmbackup_core.repository.primitives.json_payloads import Time
from vmbackup_core.repository.primitives.names import commit_name
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import Buffer


def append(bench: CommitBench, *entries: Entry) -> None:
    assert bench.log().append(lambda _: entries).entries == entries


def is_commit(name: str) -> bool:
    return name.startswith(f"c/{CHAIN}/k/")


# S1: a slot is taken by put-if-absent


class Overwriting(Passing):
    """Takes a slot whether it is taken or not."""

    @override
    def put(self, name: str, data: Buffer) -> None:
        self.overwrite(name, data)


def two_for_one_slot(
    store: type[Passing],
) -> tuple[CommitBench, Told, LostAttempt | None]:
    """Have run 3 commit just before run 2 takes the same slot."""
    bench = CommitBench().begun()
    asked = {number: bench.asked(number) for number in (2, 3)}
    offers = {number: bench.write(asked[number], content_of(number)) for number in (2, 3)}
    told: Told = {}

    def rival() -> None:
        told[3] = [bench.commit(asked[3], offers[3])]

    places = Places(bench.places.data, store(bench.places.control, is_commit, rival))
    try:
        told[2] = [bench.commit(asked[2], offers[2], places)]
    except LostAttempt as lost:
        return bench, told, lost
    return bench, told, None


def test_s1_a_slot_has_one_commit_and_the_other_run_begins_again() -> None:
    bench, told, lost = two_for_one_slot(Passing)

    assert isinstance(lost, SlotTaken)
    back_up(bench, 2, told)(bench.places)
    assert bench.complaints(told) == []


def test_s1_a_slot_that_is_taken_twice_loses_a_commit() -> None:
    bench, told, lost = two_for_one_slot(Overwriting)

    assert lost is None
    assert "slot 1 has another commit than was told" in bench.complaints(told)


class OverwritingStore(MemoryStore):
    """A store whose puts take what is there."""

    @override
    def put_new(self, name: str, data: Buffer) -> None:
        self.overwrite(name, data)


def test_s1_schedules_see_it_too() -> None:
    def found(seed: int) -> list[str]:
        places = Places(MemoryStore(), OverwritingStore())
        return play("B, B", seed, begun=False, bench=CommitBench(places))

    assert any(found(seed) for seed in range(40))


# S3: every row is found in the listing or in the newest commit's list


@dataclass(frozen=True)
class BelievesRows(ListMaking):
    @override
    def refuse_row(self, row: PackRow) -> str | None:
        return None

    @override
    def unknown(self, known: Iterable[ListEntry], come: Iterable[ListEntry]) -> Iterator[str]:
        return iter(())


@dataclass(frozen=True)
class BelievesWorkers(Committing):
    @override
    def list_making(self, ground: Ground, attempt: Attempt) -> ListMaking:
        made = super().list_making(ground, attempt)
        return BelievesRows(made.control, made.data, made.keys, made.expected, attempt, made.epoch)


def lies_of_a_pack(worker: HostileWorker) -> CommittedDisk:
    """Commit what names a pack that is nowhere."""
    offer = worker.puts_table(
        lambda sections: [
            replace(
                each, rows=[PackRow.own(row.holder_session, 7, row.size_bytes) for row in each.rows]
            )
            for each in sections
        ]
    )
    return worker.bench.commit(worker.asked, offer)


def test_s3_what_is_not_listed_is_not_committed() -> None:
    _, worker = second_attempt()

    with pytest.raises(LostAttempt) as lost:
        lies_of_a_pack(worker)

    assert lost.value.reason == "UnknownObject"


def test_s3_a_worker_that_is_believed_makes_what_does_not_come_back() -> None:
    bench, worker = second_attempt()
    bench.committing = BelievesWorkers

    committed = lies_of_a_pack(worker)

    with pytest.raises(CorruptRepository):
        bench.restored(committed)


# S10: a commit below others counts only where the next one names its digest


@dataclass(frozen=True)
class NoLook(OwnCommits):
    @override
    def counts(self, found: FoundCommit) -> bool:
        return True


@dataclass(frozen=True)
class NeverLooksAgain(Committing):
    @property
    @override
    def own(self) -> OwnCommits:
        return NoLook(self.log, self.data, self.chain.chain, self.asked)


def lose(bench: CommitBench, slot: int) -> None:
    """Lose a commit from control, as a person or a neighbour may, and let it go."""
    bench.places.control.delete(commit_name(CHAIN, CommitSlot(slot)))
    dropped = Dropped(
        chain=CHAIN, slot=CommitSlot(slot), what="commit", session=None, why="it is lost"
    )
    append(bench, dropped)


def recorded(number: int, committed: CommittedDisk) -> Recorded:
    disk = RecordedDisk(CHAIN, committed.slot, committed.sha256)
    return Recorded(
        vm=VM, run=run(number), sha256=digest(1), created_at=Time.of(MOMENT), disks=(disk,)
    )


def one_above_names_another(bench: CommitBench) -> None:
    bench.committed(3)
    bench.committed(4)
    lose(bench, 2)
    bench.prune()


def the_log_names_another(bench: CommitBench) -> None:
    append(bench, recorded(3, bench.committed(3)))
    lose(bench, 2)


def the_log_names_one_above(bench: CommitBench) -> None:
    bench.committed(3)
    append(bench, recorded(4, bench.committed(4)))
    lose(bench, 2)
    lose(bench, 3)


Meanwhile = Callable[[CommitBench], None]
HOLES: dict[str, Meanwhile] = {
    "the one above names another": one_above_names_another,
    "the log names another": the_log_names_another,
    "the log names one above": the_log_names_one_above,
}


def stalled(bench: CommitBench, meanwhile: Meanwhile) -> CommittedDisk:
    """Commit run 2 in a slot that was free when it looked, and is a hole when it puts."""
    bench.begun().committed(1)
    asked = bench.asked(2, bench.newest())
    offer = bench.write(asked, content_of(2))
    control = Passing(bench.places.control, is_commit, lambda: meanwhile(bench))
    return bench.commit(asked, offer, Places(bench.places.data, control))


@pytest.mark.parametrize("hole", HOLES)
def test_s10_a_commit_in_a_hole_is_a_lost_attempt(hole: str) -> None:
    bench = CommitBench()

    with pytest.raises(SlotTaken, match="that of a commit that is lost"):
        stalled(bench, HOLES[hole])


def test_s10_a_commit_in_a_hole_that_is_believed_needs_garbage() -> None:
    bench = CommitBench(committing=NeverLooksAgain)

    committed = stalled(bench, one_above_names_another)

    with pytest.raises(CorruptRepository):
        bench.restored(committed)


def test_s10_a_commit_in_its_place_below_others_is_found_and_counts() -> None:
    bench = CommitBench().begun()
    told: Told = {}
    for number in (1, 2, 3):
        back_up(bench, number, told)(bench.places)

    back_up(bench, 2, told)(bench.places)

    assert told[2][0] == told[2][1]


# S17: own commits are recognised


@dataclass(frozen=True)
class KnowsNone(OwnCommits):
    @override
    def is_own(self, commit: Commit | None) -> bool:
        return False


@dataclass(frozen=True)
class KnowsNoOwn(Committing):
    @property
    @override
    def own(self) -> OwnCommits:
        return KnowsNone(self.log, self.data, self.chain.chain, self.asked)


def committed_twice(bench: CommitBench) -> Told:
    """Commit, lose the answer, and commit the same again, or what is written anew then."""
    asked = bench.begun().asked(2)
    offer = bench.write(asked, content_of(2))
    told: Told = {2: [bench.commit(asked, offer)]}
    try:
        told[2].append(bench.commit(asked, offer))
    except LostAttempt:
        told[2].append(bench.commit(asked, bench.write(asked, content_of(2))))
    return told


def test_s17_a_commit_whose_answer_was_lost_is_known_as_own() -> None:
    bench = CommitBench()

    told = committed_twice(bench)

    assert bench.complaints(told) == []


def test_s17_who_does_not_know_its_own_commit_makes_another() -> None:
    bench = CommitBench(committing=KnowsNoOwn)

    told = committed_twice(bench)

    assert f"run 2 has commits in {[2, 1]}" in bench.complaints(told)


# S30: delta bases are rows like others


@dataclass(frozen=True)
class ForgetsBases(ListMaking):
    @override
    def entries(self, needed: Needed) -> Iterable[ListEntry]:
        slot = needed.section.object.index.slot
        return (each for each in needed.entries() if each.session.slot == slot)


@dataclass(frozen=True)
class CountsNoBases(Committing):
    @override
    def list_making(self, ground: Ground, attempt: Attempt) -> ListMaking:
        made = super().list_making(ground, attempt)
        return ForgetsBases(made.control, made.data, made.keys, made.expected, attempt, made.epoch)


def deltas_alone(bench: CommitBench) -> CommittedDisk:
    """Have every block of a second commit be a delta over the first, and let that go."""
    first = bench.begun().committed(1)
    content = bytearray(content_of(1))
    for block in range(BLOCKS):
        content[block * BLOCK] ^= 1
    asked = bench.asked(2, at_of(first))
    second = bench.commit(asked, bench.write(asked, bytes(content)))
    assert second.statistics.delta_blocks == BLOCKS
    bench.places.data.delete(at_of(first).name)
    proven = Proven(chain=CHAIN, slot=second.slot, what="list", up_to=None, amount=0)
    append(bench, proven)
    bench.prune()
    return second


def test_s30_packs_of_delta_bases_are_listed_and_stay() -> None:
    bench = CommitBench(deltas=True)

    second = deltas_alone(bench)

    assert {each.session.slot for each in bench.entries(2) if each.kind == PACK} == {1, 2}
    assert bench.restored(second)[1:BLOCK] == content_of(1)[1:BLOCK]


def test_s30_without_them_a_base_is_pruned_under_its_deltas() -> None:
    bench = CommitBench(deltas=True, committing=CountsNoBases)

    second = deltas_alone(bench)

    with pytest.raises(CorruptRepository):
        bench.restored(second)
