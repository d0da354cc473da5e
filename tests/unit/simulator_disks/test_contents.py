"""Disks and snapshots keep their bytes, and know their family."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from azure_simulator.disks.contents import ContentRefused, Contents, NoContent
from azure_simulator.disks.grants import ExportGrants
from azure_simulator.storage.wire import StorageError

MIB = 1024 * 1024
GROUP = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute"
DISK, OTHER = f"{GROUP}/disks/a", f"{GROUP}/disks/b"
FIRST, SECOND = f"{GROUP}/snapshots/one", f"{GROUP}/snapshots/two"


@pytest.fixture
def contents(tmp_path: Path) -> Contents:
    return Contents(tmp_path / "disks")


@pytest.fixture
def piece(tmp_path: Path) -> Path:
    path = tmp_path / "piece"
    path.write_bytes(b"p" * 4096)
    return path


def allocated(contents: Contents, arm_id: str) -> Sequence[tuple[int, int]]:
    found = contents.file_of(arm_id)
    assert found is not None
    return found.allocated


async def test_a_snapshot_keeps_what_its_disk_held(contents: Contents, piece: Path) -> None:
    await contents.create_empty(DISK, 8 * MIB)
    await contents.write(DISK, MIB, piece)
    await contents.create_from(FIRST, DISK, 8 * MIB)
    await contents.write(DISK, 2 * MIB, piece)

    assert allocated(contents, FIRST) == [(MIB, 4096)]
    assert allocated(contents, DISK) == [(MIB, 4096), (2 * MIB, 4096)]


async def test_the_same_call_again_changes_nothing(contents: Contents, piece: Path) -> None:
    await contents.create_empty(DISK, 8 * MIB)
    await asyncio.gather(*(contents.create_from(FIRST, DISK, 8 * MIB) for _ in range(3)))
    await contents.write(DISK, 0, piece)
    await contents.create_from(FIRST, DISK.upper(), 8 * MIB)
    await contents.create_empty(DISK, 8 * MIB)

    assert allocated(contents, FIRST) == []
    assert allocated(contents, DISK) == [(0, 4096)]


async def test_other_arguments_for_what_is_there_are_refused(contents: Contents) -> None:
    await contents.create_empty(DISK, 8 * MIB)

    with pytest.raises(ContentRefused, match="another size or source"):
        await contents.create_empty(DISK, 16 * MIB)


async def test_a_snapshot_never_changes(contents: Contents, piece: Path) -> None:
    await contents.create_empty(DISK, 8 * MIB)
    await contents.create_from(FIRST, DISK, 8 * MIB)

    with pytest.raises(ContentRefused, match="never changes"):
        await contents.write(FIRST, 0, piece)


async def test_snapshots_are_of_their_disks_family_and_a_disk_made_of_one_is_not(
    contents: Contents,
) -> None:
    await contents.create_empty(DISK, 8 * MIB)
    for target, source in ((FIRST, DISK), (SECOND, FIRST), (OTHER, FIRST)):
        await contents.create_from(target, source, 8 * MIB)

    families = [contents.get(each).family for each in (DISK, FIRST, SECOND, OTHER)]
    assert families[0] == families[1] == families[2] != families[3]


async def test_content_has_the_disks_exact_size(contents: Contents, tmp_path: Path) -> None:
    await contents.create_empty(DISK, 8 * MIB)
    (tmp_path / "image").write_bytes(b"x" * MIB)

    with pytest.raises(ContentRefused, match="has 1048576 bytes"):
        await contents.replace(DISK, tmp_path / "image")


async def test_a_deleted_disk_leaves_its_snapshots(contents: Contents, piece: Path) -> None:
    await contents.create_empty(DISK, 8 * MIB)
    await contents.write(DISK, 0, piece)
    await contents.create_from(FIRST, DISK, 8 * MIB)
    await contents.delete(DISK)
    await contents.delete(DISK)

    assert contents.file_of(DISK) is None
    assert allocated(contents, FIRST) == [(0, 4096)]
    with pytest.raises(NoContent):
        await contents.create_from(SECOND, DISK, 8 * MIB)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_a_grant_is_the_same_url_until_it_expires(contents: Contents) -> None:
    clock = Clock()
    grants = ExportGrants(contents, clock)
    await contents.create_empty(DISK, 8 * MIB)

    first = await grants.grant(DISK, "Read", 60, "md-1.z1.blob.storage.azure.net")
    clock.now += 59
    assert await grants.grant(DISK, "Read", 60, "md-1.z1.blob.storage.azure.net") == first
    assert grants.granted(DISK)
    clock.now += 1
    assert not grants.granted(DISK)
    assert await grants.grant(DISK, "Read", 60, "md-1.z1.blob.storage.azure.net") != first


async def test_nothing_is_granted_of_a_disk_without_content(contents: Contents) -> None:
    with pytest.raises(NoContent):
        await ExportGrants(contents).grant(DISK, "Read", 60, "md-1.z1.blob.storage.azure.net")


async def test_an_expired_grant_is_no_longer_authorized(contents: Contents) -> None:
    clock = Clock()
    grants = ExportGrants(contents, clock)
    await contents.create_empty(DISK, 8 * MIB)
    await grants.grant(DISK, "Read", 60, "h")
    grant = grants._by_id[DISK.lower()]  # noqa: SLF001 - the parts of the URL
    query = {"sv": "2018-03-28", "sr": "b", "si": grant.policy, "sig": grant.signature}

    assert grants.authorize("h", grant.path, query) == grant
    clock.now += 60
    with pytest.raises(StorageError) as refused:
        grants.authorize("h", grant.path, query)
    assert (refused.value.status, refused.value.code) == (403, "AuthenticationFailed")
