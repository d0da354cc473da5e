"""Repairs behind the façade: healed from another repository, held meanwhile, dropped by order."""

from __future__ import annotations

from collections import Counter

import pytest
from typing_extensions import override

from tests.unit.repository.data.bench import noise
from tests.unit.repository.opened.whole_bench import WholeBench, replace, run_of
from tests.unit.repository.primitives.keepers import B
from vmbackup_core.ids import ChainId, CommitSlot
from vmbackup_core.repository.control.backup.skipping import ChainInUse
from vmbackup_core.repository.control.log.log import ReadOnly
from vmbackup_core.repository.control.log.log_entries import Bad
from vmbackup_core.repository.control.repair.bad_packs import append_bad
from vmbackup_core.repository.control.repair.dropping import NotDamaged
from vmbackup_core.repository.control.repair.repairing import Elsewhere
from vmbackup_core.repository.primitives.identities import PackId
from vmbackup_core.repository.primitives.names import commit_name, pack_name
from vmbackup_core.repository.primitives.parsed_names import PackName, parse_data
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import Buffer

CONTENT = noise(7, 40 * 4096)
OTHER = noise(8, 30 * 4096)


def silent() -> None:
    return


class Counted(MemoryStore):
    """Counts how many bytes of packs are read; may refuse to store healing packs."""

    def __init__(self) -> None:
        super().__init__()
        self.read: Counter[str] = Counter()
        self.refuses: BaseException | None = None

    @override
    def get_range(self, name: str, offset: int, length: int) -> bytes:
        found = super().get_range(name, offset, length)
        self.read[name] += len(found)
        return found

    @override
    def put_new(self, name: str, data: Buffer) -> None:
        if "/h/" in name and self.refuses is not None:
            raise self.refuses
        super().put_new(name, data)


def filled() -> tuple[WholeBench, Counted]:
    data = Counted()
    bench = WholeBench(Places(data, MemoryStore()))
    bench.begun()
    bench.back_up(1, {"os": CONTENT, "data": OTHER})
    return bench, data


def packs(bench: WholeBench) -> list[tuple[ChainId, PackId]]:
    named = (parse_data(each.name) for each in bench.places.data.list("c/"))
    return [(each.chain, each.pack) for each in named if isinstance(each, PackName)]


def first_of_os(bench: WholeBench) -> tuple[ChainId, PackId]:
    disk = next(bench.opened().points()).point.disks[0]
    assert disk.name == "os"
    return next(each for each in packs(bench) if each[0] == disk.chain_id)


def heal(bench: WholeBench, chain: ChainId, elsewhere: Elsewhere) -> None:
    repairs = bench.opened(appliance=None).repairs
    plan = repairs.plan(chain, elsewhere)
    assert plan is not None
    assert repairs.heal(plan, run_of(9), silent) is not None


def test_of_a_copy_no_more_records_are_read_than_are_lost() -> None:
    bench, data = filled()
    copy = Counted()
    for each in data.list(""):
        copy.put_new(each.name, data.get(each.name))
    chain, pack = first_of_os(bench)
    name = pack_name(chain, pack)
    content = bytearray(data.get(name))
    content[100] ^= 1
    replace(data, name, bytes(content))
    opened = bench.opened(appliance=None)
    confirmed = opened.repairs.confirm_bad(opened.check(read_data=True))
    assert [each.parts for each in confirmed] == [(64,)]
    opened.repairs.log_bad(confirmed)
    other = bench.opened(Places(copy, bench.places.control), appliance=None)
    copy.read.clear()

    heal(bench, chain, Elsewhere(repository=other.repairs.as_source(silent)))

    assert bench.opened().check(read_data=True).good
    assert sum(count for name, count in copy.read.items() if "/p/" in name) < 8 * 4096


def test_the_disks_own_chain_is_looked_into_first_and_no_further_than_needed() -> None:
    bench, data = filled()
    foreign = WholeBench(key=B)
    foreign.begun()
    for number, name in enumerate(("a", "b", "c")):
        foreign.back_up(number + 10, {name: noise(number + 90, 8 * 4096)})
    foreign.back_up(20, {"os": CONTENT})
    chain, pack = first_of_os(bench)
    data.delete(pack_name(chain, pack))
    looked: list[None] = []
    source = foreign.opened(appliance=None).repairs.as_source(lambda: looked.append(None))

    heal(bench, chain, Elsewhere(repository=source))

    assert bench.restored(next(bench.opened().points()).point) == []
    assert len(looked) == 1


@pytest.mark.parametrize("ending", [KeyboardInterrupt(), OSError(28, "full")])
def test_whatever_ends_a_repair_drops_its_session(ending: BaseException) -> None:
    bench, data = filled()
    chain, pack = first_of_os(bench)
    copy = bench.copied()
    data.delete(pack_name(chain, pack))
    data.refuses = ending

    with pytest.raises(type(ending)):
        heal(bench, chain, Elsewhere(repository=copy.opened().repairs.as_source(silent)))

    assert bench.opened().repairs.unfinished() == ()
    assert any(what == "healing" for what, _, _ in bench.opened().reading().state.dropped)


def test_while_a_chain_is_repaired_its_points_manifests_are_held() -> None:
    bench, _ = filled()
    chain, _ = first_of_os(bench)
    repairs = bench.opened(appliance=None).repairs

    with repairs.held(chain, run_of(9), "a test"):
        (held,) = bench.opened().holds()

    assert (held.chain, held.slot, held.holder) == (chain, 1, run_of(9))
    assert held.said is not None
    assert held.said.purpose == "repair"
    assert bench.opened().holds() == []


def test_another_appliance_repairs_nothing() -> None:
    bench, data = filled()
    chain, pack = first_of_os(bench)
    data.delete(pack_name(chain, pack))
    other = bench.opened(appliance="another").repairs
    plan = other.plan(chain, Elsewhere(contents=[CONTENT[:4096]]))
    assert plan is not None

    with pytest.raises(ReadOnly):
        other.heal(plan, run_of(9), silent)
    with pytest.raises(ReadOnly):
        other.drop_commit(chain, CommitSlot(1), "x")
    with pytest.raises(ReadOnly):
        other.retire(chain)


def test_what_is_bad_goes_into_as_many_log_objects_as_it_takes() -> None:
    bench, _ = filled()
    chain, pack = first_of_os(bench)
    before = bench.opened().reading().number

    def bad(number: int, parts: int) -> Bad:
        named = PackId(pack.slot, pack.session, number)
        return Bad(
            chain=chain,
            object="pack",
            id=named.packed().hex(),
            size=9,
            what="damaged",
            parts=tuple(range(parts)) or None,
        )

    log = bench.opened().log
    done = append_bad(log, [bad(1, 6), bad(2, 6), bad(3, 0), bad(4, 40), bad(5, 1)], 10)

    assert len(done.entries) == 5
    assert bench.opened().reading().number == before + 4
    assert len(bench.opened().reading().state.bad_of(chain)) == 5
    assert append_bad(log, [bad(1, 6)]).entries == ()


class TestDropping:
    def test_what_is_whole_or_never_was_is_refused(self) -> None:
        bench, _ = filled()
        chain, _ = first_of_os(bench)
        repairs = bench.opened(appliance=None).repairs

        for drop in (repairs.drop_commit, repairs.drop_manifest):
            for slot in (1, 2):
                with pytest.raises(NotDamaged):
                    drop(chain, CommitSlot(slot), "a slip")
        with pytest.raises(ChainInUse):
            repairs.retire(chain)
        assert bench.opened().reading().state.dropped == {}

    def test_a_commit_that_is_lost_below_another_is_dropped_once(self) -> None:
        bench, _ = filled()
        chain, _ = first_of_os(bench)
        bench.back_up(2, {"os": OTHER})
        bench.places.control.delete(commit_name(chain, CommitSlot(1)))
        repairs = bench.opened(appliance=None).repairs

        assert repairs.drop_commit(chain, CommitSlot(1), "lost") is not None
        assert repairs.drop_commit(chain, CommitSlot(1), "lost") is None

        assert bench.opened().reading().state.is_dropped(chain, CommitSlot(1))

    def test_a_manifest_that_only_its_point_names_is_dropped_where_it_is_damaged(self) -> None:
        bench, data = filled()
        point = next(bench.opened().points()).point
        disk = point.disks[0]
        bench.places.control.delete(commit_name(disk.chain_id, disk.slot))
        repairs = bench.opened(appliance=None).repairs
        with pytest.raises(NotDamaged):
            repairs.drop_manifest(disk.chain_id, disk.slot, "a slip")

        replace(data, disk.manifest_name, b"junk")

        assert repairs.drop_manifest(disk.chain_id, disk.slot, "junk") is not None


def test_disks_are_known_by_name_and_ids_without_case() -> None:
    bench, _ = filled()
    (chain, _), repairs = first_of_os(bench), bench.opened(appliance=None).repairs

    for text in ("os", "/DISKS/OS", "unique-OS", chain.upper()):
        assert [each.chain for each in repairs.disks() if each.is_called(text)] == [chain]
    assert not [each for each in repairs.disks() if each.is_called("nobody")]
