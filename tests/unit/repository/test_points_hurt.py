"""A check names the recovery points that refer to what it found damaged, and no others."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.unit.repository.bench import BLOCK, SHARD, Bench, MemorySink, copy_of, new_bench, noise
from vmbackup_core.ids import RunId
from vmbackup_core.repository import (
    DAMAGE,
    Finding,
    RecoveryPoint,
    Repository,
    open_repository,
)

#: Three states of a disk of three shards: the first shard stays, the others change in turn.
FIRST, SECOND = noise(1, SHARD), noise(2, SHARD)
STATES = (
    FIRST + SECOND + noise(3, BLOCK),
    FIRST + noise(4, SHARD) + noise(3, BLOCK),
    FIRST + SECOND + noise(5, BLOCK),
)


@dataclass(frozen=True)
class Filled:
    bench: Bench
    points: list[RecoveryPoint]


def filled() -> Filled:
    bench = new_bench()
    points = [
        bench.record(number, bench.back_up(number, content), len(content))
        for number, content in enumerate(STATES, start=1)
    ]
    return Filled(bench, points)


FILLED = filled()
NAMES = [each.name for each in FILLED.bench.store.list("c/")]
POINT_NAMES = [each.name for each in FILLED.bench.store.list("r/")]


def without(name: str) -> Repository:
    store = copy_of(FILLED.bench.store)
    store.delete(name)
    return open_repository(store, FILLED.bench.key)


def restorable(repository: Repository, point: RecoveryPoint) -> bool:
    sink = MemorySink(point.disks[0].size_bytes)
    try:
        repository.restore_disk(point, point.disks[0], sink, threads=1)
    except DAMAGE:
        return False
    return True


@pytest.mark.parametrize("number", range(len(NAMES)))
@pytest.mark.parametrize("read_data", [False, True], ids=["structure", "data"])
def test_just_those_are_named_that_cannot_be_restored(number: int, *, read_data: bool) -> None:
    repository = without(NAMES[number])

    report = repository.check(read_data=read_data)

    named = {run for finding in report.findings for run in finding.points}
    lost = {each.run_id for each in FILLED.points if not restorable(repository, each)}
    assert lost
    assert named == lost
    (finding,) = [each for each in report.findings if each.object == NAMES[number]]
    assert set(finding.points) == lost


def hurt_without(name: str) -> int:
    found = without(name).check(read_data=False).findings
    return len({run for finding in found for run in finding.points})


def test_some_damage_hurts_some_points_and_some_hurts_all() -> None:
    assert {hurt_without(name) for name in NAMES} == {1, 2, 3}


def test_what_no_point_refers_to_hurts_none() -> None:
    bench = filled().bench
    bench.back_up(9, STATES[1][:BLOCK])  # committed, and no point is recorded of it
    (name,) = [each for each in bench.names("m") if f"-{9:032x}-" in each]
    bench.store.delete(name)

    (finding,) = bench.repository.check(read_data=True).findings

    assert (finding.object, finding.points) == (name, ())


def test_a_damaged_point_hurts_itself() -> None:
    store = copy_of(FILLED.bench.store)
    content = store.get(POINT_NAMES[0])
    store.delete(POINT_NAMES[0])
    store.put_new(POINT_NAMES[0], content[:-1])
    repository = open_repository(store, FILLED.bench.key)

    (finding,) = repository.check(read_data=False).findings

    assert isinstance(finding, Finding)
    assert finding.points == (RunId(POINT_NAMES[0].removeprefix("r/")),)


def test_a_check_tells_of_each_look() -> None:
    looks: list[int] = []
    repository = open_repository(FILLED.bench.store, FILLED.bench.key)

    assert repository.check(read_data=False, on_look=lambda: looks.append(1)).good

    assert len(looks) >= len([name for name in NAMES if "/p/" not in name]) + len(POINT_NAMES)
