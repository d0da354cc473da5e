"""A repository, opened with its key: what the operator and the command line do with it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

from vmbackup_core.clock import Clock
from vmbackup_core.errors import CorruptRepository, PermanentError
from vmbackup_core.ids import ChainId, DiskUniqueId, RepositoryId, RunId
from vmbackup_core.repository.chain import CHAIN_HEADER, Chain, find_chain
from vmbackup_core.repository.check import RepositoryCheck
from vmbackup_core.repository.failures import NotInitialised, UnsupportedFormat
from vmbackup_core.repository.header import Header, decode_header, encode_header
from vmbackup_core.repository.holes import OnHole
from vmbackup_core.repository.keys import FIRST_EPOCH, ChainKeys, RepositoryKey
from vmbackup_core.repository.names import HEADER, chain_prefix, commit_name, point_name
from vmbackup_core.repository.points import (
    RecoveryPoint,
    RecoveryPointDisk,
    find_point,
    is_of_snapshot,
    runs_with_point,
    seal_point,
)
from vmbackup_core.repository.records import Manifest
from vmbackup_core.repository.report import CheckReport, Observations
from vmbackup_core.repository.restore import restore_commit
from vmbackup_core.repository.transfer import DiskSink, OnProgress, Progress, Tally
from vmbackup_core.stores.port import AlreadyStored, NotStored, ObjectUnreadable, Store

#: What is wrong with one object, and says nothing of the others.
Damage = CorruptRepository | UnsupportedFormat | ObjectUnreadable


def _silent(_progress: Progress) -> None:
    return


class Repository:
    """Recovery points and the chains that hold their disks."""

    def __init__(self, store: Store, key: RepositoryKey, header: Header) -> None:
        self._store = store
        self._key = key
        self._header = header

    @property
    def repository_id(self) -> RepositoryId:
        """The id that the repository was given when it was initialised."""
        return self._header.repository_id

    @property
    def appliance_id(self) -> str:
        """The appliance that may write; to any other the repository is read-only."""
        return self._header.appliance_id

    def chain_id(self, disk: DiskUniqueId) -> ChainId:
        """Return which chain is *disk*'s; the same for everybody who backs it up."""
        return self._key.chain_id(self.repository_id, disk)

    def chain_keys(self, chain: ChainId) -> ChainKeys:
        """Return what a worker needs to write into *chain*, and nothing more."""
        return self._key.chain_keys(self.repository_id, chain)

    def find_point(self, run_id: RunId) -> RecoveryPoint | None:
        """Return the recovery point that *run_id* made, or None."""
        return find_point(self._store, run_id, secret=self._key.secret, epoch=FIRST_EPOCH)

    def points(self, damaged: Callable[[Damage], None] | None = None) -> Iterator[RecoveryPoint]:
        """Yield every recovery point, in order of run ids.

        One that can't be read is told to *damaged* and hides no other; without, it ends them all.
        """
        for run in runs_with_point(self._store):
            try:
                point = self.find_point(run)
            except (CorruptRepository, UnsupportedFormat, ObjectUnreadable) as error:
                if damaged is None:
                    raise
                damaged(error)
                continue
            if point is not None:  # else it has expired since it was listed
                yield point

    def record_point(self, point: RecoveryPoint) -> None:
        """Make *point* exist, all of whose commits are there and of the snapshots that it names.

        The same content again is success; other content under the same run is an error.
        """
        for disk in point.disks:
            _, manifest = self._manifest(point.run_id, disk)
            if disk.snapshot_unique_id is None or not is_of_snapshot(disk, manifest):
                raise PermanentError(
                    f"{disk.name}: slot {disk.slot} of chain {disk.chain_id} holds snapshot "
                    f"{manifest.snapshot_unique_id}, the recovery point of run {point.run_id} is "
                    f"of {disk.snapshot_unique_id}",
                    reason="SnapshotDiffers",
                )
        sealed = seal_point(point, secret=self._key.secret, epoch=FIRST_EPOCH)
        try:
            self._store.put_new(point_name(point.run_id), sealed)
        except AlreadyStored:
            if self.find_point(point.run_id) != point:
                raise PermanentError(
                    f"{point_name(point.run_id)}: a recovery point of this run is there, and "
                    "it is another one",
                    reason="RecoveryPointDiffers",
                ) from None

    def check(
        self,
        *,
        read_data: bool,
        progress: OnProgress = _silent,
        on_look: Callable[[], None] | None = None,
    ) -> CheckReport:
        """Return what is not as it was written; with *read_data* every stored byte is looked at.

        *progress* hears of the bytes that are read, *on_look* of each look at an object.
        """
        decode_header(_read_header(self._store), self._key)
        seen = Observations() if on_look is None else Observations(on_look=on_look)
        tally = Tally(0, progress)
        check = RepositoryCheck(self._store, self.find_point, self._find_chain, tally, seen)
        return check.run(read_data=read_data)

    def restore_disk(
        self,
        point: RecoveryPoint,
        disk: RecoveryPointDisk,
        sink: DiskSink,
        progress: OnProgress = _silent,
        *,
        threads: int = 4,
        on_hole: OnHole | None = None,
    ) -> None:
        """Write *disk* as it was at *point* into *sink*: its blocks that are not zero, verified.

        Damage is an error; with *on_hole* what it hides is told there and the rest is written. A
        disk of which nothing can be had is an error all the same.
        """
        chain, manifest = self._manifest(point.run_id, disk)
        if not is_of_snapshot(disk, manifest):
            raise CorruptRepository(
                f"{point_name(point.run_id)}: {disk.name} is of snapshot "
                f"{disk.snapshot_unique_id}, slot {disk.slot} holds {manifest.snapshot_unique_id}"
            )
        restore_commit(chain, manifest, sink, progress=progress, threads=threads, on_hole=on_hole)

    def _find_chain(self, chain_id: ChainId) -> Chain | None:
        return find_chain(self._store, chain_id, self.chain_keys(chain_id))

    def _manifest(self, run: RunId, disk: RecoveryPointDisk) -> tuple[Chain, Manifest]:
        """Return the chain and the manifest of *disk*, which are what its point says."""
        chain = self._find_chain(disk.chain_id)
        if chain is None:
            raise NotStored(chain_prefix(disk.chain_id) + CHAIN_HEADER)
        name = chain.full_name(commit_name(disk.slot))
        found = chain.find_commit(disk.slot)
        if found is None:
            raise NotStored(name)
        commit, digest = found
        if digest != disk.commit_digest:
            raise CorruptRepository(
                f"{name}: digest {digest}; the recovery point of run {run} has {disk.commit_digest}"
            )
        manifest = chain.manifest_of(commit)
        if manifest is None or manifest.disk_bytes != disk.size_bytes:
            size = "no" if manifest is None else str(manifest.disk_bytes)
            raise CorruptRepository(
                f"{name}: commits a disk of {size} bytes; the recovery point of run {run} has "
                f"{disk.size_bytes}"
            )
        return chain, manifest


def initialise(store: Store, key: RepositoryKey, *, appliance_id: str, clock: Clock) -> Repository:
    """Return the repository in *store*, made for *appliance_id* where there is none.

    Where there is one it is opened, whoever made it: see `Repository.appliance_id`.
    """
    header = Header(
        repository_id=RepositoryId(secrets.token_hex(16)),
        appliance_id=appliance_id,
        key_fingerprint=key.fingerprint,
        key_epoch=FIRST_EPOCH,
        created_at=clock.now(),
    )
    try:
        return open_repository(store, key)
    except NotInitialised:
        pass
    try:
        store.put_new(HEADER, encode_header(header, key))
    except AlreadyStored:  # by another, a moment ago
        return open_repository(store, key)
    return Repository(store, key, header)


def open_repository(store: Store, key: RepositoryKey) -> Repository:
    """Return the repository in *store*; raise NotInitialised, KeyMismatch or UnsupportedFormat."""
    return Repository(store, key, decode_header(_read_header(store), key))


def _read_header(store: Store) -> bytes:
    try:
        return store.get(HEADER)
    except NotStored:
        raise NotInitialised from None
