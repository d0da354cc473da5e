"""The control place made again from data: every point restores, and what is lost is said."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from msgspec.structs import replace as replace_said
from typing_extensions import override

from tests.sampling import some_of
from tests.unit.repository.control.check_bench import (
    Stored,
    Whole,
    chain_of,
    changed,
    filled,
)
from tests.unit.repository.control.damage_drawn import losses
from tests.unit.repository.control.log_bench import APPLIANCE, RING, run, wanting
from tests.unit.repository.control.repository_bench import VM
from vmbackup_core.ids import CommitSlot
from vmbackup_core.repository.control.chains.chain_header import open_chain
from vmbackup_core.repository.control.commits.commits import commits
from vmbackup_core.repository.control.log.log_entries import Claimed
from vmbackup_core.repository.control.points.points import open_counted
from vmbackup_core.repository.control.repair.rebuilding import ALWAYS_LOST, rebuild_control
from vmbackup_core.repository.control.repair.repairing import Elsewhere, heal, plan_repair
from vmbackup_core.repository.control.repair.taken_manifests import EMPTY_MOST, take_manifests
from vmbackup_core.repository.data.index_reader import manifest_in
from vmbackup_core.repository.data.manifest import encode_manifest
from vmbackup_core.repository.primitives.chain_keys import for_prune
from vmbackup_core.repository.primitives.envelope import Source, seal
from vmbackup_core.repository.primitives.failures import RepositoryThere
from vmbackup_core.repository.primitives.identities import WritingSession, draw
from vmbackup_core.repository.primitives.names import manifest_name, pack_name
from vmbackup_core.repository.primitives.parsed_names import PackName, parse_data
from vmbackup_core.stores.port import Buffer


@cache
def undamaged() -> Whole:
    return filled()


def without_control(whole: Whole) -> Whole:
    """Return what is there once the old control was put aside: headers and wraps, put back."""
    store = Stored()
    for each in whole.data.list(""):
        if each.name.startswith(("header", "w/")):
            store.put_new(each.name, whole.data.get(each.name))
    return Whole(whole.data.copy(), store, dict(whole.committed), dict(whole.contents))


def test_every_point_restores_from_what_was_made_again() -> None:
    whole = without_control(undamaged())

    rebuilt = rebuild_control(whole.log(), whole.data)

    assert (rebuilt.chains, len(rebuilt.points)) == (2, 4)
    assert rebuilt.lost == (ALWAYS_LOST,)
    assert losses(whole) == {}
    report = whole.check()
    assert report.findings == ()
    assert whole.log().read().state.owner == APPLIANCE
    point = open_counted(whole.control, whole.entry_of(2))
    assert [disk.name for disk in point.disks] in (["disk-0", "disk-1"], ["disk-1", "disk-0"])
    assert point.retention.last == 10_000
    assert '"source": "session"' in point.vm_description


def test_backups_go_on_afterwards() -> None:
    whole = without_control(undamaged())
    rebuild_control(whole.log(), whole.data)
    contents = [changed(each, 900, 1) for each in whole.contents[run(4)]]

    whole.back_up(5, *contents)

    assert losses(whole) == {}
    assert whole.check().good
    assert [each.slot for each in commits(whole.control, chain_of(0))] == [5, 4, 3, 2, 1]


def test_of_two_manifests_of_a_slot_the_one_is_taken_that_later_ones_build_on() -> None:
    whole = Whole().begin()
    content = changed(bytes(40_000), 1, *range(9))
    whole.write(50, 0, changed(content, 70, 3))  # of a session that loses the slot
    whole.back_up(1, content)
    whole.back_up(2, changed(content, 80, 5))
    again = without_control(whole)

    rebuilt = rebuild_control(again.log(), again.data)

    assert rebuilt.lost == (ALWAYS_LOST,)
    assert losses(again) == {}
    assert {each.run for each in rebuilt.points} == {run(1), run(2)}


def test_where_nothing_tells_which_of_two_it_was_none_is_taken_and_it_is_said() -> None:
    whole = Whole().begin()
    content = changed(bytes(40_000), 1, *range(9))
    whole.back_up(1, content)
    whole.write(50, 0, changed(content, 70, 3))
    whole.back_up(2, changed(content, 80, 5))
    again = without_control(whole)

    rebuilt = rebuild_control(again.log(), again.data)

    assert {each.run for each in rebuilt.points} == {run(1)}
    (_, said) = rebuilt.lost
    assert "slot 2" in said
    assert run(2) in said
    assert run(50) in said


def test_of_two_manifests_the_whole_one_is_taken() -> None:
    whole = Whole().begin()
    content = changed(bytes(40_000), 1, *range(9))
    whole.back_up(1, content)
    before = set(whole.data.in_order())
    whole.write(50, 0, changed(content, 70, 3))
    (lost,) = [name for name in whole.data.in_order() if name not in before and "/p/" in name]
    whole.data.delete(lost)
    whole.back_up(2, changed(content, 80, 5))
    again = without_control(whole)

    assert {each.run for each in rebuild_control(again.log(), again.data).points} == {
        run(1),
        run(2),
    }


def test_a_slot_whose_manifest_is_lost_gets_a_skip_so_that_no_hole_is_left() -> None:
    whole = without_control(undamaged())
    name = [each for each in whole.data.in_order() if f"{chain_of(0)}/m/" in each][1]
    whole.data.overwrite(name, b"damaged")

    rebuilt = rebuild_control(whole.log(), whole.data)

    kinds = [each.commit and each.commit.kind for each in commits(whole.control, chain_of(0))]
    assert kinds == ["backup", "backup", "skip", "backup"]
    assert any(name in said for said in rebuilt.lost)
    assert whole.check().findings == ()
    assert set(losses(whole)) == {run(2)}  # of which the other disk's manifest is there alone


def plant(whole: Whole, slot: int, like: str = "/m/00000/001") -> None:
    """Have a worker of the first chain put a manifest, sealed as it should be, for this slot."""
    keys = for_prune(RING, chain_of(0), 1)
    name = next(
        each for each in whole.data.in_order() if f"{chain_of(0)}/" in each and like in each
    )
    honest = manifest_in(keys, name, whole.data.get(name))
    session = WritingSession(draw())
    sessions = (*honest.said.sessions, session)
    said = replace_said(honest.said, slot=CommitSlot(slot), session=session, sessions=sessions)
    payload = encode_manifest(replace(honest, said=said))
    planted = manifest_name(chain_of(0), CommitSlot(slot), session)
    source = Source(RING.repository, 1, RING.of(1).metadata(chain_of(0)))
    whole.data.put_new(planted, seal("MANI", planted, payload, source))


@pytest.mark.parametrize("slot", [EMPTY_MOST + 6, 2**31 - 1])
def test_a_manifest_planted_far_above_all_others_makes_no_rebuild_endless(slot: int) -> None:
    whole = without_control(undamaged())
    plant(whole, slot)

    rebuilt = rebuild_control(whole.log(), whole.data)

    assert [each.slot for each in commits(whole.control, chain_of(0))] == [4, 3, 2, 1]
    (_, said) = rebuilt.lost
    assert f"slot {slot} of chain {chain_of(0)}" in said
    assert losses(whole) == {}
    assert whole.log().read().state.highest_slot(chain_of(0)) == 4


def test_one_that_lies_above_as_many_empty_slots_as_may_be_is_taken() -> None:
    """All below it may have expired: the bound is what no honest schedule comes to."""
    slots = {}
    for most in (95, 94):
        whole = without_control(undamaged())
        plant(whole, 100)
        slots[most] = max(take_manifests(whole.data, RING, chain_of(0), most).by_slot)

    assert slots == {95: 100, 94: 4}


def test_a_planted_one_has_no_say_which_of_two_manifests_was_committed() -> None:
    whole = Whole().begin()
    content = changed(bytes(40_000), 1, *range(9))
    whole.back_up(1, content)
    whole.write(50, 0, changed(content, 70, 3))
    whole.back_up(2, changed(content, 80, 5))
    again = without_control(whole)
    loser = next(each for each in again.data.in_order() if f"{chain_of(0)}/m/00000/002" in each)
    plant(again, 2**31 - 1, loser)

    assert {each.run for each in rebuild_control(again.log(), again.data).points} == {run(1)}


def test_healing_packs_go_on_healing() -> None:
    whole = undamaged().copy()
    found = (parse_data(name) for name in whole.data.in_order())
    packs = [each.pack for each in found if isinstance(each, PackName)]
    last = next(each for each in packs if each.slot == 4)
    whole.data.delete(pack_name(chain_of(0), last))
    contents = [
        content[at : at + 4096]
        for content in whole.contents[run(4)]
        for at in range(0, len(content), 4096)
    ]
    plan = plan_repair(whole.log(), whole.data, chain_of(0), Elsewhere(contents=contents))
    assert plan is not None
    heal(whole.log(), whole.data, plan, run(500))
    assert losses(whole) == {}
    again = without_control(whole)

    rebuild_control(again.log(), again.data)

    assert losses(again) == {}


def test_chain_headers_are_those_of_the_manifests() -> None:
    whole = without_control(undamaged())
    rebuild_control(whole.log(), whole.data)

    for index in (0, 1):
        ours = open_chain(whole.control, whole.data, chain_of(index))
        assert ours == open_chain(undamaged().control, undamaged().data, chain_of(index))


def test_a_log_that_is_there_is_never_made_again() -> None:
    whole = undamaged().copy()
    with pytest.raises(RepositoryThere):
        rebuild_control(whole.log(), whole.data)
    fresh = without_control(undamaged())
    fresh.log().append(wanting(Claimed(appliance="another", from_=None)))
    before = fresh.store.in_order()

    with pytest.raises(RepositoryThere):
        rebuild_control(fresh.log(), fresh.data)

    assert fresh.store.in_order() == before


class Dying(Stored):
    """The same objects as *inner*; takes a number of puts."""

    def __init__(self, inner: Stored, puts: int) -> None:
        self.__dict__.update(inner.__dict__)
        self._left = puts

    @override
    def put_new(self, name: str, data: Buffer) -> None:
        if not self._left:
            raise KeyboardInterrupt
        self._left -= 1
        super().put_new(name, data)


def test_broken_off_anywhere_it_is_begun_again() -> None:
    puts = len(_rebuilt().store.in_order()) - 2
    for at in some_of(range(puts)):
        whole = without_control(undamaged())
        with pytest.raises(KeyboardInterrupt):
            rebuild_control(whole.log(store=Dying(whole.store, at)), whole.data)

        rebuild_control(whole.log(), whole.data)

        assert losses(whole) == {}, at
        assert set(whole.log().read().state.counted) == {(VM, run(each)) for each in (1, 2, 3, 4)}


def _rebuilt() -> Whole:
    whole = without_control(undamaged())
    rebuild_control(whole.log(), whole.data)
    assert CommitSlot(4) == whole.entry_of(4).disks[0].slot
    return whole
