"""A disk's chain is found, begun, made again from what is left, and begun anew; section 27."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from tests.unit.repository.control.chain_bench import (
    DISK,
    ChainBench,
)
from tests.unit.repository.control.chains.chain_work import (
    OTHERS,
    anew,
    ensure,
    find,
    header_of,
    names,
)
from tests.unit.repository.control.log_bench import APPLIANCE, run
from tests.unit.repository.control.log_bench import chain as numbered_chain
from tests.unit.repository.data.bench import PARAMETERS, ring
from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import DiskUniqueId
from vmbackup_core.repository.control.chains.chain_header import (
    DiskChain,
    find_chain,
    name_chain,
    open_chain,
)
from vmbackup_core.repository.control.chains.chain_said import seal_header
from vmbackup_core.repository.control.log.log import ReadOnly
from vmbackup_core.repository.control.log.log_entries import BegunAnew, Claimed
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
