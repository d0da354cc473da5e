"""Pack lists are recounted once, said to be right in the log, and believed from then on alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from msgspec.structs import replace
from typing_extensions import override

from tests.unit.repository.control.commit_bench import (
    CHAIN,
    CommitBench,
    content_of,
)
from vmbackup_core.ids import CommitSlot
from vmbackup_core.repository.control.backup.committing import Committing
from vmbackup_core.repository.control.chains.chain_header import DiskChain
from vmbackup_core.repository.control.commits.commits import seal_commit
from vmbackup_core.repository.control.commits.list_parts import OpenList, put_list
from vmbackup_core.repository.control.commits.pack_list import PACK, ListEntry
from vmbackup_core.repository.control.log.log import Log
from vmbackup_core.repository.control.log.log_entries import Expiring, ExpiringDisk, Place
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.retention.prune_plan import PrunePlan, Pruning, plan_prune
from vmbackup_core.repository.control.retention.stored_manifests import StoredManifests
from vmbackup_core.repository.control.verify.list_proving import (
    ListLooked,
    log_looked,
    look_at_list,
    unproven_slots,
)
from vmbackup_core.repository.primitives.names import commit_name, list_part_name
from vmbackup_core.repository.primitives.steps import Steps, take_all

Look = Callable[[Pruning, LogState, Place], Steps[ListLooked | None]]


class CountingManifests(StoredManifests):
    """Tells how often it recounted."""

    counts = 0

    @override
    def recounting(self, name: str, sha256: str | None) -> Steps[Iterable[ListEntry]]:
        type(self).counts += 1
        return super().recounting(name, sha256)


@pytest.fixture
def bench() -> CommitBench:
    """Return a disk that three runs have backed up."""
    bench = CommitBench().begun()
    for number in (1, 2, 3):
        bench.committed(number)
    CountingManifests.counts = 0
    return bench


def looking(bench: CommitBench, log: Log | None = None) -> Pruning:
    manifests = CountingManifests(bench.places.data, bench.ring, 1)
    return Pruning(log or bench.log(), bench.places.data, manifests)


def prove(bench: CommitBench, log: Log | None = None, look: Look = look_at_list) -> list[str]:
    """Look at every list that is to be looked at, and return what is wrong with each."""
    pruning = looking(bench, log)
    state = pruning.log.read().state
    slots = unproven_slots(pruning, state, CHAIN)
    found = [take_all(look(pruning, state, (CHAIN, slot))) for slot in slots]
    looked = [each for each in found if each is not None]
    log_looked(pruning.log, looked)
    return [each.wrong for each in looked]


def garbage(bench: CommitBench) -> list[str]:
    planned = plan_prune(looking(bench), CHAIN)
    assert isinstance(planned, PrunePlan), planned
    return [each.name for each in planned.data]


def list_without_a_pack(bench: CommitBench, slot: int) -> ListEntry:
    """Give the commit in *slot* a list that leaves out the last of its packs, and return that."""
    commit, entries = bench.find_commit(slot), bench.entries(slot)
    gone = [each for each in entries if each.kind == PACK][-1]
    entries.remove(gone)
    nothing = OpenList.of(bench.control, None, CHAIN)
    refs = put_list(nothing, entries, CommitSlot(slot), 1)
    store = bench.places.control
    store.delete(commit_name(CHAIN, CommitSlot(slot)))
    assert bench.control.put(seal_commit(bench.control, replace(commit, pack_list=refs), 1))
    return gone


def test_a_list_is_recounted_once_and_prune_recounts_none_that_is_proven(
    bench: CommitBench,
) -> None:
    assert prove(bench) == ["", "", ""]
    assert CountingManifests.counts == 3

    assert prove(bench) == []
    assert garbage(bench) == []
    assert CountingManifests.counts == 3
    state = bench.log().read().state
    assert all(state.is_list_proven(CHAIN, CommitSlot(slot)) for slot in (1, 2, 3))
    assert bench.log().read().number == 2  # all of them in one object


@pytest.mark.parametrize("slot", [1, 3])
def test_a_wrong_list_is_told_and_never_proven(bench: CommitBench, slot: int) -> None:
    gone = list_without_a_pack(bench, slot)

    (wrong,) = filter(None, prove(bench))

    assert f"pack {gone.number} of session {gone.session.session}" in wrong
    assert "listed not" in wrong
    assert not bench.log().read().state.is_list_proven(CHAIN, CommitSlot(slot))
    assert list(filter(None, prove(bench))) == [wrong]


def test_a_list_whose_part_is_lost_is_wrong(bench: CommitBench) -> None:
    (ref,) = bench.find_commit(1).pack_list
    name = f"c/{CHAIN}/{ref.name}"
    assert name.startswith(list_part_name(CHAIN, CommitSlot(1), "0" * 32, 0)[:40])
    bench.places.control.delete(name)

    assert any("is missing" in each for each in prove(bench))


def test_the_next_commit_makes_a_wrong_list_anew(bench: CommitBench) -> None:
    list_without_a_pack(bench, 3)
    log = bench.log()
    prove(bench, log)

    asked = bench.asked(4, bench.newest())
    offer = bench.write(asked, content_of(4))
    chain = DiskChain(CHAIN, 0, 1, bench.parameters)
    Committing(log, bench.places.data, asked, chain).commit(offer)

    assert bench.entries(4) == bench.recounted(4)


def believed(_pruning: Pruning, _state: LogState, place: Place) -> Steps[ListLooked]:
    yield
    return ListLooked(place)


@pytest.mark.parametrize(
    ("look", "outcome"), [(look_at_list, "kept"), (believed, "lost")], ids=["S29", "none"]
)
def test_what_a_wrong_list_leaves_out_is_pruned_only_where_nobody_recounts(
    bench: CommitBench, look: Look, outcome: str
) -> None:
    gone = list_without_a_pack(bench, 3)

    prove(bench, look=look)

    is_lost = any(gone.session.session in name for name in garbage(bench))
    assert is_lost == (outcome == "lost")


def test_what_is_expiring_or_does_not_open_is_left_to_others(bench: CommitBench) -> None:
    disks = (ExpiringDisk(CHAIN, CommitSlot(1)),)
    bench.log().append(lambda _: [Expiring(phase="begun", vm=None, run=None, disks=disks)])
    store = bench.places.control
    store.delete(commit_name(CHAIN, CommitSlot(2)))
    store.put_new(commit_name(CHAIN, CommitSlot(2)), b"damaged")

    assert prove(bench) == [""]
    assert unproven_slots(looking(bench), bench.log().read().state, CHAIN) == [2]
