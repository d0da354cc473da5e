"""A restore job into disks made for upload: what is not zero is written, then a footer."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.unit.worker.export_host import Refused
from tests.unit.worker.restoring_scenes import BLOCK, Uploading, uploading
from tests.unit.worker.upload_host import upload_host
from vmbackup_worker.access import AccessRefused, Stopped


@pytest.fixture
def scene() -> Iterator[Uploading]:
    with uploading() as made:
        yield made


def test_only_what_is_not_zero_is_written_and_the_footer_comes_last(scene: Uploading) -> None:
    result = scene.restored()

    assert [each.written_bytes for each in result.disks] == [45 * BLOCK, BLOCK + 1024]
    for host, told in zip(scene.hosts, result.disks, strict=True):
        assert host.puts[-1].first == host.size_bytes
        assert sum(put.length for put in host.puts[:-1]) == told.written_bytes


def test_progress_is_of_the_blocks_that_are_not_zero(scene: Uploading) -> None:
    scene.restored()
    reading = scene.meter.reading()

    assert reading.bytes_to_read == 47 * BLOCK
    assert reading.bytes_read == 46 * BLOCK + 700
    assert reading.bytes_stored == 46 * BLOCK + 1024
    assert reading.disk is None


def test_a_larger_target_has_its_footer_at_its_own_end(scene: Uploading) -> None:
    with upload_host(4 * 1024 * 1024) as larger:
        scene.hosts[0] = larger
        scene.restored()

        assert scene.is_right


def test_the_same_job_again_writes_the_same_bytes(scene: Uploading) -> None:
    job = scene.job()
    scene.restored(job)
    first = [bytes(host.pages) for host in scene.hosts]
    scene.restored(job)

    assert [bytes(host.pages) for host in scene.hosts] == first


def test_a_job_that_is_told_to_stop_leaves_no_disk(scene: Uploading) -> None:
    scene.once_a_pack_is_read(scene.stop.set)

    with pytest.raises(Stopped):
        scene.work().run()
    assert scene.is_no_disk


def test_a_refusal_for_good_ends_the_job_with_status_and_code(scene: Uploading) -> None:
    scene.hosts[0].faults = [Refused(409, "InvalidBlobType")] * 9

    failed = scene.failure()

    assert "os: the upload is refused for good: HTTP 409 Inv" in str(failed)
    assert not scene.hosts[0].is_whole


def test_a_sas_that_is_refused_under_the_job_is_taken_from_a_newer_message(
    scene: Uploading,
) -> None:
    work = scene.work(scene.job(), renewal_s=30)
    for host in scene.hosts:
        host.sas = "sig=fresh"
    renewed = threading.Timer(0.3, lambda: work.renew(scene.job()))
    renewed.start()
    work.run()
    renewed.join(60)

    assert scene.is_right


def test_without_a_fresh_sas_the_job_ends_and_may_be_tried_again(scene: Uploading) -> None:
    job = scene.job()
    scene.hosts[1].sas = "sig=fresh"

    failed = scene.failure(job)
    assert isinstance(failed.cause, AccessRefused)
    assert "sig=" not in str(failed)

    scene.stop.clear()
    scene.restored()
    assert scene.is_right
