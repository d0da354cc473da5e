"""What of a repository in memory is read back, and a worker that does so: code of both sides."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.worlds.memory_points import MemoryPoints
from vmbackup_core.protocol import LostIndex, LostPack, VerifyJob, VerifyResult
from vmbackup_core.repository.data.index_reader import open_manifest
from vmbackup_core.repository.data.manifest import Manifest
from vmbackup_core.repository.data.ports import DataSource
from vmbackup_core.repository.data.read_back import PackReadBack, read_pack
from vmbackup_core.repository.data.sample_back import SampleBack, Sampled
from vmbackup_core.repository.data.sections_back import SectionsBack
from vmbackup_core.repository.data.window_reader import Lost
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.identities import IndexId, PackId
from vmbackup_core.repository.transfer import DiskSource
from vmbackup_operator.services.verification import StoredVerifications


class MemoryVerifications(StoredVerifications):
    """Those of the repository of *points*, opened by the same process."""

    def __init__(self, points: MemoryPoints) -> None:
        super().__init__(points.opened_repositories, points.secrets)


@dataclass
class _Told:
    """What sections hold that they should not."""

    objects: list[LostIndex] = field(default_factory=list)
    blocks: list[int] = field(default_factory=list)
    is_full: bool = False

    def section(self, index: IndexId, offset: int, error: Lost) -> None:
        del error
        self.objects.append(LostIndex(index.packed().hex(), offset, "damaged"))

    def block(self, number: int, error: Lost) -> None:
        del error
        self.blocks.append(number)


def read_back_by_a_worker(
    data: DataSource, job: VerifyJob, disk: DiskSource | None = None
) -> VerifyResult:
    """Read what the job asks for as a worker reads it, and return what it says.

    *disk* is what the export of its sample reads.
    """
    keys, told = ChainKeys.parse(job.keys), _Told()
    read = [read_pack(data, keys, pack, None) for pack in _packs_of(job)]
    sampled = Sampled(0, ())
    if job.sample is not None:
        assert disk is not None
        sample = SampleBack(data, keys, _manifest_of(data, job), told, threads=1)
        sampled = sample.compare(disk, job.sample.blocks, job.sample.used)
    if job.sections is not None:
        manifest = _manifest_of(data, job)
        sections = SectionsBack(data, keys, manifest, job.sections.after_slot, told, threads=1)
        sections.read(lambda _bytes: None)
    return VerifyResult(
        packs=len(read),
        records=sum(each.records for each in read),
        read_bytes=sum(each.read_bytes for each in read),
        lost=[_lost(each) for each in read if each.lost is not None],
        objects=told.objects,
        blocks=told.blocks,
        sampled=sampled.compared,
        differing=list(sampled.differing),
        stopped=False,
        seconds=1.0,
    )


def _manifest_of(data: DataSource, job: VerifyJob) -> Manifest:
    keys = ChainKeys.parse(job.keys)
    return open_manifest(data, keys, job.manifest, bytes.fromhex(job.manifest_sha256))


def _packs_of(job: VerifyJob) -> list[PackId]:
    return [
        PackId(run.slot, run.session, number)
        for run in job.packs
        for number in range(run.first, run.last + 1)
    ]


def _lost(read: PackReadBack) -> LostPack:
    assert read.lost is not None
    return LostPack(read.pack.packed().hex(), read.lost, list(read.offsets))
