"""Objects that others overwrote where a store keeps versions: the oldest that opens is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from typing_extensions import override

from tests.unit.repository.opened.whole_bench import WholeBench, some_disks
from vmbackup_core.repository.control.commits.commits import FoundCommit, find_commit
from vmbackup_core.repository.control.retention.prune_plan import PrunePlan
from vmbackup_core.repository.primitives.names import commit_name
from vmbackup_core.repository.primitives.reading import VERSIONS_MOST, Places
from vmbackup_core.stores.memory import MemoryStore


class Kept(MemoryStore):
    """Keeps versions, and counts who asks for them."""

    def __init__(self) -> None:
        super().__init__(keeps_versions=True)
        self.asked: Counter[str] = Counter()

    @override
    def versions(self, name: str, *, most: int) -> Iterator[bytes]:
        self.asked[name] += 1
        return super().versions(name, most=most)

    def in_order(self, prefix: str) -> list[str]:
        return [each.name for each in self.list(prefix)]


class KeptThoughDeleted(Kept):
    """Yields versions also of what was deleted, as an account that keeps versions has them."""

    def __init__(self) -> None:
        super().__init__()
        self.deleted: dict[str, list[bytes]] = {}

    @override
    def delete(self, name: str) -> None:
        self.deleted.setdefault(name, []).append(self.get(name))
        super().delete(name)

    @override
    def versions(self, name: str, *, most: int) -> Iterator[bytes]:
        yield from self.deleted.get(name, ())


@pytest.mark.parametrize(("place", "prefix"), [("control", "v/"), ("data", "c/{chain}/m/")])
def test_what_was_deleted_and_is_known_by_its_digest_is_read(place: str, prefix: str) -> None:
    data, control = KeptThoughDeleted(), KeptThoughDeleted()
    bench = WholeBench(Places(data, control))
    bench.begun()
    point = bench.back_up(1, some_disks(1))
    store = data if place == "data" else control
    names = [
        name for disk in point.disks for name in store.in_order(prefix.format(chain=disk.chain_id))
    ]
    for name in set(names):
        store.delete(name)

    opened = bench.opened(appliance=None)

    assert [each.point for each in opened.points()] == [point]
    assert bench.restored(point, opened) == []


def filled() -> tuple[WholeBench, Kept, Kept]:
    data, control = Kept(), Kept()
    bench = WholeBench(Places(data, control))
    bench.begun()
    for number in (1, 2):
        bench.back_up(number, some_disks(number))
    return bench, data, control


#: Of each kind that has a digest or a seal: where it lies, and how its names begin.
KINDS = [
    ("control", "l/"),
    ("control", "v/"),
    ("control", "c/{chain}/k/"),
    ("control", "c/{chain}/x/"),
    ("control", "c/{chain}/chain"),
    ("control", "header"),
    ("control", "w/"),
    ("data", "c/{chain}/m/"),
]


@pytest.mark.parametrize(("place", "prefix"), KINDS)
@pytest.mark.parametrize("junk", [b"", b"junk", b"VMBK" * 500])
def test_what_was_overwritten_is_read_as_it_was(place: str, prefix: str, junk: bytes) -> None:
    bench, data, control = filled()
    points = [each.point for each in bench.opened().points()]
    store = data if place == "data" else control
    names = {
        name
        for disk in points[0].disks
        for name in store.in_order(prefix.format(chain=disk.chain_id))
    }
    assert names
    for name in names:
        store.overwrite(name, junk)
        store.overwrite(name, b"and once more")

    opened = bench.opened(appliance=None)

    assert [each.point for each in opened.points()] == points
    for point in points:
        assert bench.restored(point, opened) == []
    report = opened.check(read_data=True)
    assert report.findings == ()
    assert all(isinstance(each, PrunePlan) for each in opened.upkeep.plan_prune())
    assert set(store.asked) & names


def test_where_nothing_was_overwritten_no_version_is_asked_for() -> None:
    bench, data, control = filled()
    control.asked.clear()
    data.asked.clear()

    opened = bench.opened(appliance=None)
    for each in list(opened.points()):
        assert bench.restored(each.point, opened) == []
    assert opened.check(read_data=True).good
    opened.upkeep.plan_prune()

    assert (control.asked, data.asked) == (Counter(), Counter())


def test_of_versions_without_end_a_hundred_are_looked_at() -> None:
    bench, data, control = filled()
    disk = next(bench.opened().points()).point.disks[0]
    wanted = commit_name(disk.chain_id, disk.slot)

    def find(junk_before: int) -> FoundCommit | None:
        crowded = Kept()
        for name in control.in_order(""):
            crowded.put_new(name, control.get(name) if name != wanted else b"junk")
        for _ in range(junk_before - 1):
            crowded.overwrite(wanted, b"junk")
        crowded.overwrite(wanted, control.get(wanted))
        crowded.overwrite(wanted, b"last junk")
        opened = bench.opened(Places(data, crowded), appliance=None)
        return find_commit(opened.log.control, disk.chain_id, disk.slot)

    within, beyond = find(VERSIONS_MOST - 1), find(VERSIONS_MOST)

    assert within is not None
    assert beyond is not None
    assert (within.commit is not None, beyond.commit is None) == (True, True)
