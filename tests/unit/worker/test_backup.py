"""A backup job in one process: from export hosts to manifests, by grants that the test gives."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import replace

import msgspec
import pytest

from tests.unit.worker.data_place import DataPlace, Expired
from tests.unit.worker.export_host import ExportHost, export_host
from tests.unit.worker.one_disk import Case, job_of, reason_of
from tests.worlds.hand_made_grants import HandMadeChain, committed
from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import RunId
from vmbackup_core.protocol import DiskDone, RepositoryAccess
from vmbackup_core.repository.data.grants import ManifestAt
from vmbackup_core.repository.data.said import MIB
from vmbackup_worker.access import Stopped
from vmbackup_worker.jobs.backup import Backup
from vmbackup_worker.meter import Reading
from vmbackup_worker.renewable_store import RenewableStore

RUN, LATER = RunId("a" * 32), RunId("b" * 32)
#: Where every object says its epoch.
EPOCH_AT = 32
ALLOCATED = 4096 + 6 * MIB + 512


@pytest.fixture
def case(export_host: ExportHost) -> Case:
    return Case(export_host)


def test_the_bytes_read_are_the_allocated_extents(case: Case) -> None:
    done = case.run()

    assert sum(length for _, length in case.host.read) == ALLOCATED
    assert done.allocated_bytes == ALLOCATED
    packs = sum(size for name, size in case.place.sizes().items() if "/p/" in name)
    assert case.meter.reading() == Reading(ALLOCATED, ALLOCATED, packs, None)


def test_what_is_told_opens_and_is_the_disk(case: Case) -> None:
    done = case.run()
    said = case.chain.opened(case.place, done).said

    assert case.chain.restored(case.place, done) == case.host.disk
    assert said.statistics == done.statistics
    assert (said.run_id, said.slot, said.kind) == (RUN, 1, "full")
    assert (said.disk, said.snapshot_unique_id) == (case.chain.grant(RUN).disk, "one-1")
    assert done.changed_outside == 0


def test_the_store_that_is_written_to_reads_and_creates_and_nothing_else() -> None:
    offered = {name for name in dir(RenewableStore) if not name.startswith("_")}

    assert offered == {"put_new", "get", "get_range", "get_end"}
    assert not hasattr(DataPlace(), "list")


def test_a_later_run_stores_no_block_of_the_newest_manifest_again(case: Case) -> None:
    newest = committed(case.run())
    packs = [name for name in case.place.sizes() if "/p/" in name]
    done = case.run(case.disk(case.chain.grant(LATER, 2, newest=newest)))

    assert (done.statistics.new_blocks, done.statistics.reused_blocks > 0) == (0, True)
    assert [name for name in case.place.sizes() if "/p/" in name] == packs
    assert case.chain.restored(case.place, done) == case.host.disk


def test_an_attempt_that_is_given_what_one_before_has_stored_adopts_it(case: Case) -> None:
    case.run()
    left = case.chain.left(case.place.sizes())
    packs = [name for name in case.place.sizes() if "/p/" in name]
    done = case.run(case.disk(case.chain.grant(RUN, left=left)))

    assert len(left) == 1
    assert [name for name in case.place.sizes() if "/p/" in name] == packs
    assert set(case.chain.opened(case.place, done).said.sessions) > {left[0].session}
    assert case.chain.restored(case.place, done) == case.host.disk


def test_an_attempt_that_is_given_nothing_takes_nothing_over(case: Case) -> None:
    first, second = case.run(), case.run()

    assert first.manifest != second.manifest
    assert second.statistics.new_blocks == first.statistics.new_blocks
    assert len(case.chain.left(case.place.sizes())) == 2


def test_renewed_credentials_bring_no_other_grant(case: Case) -> None:
    case.host.hold_from = 5 * MIB
    work = case.work(case.disk())
    outcome: list[DiskDone] = []
    thread = threading.Thread(target=lambda: outcome.extend(work.run().disks))
    thread.start()
    assert case.host.held.wait(60)
    case.host.sas = "sig=second"
    work.renew(job_of(case.disk(case.chain.grant(RUN, 7))))
    case.host.gate.set()
    thread.join(30)

    (done,) = outcome
    assert case.chain.opened(case.place, done).said.slot == 1
    assert case.chain.restored(case.place, done) == case.host.disk


def test_a_sas_of_the_repository_that_expired_under_the_job_is_taken_from_a_newer_message(
    case: Case,
) -> None:
    expired = Expired()
    asked = job_of(case.disk())
    fresh = RepositoryAccess("https://repository.blob.core.windows.net/backups?sig=fresh")
    places = {asked.repository.container_url: expired, fresh.container_url: case.place}
    work = Backup(
        asked,
        case.meter,
        case.stop,
        renewal_s=30,
        open_store=lambda access: places[access.container_url],
    )
    renewed = msgspec.structs.replace(asked, repository=fresh)

    (done,) = expired.run_renewed(work.run, lambda: work.renew(renewed)).disks

    assert case.chain.restored(case.place, done) == case.host.disk


def test_a_job_that_is_told_to_stop_ends_without_a_manifest(case: Case) -> None:
    case.host.hold_from = 5 * MIB

    def stop() -> None:
        assert case.host.held.wait(60)
        case.stop.set()
        case.host.gate.set()

    stopper = threading.Thread(target=stop)
    stopper.start()
    with pytest.raises(Stopped):
        case.run()
    stopper.join(60)
    assert not [name for name in case.place.sizes() if "/m/" in name]


def test_a_failing_disk_is_named_and_the_cause_kept(case: Case) -> None:
    case.host.faults = [404] * 3

    assert reason_of(case.failure(case.disk())) == "ExportRefused"


def test_keys_of_another_chain_are_refused_before_anything_is_written(case: Case) -> None:
    other = HandMadeChain("two", 1).keys(RUN).text
    failure = case.failure(msgspec.structs.replace(case.disk(), keys=other))

    assert reason_of(failure) == "InvalidKey"
    assert case.place.sizes() == {}


def test_keys_that_are_none_are_refused_without_being_shown(case: Case) -> None:
    failure = case.failure(msgspec.structs.replace(case.disk(), keys="c2VjcmV0"))

    assert reason_of(failure) == "InvalidKey"
    assert "c2VjcmV0" not in str(failure)


def test_keys_of_another_run_write_nothing(case: Case) -> None:
    keys = case.chain.keys(LATER).text

    assert reason_of(case.failure(msgspec.structs.replace(case.disk(), keys=keys))) == "KeyNotGiven"
    assert case.place.sizes() == {}


def spoilt(place: DataPlace, at: ManifestAt, offset: int, value: int) -> ManifestAt:
    """Change a byte of a manifest; return it as one that is said to be so."""
    content = bytearray(place.behind.get(at.name))
    content[offset] = value
    place.behind.overwrite(at.name, content)
    return msgspec.structs.replace(at, sha256=hashlib.sha256(content).hexdigest())


def test_a_newest_manifest_of_an_epoch_that_nobody_opens_ends_the_job_by_that_reason(
    case: Case,
) -> None:
    newest = spoilt(case.place, committed(case.run()), EPOCH_AT, 2)
    keys = replace(case.chain.keys(LATER), lacking=frozenset({2})).text
    asked = case.disk(case.chain.grant(LATER, 2, newest=newest))

    assert reason_of(case.failure(msgspec.structs.replace(asked, keys=keys))) == "KeyRingIncomplete"


def test_a_newest_manifest_that_is_damaged_ends_the_job(case: Case) -> None:
    at = committed(case.run())
    spoilt(case.place, at, 100, 0)

    assert isinstance(
        case.failure(case.disk(case.chain.grant(LATER, 2, newest=at))), CorruptRepository
    )


def test_deltas_are_made_of_what_the_predecessors_export_shows(case: Case) -> None:
    newest = committed(case.run())
    disk = bytearray(case.host.disk)
    disk[4 * MIB + 17] ^= 1
    with export_host(bytes(disk), case.host.ranges) as now:
        grant = case.chain.grant(LATER, 2, newest=newest, deltas=True)
        done = case.run(case.chain.disk(grant, now.url, case.host.url))

    assert (done.statistics.delta_blocks, done.statistics.new_blocks) == (1, 1)
    assert case.chain.restored(case.place, done) == disk


def test_a_predecessor_of_another_size_is_none_the_less_one(case: Case) -> None:
    newest = committed(case.run())
    disk = bytearray(case.host.disk) + bytes(MIB)
    disk[4 * MIB + 17] ^= 1
    grown = HandMadeChain("one", len(disk))
    with export_host(bytes(disk), case.host.ranges) as now:
        grant = grown.grant(LATER, 2, newest=newest, deltas=True)
        done = case.run(grown.disk(grant, now.url, case.host.url))

    assert done.statistics.delta_blocks == 1
    assert grown.restored(case.place, done) == disk


def test_a_predecessor_that_no_fresh_sas_opens_costs_deltas_and_nothing_else(case: Case) -> None:
    newest = committed(case.run())
    disk = bytearray(case.host.disk)
    disk[4 * MIB + 17] ^= 1
    with export_host(bytes(disk), case.host.ranges) as now:
        grant = case.chain.grant(LATER, 2, newest=newest, deltas=True)
        done = case.run(case.chain.disk(grant, now.url, case.host.url.replace("first", "gone")))

    assert (done.statistics.delta_blocks, done.statistics.new_blocks) == (0, 1)
    assert case.chain.restored(case.place, done) == disk
