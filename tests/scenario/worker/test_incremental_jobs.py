"""The agent as a process, asked for what has changed: killed, given fresh SAS, and refused."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import msgspec
import pytest

from tests.scenario.worker.agent_process import AgentProcess
from tests.scenario.worker.backup_case import MIB, BackupCase, disks_of
from tests.scenario.worker.cloud import Cloud, job_id, until
from tests.unit.worker.export_host import ExportHost, Refused, export_host
from tests.unit.worker.snapshots_of_a_disk import allocated, differences
from tests.worlds.hand_made_grants import committed
from vmbackup_core.ids import JobId, RunId
from vmbackup_core.protocol import BackupJob, Done, RepositoryAccess

pytestmark = pytest.mark.azurite

KIB = 1024
BLOCK = 256 * KIB


@dataclass
class Later:
    """Both disks of *first* as later snapshots show them, and the job that counts from it."""

    first: BackupCase
    done: Done
    hosts: list[ExportHost]
    run_id: RunId = field(default_factory=lambda: RunId(random.randbytes(16).hex()))  # noqa: S311

    def job(self, attempt: str = "later") -> BackupJob:
        """Return it with the credentials of this moment, and with what is stored for it so far."""
        access = RepositoryAccess(self.first.cloud.container_url(self.first.container, "rc"))
        name = JobId(f"{job_id(self.first.cloud)}-{attempt}")
        stored = [each for each in self.first.stored() if "/p/00000/002/" in each]
        disks = []
        for number, told in enumerate(disks_of(self.done)):
            chain, before = self.first.chains[number], self.first.hosts[number]
            base = committed(told)
            grant = chain.grant(self.run_id, 2, newest=base, left=chain.left(stored), deltas=True)
            grant = msgspec.structs.replace(grant, base=base)
            disks.append(chain.disk(grant, self.hosts[number].url, before.url))
        return BackupJob(name, self.run_id, disks, access)

    @property
    def content(self) -> list[bytes]:
        return [host.disk for host in self.hosts]


def changed(content: bytes, seed: int) -> bytes:
    """Return a disk of which 24 blocks are written to and one megabyte is cleared."""
    disk, drawn = bytearray(content), random.Random(seed)  # noqa: S311 - repeatable
    for at in drawn.sample(range(len(disk) // BLOCK), min(24, len(disk) // BLOCK)):
        disk[at * BLOCK + 100 : at * BLOCK + 200] = drawn.randbytes(100)
    disk[MIB : 2 * MIB] = bytes(MIB)
    return bytes(disk)


@pytest.fixture
def later(cloud: Cloud, agent: AgentProcess, backup: BackupCase) -> Iterator[Later]:
    """An agent that has written a full, and both disks a while later."""
    cloud.make_queues()
    agent.start()
    cloud.send(backup.job())
    done = cloud.wait_for(Done)
    with ExitStack() as hosts:
        made = list[ExportHost]()
        for number, before in enumerate(backup.hosts):
            now = changed(before.disk, number)
            host = hosts.enter_context(export_host(now, allocated(now)))
            host.sas, host.predecessor = f"sig=later-{number}", before
            host.differences = differences(before.disk, now)
            before.read.clear()
            made.append(host)
        yield Later(backup, done, made)


def test_only_what_has_changed_is_read_and_stored(cloud: Cloud, later: Later) -> None:
    cloud.send(later.job())
    done = cloud.wait_for(Done, 2)

    assert later.first.restored(done) == later.content
    for host, told in zip(later.hosts, disks_of(done), strict=True):
        assert (told.read, told.fallback, told.changed_outside) == ("Incremental", None, 0)
        assert told.changed_bytes == sum(
            min(end + 1, len(host.disk)) - start for start, end, _ in host.differences
        )
        assert told.statistics.delta_blocks > 0
        sample = 32 * BLOCK
        changed_blocks = {at // BLOCK for at, _, cleared in host.differences if not cleared}
        read = sum(length for _, length in host.read)
        assert len(changed_blocks) * BLOCK <= read <= len(changed_blocks) * BLOCK + sample


def test_an_agent_killed_in_an_incremental_leaves_it_to_its_successor(
    cloud: Cloud, agent: AgentProcess, later: Later
) -> None:
    later.hosts[0].hold_from = 32 * MIB
    cloud.send(later.job())
    assert later.hosts[0].held.wait(60)
    agent.kill()
    later.hosts[0].gate.set()
    agent.start()
    done = cloud.wait_for(Done, 2)

    assert later.first.restored(done) == later.content
    assert [each.read for each in disks_of(done)] == ["Incremental"] * 2


def test_an_attempt_after_an_incremental_that_was_killed_adopts_what_it_stored(
    cloud: Cloud, agent: AgentProcess, later: Later
) -> None:
    cloud.send(later.job("killed"))
    cloud.wait_for(Done, 2)
    agent.kill()
    again = later.job("again")
    agent.start()
    cloud.send(again)
    done = cloud.wait_for(Done, 3)

    assert again.disks[0].grant.left
    assert later.first.restored(done) == later.content
    assert [each.read for each in disks_of(done)] == ["Incremental"] * 2


@pytest.mark.parametrize("whose", ["snapshot", "predecessor"])
def test_a_sas_that_ends_in_an_incremental_is_renewed_by_the_same_job(
    cloud: Cloud, later: Later, whose: str
) -> None:
    later.hosts[0].hold_from = 32 * MIB
    cloud.send(later.job())
    assert later.hosts[0].held.wait(60)
    host = later.hosts[0] if whose == "snapshot" else later.first.hosts[0]
    host.sas = "sig=renewed"
    later.hosts[0].gate.set()
    cloud.send(later.job())
    done = cloud.wait_for(Done, 2)

    assert later.first.restored(done) == later.content
    assert [each.read for each in disks_of(done)] == ["Incremental"] * 2


def test_each_disk_falls_back_by_itself_and_no_secret_is_told(
    cloud: Cloud, agent: AgentProcess, later: Later
) -> None:
    later.hosts[0].refusals = [Refused(409, "BlobOverwritten")]
    cloud.send(later.job())
    done = cloud.wait_for(Done, 2)
    whole, incremental = disks_of(done)

    assert later.first.restored(done) == later.content
    assert (whole.read, incremental.read) == ("Full", "Incremental")
    assert whole.fallback is not None
    assert (whole.fallback.reason, whole.fallback.message) == (
        "DifferencesRefused",
        "HTTP 409 BlobOverwritten",
    )
    until(lambda: cloud.jobs_left() == 0)
    for secret in (later.hosts[0].sas, later.first.hosts[0].sas):
        assert secret not in agent.log + repr(cloud.seen)
