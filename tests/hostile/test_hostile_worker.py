"""What a hostile worker can do with all that a job holds, on the data place alone.

It cannot list, overwrite or delete; what earlier runs stored stays closed to it; and whatever it
puts where others will write keeps no honest run from finishing.
"""

from __future__ import annotations

import ast
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from typing_extensions import override

from tests.contract.simulator_storage.cloud import Cloud
from tests.hostile.story import BLOCK, DISK_BYTES, SLOT, Story, new_run, noise, story
from tests.hostile.worker import HostileWorker, Pack
from tests.worlds.hand_made_grants import RING, committed, written
from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import RunId
from vmbackup_core.repository.data.ports import DataStore
from vmbackup_core.repository.primitives.chain_keys import run_key
from vmbackup_core.stores.port import AlreadyStored, Buffer

pytestmark = pytest.mark.azurite

TAKEN = ("UnauthorizedBlobOverwrite", "AuthorizationPermissionMismatch")
CHANGED = noise(DISK_BYTES - 1) + b"x"


@pytest.fixture(name="told")
def a_story(cloud: Cloud) -> Iterator[Story]:
    with story(cloud) as told:
        yield told


@pytest.fixture(scope="module")
def closed(cloud: Cloud) -> Iterator[HostileWorker]:
    """One that is let do nothing of what is tried, so that others may try too."""
    with story(cloud) as told:
        yield told.worker


def key_of(told: Story, run: str) -> bytes:
    """Return the key of *run*, which the operator could give and did not."""
    master = RING.of(1)
    return run_key(RING.repository, master.data(told.chain.chain), RunId(run))


def test_it_is_none_of_ours() -> None:
    tree = ast.parse(Path(__file__).with_name("worker.py").read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]

    assert not [node for node in imports if "vmbackup" in ast.unparse(node)]


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("", "restype=container&comp=list"),
        ("", "restype=container&comp=list&prefix=c%2F"),
        ("", "restype=container&comp=list&delimiter=%2F"),
        ("", "restype=container&comp=list&include=snapshots,metadata"),
        ("", "restype=container"),
        ("", "restype=container&comp=metadata"),
        ("", "restype=container&comp=acl"),
    ],
)
def test_it_cannot_list(closed: HostileWorker, name: str, query: str) -> None:
    answer = closed.ask("GET", name, query)

    assert (answer.status, answer.body.count(b"<Name>")) == (403, 0)


def test_it_cannot_list_the_account(closed: HostileWorker) -> None:
    answer = closed.ask("GET", "", "comp=list", container=f"{closed.account}/")

    assert (answer.status, answer.body.count(b"<Name>")) == (403, 0)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
@pytest.mark.parametrize("name", ["header", "l/0000000/000", "c/x/k/00000/001"])
def test_control_is_closed_to_it(closed: HostileWorker, method: str, name: str) -> None:
    control = f"{closed.account}/data-control"
    headers = {"x-ms-blob-type": "BlockBlob"} if method == "PUT" else {}

    assert closed.ask(method, name, headers=headers, container=control).status == 403


def test_it_changes_and_removes_nothing_that_is_there(told: Story) -> None:
    before, worker = told.stored(), told.worker
    known = worker.names_it_knows()
    assert set(known) == {name for name in before if told.chain.chain in name}

    for name in known:
        for answer in worker.rampage(name):
            assert (answer.status, answer.code in TAKEN) == (403, True), name
    after = told.stored()
    assert {name: after[name] for name in before} == before
    assert told.chain.restored(told.operator, told.first) == told.content


def test_its_snapshots_keep_nothing_from_being_deleted(told: Story) -> None:
    name = told.worker.names_it_knows()[-1]
    assert told.worker.ask("PUT", name, "comp=snapshot").status == 201

    told.operator.delete(name)
    assert name not in told.stored()


def test_it_sees_which_blocks_there_are_and_opens_none_that_an_earlier_run_stored(
    told: Story,
) -> None:
    worker, opened = told.worker, []
    packs = worker.packs()
    assert len(packs) > 1
    for pack in packs:
        for run, record in worker.records(pack):
            assert not [key for key in worker.secrets() if worker.open_record(record, key)]
            block = worker.open_record(record, key_of(told, run))
            assert block is not None
            opened.append(block)

    # The keys that it lacks would have opened them all.
    blocks = {told.content[at : at + BLOCK] for at in range(0, DISK_BYTES, BLOCK)}
    assert set(opened) == blocks


def planted(told: Story, run: RunId, key: bytes) -> list[str]:
    """Have packs put for the slot that say to be of *run* and hold what is backed up next."""
    blocks = [(at // BLOCK, CHANGED[at : at + BLOCK]) for at in range(0, DISK_BYTES, BLOCK)]
    session = uuid.uuid4().hex
    names = []
    for number in range(3):
        pack = Pack(SLOT, session, number)
        mine = blocks[number * 15 : number * 15 + 15]
        content = told.worker.forged_pack(pack, run, key, mine)
        assert told.worker.put(told.worker.pack_name(pack), content).status == 201
        names.append(told.worker.pack_name(pack))
    return names


def test_a_pack_that_it_plants_in_another_runs_name_is_not_taken_over(told: Story) -> None:
    run = new_run()
    names = planted(told, run, told.worker.own_run_key())
    done = told.backed_up(run, CHANGED)

    assert {each.session for each in told.grant(run).left}
    assert told.chain.restored(told.operator, done) == CHANGED
    assert not set(told.chain.opened(told.operator, done).said.sessions) & sessions_of(names)


def test_with_that_runs_key_the_same_pack_would_have_been(told: Story) -> None:
    """So nothing but the proof stood in its way."""
    run = new_run()
    names = planted(told, run, key_of(told, run))
    done = told.backed_up(run, CHANGED)

    assert sessions_of(names) < set(told.chain.opened(told.operator, done).said.sessions)
    with pytest.raises(CorruptRepository):
        told.chain.restored(told.operator, done)


def sessions_of(names: list[str]) -> set[str]:
    return {name.split("/")[5].partition("-")[0] for name in names}


ODD = {
    "empty": ({"x-ms-blob-type": "BlockBlob"}, b""),
    "junk": ({"x-ms-blob-type": "BlockBlob"}, noise(100_000)),
    "archived": ({"x-ms-blob-type": "BlockBlob", "x-ms-access-tier": "Archive"}, noise(1_000)),
    "an append blob": ({"x-ms-blob-type": "AppendBlob"}, b""),
    "8 TiB of zeros": (
        {"x-ms-blob-type": "PageBlob", "x-ms-blob-content-length": str(8 * 2**40)},
        b"",
    ),
}


@pytest.mark.parametrize(("headers", "body"), ODD.values(), ids=ODD)
def test_odd_blobs_among_what_is_left_keep_no_run_from_finishing(
    told: Story, headers: dict[str, str], body: bytes
) -> None:
    run, session = new_run(), uuid.uuid4().hex
    honest_start = told.worker.forged_pack(
        Pack(SLOT, session, 0), run, told.worker.own_run_key(), [(0, bytes(BLOCK))]
    )
    told.worker.put(told.worker.pack_name(Pack(SLOT, session, 0)), honest_start)
    odd = told.worker.pack_name(Pack(SLOT, session, 1))
    assert told.worker.ask("PUT", odd, headers=headers, body=body).status == 201

    done = told.backed_up(run, CHANGED)
    assert told.chain.restored(told.operator, done) == CHANGED


class Squatted(DataStore):
    """An honest run's data, of which the hostile worker sees names just before they are put."""

    def __init__(self, told: Story, most: int) -> None:
        self._told = told
        self._left = most
        self.squatted: list[str] = []

    @override
    def put_new(self, name: str, data: Buffer) -> None:
        if self._left:
            self._left -= 1
            self.squatted.append(name)
            assert self._told.worker.put(name, b"mine").status == 201
        self._told.honest.put_new(name, data)

    @override
    def get(self, name: str, *, most: int) -> bytes:
        return self._told.honest.get(name, most=most)

    @override
    def get_range(self, name: str, offset: int, length: int) -> bytes:
        return self._told.honest.get_range(name, offset, length)

    @override
    def get_end(self, name: str, length: int) -> tuple[bytes, int]:
        return self._told.honest.get_end(name, length)


@pytest.mark.parametrize("most", [1, 3, 7])
def test_names_that_it_takes_first_are_given_up_for_others(told: Story, most: int) -> None:
    """Nobody can foresee names of 128 random bits; even who could would have to go on and on."""
    place = Squatted(told, most)
    done = written(told.chain, place, told.grant(new_run()), CHANGED)

    assert len(place.squatted) == most
    assert done.manifest not in place.squatted
    assert told.chain.restored(told.operator, done) == CHANGED


def test_who_is_there_first_at_every_name_is_told_of(told: Story) -> None:
    place = Squatted(told, 1_000)

    with pytest.raises(AlreadyStored):
        written(told.chain, place, told.grant(new_run()), CHANGED)
    assert len(place.squatted) == 8


def test_after_all_that_every_disk_restores_and_the_next_run_too(told: Story) -> None:
    for name in told.worker.names_it_knows():
        assert {answer.status for answer in told.worker.rampage(name)} == {403}
    run = new_run()
    planted(told, run, told.worker.own_run_key())
    for name in ("header", "header-00000002", f"c/{told.chain.chain}/m/00000/002/{'0' * 32}"):
        told.worker.put(name, b"junk")
    done = told.backed_up(run, CHANGED)

    assert told.chain.restored(told.operator, told.first) == told.content
    assert told.neighbour.restored(told.operator, told.beside) == told.content
    assert told.chain.restored(told.operator, done) == CHANGED
    following = told.chain.grant(new_run(), 3, newest=committed(done, SLOT))
    last = written(told.chain, told.honest, following, told.content)
    assert told.chain.restored(told.operator, last) == told.content
