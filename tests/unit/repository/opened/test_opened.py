"""A repository behind its façade: who may write, what opening puts back, keys and ownership."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.unit.repository.data.bench import PARAMETERS
from tests.unit.repository.opened.whole_bench import (
    APPLIANCE,
    VM_ID,
    WholeBench,
    everything,
    replace,
    run_of,
    some_disks,
)
from tests.unit.repository.primitives.keepers import A, B, C
from tests.unit.repository.stores_that_fail import ReadOnlyStore
from vmbackup_core.errors import PermanentError
from vmbackup_core.repository.control.keys.claiming import OwnerChanged
from vmbackup_core.repository.control.keys.key_entries import ControlLost
from vmbackup_core.repository.control.log.heads import (
    Head,
    HeadsOfProcess,
    HistoryRolledBack,
    NoHeads,
)
from vmbackup_core.repository.control.log.log import ReadOnly
from vmbackup_core.repository.opened import (
    OpenedRepository,
    begin_repository,
    import_printed_wrap,
    open_repository,
)
from vmbackup_core.repository.primitives.failures import (
    KeyMismatch,
    KeyRingIncomplete,
    LastKey,
    NoRepository,
)
from vmbackup_core.repository.primitives.names import (
    header_name,
    log_name,
    wrap_name,
)
from vmbackup_core.repository.primitives.reading import Places


def refusing(places: Places) -> Places:
    return Places(ReadOnlyStore(places.data), ReadOnlyStore(places.control))


def with_point() -> WholeBench:
    bench = WholeBench()
    bench.begun()
    bench.back_up(1, some_disks(1))
    return bench


def lose(bench: WholeBench, *names: str) -> None:
    for store in bench.places.both():
        for name in names:
            store.delete(name)


class TestOpening:
    def test_what_was_begun_is_opened_by_everybody_with_the_key(self) -> None:
        bench = WholeBench()
        begun = bench.begun()
        with pytest.raises(NoRepository):
            open_repository(WholeBench().places, A, bench.using())

        again = begin_repository(bench.places, A, bench.using("another"), "native")

        assert again.repository_id == begun.repository_id
        assert (again.owner, again.began_by, again.read_only) == (APPLIANCE, APPLIANCE, True)
        assert (begun.owner, begun.read_only) == (APPLIANCE, False)
        assert begun.key_fingerprint == A.fingerprint
        with pytest.raises(KeyMismatch):
            bench.opened(key=B)

    def test_a_person_acts_for_the_owner_and_writes_nothing_by_opening(self) -> None:
        bench = with_point()
        lose(bench, wrap_name(2, A.fingerprint))
        bench.places.data.delete(header_name(1))
        before = everything(bench.places)

        opened = bench.opened(appliance=None)

        assert not opened.read_only
        assert opened.lost_copies == (header_name(1),)
        assert everything(bench.places) == before

    @pytest.mark.parametrize("place", ["data", "control"])
    @pytest.mark.parametrize("damaged", [True, False], ids=["damaged", "lost"])
    @pytest.mark.parametrize("name", [header_name(1), wrap_name(1, A.fingerprint)])
    def test_the_owner_puts_lost_copies_back(self, name: str, place: str, damaged: bool) -> None:  # noqa: FBT001 - a parameter of the test
        bench = with_point()
        before = everything(bench.places)
        store = bench.places.data if place == "data" else bench.places.control
        store.delete(name)
        if damaged:
            store.put_new(name, b"VMBK")

        assert bench.opened(appliance="another").lost_copies == (name,)
        assert bench.opened().lost_copies == ()

        assert everything(bench.places) == before

    def test_headers_lost_in_both_places_are_made_again_as_the_log_says(self) -> None:
        bench = with_point()
        bench.opened().rotate([A])
        said = bench.opened()
        lose(bench, header_name(1), header_name(2))
        assert bench.opened(appliance="another").began_by is None
        assert bench.opened().began_by is None  # nobody said how control keeps a name

        made = open_repository(bench.places, A, bench.using(), put_if_absent=lambda: "native")

        assert (made.began_by, made.lost_copies) == (APPLIANCE, ())
        assert made.repository_id == said.repository_id
        assert made.rotate([A]) == 3
        for epoch in (1, 2):
            names = [store.get(header_name(epoch)) for store in bench.places.both()]
            assert names[0] == names[1]
        assert not bench.restored(next(made.points()).point, bench.opened(appliance="another"))

    def test_the_header_of_a_later_epoch_is_made_again_as_the_first_one_says(self) -> None:
        bench = with_point()
        bench.opened().rotate([A])
        lose(bench, header_name(2))

        assert bench.opened().lost_copies == ()
        assert all(list(store.list(header_name(2))) for store in bench.places.both())

    def test_a_person_rotates_on_from_an_epoch_whose_header_is_lost(self) -> None:
        bench = with_point()
        bench.opened().rotate([A])
        lose(bench, header_name(2))
        person = bench.opened(appliance=None)

        assert person.rotate([A]) == 3

        assert person.lost_copies == ()
        assert [each.epochs for each in person.known_keys()] == [(1, 2, 3)]

    def test_where_control_is_lost_nothing_is_opened_and_nothing_begun(self) -> None:
        bench = with_point()
        for each in list(bench.places.control.list("")):
            bench.places.control.delete(each.name)
        before = everything(bench.places)

        for appliance in (APPLIANCE, None):
            with pytest.raises(ControlLost):
                bench.opened(appliance=appliance)
        assert everything(bench.places) == before
        with pytest.raises(ControlLost):
            bench.begun()
        assert not list(bench.places.control.list("l/"))

    def test_who_may_not_write_opens_all_the_same(self) -> None:
        bench = with_point()
        bench.places.data.delete(header_name(1))

        opened = bench.opened(refusing(bench.places))

        assert opened.lost_copies == (header_name(1),)
        assert len(opened.counted(VM_ID)) == 1

    @pytest.mark.parametrize("appliance", [APPLIANCE, None], ids=["owner", "person"])
    def test_damage_of_the_log_is_told(self, appliance: str | None) -> None:
        bench = with_point()
        bench.back_up(2, some_disks(2))
        replace(bench.places.control, log_name(2), b"VMBKLOGO")

        opened = bench.opened(appliance=appliance, heads=NoHeads())

        assert [entry.run for entry in opened.counted()] == [run_of(2)]
        troubles = [(each.number, each.trouble) for each in opened.log_findings()]
        assert troubles == [(2, "LogDamaged"), (3, "LogPreviousDiffers")]
        assert opened.log_findings() == opened.log_findings()


Written = Callable[[WholeBench, OpenedRepository], object]
WRITTEN: dict[str, Written] = {
    "prepare_disk": lambda bench, opened: opened.prepare_disk(
        bench.asked(9, "os", b"0" * 4096), PARAMETERS
    ),
    "vms": lambda _bench, opened: opened.upkeep.vms(),
    "sync_vm": lambda _bench, opened: opened.upkeep.sync_vm(opened.counted()[0].vm),
    "add_key": lambda _bench, opened: opened.add_key(B),
    "remove_key": lambda _bench, opened: opened.remove_key(B.fingerprint),
    "rotate": lambda _bench, opened: opened.rotate([A]),
    "end_epoch": lambda _bench, opened: opened.end_epoch(1),
    "put_copies_back": lambda _bench, opened: opened.put_copies_back(),
    "plan_prune": lambda _bench, opened: opened.upkeep.plan_prune(),
}


class TestOwner:
    @pytest.mark.parametrize("what", list(WRITTEN))
    def test_another_appliance_writes_nothing(self, what: str) -> None:
        bench = with_point()
        opened = bench.opened(appliance="another")
        before = everything(bench.places)

        with pytest.raises(ReadOnly):
            WRITTEN[what](bench, opened)
        assert everything(bench.places) == before

    def test_the_owner_is_read_before_each_append_of_the_one_before(self) -> None:
        bench = with_point()
        before = bench.opened()
        person = bench.opened(appliance=None)

        person.claim("another", APPLIANCE)

        assert person.owner == "another"
        assert not person.read_only
        assert before.read_only
        with pytest.raises(ReadOnly):
            before.add_key(B)
        assert not bench.opened(appliance="another").read_only
        person.add_key(B)  # for the new owner
        assert B.fingerprint in {each.fingerprint for each in before.known_keys()}

    def test_a_claim_names_the_owner_who_was_shown(self) -> None:
        bench = with_point()
        bench.opened(appliance=None).claim("b", APPLIANCE)

        with pytest.raises(OwnerChanged):
            bench.opened(appliance=None).claim("c", APPLIANCE)
        bench.opened(appliance=None).claim("b", APPLIANCE)
        assert bench.opened().owner == "b"


class TestKeys:
    def test_keys_are_told_with_their_epochs_and_labels(self) -> None:
        bench = with_point()
        opened = bench.opened()
        opened.add_key(B, "on paper")
        opened.add_key(C)
        assert opened.rotate([A, C]) == 2
        opened.remove_key(C.fingerprint)

        known = {each.fingerprint: each for each in opened.known_keys()}

        assert (known[A.fingerprint].epochs, known[A.fingerprint].is_removed) == ((1, 2), False)
        assert (known[B.fingerprint].epochs, known[B.fingerprint].label) == ((1,), "on paper")
        assert (known[C.fingerprint].epochs, known[C.fingerprint].is_removed) == ((), True)

    def test_a_wrap_of_a_lost_race_is_no_key(self) -> None:
        bench, other = with_point(), WholeBench(key=B)
        other.begun()
        name = wrap_name(1, B.fingerprint)
        bench.places.control.put_new(name, other.places.control.get(name))

        assert [each.fingerprint for each in bench.opened().known_keys()] == [A.fingerprint]

    def test_the_last_key_stays(self) -> None:
        bench = with_point()
        opened = bench.opened()
        opened.add_key(B)

        with pytest.raises(LastKey):
            opened.remove_key(A.fingerprint)
        bench.opened(key=B).remove_key(A.fingerprint)
        with pytest.raises(KeyMismatch):
            bench.opened()

    def test_points_of_all_epochs_are_written_listed_and_restored(self) -> None:
        bench = with_point()
        bench.opened().rotate([A])
        second = bench.back_up(2, some_disks(1))
        opened = bench.opened()

        found = [each.point.run_id for each in opened.points()]

        assert found == [run_of(2), run_of(1)]
        assert [entry.run for entry in opened.counted(VM_ID)] == found
        assert len({entry.vm for entry in opened.counted(VM_ID)}) == 2
        assert [each.point.run_id for each in opened.mirrored(_unexpected)] == found
        assert bench.restored(second) == []

    def test_who_has_it_open_goes_on_under_an_epoch_that_another_begins(self) -> None:
        bench = with_point()
        long_open = bench.opened()
        bench.opened().rotate([A])
        bench.back_up(2, some_disks(2))

        assert [entry.run for entry in long_open.counted()] == [run_of(2), run_of(1)]
        long_open.add_key(B)
        assert long_open.log_findings() == ()
        assert bench.opened(key=B).lost_copies == ()

    def test_a_key_that_an_epoch_was_not_given_to_says_so(self) -> None:
        bench = with_point()
        opened = bench.opened()
        opened.add_key(B)
        long_open = bench.opened(key=B)
        opened.rotate([A])
        bench.back_up(2, some_disks(2))

        with pytest.raises(KeyRingIncomplete):
            long_open.counted()
        with pytest.raises(KeyRingIncomplete):
            bench.opened(key=B, appliance=None)

    def test_a_printed_wrap_opens_what_has_lost_its_own(self) -> None:
        bench = with_point()
        paper = bench.opened().export_wrap()
        lose(bench, wrap_name(1, A.fingerprint))
        with pytest.raises(KeyMismatch):
            bench.opened()

        import_printed_wrap(bench.places, paper, A)

        assert bench.restored(next(bench.opened().points()).point) == []


class TestHistory:
    def test_a_rolled_back_log_is_read_and_lets_nothing_go_until_it_is_accepted(self) -> None:
        bench = with_point()
        bench.back_up(2, some_disks(2))
        head = bench.opened().head()
        assert head is not None
        assert head.number == 3
        bench.places.control.delete(log_name(3))

        rolled_back = bench.opened()
        assert [entry.run for entry in rolled_back.counted()] == [run_of(1)]
        with pytest.raises(HistoryRolledBack):
            rolled_back.upkeep.begin_expire([])
        with pytest.raises(HistoryRolledBack):
            rolled_back.upkeep.plan_prune()

        rolled_back.accept_history()
        assert rolled_back.upkeep.plan_prune()

    def test_a_head_that_was_written_down_is_expected(self) -> None:
        bench = with_point()
        opened = bench.opened()
        wrong = HeadsOfProcess({opened.repository_id: Head(2, "0" * 64)})

        with pytest.raises(HistoryRolledBack):
            bench.opened(appliance=None, heads=wrong).upkeep.plan_prune()


def test_several_threads_share_one_repository() -> None:
    bench = WholeBench()
    opened = bench.begun()

    def back_up(number: int) -> str:
        content = bytes([number]) * 4096 * 4
        prepared = opened.prepare_disk(bench.asked(number, f"disk-{number}", content), PARAMETERS)
        opened.add_key(B, f"label {number}")
        return prepared.chain.chain

    with ThreadPoolExecutor(8) as pool:
        chains = list(pool.map(back_up, range(1, 17)))

    assert len(set(chains)) == 16
    assert opened.log_findings() == ()


def _unexpected(*told: object) -> None:
    raise PermanentError(f"{told}", reason="Unexpected")
