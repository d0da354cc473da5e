"""Disks come back byte by byte from a point that counts, whatever of the rest is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace as altered

from tests.unit.repository.data.bench import Target, noise
from tests.unit.repository.opened.whole_bench import (
    VM_ID,
    WholeBench,
    holder,
    in_folder,
    replace,
    run_of,
    some_disks,
)
from vmbackup_core.errors import CorruptRepository
from vmbackup_core.extents import Extent
from vmbackup_core.repository.control.points.points import RecoveryPoint
from vmbackup_core.repository.control.restore.restoring import PointGone
from vmbackup_core.repository.control.retention.expire_plan import entry_of
from vmbackup_core.repository.opened import OpenedRepository
from vmbackup_core.repository.primitives.names import (
    HOLDS,
    chain_header_name,
    commit_name,
    point_name,
)
from vmbackup_core.repository.primitives.parsed_names import PackName, parse_data


def with_point(bench: WholeBench | None = None) -> tuple[WholeBench, RecoveryPoint]:
    bench = bench or WholeBench()
    bench.begun()
    return bench, bench.back_up(1, some_disks(1))


def packs(bench: WholeBench) -> list[str]:
    return [
        each.name
        for each in bench.places.data.list("c/")
        if isinstance(parse_data(each.name), PackName)
    ]


def try_disk(
    repository: OpenedRepository, point: RecoveryPoint, said: list[str], *, keep_going: bool = False
) -> tuple[bytes, list[Extent]]:
    """Restore the first disk, and return its bytes and the holes that were told."""
    disk = point.disks[0]
    sink, holes = Target(disk.size_bytes), []

    def told(extent: Extent, _why: str) -> None:
        holes.append(extent)

    with repository.held(point, holder(), said.append) as there:
        on_hole = told if keep_going else None
        repository.restore_disk(there, disk, sink, threads=1, on_hole=on_hole, say=said.append)
    return bytes(sink.content), holes


@pytest.mark.parametrize("where", ["memory", "directory"])
def test_every_disk_of_every_point_comes_back(where: str, tmp_path: Path) -> None:
    bench = WholeBench() if where == "memory" else WholeBench(in_folder(tmp_path))
    bench.begun()
    points = [bench.back_up(number, some_disks(number)) for number in (1, 2, 3)]

    reopened = bench.opened(appliance=None)

    for point in points:
        found = reopened.find_point(VM_ID.upper(), point.run_id)
        assert found is not None
        assert found.point == point
        assert bench.restored(point, reopened) == []
    assert list(bench.places.control.list(HOLDS)) == []


def test_manifests_are_held_as_long_as_a_restore_goes_on() -> None:
    bench, point = with_point()
    repository = bench.opened()

    with repository.held(point, holder()):
        held = {(each.chain, each.slot) for each in repository.holds()}

    assert held == {(disk.chain_id, disk.slot) for disk in point.disks}
    assert repository.holds() == []


def test_a_point_that_counts_no_longer_is_refused_and_leaves_no_hold() -> None:
    bench, point = with_point()
    repository = bench.opened()
    bench.back_up(2, some_disks(2))
    repository.upkeep.begin_expire([entry_of(repository.counted()[-1])])

    with pytest.raises(PointGone), repository.held(point, holder()):
        pytest.fail("it was held")
    assert repository.holds() == []


def test_a_point_of_other_content_than_the_recorded_one_is_refused() -> None:
    bench, point = with_point()

    with (
        pytest.raises(CorruptRepository),
        bench.opened().held(altered(point, kind="incremental"), holder()),
    ):
        pytest.fail("it was held")


@pytest.mark.parametrize("what", ["lost", "damaged", "another"])
def test_without_its_commit_the_point_is_believed_and_that_is_said(what: str) -> None:
    bench, point = with_point()
    disk = point.disks[0]
    name = commit_name(disk.chain_id, disk.slot)
    other = point.disks[1]
    content = {
        "damaged": b"VMBKCOMM",
        "another": bench.places.control.get(commit_name(other.chain_id, other.slot)),
    }
    bench.places.control.delete(name)
    if what in content:
        bench.places.control.put_new(name, content[what])
    said: list[str] = []

    restored, _ = try_disk(bench.opened(), point, said)

    assert restored == bench.disks[point.run_id, disk.name]
    assert len(said) == 1
    assert f"slot {disk.slot}" in said[0]


def test_the_chain_header_is_not_needed() -> None:
    bench, point = with_point()
    for disk in point.disks:
        bench.places.control.delete(chain_header_name(disk.chain_id))

    assert bench.restored(point) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"unique_id": "another"},
        {"size_bytes": 4096},
        {"snapshot_unique_id": "another"},
        {"manifest_sha256": "0" * 64},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_manifest_of_something_else_than_the_point_says_is_refused(
    wrong: dict[str, object],
) -> None:
    bench = WholeBench()
    repository = bench.begun()
    point = bench.back_up(1, some_disks(1))
    lying = altered(
        point,
        run_id=run_of(2),
        disks=(altered(point.disks[0], **wrong), *point.disks[1:]),
    )
    with repository.held(point, holder()) as there, pytest.raises(CorruptRepository):
        repository.restore_disk(there, lying.disks[0], Target(10**7), threads=1)


def test_a_lost_pack_ends_a_restore_or_leaves_holes_where_it_goes_on() -> None:
    bench = WholeBench()
    bench.begun()
    point = bench.back_up(1, {"os": noise(1, 2 * 1024 * 1024)})
    whole = bench.disks[point.run_id, "os"]
    first, *rest = packs(bench)
    assert rest
    bench.places.data.delete(first)
    repository = bench.opened()

    with pytest.raises(CorruptRepository, match="missing"):
        try_disk(repository, point, [])
    restored, holes = try_disk(repository, point, [], keep_going=True)

    lost = sum(hole.length for hole in holes)
    assert 0 < lost < len(whole)
    for hole in holes:
        assert not any(restored[hole.offset : hole.end])
        whole = whole[: hole.offset] + bytes(hole.length) + whole[hole.end :]
    assert restored == whole
    assert repository.holds() == []


def test_a_manifest_that_is_lost_ends_a_restore_in_any_case() -> None:
    bench, point = with_point()
    bench.places.data.delete(point.disks[0].manifest_name)

    with pytest.raises(CorruptRepository, match="not there"):
        try_disk(bench.opened(), point, [], keep_going=True)


def test_a_damaged_point_is_told_and_hides_no_other() -> None:
    bench = WholeBench()
    repository = bench.begun()
    points = [bench.back_up(number, some_disks(number)) for number in (1, 2, 3)]
    entry = repository.counted()[1]
    replace(bench.places.control, point_name(entry.vm, entry.run), b"VMBKPONT")
    told: list[str] = []

    found = list(repository.points(lambda damaged, _error: told.append(damaged.run)))

    assert [each.point.run_id for each in found] == [points[2].run_id, points[0].run_id]
    assert told == [points[1].run_id]
    with pytest.raises(CorruptRepository):
        list(repository.points())
    with pytest.raises(CorruptRepository):
        repository.find_point(VM_ID, points[1].run_id)
    assert repository.find_point(VM_ID, run_of(9)) is None
