"""Repair: what is lost is found elsewhere, stored again under new ids, and restores bring it."""

from __future__ import annotations

import random
from functools import cache

import pytest
from typing_extensions import override

from tests.unit.repository.control.check_bench import (
    Stored,
    Whole,
    chain_of,
    filled,
)
from tests.unit.repository.control.damage_drawn import (
    DAMAGES,
    Damage,
    damage,
    losses,
    named,
    told,
)
from tests.unit.repository.control.log_bench import run
from tests.unit.repository.data.bench import Disk
from tests.unit.repository.data.samples import BLOCK
from vmbackup_core.errors import LostAttempt
from vmbackup_core.repository.control.repair.bad_packs import ToldBad, log_bad
from vmbackup_core.repository.control.repair.repairing import (
    Elsewhere,
    RepairPlan,
    begin_healing,
    drop_healing,
    finish_healing,
    heal,
    plan_repair,
    write_packs,
)
from vmbackup_core.repository.control.retention.prune_plan import PrunePlan, Pruning, plan_prune
from vmbackup_core.repository.control.retention.stored_manifests import StoredManifests
from vmbackup_core.repository.data.grants import BadObject
from vmbackup_core.repository.data.healing import BlockToHeal, write_healing
from vmbackup_core.repository.data.pack_reader import read_footer
from vmbackup_core.repository.data.ports import DataSource
from vmbackup_core.repository.data.read_back import PackReadBack
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.identities import PackId
from vmbackup_core.repository.primitives.names import pack_name
from vmbackup_core.repository.primitives.parsed_names import PackName, parse_data
from vmbackup_core.stores.port import Buffer

REPAIR = run(500)
CHAIN = chain_of(0)


@cache
def undamaged() -> Whole:
    return filled()


def packs(whole: Whole) -> list[PackId]:
    found = (parse_data(name) for name in whole.data.in_order())
    return [each.pack for each in found if isinstance(each, PackName) and each.chain == CHAIN]


def damage_records(whole: Whole, pack: PackId, *records: int) -> None:
    name = pack_name(CHAIN, pack)
    footer, _ = read_footer(whole.data, whole.reader_keys(0), pack)
    content = bytearray(whole.data.get(name))
    for record in records:
        content[footer.records.offsets()[record] + 1] ^= 1
    whole.data.overwrite(name, bytes(content))


def snapshot(whole: Whole, number: int = 4) -> Elsewhere:
    """Return the snapshot that run *number* backed up, as retained."""
    content = whole.contents[run(number)][0]
    return Elsewhere(Disk(content), len(content))


def planned(whole: Whole, elsewhere: Elsewhere = Elsewhere()) -> RepairPlan:  # noqa: B008
    plan = plan_repair(whole.log(), whole.data, CHAIN, elsewhere)
    assert plan is not None
    return plan


def told_bad(whole: Whole) -> list[ToldBad]:
    found = (ToldBad.of(each) for each in whole.check().findings)
    return [each for each in found if each is not None]


def test_a_missing_pack_comes_back_from_the_snapshot_as_far_as_it_has_not_changed() -> None:
    whole = undamaged().copy()
    lost = packs(whole)[0]
    whole.data.delete(pack_name(CHAIN, lost))
    before = losses(whole)
    plan = planned(whole, snapshot(whole))
    assert lost in plan.heals
    assert {each.object for each in plan.hopeless} == {pack_name(CHAIN, lost)}

    entry = heal(whole.log(), whole.data, plan, REPAIR)

    assert entry is not None
    assert entry.phase == "done"
    after = losses(whole)
    assert before.keys() > after.keys()  # the last point is as the snapshot is
    assert run(4) not in after
    assert told(whole.check()) == after
    assert {run for each in plan.hopeless for run in each.points} == set(after)


def test_damaged_records_come_back_whole_and_nothing_is_found_then() -> None:
    whole = undamaged().copy()
    pack = packs(whole)[-1]
    damage_records(whole, pack, 0, 2)
    log_bad(whole.log(), whole.data, told_bad(whole))

    plan = planned(whole, snapshot(whole))
    assert len(plan.curable) == 2
    assert plan.hopeless == ()
    heal(whole.log(), whole.data, plan, REPAIR)

    assert losses(whole) == {}
    report = whole.check()
    assert report.good
    assert [each.object for each in report.healed] == [pack_name(CHAIN, pack)]
    assert planned(whole, snapshot(whole)).curable == ()


def test_blocks_come_back_from_other_records_of_the_chain() -> None:
    whole = undamaged().copy()
    content = whole.contents[run(4)][0]
    first = packs(whole)[0]
    damage_records(whole, first, 1)
    log_bad(whole.log(), whole.data, told_bad(whole))
    bad = whole.log().read().state.bad_of(CHAIN)
    keys = whole.reader_keys(0)
    footer, _ = read_footer(whole.data, keys, first)
    number = footer.records.blocks[1]
    block = whole.contents[run(1)][0][number * BLOCK : (number + 1) * BLOCK]
    assert planned(whole).curable == ()
    # A backup that meets the block again stores it anew: in the last block of the disk's place.
    again = bytearray(content)
    again[20 * BLOCK : 21 * BLOCK] = block
    other = [BadObject(object="pack", id=each.id, parts=each.parts) for each in bad]
    whole.contents = dict(whole.contents)
    whole.back_up(5, bytes(again), whole.contents[run(4)][1], bad=other)

    heal(whole.log(), whole.data, planned(whole), REPAIR)

    assert losses(whole) == {}


def test_blocks_come_back_from_contents_that_a_user_gives() -> None:
    whole = undamaged().copy()
    whole.data.delete(pack_name(CHAIN, packs(whole)[0]))
    contents = [
        content[at : at + BLOCK]
        for contents in undamaged().contents.values()
        for content in contents
        for at in range(0, len(content), BLOCK)
    ]

    heal(whole.log(), whole.data, planned(whole, Elsewhere(contents=contents)), REPAIR)

    assert losses(whole) == {}


def test_other_bytes_heal_nothing() -> None:
    whole = undamaged().copy()
    whole.data.delete(pack_name(CHAIN, packs(whole)[0]))
    size = len(whole.contents[run(4)][0])
    other = Elsewhere(Disk(bytes(range(256)) * (size // 256 + 1)), size, [b"x" * BLOCK])

    plan = planned(whole, other)

    assert plan.curable == ()
    assert heal(whole.log(), whole.data, plan, REPAIR) is None
    assert {each for finding in plan.hopeless for each in finding.points} == set(losses(whole))


def test_a_lost_manifest_is_hopeless_with_its_point() -> None:
    whole = undamaged().copy()
    name = next(each for each in whole.data.in_order() if each.startswith(f"c/{CHAIN}/m/"))
    whole.data.delete(name)

    (finding,) = planned(whole).hopeless

    assert (finding.object, finding.points) == (name, (run(1),))


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_healing_pack_is_named_and_so_is_what_it_no_longer_heals(how: Damage) -> None:
    whole = undamaged().copy()
    lost = packs(whole)[-1]
    whole.data.delete(pack_name(CHAIN, lost))
    heal(whole.log(), whole.data, planned(whole, snapshot(whole)), REPAIR)
    assert whole.check().good
    names = named(whole, "pack")
    at = next(number for number, name in enumerate(names) if "/h/" in name)
    found = damage(whole, "pack", at, how, random.Random(5))  # noqa: S311 - the same each time

    report = whole.check()

    assert found.name in {each.object for each in report.findings}
    assert told(report) == losses(whole)


class Full(Stored):
    """A place that takes nothing more."""

    @override
    def put_new(self, name: str, data: Buffer) -> None:
        raise OSError(28, name)


class TestSafeguards:
    def broken(self) -> tuple[Whole, RepairPlan]:
        whole = undamaged().copy()
        whole.data.delete(pack_name(CHAIN, packs(whole)[-1]))
        return whole, planned(whole, snapshot(whole))

    def test_what_a_worker_only_says_is_bad_is_not_logged(self) -> None:
        whole = undamaged().copy()
        said = [
            ToldBad(CHAIN, each, len(whole.data.get(pack_name(CHAIN, each))))
            for each in packs(whole)
        ]

        assert log_bad(whole.log(), whole.data, said).entries == ()

        def believe(_store: DataSource, _keys: ChainKeys, pack: PackId, _size: int) -> PackReadBack:
            return PackReadBack(pack, "damaged")

        # Without S27 all of the chain would be stored anew, at a worker's word.
        log_bad(whole.log(), whole.data, said, believe)
        assert len(whole.log().read().state.bad_of(CHAIN)) == len(packs(whole))

    def test_the_parts_are_those_that_the_operator_has_seen(self) -> None:
        whole = undamaged().copy()
        pack = packs(whole)[0]
        size = len(whole.data.get(pack_name(CHAIN, pack)))
        damage_records(whole, pack, 3)

        (entry,) = log_bad(whole.log(), whole.data, [ToldBad(CHAIN, pack, size)]).entries

        footer, _ = read_footer(whole.data, whole.reader_keys(0), pack)
        assert getattr(entry, "parts", None) == (footer.records.offsets()[3],)

    def test_no_key_and_nonce_meet_other_bytes(self) -> None:
        whole, plan = self.broken()
        heal(whole.log(), whole.data, plan, REPAIR)
        used = sealed_under(whole)
        assert len(set(used)) == len(used)

        # Without S28: the same block compressed otherwise, under an id that was used.
        session = next(iter(whole.log().read().state.healed.values())).session
        before = whole.data.copy()
        (name,) = [each for each in whole.data.in_order() if "/h/" in each]
        whole.data.delete(name)
        blocks = [BlockToHeal(each.number, each.content[::-1]) for each in plan.blocks()]
        write_healing(whole.data, plan.keys, REPAIR, session, blocks, pack_bytes=2**20, level=3)
        again = Whole(before, whole.store), Whole(whole.data, whole.store)
        sealed = [key for each in again for key in sealed_under(each, "h")]
        assert len(set(sealed)) < len(sealed)

    def prunes(self, whole: Whole) -> list[str]:
        manifests = StoredManifests(whole.data, whole.control.ring, 1)
        plan = plan_prune(Pruning(whole.log(), whole.data, manifests), CHAIN)
        assert isinstance(plan, PrunePlan), plan
        return [each.name for each in plan.data]

    def test_prune_takes_no_pack_of_a_healing_that_goes_on(self) -> None:
        whole, plan = self.broken()
        session = begin_healing(whole.log(), CHAIN, REPAIR)
        write_packs(whole.data, plan, REPAIR, session)
        assert self.prunes(whole) == []

        finish_healing(whole.log(), whole.data, plan.keys, session, plan.heals)

        assert self.prunes(whole) == []
        assert losses(whole) == {}

    def test_a_healing_that_was_not_begun_never_counts(self) -> None:
        whole, plan = self.broken()
        session = begin_healing(undamaged().copy().log(), CHAIN, REPAIR)  # another's log
        write_packs(whole.data, plan, REPAIR, session)

        with pytest.raises(LostAttempt, match="not begun"):
            finish_healing(whole.log(), whole.data, plan.keys, session, plan.heals)

    def test_a_healing_that_was_dropped_meanwhile_never_counts_and_goes(self) -> None:
        whole, plan = self.broken()
        session = begin_healing(whole.log(), CHAIN, REPAIR)
        write_packs(whole.data, plan, REPAIR, session)
        drop_healing(whole.log(), CHAIN, session, "its job has ended")

        with pytest.raises(LostAttempt, match="dropped"):
            finish_healing(whole.log(), whole.data, plan.keys, session, plan.heals)

        (name,) = self.prunes(whole)
        assert str(session) in name

    def test_a_pack_of_another_run_is_not_taken(self) -> None:
        whole, plan = self.broken()
        session = begin_healing(whole.log(), CHAIN, REPAIR)
        write_packs(whole.data, plan, run(501), session)

        with pytest.raises(LostAttempt, match="not what a repair stores"):
            finish_healing(whole.log(), whole.data, plan.keys, session, plan.heals)

    def test_done_twice_is_done_once(self) -> None:
        whole, plan = self.broken()
        session = begin_healing(whole.log(), CHAIN, REPAIR)
        write_packs(whole.data, plan, REPAIR, session)

        first, second = (
            finish_healing(whole.log(), whole.data, plan.keys, session, plan.heals) for _ in (1, 2)
        )

        assert first == second
        assert whole.log().read().number == undamaged().log().read().number + 2

    def test_a_repair_that_fails_drops_its_session(self) -> None:
        whole, plan = self.broken()

        full = Full()
        full.__dict__.update(whole.data.__dict__)
        with pytest.raises(OSError, match="/h/"):
            heal(whole.log(), full, plan, REPAIR)

        state = whole.log().read().state
        assert [each.what for each in state.dropped.values()] == ["healing"]


def sealed_under(whole: Whole, *folders: str) -> list[tuple[PackId, int]]:
    """Return under which pack's key and with which number each record of the chain is sealed."""
    found: list[tuple[PackId, int]] = []
    for name in whole.data.in_order():
        named = parse_data(name)
        if not isinstance(named, PackName) or named.chain != CHAIN:
            continue
        if folders and not any(f"/{folder}/" in name for folder in folders):
            continue
        footer, _ = read_footer(whole.data, whole.reader_keys(0), named.pack)
        records = footer.records
        found += [
            (footer.origins[origin].pack, number)
            for origin, number in zip(records.origins, records.numbers, strict=True)
        ]
    return found
