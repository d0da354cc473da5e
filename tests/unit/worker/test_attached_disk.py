"""A disk at a LUN, found by the links that Azure's images make, and taken by nobody else."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_worker.access import Stopped
from vmbackup_worker.attached_disk import AttachedDisk, opened

MIB = 1024 * 1024


@pytest.fixture
def devices(tmp_path: Path) -> Path:
    """Return a folder of devices that has one disk, of 1 MiB, at no LUN yet."""
    folder = tmp_path / "dev"
    folder.mkdir()
    (folder / "sdc").write_bytes(bytes(MIB))
    return folder


def link(devices: Path, name: str, device: str = "sdc") -> None:
    path = devices / "disk/azure" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(devices / device)


@pytest.mark.parametrize("name", ["scsi1/lun7", "data/by-lun/7"], ids=["SCSI", "NVMe"])
def test_a_disk_is_found_by_its_lun_and_read_as_it_was_written(devices: Path, name: str) -> None:
    link(devices, name)

    with opened("data", 7, threading.Event(), devices=devices) as disk:
        disk.write_at(4096, b"here")
        disk.flush()
        found = bytearray(8)
        disk.read_into(4094, memoryview(found))

        assert disk.size_bytes() == MIB
    assert found == b"\0\0here\0\0"
    assert (devices / "sdc").read_bytes()[4096:4100] == b"here"


def test_a_disk_that_the_machine_sees_late_is_waited_for(devices: Path) -> None:
    appearing = threading.Timer(0.3, lambda: link(devices, "scsi1/lun0"))
    appearing.start()

    with opened("data", 0, threading.Event(), devices=devices) as disk:
        assert disk.size_bytes() == MIB
    appearing.join(60)


def refusal(devices: Path, lun: int) -> PermanentError:
    opening = opened("data", lun, threading.Event(), devices=devices, within_s=0)
    with pytest.raises(PermanentError) as refused, opening:
        pass
    return refused.value


def test_a_lun_without_a_disk_is_told_by_its_number(devices: Path) -> None:
    link(devices, "scsi1/lun1")

    refused = refusal(devices, 2)

    assert refused.reason == "DiskNotAttached"
    assert "LUN 2" in str(refused)


@pytest.mark.parametrize("own", ["root", "os"])
def test_the_disk_that_the_machine_runs_from_is_never_opened(devices: Path, own: str) -> None:
    link(devices, own)
    link(devices, "scsi1/lun0")

    assert refusal(devices, 0).reason == "DiskInUse"


def test_what_the_kernel_has_in_use_is_refused(devices: Path) -> None:
    program = shutil.which("sleep")
    assert program is not None
    shutil.copy(program, devices / "sdd")
    link(devices, "scsi1/lun0", "sdd")

    with subprocess.Popen([devices / "sdd", "60"]) as using:  # noqa: S603 - the copy above
        refused = refusal(devices, 0)
        using.kill()

    assert refused.reason == "DiskInUse"


def test_what_is_no_disk_is_refused(devices: Path) -> None:
    (devices / "folder").mkdir()
    link(devices, "scsi1/lun0", "folder")

    assert refusal(devices, 0).reason == "DiskNotAttached"


def test_who_is_told_to_stop_waits_and_writes_no_more(devices: Path) -> None:
    stop = threading.Event()
    link(devices, "scsi1/lun0")
    with opened("data", 0, stop, devices=devices) as disk:
        stop.set()
        with pytest.raises(Stopped):
            disk.write_at(0, b"late")
        with pytest.raises(Stopped):
            disk.read_into(0, memoryview(bytearray(4)))
    with pytest.raises(Stopped), opened("data", 1, stop, devices=devices):
        pass

    assert (devices / "sdc").read_bytes() == bytes(MIB)


def test_a_disk_that_is_taken_away_is_a_failure_that_passes() -> None:
    reading, writing = os.pipe()
    try:
        disk = AttachedDisk("data", reading, threading.Event())
        with pytest.raises(TransientError, match="data: read at 0: "):
            disk.read_into(0, memoryview(bytearray(4)))
        with pytest.raises(TransientError, match="data: write at 0: "):
            disk.write_at(0, b"gone")
        with pytest.raises(TransientError, match="data: flush at 0: "):
            disk.flush()
    finally:
        os.close(reading)
        os.close(writing)


def test_a_read_behind_the_end_is_a_failure(devices: Path) -> None:
    link(devices, "scsi1/lun0")

    opening = opened("data", 0, threading.Event(), devices=devices)
    with opening as disk, pytest.raises(TransientError, match=f"data: ends at {MIB}"):
        disk.read_into(MIB - 4, memoryview(bytearray(8)))
