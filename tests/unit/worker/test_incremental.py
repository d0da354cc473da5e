"""Incrementals in one process: what has changed is read, compared, written and restored."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from types import FrameType

import msgspec
import pytest

from tests.unit.worker.export_host import Refused
from tests.unit.worker.one_disk import Case, job_of
from tests.unit.worker.snapshots_of_a_disk import Disk
from vmbackup_core.extents import Extents
from vmbackup_core.protocol import DiskDone, DiskToBackUp
from vmbackup_core.repository.data.said import MIB
from vmbackup_worker.jobs.backup import Backup
from vmbackup_worker.meter import Reading

KIB = 1024
BLOCK = 256 * KIB
SIZE = 16 * MIB


def noise(seed: int, length: int) -> bytes:
    return random.Random(seed).randbytes(length)  # noqa: S311 - the same each time


@pytest.fixture
def disk() -> Iterator[Disk]:
    """A disk of 64 blocks, 32 of which hold something, that has been backed up once."""
    with ExitStack() as hosts:
        made = Disk(hosts)
        made.snapshot(noise(1, 8 * MIB) + bytes(SIZE - 8 * MIB))
        made.back_up()
        yield made


def some_changes(content: bytearray) -> None:
    """Write within a block, over two of them, into what was empty, and clear a megabyte."""
    content[5 * KIB : 6 * KIB] = noise(2, KIB)
    content[BLOCK * 9 - 4096 : BLOCK * 9 + 4096] = noise(3, 8192)
    content[12 * MIB : 12 * MIB + 100] = noise(4, 100)
    content[4 * MIB : 5 * MIB] = bytes(MIB)


def read_of(disk: Disk) -> int:
    return sum(length for _, length in disk.now.read)


def test_the_blocks_that_have_changed_are_read_and_no_others(disk: Disk) -> None:
    disk.changed(some_changes)
    case = disk.case()
    done = disk.back_up(case=case)

    assert (done.read, done.fallback) == ("Incremental", None)
    assert {at // BLOCK for at, _ in disk.now.read} == {0, 8, 48}  # 8 and 9 in one request
    assert read_of(disk) == 4 * BLOCK
    assert done.changed_bytes == 4096 + 8192 + 4096 + MIB
    assert done.allocated_bytes is None
    assert (done.statistics.new_blocks, done.statistics.zero_blocks) == (4, 32 + 4 - 1)
    stored = case.meter.reading().bytes_stored
    assert case.meter.reading() == Reading(4 * BLOCK, 4 * BLOCK, stored, None)
    said = case.chain.opened(disk.place, done).said
    assert (said.kind, said.base_slot) == ("incremental", 1)


def test_what_was_cleared_is_zero_and_not_read(disk: Disk) -> None:
    def clear(content: bytearray) -> None:
        content[2 * MIB : 4 * MIB] = bytes(2 * MIB)

    disk.changed(clear)
    done = disk.back_up()

    assert disk.now.read == []
    assert (done.changed_bytes, done.statistics.new_blocks) == (2 * MIB, 0)


def test_a_block_of_which_a_part_was_cleared_is_read_where_it_was_not(disk: Disk) -> None:
    def clear(content: bytearray) -> None:
        content[2 * MIB + 4096 : 3 * MIB + 8192] = bytes(MIB + 4096)

    disk.changed(clear)
    disk.back_up()

    assert sorted(disk.now.read) == [(2 * MIB, 4096), (3 * MIB + 8192, BLOCK - 8192)]


def test_nothing_is_read_where_nothing_has_changed(disk: Disk) -> None:
    disk.changed(lambda _content: None)
    done = disk.back_up()

    assert disk.now.read == []
    assert (done.read, done.changed_bytes) == ("Incremental", 0)


@pytest.mark.parametrize("deltas", [False, True])
def test_increments_follow_one_another(disk: Disk, deltas: bool) -> None:  # noqa: FBT001 - a case
    stored = sum(disk.place.sizes().values())
    made = list[int]()
    for number in range(4):

        def change(content: bytearray, number: int = number) -> None:
            for at in range(0, 8 * MIB, MIB):
                content[at + number * 17 : at + number * 17 + 8] = noise(number * SIZE + at, 8)

        disk.changed(change)
        done = disk.back_up(disk.asked(deltas=deltas, sample=4))
        assert (done.read, done.statistics.new_blocks) == ("Incremental", 8)
        made.append(done.statistics.delta_blocks)

    # A delta is made after whole records only: every second time the block is stored whole.
    assert made == ([8, 0, 8, 0] if deltas else [0] * 4)
    stored = sum(disk.place.sizes().values()) - stored
    assert (stored < 2.2 * 8 * BLOCK) == deltas


def test_the_differences_are_asked_for_by_the_header_in_pages_and_windows(disk: Disk) -> None:
    def change(content: bytearray) -> None:
        for at in range(0, SIZE, MIB):
            content[at : at + 8] = b"changed!"

    disk.changed(change)
    disk.now.page_ranges = 3
    done = disk.back_up()

    assert done.read == "Incremental"
    assert len(disk.now.listed) > 4
    assert {each.since for each in disk.now.listed} == {disk.exports[-2].url}


def test_a_list_that_takes_too_long_is_asked_for_in_smaller_windows(disk: Disk) -> None:
    disk.changed(some_changes)
    disk.now.refusals = [Refused(500, "OperationTimedOut")]

    assert disk.back_up().read == "Incremental"
    assert len(disk.now.listed) == 3


def outside(disk: Disk) -> None:
    """Have the service leave out that all that was written is something else by now."""

    def change(content: bytearray) -> None:
        content[: 8 * MIB] = noise(7, 8 * MIB)

    disk.changed(change)
    disk.now.differences = disk.now.differences[:0]


def test_a_sample_of_what_has_not_changed_is_read_and_counted(disk: Disk) -> None:
    disk.changed(some_changes)
    case = disk.case()
    done = disk.back_up(disk.asked(sample=1000), case)

    # Of 64 blocks eight have changed; what is drawn twice is read once.
    assert done.read == "Incremental"
    assert read_of(disk) == (64 - 4) * BLOCK
    assert case.meter.reading().bytes_to_read == case.meter.reading().bytes_read == read_of(disk)
    assert done.changed_outside == 0


@pytest.mark.parametrize("sample", [2, 32])
def test_a_sample_that_differs_has_the_disk_read_whole(disk: Disk, sample: int) -> None:
    outside(disk)
    case = disk.case()
    done = disk.back_up(disk.asked(sample=sample), case)

    assert done.read == "Full"
    assert done.fallback is not None
    assert done.fallback.reason == "DifferencesUntrue"
    assert done.changed_outside > 0
    assert (done.changed_bytes, done.allocated_bytes) == (0, 8 * MIB)
    assert case.meter.reading().bytes_to_read == case.meter.reading().bytes_read == read_of(disk)
    said = case.chain.opened(disk.place, done).said
    assert (said.kind, said.base_slot) == ("full", None)


def test_what_is_read_for_another_reason_and_has_changed_too_has_the_disk_read_whole(
    disk: Disk,
) -> None:
    """The newest manifest has none of the base's blocks, so that all of them are read."""
    base = disk.manifests[-1]
    disk.snapshot(bytes(SIZE))
    disk.back_up()
    newest = disk.manifests[-1]
    first = disk.exports[0]
    host = disk.snapshot(noise(9, BLOCK) + first.disk[BLOCK:])
    host.predecessor, host.differences = first, []
    asked = disk.asked(base=base, newest=newest)
    done = disk.back_up(msgspec.structs.replace(asked, predecessor_url=first.url))

    assert done.fallback is not None
    assert (done.fallback.reason, done.changed_outside) == ("DifferencesUntrue", 1)


def test_a_base_that_is_not_the_newest_is_counted_from_and_progress_grows(disk: Disk) -> None:
    base, first = disk.manifests[-1], disk.exports[0]
    disk.snapshot(bytes(SIZE))
    disk.back_up()
    host = disk.snapshot(noise(9, BLOCK) + first.disk[BLOCK:])
    host.predecessor, host.differences = first, [(0, BLOCK - 1, False)]
    case = disk.case()
    asked = disk.asked(base=base, newest=disk.manifests[-1])
    done = disk.back_up(msgspec.structs.replace(asked, predecessor_url=first.url), case)

    assert (done.read, done.changed_outside) == ("Incremental", 0)
    assert case.meter.reading().bytes_to_read == case.meter.reading().bytes_read == 8 * MIB
    assert case.chain.opened(disk.place, done).said.base_slot == 1


REFUSALS = {
    "another family": Refused(409, "BlobOverwritten"),
    "no incremental snapshot": Refused(409, "PreviousSnapshotOperationNotSupported"),
    "newer than it": Refused(400, "PreviousSnapshotCannotBeNewer"),
    "gone": Refused(404, "BlobNotFound"),
    "no right to it": Refused(403, "AuthorizationPermissionMismatch"),
}


@pytest.mark.parametrize("refused", REFUSALS.values(), ids=REFUSALS)
def test_where_differences_are_refused_the_disk_is_read_whole(disk: Disk, refused: Refused) -> None:
    disk.changed(some_changes)
    disk.now.refusals = [refused]
    case = disk.case()
    done = disk.back_up(disk.asked(deltas=True), case)

    assert done.read == "Full"
    assert done.fallback is not None
    assert done.fallback.reason == "DifferencesRefused"
    assert done.fallback.message == f"HTTP {refused.status} {refused.code}"
    assert (done.changed_bytes, done.statistics.new_blocks) == (None, 4)
    # The newest manifest's blocks are referred to, and deltas made after them, all the same.
    assert done.statistics.delta_blocks > 0
    reading = case.meter.reading()
    assert done.allocated_bytes == reading.bytes_read == reading.bytes_to_read


def test_a_predecessor_that_its_sas_does_not_open_has_the_disk_read_whole(disk: Disk) -> None:
    disk.changed(some_changes)
    asked = disk.asked(deltas=True)
    disk.exports[-2].sas = "sig=revoked"
    done = disk.back_up(asked)

    assert done.fallback is not None
    assert done.fallback.reason == "PredecessorUnreadable"
    assert "403 AuthenticationFailed" in done.fallback.message
    assert "sig" not in repr(done)
    assert done.statistics.delta_blocks == 0


def test_a_sas_that_no_header_could_hold_is_not_shown(disk: Disk) -> None:
    disk.changed(some_changes)
    asked = msgspec.structs.replace(disk.asked(), predecessor_url="https://h/x?sig=a\r\nb")
    done = disk.back_up(asked)

    assert done.fallback is not None
    assert (done.fallback.reason, "sig" in done.fallback.message) == (
        "PredecessorUnreadable",
        False,
    )


def test_a_base_that_does_not_open_has_the_disk_read_whole(disk: Disk) -> None:
    base = disk.manifests[-1]
    disk.changed(some_changes)
    disk.back_up()
    disk.changed(some_changes)
    disk.place.behind.delete(base.name)
    done = disk.back_up(disk.asked(base=base, newest=disk.manifests[-1]))

    assert done.fallback is not None
    assert (done.read, done.fallback.reason) == ("Full", "BaseUnreadable")


def renewed(disk: Disk, case: Case, asked: DiskToBackUp, fresh: DiskToBackUp) -> DiskDone:
    """Back up by *asked*, and bring *fresh* as soon as a SAS has been refused."""
    work = Backup(
        job_of(asked), case.meter, case.stop, renewal_s=30, open_store=lambda _url: disk.place
    )
    bringing = threading.Timer(0.3, lambda: work.renew(job_of(fresh)))
    bringing.start()
    (done,) = work.run().disks
    bringing.join(10)
    assert case.chain.restored(disk.place, done) == disk.now.disk
    return done


@pytest.mark.parametrize("whose", ["snapshot", "predecessor"])
def test_a_sas_that_expired_is_taken_from_a_newer_message(disk: Disk, whose: str) -> None:
    disk.changed(some_changes)
    old = disk.asked(deltas=True)
    host = disk.now if whose == "snapshot" else disk.exports[-2]
    host.sas = "sig=fresh"
    done = renewed(disk, disk.case(), old, disk.asked(deltas=True))

    assert (done.read, done.fallback) == ("Incremental", None)
    assert done.statistics.delta_blocks > 0


def test_a_longer_disk_is_read_where_it_grew_as_far_as_it_is_allocated(disk: Disk) -> None:
    content = disk.now.disk + bytes(4 * MIB) + noise(5, 4096) + bytes(4 * MIB - 4096)
    host = disk.snapshot(content)
    # Even where differences leave out what lies behind the old end.
    host.differences = [each for each in host.differences if each[0] < SIZE]
    done = disk.back_up(disk.asked(sample=8))

    assert done.read == "Incremental"
    assert (20 * MIB, BLOCK) in host.read
    assert max(at for at, _ in host.read) == 20 * MIB
    assert done.statistics.new_blocks == 1


def test_a_disk_that_grew_within_a_block_is_read_there() -> None:
    with ExitStack() as hosts:
        odd = Disk(hosts)
        odd.snapshot(noise(1, 5 * BLOCK + 4096))
        odd.back_up()
        odd.snapshot(odd.now.disk + noise(2, 3 * BLOCK))
        assert odd.back_up(odd.asked(sample=8)).read == "Incremental"


def test_a_shorter_disk_is_what_is_left_of_it(disk: Disk) -> None:
    disk.snapshot(disk.now.disk[: 4 * MIB + 4096])
    done = disk.back_up(disk.asked(sample=100))

    assert (done.read, done.changed_outside) == ("Incremental", 0)


def test_an_attempt_after_one_that_ended_adopts_what_that_has_stored(disk: Disk) -> None:
    disk.changed(some_changes)
    case = disk.case()
    case.run(disk.asked())  # and its end was never told
    names = [name for name in disk.place.sizes() if "/p/00000/002/" in name]
    left = case.chain.left(names)
    packs = [name for name in disk.place.sizes() if "/p/" in name]
    asked = disk.asked()
    again = disk.back_up(
        msgspec.structs.replace(asked, grant=msgspec.structs.replace(asked.grant, left=tuple(left)))
    )

    assert again.read == "Incremental"
    assert [name for name in disk.place.sizes() if "/p/" in name] == packs


def test_all_extents_are_not_added_up_again_with_each_of_them(disk: Disk) -> None:
    assert sums_of_extents(disk, changed=2) == sums_of_extents(disk, changed=16)


def sums_of_extents(disk: Disk, changed: int) -> int:
    """Return how often the lengths of extents are added up while so many are backed up."""
    added_up, counts = vars(Extents)["total_bytes"].fget, list[int]()

    def count(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code is added_up.__code__:
            counts.append(1)

    def change(content: bytearray) -> None:
        for at in range(0, changed * 2 * BLOCK, 2 * BLOCK):
            content[at : at + 8] = noise(changed * SIZE + at, 8)

    disk.changed(change)
    threading.setprofile(count)
    sys.setprofile(count)
    try:
        done = disk.back_up()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    assert done.statistics.new_blocks == changed
    return len(counts)
