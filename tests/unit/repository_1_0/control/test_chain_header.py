"""A disk's chain is found, begun, made again from what is left, and begun anew; section 27."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.unit.repository_1_0.control.chain_bench import (
    DISK,
    ChainBench,
    after,
    killed_after,
    over_and_over,
)
from tests.unit.repository_1_0.control.log_bench import APPLIANCE, run
from tests.unit.repository_1_0.control.log_bench import chain as numbered_chain
from tests.unit.repository_1_0.data.bench import PARAMETERS, ring
from tests.unit.repository_1_0.turns import Stopped, Work, interleave
from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import DiskUniqueId
from vmbackup_core.repository.control.chain_header import (
    DiskChain,
    begin_anew,
    ensure_chain,
    find_chain,
    name_chain,
    open_chain,
)
from vmbackup_core.repository.control.chain_said import ChainHeader, open_header, seal_header
from vmbackup_core.repository.control.log import ReadOnly
from vmbackup_core.repository.control.log_entries import BegunAnew, Claimed
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.repository.data.grants import Parameters
from vmbackup_core.repository.primitives.failures import (
    ChainUnclear,
    KeyRingIncomplete,
    NewerFormat,
)
from vmbackup_core.repository.primitives.masters import KeyRing
from vmbackup_core.repository.primitives.names import chain_header_name
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.stores.memory import MemoryStore

OTHERS = Parameters(64 * 1024, 1024 * 1024, 2 * 1024 * 1024)


def ensure(
    bench: ChainBench, parameters: Parameters = PARAMETERS, places: Places | None = None
) -> DiskChain:
    places = places or bench.places
    return ensure_chain(bench.log(places.control), places.data, DISK, run(1), parameters)


def find(bench: ChainBench) -> DiskChain | None:
    return find_chain(bench.log(), bench.places.data, DISK)


def anew(bench: ChainBench, number: int = 9, places: Places | None = None) -> DiskChain:
    places = places or bench.places
    return begin_anew(bench.log(places.control), places.data, DISK, run(number), "said so")


def ensuring(bench: ChainBench, parameters: Parameters = PARAMETERS) -> Work:
    return lambda places: ensure(bench, parameters, places)


def beginning_anew(bench: ChainBench, number: int = 9) -> Work:
    return lambda places: anew(bench, number, places)


def header_of(bench: ChainBench, of: DiskChain) -> ChainHeader:
    return open_header(bench.control(), of.chain)


def names(bench: ChainBench) -> list[str]:
    return [each.name for each in bench.places.control.list("")]


class TestBeginning:
    def test_a_disk_without_a_chain_gets_one_and_keeps_it(self) -> None:
        bench = ChainBench().begun()
        assert find(bench) is None

        begun = ensure(bench)

        assert begun == DiskChain(ring().of(1).chain_name(DISK, 0), 0, 1, PARAMETERS)
        assert ensure(bench, OTHERS) == find(bench) == begun
        header = header_of(bench, begun)
        assert (header.disk_unique_id, header.predecessor, header.created_by) == (
            DISK,
            None,
            run(1),
        )

    def test_the_disk_is_told_without_regard_to_case(self) -> None:
        bench = ChainBench().begun()
        begun = ensure(bench)

        upper = DiskUniqueId(DISK.upper())
        assert find_chain(bench.log(), bench.places.data, upper) == begun

    def test_another_appliance_begins_none(self) -> None:
        bench = ChainBench().begun()
        bench.say(Claimed(appliance="b", from_=APPLIANCE))

        for begin in (ensure, anew):
            with pytest.raises(ReadOnly):
                begin(bench)
        assert [each for each in names(bench) if each.startswith("c/")] == []

    def test_looking_writes_nothing(self) -> None:
        bench = ChainBench().begun()
        before = names(bench)

        find(bench)

        assert names(bench) == before
        assert list(bench.places.data.list("")) == []

    def test_another_epoch_begins_no_other_chain(self) -> None:
        bench = ChainBench().begun()
        begun = ensure(bench)
        bench.rotate()

        assert ensure(bench, OTHERS) == find(bench) == begun
        assert begun.epoch == 1

    def test_a_new_disk_gets_a_chain_of_the_newest_epoch(self) -> None:
        bench = ChainBench().begun()
        bench.rotate()

        begun = ensure(bench)

        assert begun == DiskChain(ring(2).of(2).chain_name(DISK, 0), 0, 2, PARAMETERS)

    def test_a_chain_of_an_epoch_that_does_not_open_is_not_taken_for_none(self) -> None:
        bench = ChainBench().begun()
        ensure(bench)
        bench.rotate()
        state = bench.state()
        masters = {2: ring(2).of(2)}
        blind = Control(
            bench.places.control, KeyRing(ring(2).repository, masters, frozenset({1, 2}))
        )

        with pytest.raises(KeyRingIncomplete):
            name_chain(blind, state, DISK)

    @pytest.mark.parametrize("left", ["commits", "log"])
    def test_a_chain_of_an_earlier_epoch_is_known_without_its_header(self, left: str) -> None:
        bench = ChainBench().begun()
        bench.back_up(1)
        chain = bench.chain()
        bench.rotate()
        bench.places.control.delete(chain_header_name(chain.chain))
        if left == "log":
            bench.places.control.delete(bench.commit_name(1))

        assert ensure(bench, OTHERS) == chain


class TestDamage:
    @pytest.mark.parametrize("how", ["lost", "damaged"])
    @pytest.mark.parametrize("recorded", [False, True])
    def test_a_header_is_made_again_from_the_newest_manifest(
        self,
        how: str,
        recorded: bool,  # noqa: FBT001
    ) -> None:
        bench = ChainBench().begun()
        bench.back_up(1, recorded=recorded)
        bench.back_up(2, recorded=recorded)
        chain = bench.chain()
        name = chain_header_name(chain.chain)
        if how == "lost":
            bench.places.control.delete(name)
        else:
            bench.spoil(name)

        assert find(bench) == open_chain(bench.control(), bench.places.data, chain.chain) == chain
        with pytest.raises(Exception, match="chain"):
            header_of(bench, chain)
        assert ensure(bench, OTHERS) == chain
        assert header_of(bench, chain).parameters.block_bytes == PARAMETERS.block_bytes

    def test_only_a_point_may_know_the_manifest(self) -> None:
        bench = ChainBench().begun()
        bench.back_up(1)
        chain = bench.chain()
        bench.places.control.delete(chain_header_name(chain.chain))
        bench.places.control.delete(bench.commit_name(1))

        assert ensure(bench, OTHERS) == chain

    @pytest.mark.parametrize("left", ["commits", "log", "manifests"])
    def test_a_chain_of_which_no_manifest_opens_is_unclear(self, left: str) -> None:
        bench = ChainBench().begun()
        at = bench.back_up(1, recorded=left == "log")
        chain = bench.chain()
        if left != "commits":
            bench.places.control.delete(bench.commit_name(1))
        bench.spoil(at.name)
        bench.spoil(chain_header_name(chain.chain))

        for ask in (ensure, find):
            with pytest.raises(ChainUnclear):
                ask(bench)
        if left == "commits":
            with pytest.raises(ChainUnclear):
                open_chain(bench.control(), bench.places.data, chain.chain)

    @pytest.mark.parametrize("how", ["lost", "damaged"])
    def test_a_header_of_a_chain_that_nobody_wrote_is_put_anew(self, how: str) -> None:
        bench = ChainBench().begun()
        chain = ensure(bench)
        name = chain_header_name(chain.chain)
        if how == "lost":
            bench.places.control.delete(name)
        else:
            bench.spoil(name)
        assert find(bench) is None

        assert ensure(bench, OTHERS).parameters == OTHERS

    def test_an_earlier_version_that_opens_is_the_header(self) -> None:
        control = MemoryStore(keeps_versions=True)
        bench = ChainBench(Places(MemoryStore(), control)).begun()
        chain = ensure(bench)
        bench.spoil(chain_header_name(chain.chain))

        assert ensure(bench, OTHERS) == chain

    def test_a_header_of_another_chain_is_damaged(self) -> None:
        bench = ChainBench().begun()
        chain = ensure(bench)
        header = replace(header_of(bench, chain), chain_id=numbered_chain(1))
        name = chain_header_name(chain.chain)
        made = bench.control().seal("CHAN", name, header, 1)
        control = bench.places.control
        assert isinstance(control, MemoryStore)
        control.overwrite(name, made.stored)

        with pytest.raises(CorruptRepository, match="is of chain"):
            header_of(bench, chain)

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param({"purpose": "mirror"}, id="purpose"),
            pytest.param({"blockHash": "sha3"}, id="block hash"),
            pytest.param({"cipher": "rot13"}, id="cipher"),
        ],
    )
    def test_what_a_newer_version_settled_is_not_understood(self, change: dict[str, str]) -> None:
        bench = ChainBench().begun()
        chain = ensure(bench)
        name = chain_header_name(chain.chain)
        said = msgspec.json.decode(msgspec.json.encode(header_of(bench, chain), enc_hook=str))
        target = said if "purpose" in change else said["parameters"]
        target.update(change)
        control = bench.places.control
        assert isinstance(control, MemoryStore)
        payload = msgspec.json.encode(said)
        control.overwrite(name, bench.control().seal_bytes("CHAN", name, payload, 1).stored)

        for ask in (ensure, find, anew):
            with pytest.raises(NewerFormat):
                ask(bench)

    def test_an_archived_chain_is_understood(self) -> None:
        bench = ChainBench().begun()
        chain = ensure(bench)
        header = replace(header_of(bench, chain), purpose="archive")
        control = bench.places.control
        assert isinstance(control, MemoryStore)
        made = seal_header(bench.control(), header, 1)
        control.overwrite(made.name, made.stored)

        assert open_chain(bench.control(), bench.places.data, chain.chain) == chain


class TestAnew:
    def test_backups_go_to_the_successor(self) -> None:
        bench = ChainBench().begun()
        first = ensure(bench)
        bench.rotate()

        second = anew(bench)

        assert second == DiskChain(ring(2).of(2).chain_name(DISK, 1), 1, 2, PARAMETERS)
        assert ensure(bench, OTHERS) == find(bench) == second
        assert header_of(bench, second).predecessor == first.chain
        assert open_chain(bench.control(), bench.places.data, first.chain) == first

    def test_of_one_run_it_is_begun_once(self) -> None:
        bench = ChainBench().begun()
        ensure(bench)

        assert anew(bench) == anew(bench)
        assert anew(bench, 10).generation == 2

    def test_a_chain_that_is_unclear_is_begun_anew(self) -> None:
        bench = ChainBench().begun()
        at = bench.back_up(1)
        bench.spoil(chain_header_name(bench.chain().chain))
        bench.spoil(at.name)

        second = anew(bench)

        assert (second.generation, second.parameters) == (1, Parameters())
        assert find(bench) == second

    def test_a_lost_header_of_a_successor_is_put_again(self) -> None:
        bench = ChainBench().begun()
        ensure(bench)
        second = anew(bench)
        bench.rotate()
        bench.places.control.delete(chain_header_name(second.chain))

        assert ensure(bench, PARAMETERS) == second
        assert header_of(bench, second).predecessor == ring().of(1).chain_name(DISK, 0)

    def test_chains_that_succeed_each_other_in_a_circle_are_damage(self) -> None:
        bench = ChainBench().begun()
        first, second = ensure(bench), anew(bench)
        bench.say(BegunAnew(chain=second.chain, successor=first.chain, generation=2, why="x"))

        with pytest.raises(CorruptRepository, match="succeeds itself"):
            find(bench)


CHOICES = st.lists(st.integers(0, 4), min_size=1, max_size=60)


@given(CHOICES)
def test_whoever_is_faster_all_have_one_chain_with_one_set_of_parameters(
    choices: list[int],
) -> None:
    bench = ChainBench().begun()

    ended = interleave(
        bench.places,
        [
            ensuring(bench, PARAMETERS),
            ensuring(bench, OTHERS),
            ensuring(bench, PARAMETERS),
        ],
        over_and_over(choices),
    )

    assert ended == [find(bench)] * 3


@given(CHOICES)
def test_a_lost_header_is_made_again_beside_others_and_a_commit(choices: list[int]) -> None:
    bench = ChainBench().begun()
    bench.back_up(1)
    chain = bench.chain()
    bench.places.control.delete(chain_header_name(chain.chain))

    ended = interleave(
        bench.places,
        [
            ensuring(bench, OTHERS),
            ensuring(bench, OTHERS),
        ],
        over_and_over(choices),
    )

    assert ended == [chain] * 2


@given(CHOICES)
def test_two_orders_begin_one_chain_anew(choices: list[int]) -> None:
    bench = ChainBench().begun()
    ensure(bench)

    ended = interleave(
        bench.places,
        [
            beginning_anew(bench, 8),
            beginning_anew(bench, 9),
            lambda places: ensure(bench, PARAMETERS, places).generation < 0,
        ],
        over_and_over(choices),
    )

    assert ended[2] is False
    last = find(bench)
    assert last is not None
    assert ended[0] == last or ended[1] == last
    assert len(bench.state().begun_anew) == last.generation


@pytest.mark.parametrize("damaged", [False, True])
@pytest.mark.parametrize("committed", [False, True])
def test_a_first_backup_beside_another_s_first_one_is_never_unclear(
    *,
    damaged: bool,
    committed: bool,
) -> None:
    """The other begins the chain and writes, and commits, between any two looks of ours."""
    for calls in range(12):
        bench = ChainBench().begun()
        if damaged:
            bench.spoil(chain_header_name(ensure(bench).chain))

        def other(places: Places, bench: ChainBench = bench) -> None:
            seen = bench.seen(places)
            prepared = seen.prepared(2)
            done = seen.write(prepared)
            assert not committed or seen.commit(prepared, done) is not None

        ended = interleave(bench.places, [ensuring(bench, OTHERS), other], after(calls))

        assert ended == [find(bench), None]


def test_killed_at_any_call_it_is_made_good_by_whoever_comes_next() -> None:
    for calls in range(1, 40):
        bench = ChainBench().begun()
        bench.back_up(1)
        chain = bench.chain()
        bench.spoil(chain_header_name(chain.chain))
        (ended,) = interleave(
            bench.places,
            [beginning_anew(bench, 9)],
            killed_after(calls),
        )

        second = anew(bench)
        assert (second.generation, find(bench)) == (1, second)
        assert ensure(bench, OTHERS) == second
        if not isinstance(ended, Stopped):
            assert ended == second
            break
    else:
        raise AssertionError("it was never done")
