"""A run's commit answers for one moment only: that of the snapshot it was made of."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest
from typing_extensions import override

from tests.unit.repository.bench import BLOCK, Bench, copy_of, noise, run_id, snapshot_of
from vmbackup_core.errors import CorruptRepository, PermanentError
from vmbackup_core.ids import SnapshotUniqueId
from vmbackup_core.repository import CommittedDisk, RecoveryPoint, find_committed
from vmbackup_core.repository.points import seal_point
from vmbackup_core.repository.records import Manifest
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import Buffer

RETAKEN = SnapshotUniqueId("snapshot-taken-again")
OLD, NEW = noise(1, 6 * BLOCK), noise(2, 6 * BLOCK)


def of_snapshot(point: RecoveryPoint, snapshot: SnapshotUniqueId | None) -> RecoveryPoint:
    disk = msgspec.structs.replace(point.disks[0], snapshot_unique_id=snapshot)
    return msgspec.structs.replace(point, disks=(disk,))


def without_its_snapshot(bench: Bench, committed: CommittedDisk) -> None:
    """Have the commit be as format 1.0 wrote it: its manifest names no snapshot."""
    chain = bench.chain()
    found = chain.find_commit(committed.slot)
    assert found is not None
    commit = found[0]
    assert commit.manifest is not None
    content = msgspec.json.decode(chain.get("MANI", commit.manifest)[0], type=dict[str, object])
    del content["snapshotUniqueId"]
    for name in (commit.manifest, f"k/{committed.slot:08x}"):
        bench.store.delete(chain.full_name(name))
    sha256 = chain.put("MANI", commit.manifest, msgspec.json.encode(content))
    commit = msgspec.structs.replace(commit, manifest_sha256=sha256)
    chain.put("COMM", f"k/{committed.slot:08x}", msgspec.json.encode(commit))


def test_a_snapshot_taken_again_is_backed_up_anew_in_the_next_slot(bench: Bench) -> None:
    first = bench.back_up(1, OLD)
    second = bench.back_up(1, NEW, snapshot=RETAKEN)

    assert (first.slot, second.slot) == (1, 2)
    point = of_snapshot(bench.point(1, second, len(NEW)), RETAKEN)
    bench.repository.record_point(point)
    assert bench.restored(point) == NEW
    assert bench.repository.check(read_data=True).findings == ()


def test_of_the_same_snapshot_asking_twice_is_asking_once_whatever_came_after(
    bench: Bench,
) -> None:
    first = bench.back_up(1, OLD)
    second = bench.back_up(1, NEW, snapshot=RETAKEN)

    assert bench.back_up(1, NEW, snapshot=RETAKEN) == second
    assert bench.back_up(1, OLD) == first
    assert len(bench.names("k")) == 2


def test_what_a_run_has_committed_is_found_by_run_and_snapshot_alone(bench: Bench) -> None:
    first = bench.back_up(1, OLD)
    chain = bench.chain()

    assert find_committed(chain, run_id(1), snapshot_of(1)) == first
    assert find_committed(chain, run_id(1), RETAKEN) is None
    assert find_committed(chain, run_id(2), snapshot_of(1)) is None


def test_two_sessions_of_one_run_with_different_snapshots_both_commit(bench: Bench) -> None:
    """The slot that one loses is the other moment's: it goes on in the next one."""

    class Overtaken(MemoryStore):
        raced = False

        @override
        def put_new(self, name: str, data: Buffer) -> None:
            if "/k/" in name and not Overtaken.raced:
                Overtaken.raced = True
                racing.back_up(1, OLD)
            super().put_new(name, data)

    store = Overtaken()
    for each in copy_of(bench.store).list(""):
        store.put_new(each.name, bench.store.get(each.name))
    racing = Bench(store, bench.key, bench.repository)

    second = racing.back_up(1, NEW, snapshot=RETAKEN)

    first = find_committed(racing.chain(), run_id(1), snapshot_of(1))
    assert first is not None
    assert (first.slot, second.slot) == (1, 2)


def test_a_commit_of_format_1_0_answers_for_no_snapshot(bench: Bench) -> None:
    committed = bench.back_up(1, OLD)
    without_its_snapshot(bench, committed)

    assert find_committed(bench.chain(), run_id(1), snapshot_of(1)) is None
    again = bench.back_up(1, OLD)
    assert (again.slot, again.stored_bytes) == (2, 0)


def test_no_point_is_recorded_of_another_moment_than_its_commits(bench: Bench) -> None:
    point = bench.point(1, bench.back_up(1, OLD), len(OLD))

    for snapshot in (RETAKEN, None):
        with pytest.raises(PermanentError, match="holds snapshot snapshot-1") as refused:
            bench.repository.record_point(of_snapshot(point, snapshot))
        assert refused.value.reason == "SnapshotDiffers"
    assert list(bench.repository.points()) == []


def test_no_point_is_recorded_of_a_commit_that_does_not_say_of_which_snapshot(
    bench: Bench,
) -> None:
    committed = bench.back_up(1, OLD)
    without_its_snapshot(bench, committed)
    found = bench.chain().find_commit(committed.slot)
    assert found is not None
    named = dataclasses.replace(committed, commit_digest=found[1])
    point = bench.point(1, named, len(OLD))

    with pytest.raises(PermanentError, match="holds snapshot None"):
        bench.repository.record_point(point)


def test_a_mixed_point_is_named_by_a_check_and_never_restored(bench: Bench) -> None:
    """No writer of ours makes one; whoever has the key could."""
    mixed = of_snapshot(bench.point(1, bench.back_up(1, OLD), len(OLD)), RETAKEN)
    name = f"r/{mixed.run_id}"
    bench.store.put_new(name, seal_point(mixed, secret=bench.key.secret, epoch=1))

    findings = bench.repository.check(read_data=False).findings

    assert [each.object for each in findings] == [name]
    assert RETAKEN in findings[0].found
    with pytest.raises(CorruptRepository, match=name):
        bench.restored(mixed)


def test_a_manifest_says_of_which_snapshot_it_is(bench: Bench) -> None:
    bench.back_up(1, OLD)
    chain = bench.chain()
    (name,) = bench.names("m")
    payload, _ = chain.get("MANI", chain.short_name(name))

    assert msgspec.json.decode(payload, type=Manifest).snapshot_unique_id == snapshot_of(1)
