"""What counts, what is let go and deleted, and that all that counts still comes back then."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace as altered
from typing_extensions import override

from tests.unit.repository.control.log_bench import MOMENT
from tests.unit.repository.data.bench import noise
from tests.unit.repository.opened.whole_bench import (
    VM_ID,
    WholeBench,
    everything,
    finish_all,
    holder,
    replace,
    run_of,
    some_disks,
)
from vmbackup_core.ids import RunId
from vmbackup_core.repository.control.commits.commits import find_commit
from vmbackup_core.repository.control.commits.list_parts import OpenList
from vmbackup_core.repository.control.commits.pack_list import PACK
from vmbackup_core.repository.control.log.log_entries import Bad, Expiring, Healed, Place
from vmbackup_core.repository.control.points.catalog import MIRRORED
from vmbackup_core.repository.control.points.recording import Examined
from vmbackup_core.repository.control.retention.expire_plan import Letting, Rules, entry_of
from vmbackup_core.repository.control.retention.point_book import PointBook
from vmbackup_core.repository.control.retention.prune_plan import LeftAlone, PrunePlan
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.repository.opened import OpenedRepository
from vmbackup_core.repository.primitives.identities import PackId, WritingSession
from vmbackup_core.repository.primitives.names import commit_name, log_name, point_name
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.retention.in_force import LiveRule
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import NotStored, ObjectUnreadable, Store


class NoPolicies(Rules):
    @override
    def live_rule(self, namespace: str, policy: str) -> LiveRule | None:
        return None


class Counting(MemoryStore):
    """The same objects as *inner*; *read* is how often one was read whose name begins so."""

    def __init__(self, inner: Store, prefix: str) -> None:
        self.__dict__.update(inner.__dict__)
        self._prefix = prefix
        self.read = 0

    @override
    def get_range(self, name: str, offset: int, length: int) -> bytes:
        self.read += name.startswith(self._prefix)
        return super().get_range(name, offset, length)


class Unreadable(MemoryStore):
    """The same objects as *inner*, of which one cannot be read now."""

    def __init__(self, inner: Store, name: str) -> None:
        self.__dict__.update(inner.__dict__)
        self._name = name

    @override
    def get_range(self, name: str, offset: int, length: int) -> bytes:
        if name == self._name:
            raise ObjectUnreadable(f"reading {name}: BlobArchived", reason="BlobArchived")
        return super().get_range(name, offset, length)


def to_let_go(repository: OpenedRepository, *, has_ended: bool = True) -> list[Expiring]:
    """Return what no longer needs to count, of all chains."""
    upkeep = repository.upkeep
    letting = Letting(NoPolicies(), timedelta(), MOMENT)
    found = upkeep.plan_expire_points(PointBook(), letting)
    for chain in upkeep.chains():
        found += upkeep.plan_expire_commits(chain, lambda _run: has_ended)
    return found


def sync_all(repository: OpenedRepository) -> list[Examined]:
    upkeep = repository.upkeep
    return [each for vm in upkeep.vms() for each in upkeep.sync_vm(vm)]


def let_all_go(repository: OpenedRepository) -> list[str]:
    repository.upkeep.begin_expire(to_let_go(repository))
    return [going.outcome for going in finish_all(repository.upkeep)]


def prune(repository: OpenedRepository) -> int:
    """Prune every chain and return how many objects went."""
    gone = 0
    for plan in repository.upkeep.plan_prune():
        assert isinstance(plan, PrunePlan), plan
        assert repository.upkeep.prune(plan, lambda: None) == []
        gone += len(plan.data) + len(plan.control)
    return gone


def stored_bytes(bench: WholeBench) -> int:
    return sum(each.size_bytes for each in bench.places.data.list(""))


def backed_up(count: int) -> WholeBench:
    bench = WholeBench()
    bench.begun()
    for number in range(1, count + 1):
        bench.back_up(number, some_disks(number))
    return bench


def test_what_is_let_go_is_deleted_and_what_counts_still_comes_back() -> None:
    bench = backed_up(3)
    repository = bench.opened()
    before = stored_bytes(bench)

    assert let_all_go(repository) == ["done", "done"]
    assert prune(repository) > 0

    (left,) = repository.points()
    assert left.point.run_id == run_of(3)
    assert stored_bytes(bench) < before / 2
    assert bench.restored(left.point) == []
    assert prune(repository) == 0
    point = bench.back_up(4, some_disks(1))
    assert bench.restored(point) == []


def test_a_commit_whose_run_made_no_point_goes_when_the_run_has_ended() -> None:
    bench = backed_up(1)
    repository = bench.opened()
    bench.commit_only(2, "os", noise(2, 4096))
    bench.commit_only(3, "os", noise(3, 4096))

    assert to_let_go(repository, has_ended=False) == []
    assert len(to_let_go(repository)) == 2
    assert sorted(let_all_go(repository)) == ["done", "stays"]


def test_what_is_held_stays_with_all_that_it_needs() -> None:
    bench = backed_up(2)
    repository = bench.opened()
    first = repository.counted()[-1]
    point = next(each.point for each in repository.points() if each.point.run_id == first.run)

    with repository.held(point, holder()):
        assert let_all_go(repository) == ["stays"]
        before = everything(bench.places)
        prune(repository)
        assert everything(bench.places) == before

    assert [each.outcome for each in finish_all(repository.upkeep)] == ["done"]
    assert prune(repository) > 0


def test_a_forgotten_hold_is_removed_by_a_person() -> None:
    bench = backed_up(1)
    repository = bench.opened()
    (point,) = (each.point for each in repository.points())
    context = repository.held(point, holder())
    context.__enter__()
    (first, second) = repository.holds()
    assert first.said is not None
    assert (first.said.purpose, first.said.holder) == ("restore", "a test")

    bench.opened(appliance=None).remove_hold(first)
    replace(bench.places.control, hold_of(bench), b"VMBKHOLD")

    (left,) = repository.holds()
    assert (left.chain, left.slot, left.said) == (second.chain, second.slot, None)


def hold_of(bench: WholeBench) -> str:
    (name,) = (each.name for each in bench.places.control.list("d/"))
    return name


def test_a_chain_whose_commit_is_lost_is_left_alone_and_said() -> None:
    bench = backed_up(2)
    repository = bench.opened()
    disk = next(repository.points()).point.disks[0]
    bench.places.control.delete(commit_name(disk.chain_id, disk.slot))

    planned = repository.upkeep.plan_prune()

    (alone,) = (each for each in planned if isinstance(each, LeftAlone))
    assert alone.chain == disk.chain_id
    assert len(planned) == 2


def test_a_vm_of_which_a_point_cannot_be_read_now_waits() -> None:
    bench = backed_up(3)
    newest = bench.opened().counted()[0]
    unreadable = Unreadable(bench.places.control, point_name(newest.vm, newest.run))

    waiting = bench.opened(Places(bench.places.data, unreadable))

    assert to_let_go(waiting) == []
    assert len(to_let_go(bench.opened())) == 2


def test_a_damaged_point_is_let_go_by_no_rule() -> None:
    bench = backed_up(3)
    repository = bench.opened()
    oldest = repository.counted()[-1]
    replace(bench.places.control, point_name(oldest.vm, oldest.run), b"VMBKPONT")

    planned = to_let_go(repository)

    assert [entry.run for entry in planned] == [run_of(2)]
    repository.upkeep.begin_expire([entry_of(oldest)])
    assert [going.outcome for going in finish_all(repository.upkeep)] == ["done"]


def test_hurt_points_are_not_the_only_ones_kept() -> None:
    bench = backed_up(3)
    repository = bench.opened()

    newest = repository.counted()[0]
    place = newest.places[0]
    control = repository.log.control
    entries = [each for part in list_of(control, place).parts() for each in part]
    pack = next(each for each in entries if each.kind == PACK and each.session.slot == place[1])
    packed = PackId(pack.session.slot, pack.session.session, pack.number).packed().hex()
    bad = Bad(chain=place[0], object="pack", id=packed, size=4, what="missing", parts=None)
    repository.log.append(lambda _: [bad])

    hurt = to_let_go(repository)
    healed = Healed(
        chain=place[0],
        phase="begun",
        session=WritingSession("5" * 32),
        run=newest.run,
        heals=(),
        packs=(),
    )
    repository.log.append(lambda _: [healed])
    repository.log.append(lambda _: [altered(healed, phase="done", heals=(packed,))])
    whole = to_let_go(repository)

    assert [entry.run for entry in hurt] == [run_of(1)]
    assert {entry.run for entry in whole} == {run_of(2), run_of(1)}


def list_of(control: Control, place: Place) -> OpenList:
    found = find_commit(control, *place)
    assert found is not None
    return OpenList.of(control, found.commit, place[0])


class TestCatalog:
    def unlogged(self, bench: WholeBench) -> None:
        """Have the last point lie there as if its recorder had died before it logged it."""
        head = bench.opened().head()
        assert head is not None
        bench.places.control.delete(log_name(head.number))
        bench.heads = type(bench.heads)()

    def test_points_that_were_put_and_not_logged_are_found_of_every_vm(self) -> None:
        bench = backed_up(2)
        self.unlogged(bench)
        repository = bench.opened()
        assert [entry.run for entry in repository.counted()] == [run_of(1)]

        (examined,) = sync_all(repository)

        assert examined.outcome == "recorded"
        assert [entry.run for entry in repository.counted(VM_ID)] == [run_of(2), run_of(1)]
        assert sync_all(repository) == []

    def test_one_that_can_never_count_is_deleted(self) -> None:
        bench = backed_up(2)
        last = next(bench.opened().points()).point
        vm = bench.opened().counted()[0].vm
        self.unlogged(bench)
        bench.places.data.delete(last.disks[0].manifest_name)

        (examined,) = sync_all(bench.opened())

        assert examined.outcome == "deleted"
        with pytest.raises(NotStored):
            bench.places.control.get(point_name(vm, last.run_id))

    def test_a_damaged_one_stays_for_a_person_and_an_unreadable_one_waits(self) -> None:
        bench = backed_up(2)
        newest = bench.opened().counted()[0]
        self.unlogged(bench)
        name = point_name(newest.vm, newest.run)
        unreadable = Unreadable(bench.places.control, name)
        (left,) = sync_all(bench.opened(Places(bench.places.data, unreadable)))
        replace(bench.places.control, name, b"VMBKPONT")

        (damaged,) = sync_all(bench.opened())

        assert (left.outcome, damaged.outcome) == ("left", "damaged")
        assert bench.places.control.get(name) == b"VMBKPONT"

    def test_the_newest_points_of_each_vm_are_mirrored(self) -> None:
        bench = WholeBench()
        bench.begun()
        content = {"os": noise(1, 4096)}
        for number in range(1, MIRRORED + 3):
            bench.back_up(number, content)
        bench.back_up(90, {"other": noise(2, 4096)}, vm_id=f"{VM_ID}2")
        vm = bench.opened().counted(VM_ID)[0].vm
        replace(bench.places.control, point_name(vm, run_of(MIRRORED + 2)), b"VMBKPONT")

        mirrored = bench.opened().mirrored()
        found = [[entry.run for entry in mirrored.of_vm(name, {})] for name in mirrored.names]

        newest = [run_of(number) for number in range(MIRRORED + 2, 2, -1)]
        assert sorted(found) == sorted([[run_of(90)], newest])

    @pytest.mark.parametrize("told", [None, VM_ID, VM_ID.upper(), f"{VM_ID}2"])
    def test_a_vm_is_one_under_its_names_of_all_epochs_whatever_is_told_of_it(
        self, told: str | None
    ) -> None:
        """What is known of a run saves looking at its point, and what is not so is not believed."""
        bench, runs = WholeBench(), list[RunId]()
        bench.begun()
        for number in range(1, 5):
            bench.back_up(number, {"os": noise(1, 4096)})
            runs.insert(0, run_of(number))
            if number < 3:
                bench.opened().rotate([bench.key])
        known = {} if told is None else dict.fromkeys(runs, told)
        counting = Counting(bench.places.control, "v/")
        mirrored = bench.opened(Places(bench.places.data, counting)).mirrored()

        found = [mirrored.of_vm(name, known, most=3) for name in mirrored.names]

        assert sorted([entry.run for entry in entries] for entries in found) == [[], [], runs[:3]]
        assert bool(counting.read) is (told not in {VM_ID, VM_ID.upper()})
