"""The agent as a process: from a sealed job in Azurite's queue to manifests in Azurite."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from azure.storage.blob import BlobSasPermissions, generate_blob_sas

from tests.scenario.worker.agent_process import AgentProcess
from tests.scenario.worker.backup_case import MIB, BackupCase, disks_of
from tests.scenario.worker.cloud import Cloud, job_id, until
from vmbackup_core.ids import JobId, WorkerId
from vmbackup_core.protocol import (
    ConversationAccess,
    Done,
    Failed,
    Header,
    Heartbeat,
    Hello,
    Progress,
    launch_key,
    seal,
    sealed_pointer,
    write_message,
)

pytestmark = pytest.mark.azurite


def test_a_backup_is_read_once_stored_told_and_restorable(
    cloud: Cloud, agent: AgentProcess, backup: BackupCase
) -> None:
    cloud.make_queues()
    agent.start()
    cloud.send(backup.job())
    done = cloud.wait_for(Done)

    assert backup.restored(done) == [host.disk for host in backup.hosts]
    assert backup.bytes_read() == backup.bytes_allocated()
    assert [disk.allocated_bytes for disk in disks_of(done)] == backup.bytes_allocated()
    assert sorted(disk.manifest for disk in disks_of(done)) == backup.stored("m")
    until(lambda: cloud.jobs_left() == 0)
    assert agent.end() == 0


def test_hello_heartbeats_and_progress_are_told(
    cloud: Cloud, agent: AgentProcess, backup: BackupCase
) -> None:
    cloud.make_queues()
    backup.hosts[0].hold_from = 20 * MIB
    agent.start()
    hello = cloud.wait_for(Hello)
    cloud.send(backup.job())
    assert backup.hosts[0].held.wait(60)
    until(lambda: any(beat.job_id == job_id(cloud) for beat in cloud.events(Heartbeat)))
    until(lambda: any(one.bytes_read > 0 for one in cloud.events(Progress)))

    progress = cloud.events(Progress)[-1]
    assert progress.bytes_to_read == sum(backup.bytes_allocated())
    assert 0 < progress.bytes_read < progress.bytes_to_read
    assert progress.disk == backup.chains[0].disk_id
    assert all(beat.started_at == hello.started_at for beat in cloud.events(Heartbeat))
    backup.hosts[0].gate.set()
    cloud.wait_for(Done)


def test_a_job_delivered_again_is_answered_without_a_byte_read(
    cloud: Cloud, agent: AgentProcess, backup: BackupCase
) -> None:
    cloud.make_queues()
    agent.start()
    cloud.send(backup.job(), 1)
    first = cloud.wait_for(Done)
    cloud.send(backup.job(), 1)
    second = cloud.wait_for(Done, 2)

    assert second == first
    assert backup.bytes_read() == backup.bytes_allocated()


def test_a_revoked_export_goes_on_with_the_sas_of_a_newer_message(
    cloud: Cloud, agent: AgentProcess, backup: BackupCase
) -> None:
    cloud.make_queues()
    host = backup.hosts[0]
    host.hold_from = 20 * MIB
    agent.start()
    cloud.send(backup.job())
    assert host.held.wait(60)
    host.sas = "sig=second"
    host.gate.set()
    cloud.send(backup.job())
    done = cloud.wait_for(Done)

    assert backup.restored(done) == [host.disk for host in backup.hosts]
    assert backup.bytes_read() == backup.bytes_allocated()
    until(lambda: cloud.jobs_left() == 0)


def test_a_job_that_outlives_the_queues_sas_is_told_by_fresh_ones(
    cloud: Cloud, agent: AgentProcess, backup: BackupCase
) -> None:
    cloud.make_queues()
    host = backup.hosts[0]
    host.hold_from = 20 * MIB
    events_url = cloud.events_url
    agent.start()
    cloud.send(backup.job())
    assert host.held.wait(60)
    cloud.rotate_events_queue()
    fresh = ConversationAccess(cloud.jobs_url, cloud.events_url)
    assert fresh.events_url != events_url
    cloud.send(msgspec.structs.replace(backup.job(), conversation=fresh))
    host.gate.set()

    cloud.wait_for(Done)


def test_a_revoked_export_without_a_newer_message_fails_and_may_be_asked_again(
    cloud: Cloud, agent: AgentProcess, backup: BackupCase
) -> None:
    cloud.make_queues()
    host = backup.hosts[0]
    host.hold_from = 20 * MIB
    agent.rhythm = {**agent.rhythm, "renewalS": 0.5}
    agent.start()
    cloud.send(backup.job())
    assert host.held.wait(60)
    host.sas = "sig=second"
    host.gate.set()
    failed = cloud.wait_for(Failed)
    assert (failed.reason, failed.transient, failed.disk_id) == (
        "AccessRefused",
        True,
        backup.chains[0].disk_id,
    )

    cloud.send(backup.job())
    done = cloud.wait_for(Done)
    assert backup.restored(done) == [host.disk for host in backup.hosts]


def test_a_repository_that_refuses_the_worker_is_told(
    cloud: Cloud, agent: AgentProcess, backup: BackupCase
) -> None:
    cloud.make_queues()
    agent.rhythm = {**agent.rhythm, "renewalS": 0.2}
    job = backup.job()
    foreign = job.repository.container_url[:-8] + "AAAAAAA="
    access = msgspec.structs.replace(job.repository, container_url=foreign)
    agent.start()
    cloud.send(msgspec.structs.replace(job, repository=access))

    failed = cloud.wait_for(Failed)
    assert (failed.reason, failed.transient) == ("AccessRefused", True)
    assert "sig=" not in failed.message


def test_an_agent_starts_before_its_queues_exist(cloud: Cloud, agent: AgentProcess) -> None:
    agent.start()
    until(lambda: "asking for jobs" in agent.log)
    cloud.make_queues()

    cloud.wait_for(Hello)


def test_foreign_and_altered_messages_are_deleted_and_the_next_job_is_done(
    cloud: Cloud, agent: AgentProcess, backup: BackupCase
) -> None:
    cloud.make_queues()
    job = write_message(backup.job())
    header = Header("job", cloud.worker_id, job_id(cloud), 1)
    foreign = launch_key(b"\1" * 32, cloud.worker_id, cloud.launch)
    altered = seal(cloud.key, header, job).replace('"seq":1', '"seq":9')
    other = WorkerId("w-other")
    for text in (
        seal(foreign, header, job),
        altered,
        seal(cloud.key, Header("job", other, job_id(cloud), 1), job),
        seal(cloud.key, Header("event", cloud.worker_id, job_id(cloud), 1), job),
        "hello",
    ):
        cloud.send_text(text)
    agent.start()
    until(lambda: cloud.jobs_left() == 0)
    assert agent.log.count("message refused") == 5
    assert not [*cloud.events(Failed), *cloud.events(Done)]

    cloud.send(backup.job())
    cloud.wait_for(Done)


@pytest.mark.parametrize(
    ("kind", "reason"), [("repair", "NotSupported"), ("teleport", "UnknownKind")]
)
def test_a_job_of_a_kind_that_is_not_done_is_answered_by_its_name(
    cloud: Cloud, agent: AgentProcess, kind: str, reason: str
) -> None:
    cloud.make_queues()
    header = Header("job", cloud.worker_id, JobId("r-other"), 1)
    cloud.send_text(seal(cloud.key, header, f'{{"kind":"{kind}","jobId":"r-other"}}'.encode()))
    agent.start()

    failed = cloud.wait_for(Failed)
    assert (failed.job_id, failed.reason) == ("r-other", reason)
    assert kind in failed.message


def test_a_job_in_an_overflow_blob_is_done(
    cloud: Cloud, agent: AgentProcess, backup: BackupCase
) -> None:
    cloud.make_queues()
    header = Header("job", cloud.worker_id, job_id(cloud), 1)
    blob = seal(cloud.key, header, write_message(backup.job()), place="blob").encode()
    container = cloud.blobs.create_container(f"overflow-{cloud.name}")
    container.upload_blob("job", blob)
    sas = generate_blob_sas(
        cloud.account,
        container.container_name,
        "job",
        account_key=cloud.azurite.accounts[cloud.account],
        permission=BlobSasPermissions(read=True),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
    url = f"{cloud.azurite.blob_url(cloud.account)}/{container.container_name}/job?{sas}"
    cloud.send_text(sealed_pointer(cloud.key, header, url, blob))
    agent.start()

    done = cloud.wait_for(Done)
    assert backup.restored(done) == [host.disk for host in backup.hosts]


def test_a_job_whose_overflow_blob_stays_refused_is_failed_in_the_end(
    cloud: Cloud, agent: AgentProcess, backup: BackupCase
) -> None:
    cloud.make_queues()
    header = Header("job", cloud.worker_id, job_id(cloud), 1)
    blob = seal(cloud.key, header, write_message(backup.job()), place="blob").encode()
    container = cloud.blobs.create_container(f"refused-{cloud.name}")
    container.upload_blob("job", blob)
    url = f"{cloud.azurite.blob_url(cloud.account)}/{container.container_name}/job?sig=expired"
    cloud.send_text(sealed_pointer(cloud.key, header, url, blob))
    agent.rhythm = {**agent.rhythm, "leaseS": 1}
    agent.start()

    failed = cloud.wait_for(Failed)
    assert (failed.job_id, failed.reason) == (header.job_id, "JobSeenTooOften")
    assert "expired" not in failed.message
    until(lambda: cloud.jobs_left() == 0)


def test_no_secret_is_logged(cloud: Cloud, agent: AgentProcess, backup: BackupCase) -> None:
    cloud.make_queues()
    job = backup.job()
    backup.hosts[0].faults = [503, 503]
    agent.start()
    cloud.send(job)
    cloud.wait_for(Done)
    agent.end()

    secrets = [cloud.key.to_text(), *(disk.keys for disk in job.disks)]
    secrets += [host.sas for host in backup.hosts]
    for url in (job.repository.container_url, cloud.jobs_url, cloud.events_url):
        secrets += [part for part in url.split("?")[1].split("&") if part.startswith("sig=")]
    assert [secret for secret in secrets if secret in agent.log] == []
    assert "done" in agent.log
