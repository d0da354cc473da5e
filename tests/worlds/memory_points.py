"""A repository as sessions see it and workers write it: the operator's own code over memory.

What is simulated is the containers alone. A worker's disk has a few blocks, which are written as an
agent writes them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from urllib.parse import urlsplit

from msgspec.structs import replace

from tests.worlds.memory_azure import APPLIANCE
from tests.worlds.memory_containers import Container, MemoryContainers
from tests.worlds.memory_repositories import MemorySecrets
from tests.worlds.turned_clock import TurnedClock
from vmbackup_core.extents import Extent
from vmbackup_core.ids import ChainId, RunId, SnapshotUniqueId
from vmbackup_core.protocol import DiskDone, DiskToBackUp, Fallback
from vmbackup_core.repository.control.backup.disk_asked import DiskAsked
from vmbackup_core.repository.control.backup.preparing import PreparedDisk
from vmbackup_core.repository.control.commits.commits import Commit, commits
from vmbackup_core.repository.control.log.log import Author
from vmbackup_core.repository.control.points.points import RecoveryPoint
from vmbackup_core.repository.data.disk_writer import DiskToRead, WrittenDisk, write_disk
from vmbackup_core.repository.data.grants import DiskGrant, Parameters
from vmbackup_core.repository.data.ports import DataStore
from vmbackup_core.repository.data.said import GIB, KIB, MIB
from vmbackup_core.repository.opened import OpenedRepository, begin_repository, open_repository
from vmbackup_core.repository.opened_log import Using
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.names import CHAINS, commit_name
from vmbackup_core.repository.primitives.user_key import UserKey
from vmbackup_core.repository.transfer import Progress
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.services.opened_repositories import OpenedRepositories, RememberedHeads
from vmbackup_operator.services.repositories import StoredPoints

CONTAINER = "backups"
#: Of another repository, of the same key.
ARCHIVES = "archives"
USER_KEY = UserKey(bytes(range(32)))
SECRET = ObjectKey("team", "repo-key")

#: Small ones: a pack takes its room before it is filled.
PARAMETERS = Parameters(64 * KIB, 4 * GIB, 1 * MIB)
#: What a disk holds: so much at its beginning, and nothing behind.
HELD_BYTES = PARAMETERS.block_bytes
#: Of which this much is allocated: exports tell pages, a repository has whole blocks.
ALLOCATED_BYTES = HELD_BYTES - 4096


class SnapshotBytes:
    """A disk's bytes, which follow from its snapshot: so much at its beginning, and zeros."""

    def __init__(self, snapshot: SnapshotUniqueId) -> None:
        self._seed = hashlib.sha256(snapshot.encode()).digest()

    def read_into(self, offset: int, buffer: memoryview) -> None:
        if offset >= HELD_BYTES:
            buffer[:] = bytes(len(buffer))
            return
        block = hashlib.sha256(self._seed + offset.to_bytes(8, "little")).digest()
        buffer[:] = (block * (len(buffer) // len(block) + 1))[: len(buffer)]


class MemoryPoints(StoredPoints):
    """One repository, begun; *containers* and Secrets outlive an operator, which `forget`s."""

    parameters = PARAMETERS
    archive_parameters = PARAMETERS

    def __init__(self, clock: TurnedClock | None = None) -> None:
        self.clock = clock or TurnedClock()
        #: What a worker stores as the bytes of a snapshot: another one's, where it lies.
        self.stores: Callable[[SnapshotUniqueId], SnapshotUniqueId] = lambda snapshot: snapshot
        #: Whether what is put into data, or deleted there, is met as well.
        self.meets_data = False
        self.containers = MemoryContainers(CONTAINER, ARCHIVES, clock=self.clock)
        self.secrets = MemorySecrets()
        self.secrets.keep(SECRET, {"key": USER_KEY.secret})
        for named in (CONTAINER, ARCHIVES):
            self.containers.container(f"{named}-control").there = True
            begin_repository(self.containers.places(named), USER_KEY, self._using(), "native")
        super().__init__(self._fresh(), self.secrets, APPLIANCE)

    @property
    def control(self) -> Container:
        return self.containers.container(f"{CONTAINER}-control")

    @property
    def meets(self) -> Callable[[str], None]:
        """What is called around every put into control, and every deletion there."""
        return self.control.meets

    @meets.setter
    def meets(self, meet: Callable[[str], None]) -> None:
        for named in (CONTAINER, ARCHIVES):
            control = self.containers.container(f"{named}-control")
            control.meets = control.meets_deletion = meet
            data = self.containers.container(named)
            data.meets_tiering = meet
            if self.meets_data:
                data.meets = data.meets_deletion = meet

    def forget(self) -> None:
        """Do what the end of an operator's process does: nothing is open."""
        self._opened = self._fresh()

    @property
    def opened_repositories(self) -> OpenedRepositories:
        """What the operator's process keeps open."""
        return self._opened

    def data_at(self, url: str) -> Container:
        """Return the container that a worker's way leads to."""
        return self.containers.container(urlsplit(url).path.strip("/"))

    def open(self, container: str = CONTAINER) -> OpenedRepository:
        """Return the repository as somebody else opens it."""
        return open_repository(self.containers.places(container), USER_KEY, self._using())

    @property
    def points(self) -> dict[RunId, RecoveryPoint]:
        """The points that count."""
        return {each.point.run_id: each.point for each in self.open().points()}

    @property
    def commits(self) -> dict[ChainId, list[Commit]]:
        """The commits of each chain, the oldest first."""
        control = self.open().log.control
        chains = [ChainId(each.split("/")[1]) for each in self.control.folders(CHAINS)]
        found = {chain: [each.commit for each in commits(control, chain)] for chain in chains}
        return {
            chain: [commit for commit in reversed(made) if commit is not None]
            for chain, made in found.items()
            if made
        }

    def lose_commits(self, chain: ChainId) -> None:
        """Have a chain without its commits, as if none had been made."""
        for commit in self.commits[chain]:
            self.control.delete(commit_name(chain, commit.slot))

    def write(self, disk: DiskToBackUp, fallback: Fallback | None = None) -> DiskDone:
        """Do what a worker does with a disk of its job; one that falls back drops the base."""
        grant = disk.grant if fallback is None else replace(disk.grant, base=None)
        written = self.written(ChainKeys.parse(disk.keys), grant)
        is_full = grant.base is None
        return DiskDone(
            disk_id=disk.disk_id,
            manifest=written.manifest,
            manifest_sha256=written.sha256,
            statistics=written.statistics,
            changed_outside=written.changed_outside,
            allocated_bytes=ALLOCATED_BYTES if is_full else None,
            seconds=1.0,
            read="Full" if is_full else "Incremental",
            fallback=fallback,
            changed_bytes=None if is_full else ALLOCATED_BYTES,
        )

    def commit_of_another(self, grant: DiskGrant) -> None:
        """Have another run commit the grant's disk at another moment: the next slot is taken."""
        opened = self.open()
        asked = DiskAsked(
            run=RunId("f" * 32),
            snapshot_unique_id=SnapshotUniqueId(f"another-{grant.slot}"),
            taken_at=None,
            disk_bytes=grant.disk_bytes,
            disk=grant.disk,
            vm=grant.vm,
        )
        prepared: PreparedDisk = opened.prepare_disk(asked, PARAMETERS)
        written = self.written(prepared.keys, prepared.grant)
        opened.commit_disk(asked, written.manifest, written.sha256)

    def written(self, keys: ChainKeys, grant: DiskGrant) -> WrittenDisk:
        """Do what a worker does with a disk, and return what it says."""
        data = self.containers.container(CONTAINER)
        return written_by_a_worker(data, keys, grant, self.stores(grant.snapshot_unique_id))

    def _using(self) -> Using:
        return Using(Author(APPLIANCE, APPLIANCE), self.clock, RememberedHeads())

    def _fresh(self) -> OpenedRepositories:
        return OpenedRepositories(self.containers, APPLIANCE, self.clock)


def written_by_a_worker(
    data: DataStore,
    keys: ChainKeys,
    grant: DiskGrant,
    bytes_of: SnapshotUniqueId | None = None,
) -> WrittenDisk:
    """Write a disk of a few blocks as a worker writes it, and return what it says.

    One that lies writes *bytes_of* another snapshot, under hashes that are right.
    """
    held = Extent(0, min(HELD_BYTES, grant.disk_bytes))
    read = DiskToRead(SnapshotBytes(bytes_of or grant.snapshot_unique_id), [held])
    return write_disk(data, keys, grant, read, threads=1, progress=_unwatched)


def _unwatched(_progress: Progress) -> None:
    return
