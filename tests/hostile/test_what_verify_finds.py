"""What a hostile worker makes unrestorable is found when it is read back, within the schedule.

It stores packs of its own run that prove to be that run's, and that hold something else; an honest
worker that finishes the run takes them over, since nobody reads back what a run has stored. And
who reads back may do nothing but that.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.contract.simulator_storage.cloud import Cloud
from tests.hostile.verify_story import VerifyStory, numbered, verify_story
from tests.hostile.worker import HostileVerifier, HostileWorker, Pack
from tests.unit.repository.control.log_bench import MOMENT
from tests.unit.repository.data.bench import noise
from tests.unit.repository.opened.whole_bench import VM_ID, everything
from tests.unit.repository.verify.verify_bench import BLOCK, asking
from vmbackup_core.errors import CorruptRepository

pytestmark = pytest.mark.azurite

FIRST = noise(1, 40 * BLOCK)
CHANGED = noise(2, 40 * BLOCK)
DAYS_3, DAYS_90 = timedelta(days=3), timedelta(days=90)

Records = Callable[[HostileWorker, Pack], Sequence[bytes]]


@pytest.fixture(name="told")
def a_story(cloud: Cloud) -> Iterator[VerifyStory]:
    with verify_story(cloud) as told:
        told.bench.begun()
        told.bench.back_up(1, {"os": FIRST})
        assert told.bench.session(worker=told.honest).sum("bad") == 0
        yield told


def junk(_worker: HostileWorker, _pack: Pack) -> Sequence[bytes]:
    return [bytes(BLOCK + 16) for _ in numbered(CHANGED, BLOCK)]


def other_bytes(worker: HostileWorker, pack: Pack) -> Sequence[bytes]:
    """Return records that all open, and hold what was never on the disk."""
    return [
        worker.sealed(pack, worker.own_run_key(), number, block, bytes(BLOCK))
        for number, block in numbered(CHANGED, BLOCK)
    ]


def one_other_block(worker: HostileWorker, pack: Pack) -> Sequence[bytes]:
    """Return honest records, but for the last one."""
    blocks = [*numbered(CHANGED, BLOCK)[:-1], (39, bytes(BLOCK))]
    said = [block for _, block in numbered(CHANGED, BLOCK)]
    return [
        worker.sealed(pack, worker.own_run_key(), number, said[number], holds)
        for number, holds in blocks
    ]


@pytest.mark.parametrize("records", [junk, other_bytes, one_other_block])
def test_what_it_makes_unrestorable_is_found_in_time_and_stored_anew(
    told: VerifyStory, records: Records
) -> None:
    bench = told.bench
    worker = told.hostile(2, "os", CHANGED)
    pack = Pack(worker.grant["slot"], uuid.uuid4().hex, 0)
    run = bench.run(2)
    planted = worker.forged_pack(
        pack, run, worker.own_run_key(), numbered(CHANGED, BLOCK), records(worker, pack)
    )
    assert worker.put(worker.pack_name(pack), planted).status == 201

    point = bench.back_up(2, {"os": CHANGED})

    with pytest.raises(CorruptRepository):
        bench.restored(point)
    now = MOMENT + timedelta(days=2) + DAYS_3
    (due,) = bench.verification().due(DAYS_3, DAYS_90, now)
    assert (due.vm_id, due.new) == (VM_ID, True)
    found = bench.session(asking(number=2), told.honest)
    assert found.sum("bad") >= 1
    assert {each.id for each in bench.bad()} == {pack.packed.hex()}
    assert bench.restored(bench.back_up(3, {"os": CHANGED})) == []


def test_the_same_records_where_they_are_honest_are_taken_over_and_restore(
    told: VerifyStory,
) -> None:
    """So what was found above was what the records hold, and nothing else of the pack."""
    worker = told.hostile(2, "os", CHANGED)
    pack = Pack(worker.grant["slot"], uuid.uuid4().hex, 0)
    blocks, key = numbered(CHANGED, BLOCK), worker.own_run_key()
    honest = [worker.sealed(pack, key, number, block, block) for number, block in blocks]
    content = worker.forged_pack(pack, told.bench.run(2), key, blocks, honest)
    assert worker.put(worker.pack_name(pack), content).status == 201

    point = told.bench.back_up(2, {"os": CHANGED})
    session = told.bench.session(asking(number=2), told.honest)

    assert told.bench.restored(point) == []
    assert (session.sum("bad"), told.bench.bad()) == (0, [])
    assert pack.packed.hex() in {each.packed().hex() for each in session.packs}


@pytest.fixture(name="verifier")
def a_hostile_verifier(told: VerifyStory) -> HostileVerifier:
    told.bench.back_up(2, {"os": CHANGED})
    asked = asking(number=2)
    work = told.bench.verification().plan(VM_ID, asked)
    while work is not None and not work.packs:  # its pack list, which no worker is asked for
        judged = told.bench.verification().judge(work, None)
        work = told.bench.verification().plan(VM_ID, replace(asked, cursor=judged.cursor))
    assert work is not None
    return told.hostile_verifier(work)


def test_who_reads_back_can_read_what_is_named_and_change_or_find_nothing(
    told: VerifyStory, verifier: HostileVerifier
) -> None:
    before = everything(told.bench.places)
    known = verifier.names_it_knows()
    assert len(known) > 1

    for name in known:
        assert verifier.ask("GET", name).status == 200
        assert {answer.status for answer in verifier.rampage(name)} == {403}
        assert verifier.ask("PUT", name, "comp=snapshot").status == 403
    new = verifier.name_of(verifier.chain, "p", Pack(3, uuid.uuid4().hex, 0))
    assert {answer.status for answer in verifier.rampage(new)} == {403}
    for query in ("comp=list", "comp=list&prefix=c%2F", "comp=metadata", "comp=acl"):
        assert verifier.ask("GET", "", f"restype=container&{query}").status == 403
    assert everything(told.bench.places) == before

    control_is_closed_to(verifier, told)


def control_is_closed_to(verifier: HostileVerifier, told: VerifyStory) -> None:
    control, block = told.control_url, {"x-ms-blob-type": "BlockBlob"}
    for each in told.bench.places.control.list(""):
        for method in ("GET", "HEAD", "PUT", "DELETE"):
            headers = block if method == "PUT" else {}
            answer = verifier.ask(method, each.name, headers=headers, container=control)
            assert answer.status == 403, (method, each.name)
    assert verifier.ask("GET", "", "restype=container&comp=list", container=control).status == 403
