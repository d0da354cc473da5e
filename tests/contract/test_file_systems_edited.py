"""What debugfs makes of a file system has no fault, and what it could not do is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.demo import changes
from tools.local_cloud import disk_images, seed
from tools.local_cloud.disk_images import MIB, PAGE_BYTES


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file system as the demo's VM has it, of a smaller disk."""
    folder = tmp_path_factory.mktemp("system")
    disk_images.make_file_system(folder / "disk", 512 * MIB, folder / "scratch")
    return folder / "disk"


def test_files_change_and_the_file_system_stays_whole(system: Path, tmp_path: Path) -> None:
    after, source, script = tmp_path / "after", tmp_path / "motd", tmp_path / "script"
    disk_images.copy_disk(system, after)
    source.write_text("changed\n")

    disk_images.edit_file_system(after, ["cd /etc", f"write {source} motd"], script)

    assert "files" in disk_images.check_file_system(after)
    assert disk_images.differing_extents(system, after)
    disk_images.edit_file_system(after, ["cat /etc/motd"], script)


@pytest.mark.parametrize(
    "command", ["rm /etc/nothing", "write /nowhere/file file", "cd /nowhere", "frobnicate"]
)
def test_what_debugfs_could_not_do_is_told(system: Path, tmp_path: Path, command: str) -> None:
    with pytest.raises(ValueError, match="debugfs on "):
        disk_images.edit_file_system(system, [command], tmp_path / "script")


def test_a_vm_that_goes_on_changes_what_its_disks_hold(tmp_path: Path) -> None:
    before = seed.plan_disks(tmp_path / "disks")
    seed.make_disks(before, data_bytes=32 * MIB)

    after = changes.changed_disks(before, tmp_path / "after")

    changed = changes.changed_extents(before, after)
    system, data, empty = before
    assert (bool(changed[system.id]), bool(changed[data.id]), changed[empty.id]) == (True, True, [])
    assert all(
        offset % PAGE_BYTES == length % PAGE_BYTES == 0
        for extents in changed.values()
        for offset, length in extents
    )
    assert "files" in disk_images.check_file_system(after[0].path)
    assert [line.split(":")[0] for line in changes.told(changed).splitlines()] == [
        system.name,
        data.name,
    ]
