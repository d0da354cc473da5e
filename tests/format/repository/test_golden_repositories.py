"""Every version's golden repository is read by this version, for ever."""

from __future__ import annotations

import hashlib

import pytest

from tests.format.repository.golden import VERSIONS, expected, repository_folder
from vmbackup_core.ids import DiskUniqueId, RunId
from vmbackup_core.repository import RepositoryKey, open_repository
from vmbackup_core.repository.envelope import MAJOR, MINOR
from vmbackup_core.stores.directory import DirectoryStore
from vmbackup_core.stores.port import Buffer


class Sink:
    def __init__(self, size: int) -> None:
        self.content = bytearray(size)

    def write_at(self, offset: int, data: Buffer) -> None:
        self.content[offset : offset + len(data)] = data


def test_every_version_is_kept() -> None:
    assert [f"{MAJOR}.{minor}" for minor in range(MINOR + 1)] == VERSIONS


@pytest.mark.parametrize("version", VERSIONS)
def test_golden_files_are_never_edited(version: str) -> None:
    folder = repository_folder(version)
    found = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }

    assert found == expected(version).files


@pytest.mark.parametrize("version", VERSIONS)
def test_a_golden_repository_is_read_checked_and_restored(version: str) -> None:
    golden = expected(version)
    store = DirectoryStore(repository_folder(version))
    repository = open_repository(store, RepositoryKey.parse(golden.key))

    assert repository.repository_id == golden.repository_id
    assert repository.appliance_id == golden.appliance_id
    assert repository.check(read_data=True).findings == ()
    for wanted in golden.points:
        point = repository.find_point(RunId(wanted.run_id))
        assert point is not None
        (disk,) = point.disks
        assert (point.kind, disk.size_bytes) == (wanted.kind, wanted.size_bytes)
        assert disk.snapshot_unique_id == wanted.snapshot_unique_id
        assert disk.chain_id == repository.chain_id(DiskUniqueId(golden.unique_id))
        sink = Sink(disk.size_bytes)
        repository.restore_disk(point, disk, sink)
        assert hashlib.sha256(sink.content).hexdigest() == wanted.sha256
