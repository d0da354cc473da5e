"""What prune takes, what it leaves, and when it leaves a chain alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from msgspec.structs import replace
from typing_extensions import override

from tests.unit.repository.control.log_bench import (
    MOMENT,
    MemoryHeads,
    numbered,
    run,
    wanting,
)
from tests.unit.repository.control.repository_bench import (
    UnreadableNow,
    manifest_of,
)
from tests.unit.repository.control.retention.prune_bench import (
    CHAIN,
    PruneBench,
    drop,
    entry,
    let_go,
    names,
    pack,
    three_slots,
)
from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import CommitSlot
from vmbackup_core.repository.control.chains.holds import Holder, hold
from vmbackup_core.repository.control.commits.commits import Commit, find_commit, seal_commit
from vmbackup_core.repository.control.commits.list_parts import OpenList, put_list
from vmbackup_core.repository.control.log.heads import Head, HistoryRolledBack
from vmbackup_core.repository.control.log.log_entries import Dropped, Healed, Proven
from vmbackup_core.repository.control.retention.prune import execute
from vmbackup_core.repository.control.retention.prune_plan import (
    LeftAlone,
    PrunePlan,
    Pruning,
    plan_prune,
)
from vmbackup_core.repository.control.sealed_objects import is_there
from vmbackup_core.repository.primitives.identities import HEALING_SLOT, PackId, WritingSession
from vmbackup_core.repository.primitives.names import LAST_SLOT, commit_name, pack_name
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import StoredObject


def test_what_points_need_is_no_garbage() -> None:
    assert three_slots().garbage() == []


def test_what_only_an_expired_point_needed_goes() -> None:
    bench = three_slots()
    let_go(bench, 1)
    planned = bench.plan()

    assert bench.garbage() == names(pack(1, 1))
    assert planned.size_bytes == 4
    assert execute(bench.pruning(), planned, lambda: None) == []
    assert bench.garbage() == []
    assert bench.complaints() == []


def test_objects_of_a_slot_that_is_not_taken_stay_until_it_is() -> None:
    bench = three_slots()
    bench.put(pack(4, of=9))
    assert bench.garbage() == []

    bench.back_up(4, pack(4), recorded=False)

    assert bench.garbage() == names(pack(4, of=9))


def test_a_lost_sessions_manifest_goes_unless_it_is_held() -> None:
    bench = three_slots()
    lost = manifest_of(9, 2)
    bench.store.put_new(lost, b"manifest")
    bench.known.needs[lost] = [pack(2, of=9)]
    bench.put(pack(2, of=9))
    assert bench.garbage() == [*names(pack(2, of=9)), lost]

    hold(bench.control(), [(CHAIN, CommitSlot(2))], Holder(run(7), "verify", "x"), MOMENT)

    assert bench.garbage() == []


def test_a_locked_object_is_passed_over_and_named() -> None:
    bench = three_slots()
    let_go(bench, 1)
    bench.store.lock(*names(pack(1, 1)))

    assert [each.name for each in execute(bench.pruning(), bench.plan(), lambda: None)] == names(
        pack(1, 1)
    )


def test_a_lost_fence_stops_it() -> None:
    bench = three_slots()
    let_go(bench, 1)

    def gone() -> None:
        raise PermanentError("the lease is gone", reason="LeaseLost")

    with pytest.raises(PermanentError, match="lease"):
        execute(bench.pruning(), bench.plan(), gone)
    assert is_there(bench.store, *names(pack(1, 1)))


class TestLeftAlone:
    """Damage that nobody has dropped: what is needed is unknown."""

    def test_a_lost_commit(self) -> None:
        bench = three_slots()
        bench.store.delete(commit_name(CHAIN, CommitSlot(2)))
        assert "slot 2 is lost" in bench.alone()

        drop(bench, 2)

        assert bench.garbage() == []  # the point names its manifest

    @pytest.mark.timeout(100)  # to walk over two thousand million slots takes longer
    def test_a_commit_of_the_last_slot_that_there_can_be_is_no_long_walk(self) -> None:
        bench = three_slots()
        bench.commit(9, LAST_SLOT)

        assert "slot 4 is lost" in bench.alone()

    @pytest.mark.parametrize("slot", [2, 3])
    def test_a_damaged_commit(self, slot: int) -> None:
        bench = three_slots()
        bench.store.delete(commit_name(CHAIN, CommitSlot(slot)))
        bench.store.put_new(commit_name(CHAIN, CommitSlot(slot)), b"damaged")

        assert "damaged" in bench.alone()

    def test_a_commit_that_is_not_the_recorded_one(self) -> None:
        bench = three_slots()
        bench.store.delete(commit_name(CHAIN, CommitSlot(2)))
        bench.store.delete(manifest_of(2, 2))
        bench.commit(2, 2)

        assert "not the one recorded" in bench.alone()

    def test_a_newest_commit_that_the_log_knows_and_is_lost(self) -> None:
        bench = three_slots()
        bench.store.delete(commit_name(CHAIN, CommitSlot(3)))

        assert "slot 3 is lost" in bench.alone()

    @pytest.mark.parametrize("slot", [1, 3])
    def test_a_damaged_manifest(self, slot: int) -> None:
        bench = three_slots()
        bench.known.damaged.add(manifest_of(slot, slot))
        assert "damaged" in bench.alone()

        drop(bench, slot, "manifest")

        if slot == 3:
            assert "damaged" in bench.alone()  # the newest: a skip is due
        else:
            assert bench.garbage() == names(pack(1, 1))

    @pytest.mark.parametrize("slot", [1, 3])
    def test_a_manifest_that_is_gone_and_counts(self, slot: int) -> None:
        bench = three_slots()
        bench.store.delete(manifest_of(slot, slot))

        assert "is gone" in bench.alone()

    def test_a_chain_without_a_commit(self) -> None:
        assert PruneBench().begun().alone() == "it has no commit"


class TestLists:
    def listed(self, bench: PruneBench, slot: int, needs: list[PackId]) -> None:
        """Give the commit in *slot* a pack list of *needs*."""
        control = bench.control()
        found = find_commit(control, CHAIN, CommitSlot(slot))
        assert found is not None
        assert found.commit is not None
        before = OpenList.of(control, None, CHAIN)
        refs = put_list(before, [entry(each) for each in needs], CommitSlot(slot), 1)
        commit: Commit = replace(found.commit, pack_list=refs)
        bench.store.delete(commit_name(CHAIN, CommitSlot(slot)))
        assert control.put(seal_commit(control, commit, 1))

    def unrecorded(self) -> PruneBench:
        bench = PruneBench().begun()
        bench.back_up(1, pack(1), pack(1, 1), recorded=False)
        bench.back_up(2, pack(2), pack(1), recorded=False)
        return bench

    def test_a_list_that_leaves_a_pack_out_is_not_believed(self) -> None:
        bench = self.unrecorded()
        self.listed(bench, 1, [pack(1)])

        assert bench.garbage() == []
        assert manifest_of(1, 1) in bench.known.recounted

    def test_a_proven_list_is(self) -> None:
        bench = self.unrecorded()
        self.listed(bench, 1, [pack(1), pack(1, 1)])
        proven = Proven(chain=CHAIN, slot=CommitSlot(1), what="list", up_to=None, amount=2)
        bench.log().append(wanting(proven))

        assert bench.garbage() == []
        assert manifest_of(1, 1) not in bench.known.recounted

    def test_parts_that_no_left_commit_names_go(self) -> None:
        bench = self.unrecorded()
        self.listed(bench, 2, [pack(2), pack(1)])
        before = OpenList.of(bench.control(), None, CHAIN)
        (lost,) = put_list(before, [entry(pack(1))], CommitSlot(2), 1)
        (ahead,) = put_list(before, [entry(pack(1))], CommitSlot(3), 1)

        found = bench.garbage()

        assert found == [f"c/{CHAIN}/{lost.name}"]
        assert ahead.name not in found


class TestHealing:
    PACK = PackId(HEALING_SLOT, WritingSession(numbered(0xE)), 0)

    def healed(self, bench: PruneBench, phase: str, *heals: PackId) -> None:
        bench.log().append(
            wanting(
                Healed(
                    chain=CHAIN,
                    phase="begun" if phase == "begun" else "done",
                    session=self.PACK.session,
                    run=run(8),
                    heals=tuple(each.packed().hex() for each in heals),
                    packs=(),
                )
            )
        )

    @pytest.mark.parametrize(
        ("steps", "goes"),
        [
            pytest.param([], False, id="of a session that the log does not know"),
            pytest.param(["begun"], False, id="of an open session"),
            pytest.param(["begun", "dropped"], True, id="of a dropped session"),
            pytest.param(["begun", "needed"], False, id="that heals what is needed"),
            pytest.param(["begun", "expired"], True, id="that heals what nothing needs"),
            pytest.param(["begun", "rebuilt"], False, id="of which nobody knows what it heals"),
        ],
    )
    def test_a_healing_pack_goes_when_nothing_is_left_to_heal(
        self,
        steps: list[str],
        goes: bool,  # noqa: FBT001
    ) -> None:
        bench = three_slots()
        let_go(bench, 1)
        bench.put(self.PACK)
        acts: dict[str, Callable[[], object]] = {
            "begun": lambda: self.healed(bench, "begun"),
            "dropped": lambda: bench.log().append(
                wanting(
                    Dropped(
                        chain=CHAIN, slot=None, what="healing", session=self.PACK.session, why="x"
                    )
                )
            ),
            "needed": lambda: self.healed(bench, "done", pack(1, 1), pack(2)),
            "expired": lambda: self.healed(bench, "done", pack(1, 1)),
            "rebuilt": lambda: self.healed(bench, "done"),
        }
        for step in steps:
            acts[step]()

        assert (pack_name(CHAIN, self.PACK) in bench.garbage()) is goes


def test_a_rolled_back_log_prunes_nothing() -> None:
    bench = three_slots()
    heads = MemoryHeads()
    heads.held = Head(99, "a" * 64)

    with pytest.raises(HistoryRolledBack):
        plan_prune(Pruning(bench.log(heads=heads), bench.store, bench.known), CHAIN)


class _Looking(MemoryStore):
    """Lets another act just before the first listing of a folder."""

    def __init__(self, inner: MemoryStore, folder: str, act: Callable[[], object]) -> None:
        self.__dict__.update(inner.__dict__)
        self._folder = folder
        self._act: Callable[[], object] | None = act

    @override
    def list(self, prefix: str, *, limit: int | None = None) -> Iterator[StoredObject]:
        if self._act is not None and prefix.endswith(f"/{self._folder}/"):
            act, self._act = self._act, None
            act()
        yield from super().list(prefix, limit=limit)


@pytest.mark.parametrize("folder", ["p", "i", "x", "k", "m"])
def test_a_commit_that_comes_while_prune_looks_keeps_its_packs(folder: str) -> None:
    bench = three_slots()
    bench.put(pack(4, of=9))

    def commit() -> None:
        bench.back_up(4, pack(4), pack(3))

    store = _Looking(bench.store, folder, commit)
    planned = plan_prune(bench.pruning(store), CHAIN)

    if isinstance(planned, PrunePlan):
        execute(bench.pruning(), planned, lambda: None)
    assert [each for each in names(pack(4), pack(3)) if not is_there(bench.store, each)] == []
    assert all(isinstance(each, StoredObject) for each in bench.store.list(""))


def test_a_chain_of_which_something_cannot_be_read_now_is_left_alone() -> None:
    bench = three_slots()

    planned = plan_prune(bench.pruning(UnreadableNow(bench.store, "/k/")), CHAIN)

    assert isinstance(planned, LeftAlone)
    assert "BlobArchived" in planned.why
