"""A disk restored into a block device: written into as far as the disk goes, never replaced."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.cli.program import CONTENT, CommandLine, Filled, damage
from vmbackup_core.errors import PermanentError
from vmbackup_operator.cli.restored_device import restored_device

MIB = 1024**2


@pytest.fixture
def loop_device(tmp_path: Path) -> Iterator[Path]:
    """A block device of 2 MiB full of something."""
    image = tmp_path / "image"
    image.write_bytes(b"\xaa" * 2 * MIB)
    made = subprocess.run(  # noqa: S603 - a tool of the system's
        ["/usr/sbin/losetup", "--find", "--show", str(image)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"no loop device is to be had here: {made.stderr.strip()}")
    path = made.stdout.strip()
    yield Path(path)
    subprocess.run(["/usr/sbin/losetup", "--detach", path], check=True)  # noqa: S603


@pytest.fixture(params=["kernel", "file"])
def device(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A device; a file stands for one that the kernel can't zero."""
    if request.param == "kernel":
        found: Path = request.getfixturevalue("loop_device")
        return found
    image = tmp_path / "image"
    image.write_bytes(b"\xaa" * 2 * MIB)
    return image


def test_a_device_is_zero_wherever_the_disk_is(device: Path) -> None:
    zeroed: list[int] = []

    with restored_device(device, MIB + 512, zeroed.append) as sink:
        sink.write_at(4096, b"data")
        sink.write_at(MIB, b"more")

    content = device.read_bytes()
    wanted = bytearray(MIB + 512)
    wanted[4096:4100], wanted[MIB : MIB + 4] = b"data", b"more"
    assert content[: MIB + 512] == wanted
    assert content[MIB + 512 :] == b"\xaa" * (MIB - 512)  # behind the disk nothing is touched
    assert zeroed == [MIB + 512]


def test_a_device_is_zeroed_for_a_disk_of_nothing(device: Path) -> None:
    with restored_device(device, MIB, lambda _: None):
        pass

    assert device.read_bytes() == bytes(MIB) + b"\xaa" * MIB


def test_a_device_is_left_alone_where_there_was_nothing_to_write(device: Path) -> None:
    with pytest.raises(ZeroDivisionError), restored_device(device, MIB, lambda _: None):
        raise ZeroDivisionError

    assert device.read_bytes() == b"\xaa" * 2 * MIB


def test_a_real_device_is_written_into_and_stays_one(
    loop_device: Path, filled: Filled, filled_line: CommandLine, tmp_path: Path
) -> None:
    filled.add(1, "web", "2026-11-20")
    link = tmp_path / "by-id"
    link.symlink_to(loop_device)
    to = ["--point", "latest", "--disk", "os", "--to", str(link)]

    code, _, err = filled_line.run("restore", *to)
    assert code == 2
    assert f"FileExists: {link} is a block device; --force writes into it" in err
    assert loop_device.read_bytes() == b"\xaa" * 2 * MIB

    assert filled_line.run("restore", *to, "--force")[0] == 0
    assert link.is_symlink()
    assert loop_device.is_block_device()
    assert loop_device.read_bytes() == CONTENT + b"\xaa" * (2 * MIB - len(CONTENT))


def test_a_device_that_is_in_use_is_refused(loop_device: Path) -> None:
    held = os.open(loop_device, os.O_RDWR | os.O_EXCL)
    try:
        with (
            pytest.raises(PermanentError, match="is in use") as refused,
            restored_device(loop_device, MIB, lambda _: None),
        ):
            pass
    finally:
        os.close(held)

    assert refused.value.reason == "DeviceInUse"


def test_a_disk_of_which_nothing_can_be_had_leaves_a_device_alone(
    loop_device: Path, filled: Filled, filled_line: CommandLine
) -> None:
    filled.add(1, "web", "2026-11-20")
    damage(filled, "/m/0")
    to = ["--point", "latest", "--disk", "os", "--to", str(loop_device), "--force"]

    assert filled_line.run("restore", *to, "--keep-going")[0] == 1
    assert filled_line.run("restore", *to)[0] == 1
    assert loop_device.read_bytes() == b"\xaa" * 2 * MIB
