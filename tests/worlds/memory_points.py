"""A repository in memory as sessions see it, and what workers write into it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from typing_extensions import override

from vmbackup_core.errors import LostAttempt, PermanentError
from vmbackup_core.ids import ChainId, CommitSlot, RepositoryId, RunId, SnapshotUniqueId
from vmbackup_core.protocol import DiskDone, DiskToBackUp
from vmbackup_core.repository.control.chain_header import DiskChain
from vmbackup_core.repository.control.committing import CommittedDisk
from vmbackup_core.repository.control.disk_asked import DiskAsked
from vmbackup_core.repository.control.preparing import PreparedDisk
from vmbackup_core.repository.data.grants import DiskGrant, ManifestAt, Parameters
from vmbackup_core.repository.data.said import Statistics
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.identities import WritingSession, draw
from vmbackup_core.repository.primitives.names import manifest_name, prefix_of_chain
from vmbackup_operator.arm_ids import same_id
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.naming import ArmId
from vmbackup_operator.sessions import ports
from vmbackup_operator.sessions.seen import DiskWritten, PointSeen, PointWanted

REPOSITORY = RepositoryId("0" * 32)


@dataclass(frozen=True)
class Written:
    """A manifest that a worker has put."""

    chain: ChainId
    slot: CommitSlot
    run: RunId
    moment: SnapshotUniqueId
    sha256: str
    read_bytes: int


@dataclass
class MemoryPoints(ports.RecoveryPoints):
    """One repository: a commit takes what a worker has written for the next slot, and only that."""

    points: dict[RunId, PointWanted] = field(default_factory=dict)
    commits: dict[ChainId, list[tuple[RunId, SnapshotUniqueId, CommittedDisk]]] = field(
        default_factory=dict
    )
    written: dict[str, Written] = field(default_factory=dict)
    meets: Callable[[str], None] = lambda _what: None

    def write(self, disk: DiskToBackUp) -> DiskDone:
        """Do what a worker does with a disk of its job: put a manifest, and say so."""
        grant = disk.grant
        name = manifest_name(disk.chain_id, grant.slot, WritingSession(draw()))
        sha256 = hashlib.sha256(name.encode()).hexdigest()
        self.written[name] = Written(
            disk.chain_id,
            grant.slot,
            grant.run_id,
            grant.snapshot_unique_id,
            sha256,
            grant.disk_bytes,
        )
        return DiskDone(
            disk_id=disk.disk_id,
            manifest=name,
            manifest_sha256=sha256,
            statistics=Statistics(grant.disk_bytes, 1, 0, 0, 0),
            changed_outside=0,
            allocated_bytes=grant.disk_bytes,
            seconds=1.0,
        )

    @override
    async def find(
        self, repository: BackupRepository, virtual_machine_id: ArmId, run_id: RunId
    ) -> PointSeen | None:
        point = self.points.get(run_id)
        if point is None or not same_id(point.virtual_machine_id, virtual_machine_id):
            return None
        return _seen(point)

    @override
    async def find_committed(
        self, repository: BackupRepository, disks: Sequence[DiskAsked]
    ) -> Sequence[CommittedDisk | None]:
        return [self._own(disk) for disk in disks]

    @override
    async def prepare(
        self, repository: BackupRepository, disks: Sequence[DiskAsked]
    ) -> Sequence[PreparedDisk]:
        return [self._prepared(disk) for disk in disks]

    @override
    async def commit(
        self, repository: BackupRepository, disk: DiskAsked, written: DiskWritten
    ) -> CommittedDisk:
        own = self._own(disk)
        if own is not None:
            return own
        chain = chain_of(disk)
        found = self.written.get(written.manifest)
        said = (chain, disk.run, disk.snapshot_unique_id, written.sha256)
        if found is None or (found.chain, found.run, found.moment, found.sha256) != said:
            raise LostAttempt(f"{written.manifest} is not what was asked", reason="ManifestDiffers")
        commits = self.commits.setdefault(chain, [])
        if found.slot != len(commits) + 1:
            raise LostAttempt(f"slot {found.slot} of chain {chain} is taken", reason="SlotTaken")
        self.meets("before the commit")
        commit = CommittedDisk(
            chain=chain,
            slot=found.slot,
            sha256=hashlib.sha256(f"{chain} {found.slot} {disk.run}".encode()).hexdigest(),
            manifest=written.manifest.removeprefix(prefix_of_chain(chain)),
            manifest_sha256=written.sha256,
            kind="full",
            stored_bytes=found.read_bytes // 4,
            statistics=Statistics(found.read_bytes, 1, 0, 0, 0),
        )
        commits.append((disk.run, disk.snapshot_unique_id, commit))
        self.meets("after the commit")
        return commit

    @override
    async def record(self, repository: BackupRepository, point: PointWanted) -> PointSeen:
        for disk in point.disks:
            committed = self.commits.get(disk.chain_id, [])[disk.slot - 1 :][:1]
            made = [(run, moment, commit.sha256) for run, moment, commit in committed]
            if made != [(point.run_id, disk.snapshot_unique_id, disk.commit_sha256)]:
                raise LostAttempt(f"slot {disk.slot} of {disk.name}", reason="CommitDiffers")
        known = self.points.get(point.run_id)
        if known is None:
            self.meets("before the point")
            known = self.points[point.run_id] = point
            self.meets("after the point")
        if _commits(known) != _commits(point):
            message = f"another point of run {point.run_id} exists"
            raise PermanentError(message, reason="RecoveryPointDiffers")
        return _seen(known)

    def _own(self, disk: DiskAsked) -> CommittedDisk | None:
        made = self.commits.get(chain_of(disk), [])
        moment = (disk.run, disk.snapshot_unique_id)
        return next((commit for *its, commit in made if tuple(its) == moment), None)

    def _prepared(self, disk: DiskAsked) -> PreparedDisk:
        chain = chain_of(disk)
        commits = self.commits.get(chain, [])
        newest = commits[-1][2] if commits else None
        grant = DiskGrant(
            generation=0,
            chain_epoch=1,
            parameters=Parameters(),
            run_id=disk.run,
            slot=CommitSlot(len(commits) + 1),
            newest=None if newest is None else _at(newest),
            base=disk.base,
            snapshot_unique_id=disk.snapshot_unique_id,
            taken_at=disk.taken_at,
            disk_bytes=disk.disk_bytes,
            disk=disk.disk,
            vm=disk.vm,
        )
        secret = hashlib.sha256(chain.encode()).digest()
        keys = ChainKeys(REPOSITORY, chain, 1, secret, {1: secret}, {}, {(1, disk.run): secret})
        return PreparedDisk(DiskChain(chain, 0, 1, Parameters()), keys, grant)


def chain_of(disk: DiskAsked) -> ChainId:
    """Return the name of the disk's chain."""
    return ChainId(hashlib.sha256(disk.disk.unique_id.lower().encode()).hexdigest()[:32])


def _at(commit: CommittedDisk) -> ManifestAt:
    name = prefix_of_chain(commit.chain) + commit.manifest
    return ManifestAt(name, commit.manifest_sha256, commit.slot)


def _commits(point: PointWanted) -> list[tuple[ChainId, CommitSlot, str]]:
    return [(disk.chain_id, disk.slot, disk.commit_sha256) for disk in point.disks]


def _seen(point: PointWanted) -> PointSeen:
    return PointSeen(
        run_id=point.run_id,
        created_at=point.created_at,
        virtual_machine_id=point.virtual_machine_id,
        virtual_machine_name=point.virtual_machine_name,
        disks=point.disks,
        virtual_machine_region=point.virtual_machine_region,
        policy_name="" if point.policy is None else point.policy.name,
    )
