"""Points count once they are logged, and only where nothing of them was let go."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from tests.unit.repository.control.log_bench import (
    MemoryHeads,
    pointless,
    recorded,
    run,
    wanting,
)
from tests.unit.repository.control.repository_bench import (
    VM,
    VM_ID,
    Passing,
    RepositoryBench,
    is_point,
    manifest_of,
)
from vmbackup_core.errors import CorruptRepository, LostAttempt
from vmbackup_core.repository.control.log.heads import Head, HistoryRolledBack
from vmbackup_core.repository.control.log.log import ReadOnly
from vmbackup_core.repository.control.log.log_entries import Claimed
from vmbackup_core.repository.control.points.points import (
    RecoveryPoint,
    names_of_vm,
    open_counted,
    stored_points,
)
from vmbackup_core.repository.control.points.recording import (
    RecoveryPointDiffers,
    RecoveryPointExpired,
    counted_points,
    examine_unlogged,
    record,
)
from vmbackup_core.repository.primitives.json_payloads import encode, parsed
from vmbackup_core.repository.primitives.names import (
    LOG,
    commit_name,
    point_name,
)


def put_unlogged(bench: RepositoryBench, point: RecoveryPoint) -> None:
    name = point_name(VM, point.run_id)
    assert bench.control().put(bench.control().seal("PONT", name, point, 1))


def outcomes(bench: RepositoryBench) -> list[str]:
    return [each.outcome for each in examine_unlogged(bench.log(), bench.store, VM)]


def test_a_recorded_point_counts_and_opens() -> None:
    bench = RepositoryBench().begun()
    point = bench.point(1, (1, bench.commit(1, 1)), (1, bench.commit(1, 1, 1)))

    entry = record(bench.log(), bench.store, point)

    state = bench.log().read().state
    names = names_of_vm(bench.control(), VM_ID.upper())
    assert counted_points(state, names) == [entry]
    assert open_counted(bench.control(), entry) == point
    assert bench.complaints() == []


def test_points_are_listed_newest_first() -> None:
    bench = RepositoryBench().begun()
    made = [
        record(bench.log(), bench.store, bench.committed(number, slot))
        for number, slot in ((3, 1), (1, 2), (2, 3))
    ]

    found = counted_points(bench.log().read().state, [VM])

    assert found == [made[0], made[2], made[1]]
    assert counted_points(bench.log().read().state, []) == []


def test_recording_twice_is_recording_once() -> None:
    bench = RepositoryBench().begun()
    point = bench.committed(1, 1)
    first = record(bench.log(), bench.store, point)

    assert record(bench.log(), bench.store, point) == first
    assert bench.log().read().number == 2


def test_a_point_that_was_put_before_a_crash_is_gone_on_with() -> None:
    bench = RepositoryBench().begun()
    point = bench.committed(1, 1)
    put_unlogged(bench, point)

    entry = record(bench.log(), bench.store, point)

    assert open_counted(bench.control(), entry) == point


def test_a_point_that_was_cut_by_a_crash_is_replaced() -> None:
    bench = RepositoryBench().begun()
    bench.store.put_new(point_name(VM, run(1)), b"VMBK")

    record(bench.log(), bench.store, bench.committed(1, 1))

    assert bench.complaints() == []


@pytest.mark.parametrize(
    "put",
    [put_unlogged, lambda bench, point: record(bench.log(), bench.store, point)],
    ids=["put", "counted"],
)
def test_another_point_of_the_run_is_refused(
    put: Callable[[RepositoryBench, RecoveryPoint], object],
) -> None:
    bench = RepositoryBench().begun()
    put(bench, bench.committed(1, 1))

    with pytest.raises(RecoveryPointDiffers):
        record(bench.log(), bench.store, bench.committed(1, 2))


@pytest.mark.parametrize("what", ["no commit", "another digest", "another run", "damaged"])
def test_a_disk_without_its_commit_is_a_lost_attempt(what: str) -> None:
    bench = RepositoryBench().begun()
    point = bench.committed(1, 1)
    if what == "another run":
        point = msgspec.structs.replace(point, run_id=run(2))
    else:
        name = commit_name(point.disks[0].chain_id, point.disks[0].slot)
        bench.store.delete(name)
    if what == "another digest":
        bench.store.delete(manifest_of(1, 1))
        bench.commit(1, 1)
    if what == "damaged":
        bench.store.put_new(name, b"damaged")

    with pytest.raises(LostAttempt, match="slot 1 of chain"):
        record(bench.log(), bench.store, point)
    assert list(stored_points(bench.control(), VM)) == []


@pytest.mark.parametrize("what", ["expiring", "no manifest"])
def test_what_was_let_go_is_not_recorded(what: str) -> None:
    bench = RepositoryBench().begun()
    point = bench.committed(1, 1)
    if what == "expiring":
        bench.log().append(wanting(pointless(1)))
    else:
        bench.store.delete(manifest_of(1, 1))

    with pytest.raises(RecoveryPointExpired):
        record(bench.log(), bench.store, point)
    assert list(stored_points(bench.control(), VM)) == []


def test_a_point_that_expires_while_it_is_recorded_does_not_count() -> None:
    bench = RepositoryBench().begun()
    point = bench.committed(1, 1)
    store = Passing(
        bench.store,
        lambda name: name.startswith(LOG),
        lambda: bench.log().append(wanting(pointless(1))),
    )

    with pytest.raises(RecoveryPointExpired, match="is expiring"):
        record(bench.log(store=store), store, point)

    assert bench.log().read().state.counted == {}
    assert outcomes(bench) == ["deleted"]


def test_two_who_record_one_point_both_succeed() -> None:
    bench = RepositoryBench().begun()
    point = bench.committed(1, 1)
    store = Passing(bench.store, is_point(1), lambda: record(bench.log(), bench.store, point))

    record(bench.log(store=store), store, point)

    assert bench.log().read().number == 2
    assert bench.complaints() == []


class TestUnlogged:
    def test_a_point_that_nobody_logged_is_recorded(self) -> None:
        bench = RepositoryBench().begun()
        put_unlogged(bench, bench.committed(1, 1))

        assert outcomes(bench) == ["recorded"]
        assert outcomes(bench) == []
        assert bench.complaints() == []

    def test_one_that_can_never_count_is_deleted(self) -> None:
        bench = RepositoryBench().begun()
        put_unlogged(bench, bench.committed(1, 1))
        bench.store.delete(manifest_of(1, 1))

        assert outcomes(bench) == ["deleted"]
        assert list(stored_points(bench.control(), VM)) == []

    def test_a_damaged_one_is_left_for_a_person(self) -> None:
        bench = RepositoryBench().begun()
        bench.store.put_new(point_name(VM, run(1)), b"damaged")

        assert outcomes(bench) == ["damaged"]

    def test_one_of_a_rolled_back_log_is_not_deleted(self) -> None:
        bench = RepositoryBench().begun()
        put_unlogged(bench, bench.committed(1, 1))
        bench.store.delete(manifest_of(1, 1))
        heads = MemoryHeads()
        heads.held = Head(7, "a" * 64)

        with pytest.raises(HistoryRolledBack):
            list(examine_unlogged(bench.log(heads=heads), bench.store, VM))
        assert len(list(stored_points(bench.control(), VM))) == 1


@pytest.mark.parametrize(
    ("found", "instead"),
    [
        pytest.param(b'"slot":1', b'"slot":2', id="a manifest of another slot"),
        pytest.param(b'"manifest":"m/', b'"manifest":"p/', id="no manifest"),
        pytest.param(b'"last":10000', b'"last":0', id="keeps nothing"),
        pytest.param(b'"disks":[{', b'"disks":[],"other":[{', id="no disk"),
        pytest.param(b'"kind":"full"', b'"kind":"skip"', id="another kind"),
        pytest.param(
            b'"vmDescription":"', b'"vmDescription":"' + b"x" * 262_144, id="a long description"
        ),
    ],
)
def test_a_point_that_is_not_as_the_page_says_is_damaged(found: bytes, instead: bytes) -> None:
    payload = encode(RepositoryBench().committed(1, 1))
    assert found in payload

    with pytest.raises(CorruptRepository):
        parsed("point", payload.replace(found, instead, 1), RecoveryPoint)


def test_a_point_under_the_name_of_another_run_is_damaged() -> None:
    bench = RepositoryBench().begun()
    control = bench.control()
    control.put(control.seal("PONT", point_name(VM, run(2)), bench.committed(1, 1), 1))

    assert outcomes(bench) == ["damaged"]


def test_a_counted_point_of_another_digest_is_damaged() -> None:
    bench = RepositoryBench().begun()
    put_unlogged(bench, bench.committed(1, 1))
    bench.log().append(wanting(msgspec.structs.replace(recorded(1, 1), vm=VM)))
    (entry,) = bench.log().read().state.counted.values()

    with pytest.raises(CorruptRepository, match="as recorded"):
        open_counted(bench.control(), entry)


def test_the_former_owner_deletes_no_point_that_can_never_count() -> None:
    bench = RepositoryBench().begun()
    point = bench.committed(1, 1)
    put_unlogged(bench, point)
    bench.store.delete(manifest_of(1, 1))
    claim = Claimed(appliance="other", from_=bench.log().read().state.owner)
    bench.log(appliance="other").append(wanting(claim))

    with pytest.raises(ReadOnly):
        list(examine_unlogged(bench.log(), bench.store, VM))
    assert list(stored_points(bench.control(), VM)) == [(VM, run(1))]
