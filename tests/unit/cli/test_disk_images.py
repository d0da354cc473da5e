"""A disk restored to an image that hypervisors open, which holds what the disk held."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given

from tests.unit.cli.disk_images import Opened, read_qcow2, read_vhd
from tests.unit.cli.program import CONTENT, CommandLine, Filled, damage, disk_content
from tests.unit.repository.data.samples import SEEDS
from vmbackup_core.vhd_footer import footer
from vmbackup_operator.cli.restored_disks import IMAGES
from vmbackup_operator.cli.restored_file import restored_file
from vmbackup_operator.cli.targets import Format, Target, objection

MIB = 1024**2
BLOCK = 256 * 1024
READERS: dict[Format, Callable[[Path], Opened]] = {"qcow2": read_qcow2, "vhd": read_vhd}
QEMU = shutil.which("qemu-img")
#: What QEMU calls them.
DRIVERS: dict[Format, str] = {"qcow2": "qcow2", "vhd": "vpc"}

formats = pytest.mark.parametrize("image", ["qcow2", "vhd"])


def write(path: Path, image: Format, size_bytes: int, pieces: list[tuple[int, bytes]]) -> None:
    """Write an image as a restore does: several threads, in no order."""
    with (
        restored_file(path, size_bytes, force=True, new_image=IMAGES[image]) as sink,
        ThreadPoolExecutor(4) as threads,
    ):
        list(threads.map(lambda piece: sink.write_at(*piece), pieces))


def drawn(draw: random.Random, size_bytes: int, piece_bytes: int) -> list[tuple[int, bytes]]:
    """Return pieces of a disk, each once, in no order."""
    places = range(0, size_bytes, piece_bytes)
    chosen = draw.sample(places, min(len(places), draw.randrange(30)))
    return [(at, draw.randbytes(min(piece_bytes, size_bytes - at))) for at in chosen]


def disk_of(size_bytes: int, pieces: list[tuple[int, bytes]]) -> bytes:
    content = bytearray(size_bytes)
    for at, data in pieces:
        content[at : at + len(data)] = data
    return bytes(content)


@formats
@given(SEEDS)
def test_an_image_holds_what_was_written_and_zeros(image: Format, draw: random.Random) -> None:
    size_bytes = draw.randrange(1, 8 * MIB)
    pieces = drawn(draw, size_bytes, draw.choice((4096, 65_536, BLOCK)))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "image"
        write(path, image, size_bytes, pieces)
        opened = READERS[image](path)

    disk = disk_of(size_bytes, pieces)
    assert opened.content[:size_bytes] == disk
    assert opened.content[size_bytes:] == bytes(len(opened.content) - size_bytes)
    assert len(opened.content) - size_bytes < (MIB if image == "vhd" else 512)


def test_a_qcow2_of_a_large_disk_is_as_long_as_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "disk.qcow2"
    # The last piece lies in two tables, each of which leads to 512 MiB.
    pieces = [(0, b"a" * BLOCK), (31 * 1024 * MIB, b"b" * BLOCK), (512 * MIB - 4096, b"c" * 8192)]

    write(path, "qcow2", 32 * 1024 * MIB, pieces)

    assert path.stat().st_size < 2 * MIB
    if QEMU is not None:
        raw = tmp_path / "raw"
        write(raw, "raw", 32 * 1024 * MIB, pieces)
        compare_by_qemu(raw, path, "qcow2")


def test_counts_of_references_fill_more_than_one_block(tmp_path: Path) -> None:
    """A block of counts is of 2 GiB; pieces of a byte take 64 KiB of it each, and none on disk."""
    path = tmp_path / "disk.qcow2"
    clusters = 32_768 + 10

    with restored_file(path, clusters * 65_536, force=False, new_image=IMAGES["qcow2"]) as sink:
        for number in range(clusters):
            sink.write_at(number * 65_536, b"x")

    with path.open("rb") as file:
        file.seek(48)
        table_at, table_clusters = struct.unpack(">QI", file.read(12))
        file.seek(table_at)
        blocks = struct.unpack(">8192Q", file.read(65_536))
    end = path.stat().st_size // 65_536
    assert table_clusters == 1
    assert [*map(bool, blocks)] == [True, True] + [False] * 8190
    with path.open("rb") as file:
        file.seek(blocks[1])
        counts = struct.unpack(">32768H", file.read(65_536))
    assert sum(counts) == end - 32_768
    if QEMU is not None:
        subprocess.run([QEMU, "check", str(path)], check=True, capture_output=True)  # noqa: S603


@formats
@pytest.mark.skipif(QEMU is None, reason="qemu-img is not installed")
def test_qemu_reads_the_same(image: Format, tmp_path: Path) -> None:
    draw = random.Random(5)  # noqa: S311 - what is drawn is no secret
    for size_bytes in (3 * MIB, 200 * 1024 * MIB):  # beyond what geometry can say
        pieces = drawn(draw, size_bytes, BLOCK)
        raw, path = tmp_path / "raw", tmp_path / "image"
        write(raw, "raw", size_bytes, pieces)
        write(path, image, size_bytes, pieces)
        compare_by_qemu(raw, path, image)


def compare_by_qemu(raw: Path, path: Path, image: Format) -> None:
    assert QEMU is not None
    command = [QEMU, "compare", "-f", "raw", "-F", DRIVERS[image], str(raw), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr
    assert "mismatch" not in done.stdout + done.stderr  # of sizes
    if image == "qcow2":
        subprocess.run([QEMU, "check", str(path)], check=True, capture_output=True)  # noqa: S603


@pytest.mark.parametrize(
    ("size_bytes", "geometry"),
    [
        (20 * MIB, (602, 4, 17)),
        (1024 * MIB, (2080, 16, 63)),
        (127 * 1024 * MIB, (65278, 16, 255)),
        (1024 * 1024 * MIB, (65535, 16, 255)),
    ],
)
def test_a_footer_has_the_geometry_that_the_specification_computes(
    size_bytes: int, geometry: tuple[int, int, int]
) -> None:
    made = footer(size_bytes, datetime(2026, 11, 27, tzinfo=UTC), uuid.UUID(int=7))

    assert struct.unpack_from(">HBB", made, 56) == geometry
    assert struct.unpack_from(">I", made, 24) == (849_052_800,)  # seconds since 2000
    assert made[68:84] == uuid.UUID(int=7).bytes
    assert len(made) == 512


@formats
def test_a_disk_is_restored_to_an_image(
    image: Format, filled: Filled, filled_line: CommandLine, tmp_path: Path
) -> None:
    filled.add(1, "web", "2026-11-20")
    path = tmp_path / "disk"
    to = ["--point", "latest", "--disk", "os", "--to", str(path), "--format", image]

    assert filled_line.run("restore", *to)[0] == 0
    assert READERS[image](path).content[: len(CONTENT)] == CONTENT
    assert path.stat().st_mode & 0o777 == 0o600

    before = path.read_bytes()
    code, _, err = filled_line.run("restore", *to)
    assert (code, path.read_bytes()) == (2, before)
    assert f"FileExists: {path} exists; --force replaces it" in err


@formats
def test_all_disks_get_the_ending_of_their_format(
    image: Format, filled: Filled, filled_line: CommandLine, tmp_path: Path
) -> None:
    filled.add_disks(1, [("os", None), ("data", 0)])
    to = ["--point", "latest", "--all", "--to", str(tmp_path / "disks"), "--format", image]

    assert filled_line.run("restore", *to)[0] == 0

    for place, name in enumerate(("os", "data")):
        content = disk_content(place)
        path = tmp_path / "disks" / f"{name}.{image}"
        assert READERS[image](path).content[: len(content)] == content


@formats
def test_what_damage_ends_leaves_no_image(
    image: Format, filled: Filled, filled_line: CommandLine, tmp_path: Path
) -> None:
    filled.add(1, "web", "2026-11-20")
    damage(filled, "/p/0")
    folder = tmp_path / "folder"
    folder.mkdir()
    to = ["--point", "latest", "--disk", "os", "--to", str(folder / "disk"), "--format", image]

    assert filled_line.run("restore", *to)[0] == 1
    assert [*folder.iterdir()] == []

    assert filled_line.run("restore", *to, "--keep-going")[0] == 1
    assert len(READERS[image](folder / "disk").content) >= len(CONTENT)


@formats
def test_an_image_is_not_written_into_a_device(image: Format) -> None:
    device = Target(Path("/dev/sdz"), "device", MIB)

    refusal = objection(device, "os", MIB, force=True, image=image)

    assert refusal is not None
    assert refusal.reason == "NotAFile"
    assert f"/dev/sdz is a block device, and a {image} image is a file" in str(refusal)
    assert objection(device, "os", MIB, force=True) is None
