"""A restore job into attached disks: what differs is written, all is read back, or it fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.repository.data.bench import noise
from tests.unit.worker.restoring_scenes import BLOCK, DIFFERING_BYTES, NOW, THEN, Attached
from vmbackup_core.errors import PermanentError


@pytest.fixture
def scene(tmp_path: Path) -> Attached:
    return Attached(tmp_path / "dev")


def test_only_what_differs_is_written(scene: Attached) -> None:
    result = scene.restored()

    told = {each.disk_id.rsplit("/", 1)[-1]: each for each in result.disks}
    for name, disk in told.items():
        assert disk.compared_bytes == len(THEN[name])
        assert disk.written_bytes == disk.differing_bytes == DIFFERING_BYTES[name]


def test_progress_is_of_what_is_compared_and_read_back(scene: Attached) -> None:
    scene.restored()
    reading, both = scene.meter.reading(), 2 * sum(map(len, THEN.values()))

    assert (reading.bytes_to_read, reading.bytes_read) == (both, both)
    assert reading.bytes_stored == sum(DIFFERING_BYTES.values())
    assert reading.disk is None


def test_the_same_job_again_writes_nothing(scene: Attached) -> None:
    scene.restored()
    result = scene.restored()

    assert scene.is_right
    assert [each.written_bytes for each in result.disks] == [0, 0]
    assert [each.differing_bytes for each in result.disks] == [0, 0]


def test_a_larger_target_is_zero_behind_the_points_end(scene: Attached) -> None:
    scene.device("data").write_bytes(NOW["data"] + noise(5, BLOCK) + bytes(BLOCK))

    result = scene.restored()

    assert scene.device("data").read_bytes() == THEN["data"] + bytes(2 * BLOCK)
    assert result.disks[1].written_bytes == BLOCK


def test_a_disk_that_is_not_attached_ends_the_job_before_anything_is_written(
    scene: Attached,
) -> None:
    scene.link(1).unlink()

    failed = scene.failure()

    assert failed.disk_id == "/targets/data"
    assert isinstance(failed.cause, PermanentError)
    assert failed.cause.reason == "DiskNotAttached"
    assert scene.is_untouched


def test_what_is_not_read_back_as_it_was_written_ends_the_job(scene: Attached) -> None:
    """Somebody else writes a block that was compared already."""

    def write() -> None:
        with scene.device("os").open("r+b") as disk:
            disk.seek(20 * BLOCK)
            disk.write(b"another's")

    scene.once_a_pack_is_read(write)

    failed = scene.failure()

    assert isinstance(failed.cause, PermanentError)
    assert failed.cause.reason == "DiskDiffers"
    assert f"{BLOCK} bytes" in str(failed.cause)
