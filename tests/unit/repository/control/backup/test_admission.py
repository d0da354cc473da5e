"""Each lie that a worker could tell in a manifest, a table or a listing, and that it is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.unit.repository.control.backup.hostile_worker import (
    BLOCKS,
    TWO_EPOCHS,
    HostileWorker,
    other_session,
    refused,
    second_attempt,
)
from tests.unit.repository.control.commit_bench import CHAIN, CommitBench, content_of, offered
from tests.unit.repository.control.log_bench import MOMENT, numbered, run
from tests.unit.repository.control.repository_bench import UnreadableNow
from tests.unit.repository.data.samples import BLOCK
from vmbackup_core.errors import LostAttempt
from vmbackup_core.ids import CommitSlot
from vmbackup_core.repository.control.backup.admission import Expected, manifest_refusals
from vmbackup_core.repository.control.backup.committing import Offer
from vmbackup_core.repository.control.chains.chain_header import DiskChain
from vmbackup_core.repository.control.log.log_entries import NewEpoch
from vmbackup_core.repository.data.grants import ManifestAt, Parameters
from vmbackup_core.repository.data.manifest import IndexObject, encode_manifest
from vmbackup_core.repository.data.said import MIB, SaidDisk, SaidVm
from vmbackup_core.repository.primitives.envelope import seal
from vmbackup_core.repository.primitives.identities import PackId
from vmbackup_core.repository.primitives.json_payloads import Time
from vmbackup_core.repository.primitives.masters import KeyRing, Master
from vmbackup_core.repository.primitives.names import index_name, pack_name
from vmbackup_core.repository.primitives.reading import Places

Lie = Callable[[HostileWorker], Offer]


def end_epochs(bench: CommitBench, *ended: int) -> None:
    """Rotate to a third epoch; sessions of those that have *ended* are refused."""
    masters = {**bench.ring.masters, 3: Master(bench.ring.repository, 3, b"3" * 32)}
    bench.ring = KeyRing(bench.ring.repository, masters, frozenset(masters))
    entry = NewEpoch(epoch=3, master_id=masters[3].master_id, ended=ended)
    assert bench.log().append(lambda _: (entry,)).entries


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"chain_id": numbered(7)}, "chain"),
        ({"generation": 1}, "generation"),
        ({"chain_epoch": 2}, "epoch of the chain"),
        ({"shard_bytes": 40 * BLOCK}, "shard size"),
        ({"pack_bytes": 2 * 1024 * 1024}, "pack size"),
        ({"slot": 3}, "slot"),
        ({"run_id": run(1)}, "run"),
        ({"snapshot_unique_id": "another"}, "snapshot"),
        ({"taken_at": Time.of(MOMENT)}, "snapshot's time"),
        ({"disk_bytes": BLOCKS * BLOCK - 1}, "size of the disk"),
        ({"disk": SaidDisk("other", "u", "n", 1)}, "disk"),
        ({"vm": SaidVm("other", "n", "r")}, "VM"),
        ({"kind": "full"}, "kind"),
        ({"base_slot": None}, "kind"),
        ({"base_slot": 2}, "slot of the base"),
    ],
)
def test_a_manifest_that_says_other_than_was_asked(changes: dict[str, object], what: str) -> None:
    bench, worker = second_attempt()

    why = refused(bench, worker, worker.says(**changes))

    assert why.reason == "ManifestDiffers"
    assert what in str(why)


def test_a_manifest_of_other_blocks() -> None:
    bench, worker = second_attempt()
    asked, named = worker.asked, worker.offer.named
    chain = DiskChain(CHAIN, 0, 1, Parameters(2 * BLOCK, BLOCKS // 2 * BLOCK, MIB))
    expected = Expected(asked, chain, named.slot, frozenset({1}), frozenset())

    assert list(manifest_refusals(expected, named, 1, worker.manifest())) == [
        f"block size: {BLOCK}, not {2 * BLOCK}"
    ]
    assert bench.commit(asked, worker.offer).slot == named.slot


def test_an_increment_on_a_base_of_the_chain_before() -> None:
    bench, worker = second_attempt()
    base = worker.asked.base
    assert base is not None
    other = ManifestAt(base.name.replace(CHAIN, "0" * 32), base.sha256, base.of_slot)
    worker.asked = replace(worker.asked, base=other)

    assert "slot of the base: 1, not None" in str(refused(bench, worker, worker.offer))


def test_a_full_on_a_base_that_was_let_go_is_no_difference() -> None:
    bench, worker = second_attempt()

    committed = bench.commit(worker.asked, worker.says(base_slot=None, kind="full"))

    assert committed.kind == "full"


def test_a_manifest_under_another_session_than_its_own() -> None:
    bench, worker = second_attempt()
    other = other_session()
    said = worker.manifest().said

    why = refused(bench, worker, worker.says(session=other, sessions=(*said.sessions, other)))

    assert "session" in str(why)


def test_a_manifest_sealed_in_an_epoch_that_is_unknown() -> None:
    bench, worker = second_attempt()
    stored = bytearray(bench.places.data.get(worker.offer.name))
    stored[32] ^= 2
    worker.data.overwrite(worker.offer.name, bytes(stored))

    assert refused(bench, worker, worker.offer).reason == "ManifestDiffers"


def test_a_manifest_of_an_epoch_that_has_ended() -> None:
    bench = CommitBench(ring=TWO_EPOCHS).begun()
    asked = bench.asked(1)
    offer = bench.write(asked, content_of(1))
    end_epochs(bench, 1)

    with pytest.raises(LostAttempt, match="epoch 1, which has ended"):
        bench.commit(asked, offer)


def test_a_session_that_goes_on_through_a_rotation_is_committed() -> None:
    bench = CommitBench(ring=TWO_EPOCHS).begun()
    asked = bench.asked(1)
    offer = bench.write(asked, content_of(1))
    end_epochs(bench)

    assert bench.restored(bench.commit(asked, offer)) == content_of(1)


KEPT: dict[str, Lie] = {
    "another digest": lambda worker: worker.names_base(1, sha256=bytes(32)),
    "another length": lambda worker: worker.names_base(1, length=1),
    "another place": lambda worker: worker.names_base(1, offset=1, length=1),
    "another shard's": lambda worker: worker.names([replace(worker.lines()[1], shard=0)]),
}


@pytest.mark.parametrize("lie", KEPT)
def test_a_kept_section_that_is_not_as_the_newest_manifest_has_it(lie: str) -> None:
    bench, worker = second_attempt()

    why = refused(bench, worker, KEPT[lie](worker))

    assert why.reason == "UnknownObject"
    assert "is not as the newest manifest has it" in str(why)


def test_a_section_that_two_shards_have() -> None:
    bench, worker = second_attempt()
    first, second = worker.lines()
    both = [replace(second, shard=first.shard), second]

    assert "for another shard as well" in str(refused(bench, worker, worker.names(both)))


OBJECTS: dict[str, Callable[[IndexObject], IndexObject]] = {
    "size": lambda at: replace(at, size_bytes=at.size_bytes + 1),
    "table's offset": lambda at: replace(at, table_offset=at.table_offset + 1),
    "table's digest": lambda at: replace(at, table_sha256=bytes(32)),
    "number": lambda at: replace(at, index=replace(at.index, number=9)),
    "session": lambda at: replace(at, index=replace(at.index, session=other_session())),
}


@pytest.mark.parametrize("other", OBJECTS)
def test_an_index_object_that_is_not_as_the_newest_manifest_has_it(other: str) -> None:
    bench, worker = second_attempt()
    old, own = worker.manifest().objects
    assert (old.index.slot, own.index.slot) == (1, 2)

    why = refused(bench, worker, worker.names(worker.lines(), OBJECTS[other](old), own))

    assert why.reason == "UnknownObject"
    assert "is not as the newest manifest has it" in str(why)


@pytest.mark.parametrize("other", ["size", "number", "session"])
def test_an_own_index_object_that_is_not_listed_so(other: str) -> None:
    bench, worker = second_attempt()
    old, own = worker.manifest().objects

    why = refused(bench, worker, worker.names(worker.lines(), old, OBJECTS[other](own)))

    assert why.reason == "UnknownObject"
    assert "is not listed with" in str(why)


def test_an_index_object_of_a_slot_to_come() -> None:
    bench, worker = second_attempt()
    old, own = worker.manifest().objects
    later = replace(own, index=replace(own.index, slot=CommitSlot(3)))

    why = refused(bench, worker, worker.names(worker.lines(), old, later))

    assert "in slot 3 is not as the newest manifest has it" in str(why)


def test_an_own_index_object_in_which_nothing_is_named() -> None:
    bench, worker = second_attempt()
    old, own = worker.manifest().objects
    idle = replace(own, index=replace(own.index, number=1))
    worker.data.put_new(index_name(CHAIN, idle.index), bytes(idle.size_bytes))

    why = refused(bench, worker, worker.names(worker.lines(), old, own, idle))

    assert "has no section that is named" in str(why)


def test_a_manifest_longer_than_its_disk_lets_it_be_is_not_read() -> None:
    bench, worker = second_attempt()
    most = 512 * 1024 + 100 * 2
    worker.data.overwrite(worker.offer.name, bytes(most + 1))

    assert f"more than {most} bytes" in str(refused(bench, worker, worker.offer))


def test_a_manifest_whose_payload_is_longer_than_its_disk_lets_it_be_is_not_unpacked() -> None:
    bench, worker = second_attempt()
    payload = encode_manifest(worker.manifest()) + bytes(600 * 1024)
    sealed = seal("MANI", worker.offer.name, payload, worker.source)
    worker.data.overwrite(worker.offer.name, sealed)
    offer = offered(worker.offer.name, hashlib.sha256(sealed).hexdigest())
    assert len(sealed) < 10_000

    assert "says that it holds" in str(refused(bench, worker, offer))


def test_few_of_many_lies_are_told() -> None:
    bench, worker = second_attempt()
    offer = worker.says(
        run_id=run(9),
        snapshot_unique_id="s" * 1000,
        disk=SaidDisk("d" * 1000, "u", "n", 1),
        vm=SaidVm("v" * 1000, "n", "r"),
        chain_epoch=5,
        generation=5,
        base_slot=7,
    )

    assert len(str(refused(bench, worker, offer))) < 1000


OUT_OF_REACH = {"p": "UnknownObject", "i": "UnknownObject", "m": "ManifestDiffers"}


@pytest.mark.parametrize("listed", [True, False], ids=["listed so", "found so"])
@pytest.mark.parametrize("folder", OUT_OF_REACH)
def test_what_was_stored_archived_is_a_lost_attempt(folder: str, *, listed: bool) -> None:
    """Whoever may create a blob may create it archived: nobody can read it then."""
    bench, worker = second_attempt()
    honest = bench.places
    data = UnreadableNow(honest.data, f"/{folder}/00000/002/", listed=listed)
    bench.places = Places(data, honest.control)

    if folder == "p" and not listed:
        assert bench.commit(worker.asked, worker.offer).slot == 2  # packs are read by verify
        return
    why = refused(bench, worker, worker.offer)

    assert why.reason == OUT_OF_REACH[folder]
    assert "to be read" in str(why) or "BlobArchived" in str(why)
    bench.places = honest
    committed = bench.commit(worker.asked, bench.write(worker.asked, content_of(2, BLOCKS)))
    assert bench.restored(committed) == content_of(2, BLOCKS)


def test_what_lies_archived_beside_what_is_needed_keeps_nobody_from_committing() -> None:
    """A neighbour may know a session's id once its first pack is there."""
    bench, worker = second_attempt()
    (session,) = worker.manifest().said.sessions
    odd = pack_name(CHAIN, PackId(CommitSlot(2), session, 7))
    bench.places.data.put_new(odd, b"archived")
    data = UnreadableNow(bench.places.data, odd)

    committed = bench.commit(worker.asked, worker.offer, Places(data, bench.places.control))

    assert committed.slot == 2
    assert committed.stored_bytes > len(b"archived")
