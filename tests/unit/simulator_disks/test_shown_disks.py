"""A disk that is attached to a VM is a file of the VM's own tree, until it is detached."""

from __future__ import annotations

from pathlib import Path

import pytest

from azure_simulator.disks.contents import ContentRefused, Contents

MIB = 1024 * 1024
GROUP = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute"
DISK, SNAPSHOT = f"{GROUP}/disks/a", f"{GROUP}/snapshots/one"


@pytest.fixture
async def contents(tmp_path: Path) -> Contents:
    made = Contents(tmp_path / "disks")
    await made.create_empty(DISK, 8 * MIB)
    return made


@pytest.fixture
def shown(tmp_path: Path) -> Path:
    return tmp_path / "tree/dev/disk/azure/scsi1/lun0"


def there(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def content(contents: Contents) -> bytes:
    found = contents.file_of(DISK)
    assert found is not None
    return found.path.read_bytes()


async def test_what_the_vm_writes_is_on_the_disk_and_in_its_next_snapshot(
    contents: Contents, shown: Path
) -> None:
    await contents.show(DISK, shown)
    with shown.open("r+b") as disk:
        disk.write(b"by the VM")

    assert content(contents) == b"by the VM".ljust(8 * MIB, b"\0")
    await contents.create_from(SNAPSHOT, DISK, 8 * MIB)
    copy = contents.file_of(SNAPSHOT)
    assert copy is not None
    assert copy.path.read_bytes() == content(contents)


async def test_who_still_has_a_detached_disk_open_writes_it_no_more(
    contents: Contents, shown: Path
) -> None:
    await contents.show(DISK, shown)
    with shown.open("r+b", buffering=0) as disk:
        disk.write(b"before")
        await contents.hide(DISK)
        disk.write(b"after")

    assert there(shown) is None
    assert content(contents) == b"before".ljust(8 * MIB, b"\0")


async def test_what_is_given_to_an_attached_disk_is_what_the_vm_reads(
    contents: Contents, shown: Path, tmp_path: Path
) -> None:
    given = tmp_path / "given"
    given.write_bytes(b"g" * 8 * MIB)
    await contents.show(DISK, shown)
    await contents.replace(DISK, given)

    assert there(shown) == there(given)


async def test_hidden_twice_or_never_shown_changes_nothing(contents: Contents, shown: Path) -> None:
    await contents.hide(DISK)
    await contents.show(DISK, shown)
    await contents.hide(DISK)
    await contents.hide(DISK)
    await contents.hide(f"{DISK}-gone")

    assert content(contents) == bytes(8 * MIB)


async def test_a_snapshot_is_attached_to_nothing(contents: Contents, shown: Path) -> None:
    await contents.create_from(SNAPSHOT, DISK, 8 * MIB)

    with pytest.raises(ContentRefused, match="never changes"):
        await contents.show(SNAPSHOT, shown)
