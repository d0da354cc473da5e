"""The agent as a process restores what was written: killed, refused, with damage in the way."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.scenario.worker.agent_process import AgentProcess
from tests.scenario.worker.backup_case import MIB, BackupCase, content_of, disks_of
from tests.scenario.worker.cloud import Cloud, job_id, until
from tests.unit.worker.export_host import export_host
from tests.unit.worker.upload_host import UploadHost, upload_host
from tests.worlds.hand_made_grants import written
from vmbackup_core.ids import CommitSlot, DiskUniqueId, JobId, RunId, SnapshotUniqueId
from vmbackup_core.protocol import (
    DiskDone,
    DiskToRestore,
    Done,
    Failed,
    RepositoryAccess,
    RestoreJob,
    RestoreResult,
)
from vmbackup_core.stores.azure_blob import AzureBlobStore, container_client

pytestmark = pytest.mark.azurite


#: The first and the last byte of what each disk holds: less than the other jobs' disks have.
DISKS = [
    (20 * MIB, [(0, 4095), (3 * MIB, 15 * MIB - 1), (20 * MIB - 512, 20 * MIB - 1)]),
    (2 * MIB, [(512, 1023), (MIB, MIB + 8191)]),
]


@dataclass
class Restoring:
    """Both disks of *first* in the repository, and a disk made for upload for each of them."""

    first: BackupCase
    stored: list[DiskDone]
    targets: list[UploadHost]

    def job(self) -> RestoreJob:
        """Return the job, with the credentials of this moment."""
        access = RepositoryAccess(self.first.cloud.container_url(self.first.container, "r"))
        name = JobId(f"{job_id(self.first.cloud)}-restore")
        disks = [self._disk(number) for number in range(len(self.targets))]
        return RestoreJob(name, self.first.run_id, disks, access)

    def _disk(self, number: int) -> DiskToRestore:
        chain, told = self.first.chains[number], self.stored[number]
        target = self.targets[number]
        return DiskToRestore(
            disk_id=f"/targets/{number}",
            chain_id=chain.chain,
            keys=chain.reading().text,
            manifest=told.manifest,
            manifest_sha256=told.manifest_sha256,
            slot=CommitSlot(1),
            unique_id=DiskUniqueId(f"unique-{chain.name}"),
            snapshot_unique_id=SnapshotUniqueId(f"{chain.name}-1"),
            disk_bytes=chain.disk_bytes,
            healed=[],
            target_url=target.url,
            target_bytes=target.size_bytes,
        )

    @property
    def is_right(self) -> bool:
        """Whether every target has the bytes of its disk and is one that Azure takes."""
        restored = [target.disk for target in self.targets]
        whole = all(target.is_whole for target in self.targets)
        return restored == [host.disk for host in self.first.hosts] and whole

    def damage(self, number: int) -> str:
        """Change a byte of the last pack of a disk, and return its name."""
        chain = self.first.chains[number].chain
        name = [each for each in self.first.stored("p") if f"c/{chain}/" in each][-1]
        blob = self.first.cloud.blobs.get_blob_client(self.first.container, name)
        content = bytearray(blob.download_blob().readall())
        content[len(content) // 2] ^= 1
        blob.upload_blob(bytes(content), overwrite=True)
        return name


@pytest.fixture
def restoring(cloud: Cloud, agent: AgentProcess) -> Iterator[Restoring]:
    """An agent that has been started, two disks that it may write, and a target for each."""
    with ExitStack() as stack:
        hosts = [
            stack.enter_context(export_host(content_of(size, ranges), ranges))
            for size, ranges in DISKS
        ]
        case = BackupCase(cloud, hosts, RunId(random.Random(cloud.name).randbytes(16).hex()))  # noqa: S311 - a name
        cloud.blobs.create_container(case.container)
        cloud.make_queues()
        agent.start()
        targets = [stack.enter_context(upload_host(size)) for size, _ in DISKS]
        yield Restoring(case, [], targets)


@pytest.fixture
def stored(restoring: Restoring) -> Restoring:
    """Have both disks in the repository, as another worker has written them."""
    case = restoring.first
    data = AzureBlobStore(container_client(case.cloud.container_url(case.container, "rc")))
    restoring.stored = [
        written(chain, data, chain.grant(case.run_id), host.disk)
        for chain, host in zip(case.chains, case.hosts, strict=True)
    ]
    return restoring


def test_what_it_has_written_itself_comes_back_and_no_secret_is_told(
    cloud: Cloud, agent: AgentProcess, restoring: Restoring
) -> None:
    cloud.send(restoring.first.job())
    restoring.stored = disks_of(cloud.wait_for(Done))
    job = restoring.job()
    cloud.send(job)
    done = cloud.wait_for(Done, 2)

    assert restoring.is_right
    assert isinstance(done.result, RestoreResult)
    for told, target in zip(done.result.disks, restoring.targets, strict=True):
        assert told.written_bytes == sum(put.length for put in target.puts[:-1])
        assert 0 < told.written_bytes < target.size_bytes
        assert target.puts[-1].first == target.size_bytes
    until(lambda: cloud.jobs_left() == 0)
    for secret in ("sig=", restoring.first.chains[0].reading().text):
        assert secret not in agent.log + repr(cloud.seen)


def test_an_agent_killed_in_a_restore_leaves_it_to_its_successor(
    cloud: Cloud, agent: AgentProcess, stored: Restoring
) -> None:
    stored.targets[0].hold_from = 2
    cloud.send(stored.job())
    assert stored.targets[0].held.wait(60)
    agent.kill()
    assert not stored.targets[0].is_whole
    stored.targets[0].hold_from = None
    stored.targets[0].gate.set()
    agent.start()
    cloud.wait_for(Done)

    assert stored.is_right


def test_a_damaged_block_fails_the_job_by_name_and_nothing_says_success(
    cloud: Cloud, stored: Restoring
) -> None:
    name = stored.damage(0)
    cloud.send(stored.job())
    failed = cloud.wait_for(Failed)

    assert (failed.reason, failed.transient) == ("CorruptRepository", False)
    assert failed.disk_id == "/targets/0"
    assert name in failed.message
    assert not stored.targets[0].is_whole
    assert cloud.events(Done) == []


def test_a_target_of_another_size_is_refused_before_anything_is_written(
    cloud: Cloud, stored: Restoring
) -> None:
    stored.targets[1].said_bytes = stored.targets[1].size_bytes
    cloud.send(stored.job())
    failed = cloud.wait_for(Failed)

    assert (failed.reason, failed.disk_id) == ("DiskSizeDiffers", "/targets/1")
    assert [target.puts for target in stored.targets] == [[], []]


def test_a_sas_that_ends_in_a_restore_is_renewed_by_the_same_job(
    cloud: Cloud, stored: Restoring
) -> None:
    target = stored.targets[0]
    target.hold_from = 2
    cloud.send(stored.job())
    assert target.held.wait(60)
    target.sas = "sig=renewed"
    target.gate.set()
    cloud.send(stored.job())
    cloud.wait_for(Done)

    assert stored.is_right
