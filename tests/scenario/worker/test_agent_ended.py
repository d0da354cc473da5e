"""The agent as a process that is killed, signalled or shut down, and what its successor does."""

from __future__ import annotations

import threading

import pytest

from tests.scenario.worker.agent_process import AgentProcess
from tests.scenario.worker.backup_case import MIB, BackupCase, disks_of
from tests.scenario.worker.cloud import Cloud, until
from vmbackup_core.ids import JobId
from vmbackup_core.protocol import (
    Done,
    Failed,
    Hello,
    Shutdown,
)

pytestmark = pytest.mark.azurite


def test_numbers_rise_over_a_crash(cloud: Cloud, agent: AgentProcess) -> None:
    cloud.make_queues()
    agent.start()
    cloud.wait_for(Hello)
    agent.kill()
    cloud.take_events()
    last = max(header.sequence for header, _ in cloud.seen)
    agent.start()
    cloud.wait_for(Hello, 2)

    numbers = [header.sequence for header, event in cloud.seen if isinstance(event, Hello)]
    assert numbers[1] > last


def test_a_job_delivered_again_to_the_next_process_is_done_again(
    cloud: Cloud, agent: AgentProcess, backup: BackupCase
) -> None:
    cloud.make_queues()
    agent.start()
    cloud.send(backup.job(), 1)
    first = cloud.wait_for(Done)
    agent.kill()
    agent.start()
    cloud.send(backup.job(), 1)
    second = cloud.wait_for(Done, 2)

    manifests = {disk.manifest for done in (first, second) for disk in disks_of(done)}
    assert len(manifests) == 2 * len(backup.hosts)
    assert backup.restored(second) == backup.restored(first)


def test_what_a_killed_agent_has_stored_is_adopted_by_the_next_attempt(
    cloud: Cloud, agent: AgentProcess, backup: BackupCase
) -> None:
    cloud.make_queues()
    backup.hosts[0].hold_from = 38 * MIB
    agent.rhythm = {**agent.rhythm, "leaseS": 600}
    agent.start()
    cloud.send(backup.job())
    assert backup.hosts[0].held.wait(60)
    until(lambda: backup.chains[0].left(backup.stored()))
    agent.kill()
    backup.hosts[0].gate.set()
    again = backup.next_attempt()
    agent.start()
    cloud.send(again)
    done = cloud.wait_for(Done)

    assert done.job_id == again.job_id
    assert backup.restored(done) == [host.disk for host in backup.hosts]
    for chain, disk, told in zip(backup.chains, again.disks, disks_of(done), strict=True):
        sessions = chain.opened(backup.data, told).said.sessions
        assert {one.session for one in disk.grant.left} < set(sessions)
    # Noise does not become smaller: what was stored before is there once.
    sizes = {each.name: each.size_bytes for each in backup.data.list("")}
    packed = sum(size for name, size in sizes.items() if "/p/" in name)
    assert packed < sum(backup.bytes_allocated()) * 1.05


def test_an_agent_killed_at_work_leaves_the_job_to_its_successor(
    cloud: Cloud, agent: AgentProcess, backup: BackupCase
) -> None:
    cloud.make_queues()
    backup.hosts[0].hold_from = 36 * MIB
    agent.start()
    cloud.send(backup.job())
    assert backup.hosts[0].held.wait(60)
    agent.kill()
    backup.hosts[0].gate.set()
    agent.start()
    done = cloud.wait_for(Done)

    assert backup.restored(done) == [host.disk for host in backup.hosts]
    assert len(cloud.events(Done)) == 1


def test_a_signal_ends_the_agent_cleanly_and_its_successor_has_the_job_at_once(
    cloud: Cloud, agent: AgentProcess, backup: BackupCase
) -> None:
    cloud.make_queues()
    backup.hosts[0].hold_from = 20 * MIB
    agent.rhythm = {**agent.rhythm, "leaseS": 600}
    agent.start()
    cloud.send(backup.job())
    assert backup.hosts[0].held.wait(60)
    threading.Timer(0.5, backup.hosts[0].gate.set).start()
    assert agent.end() == 0
    assert cloud.visible_jobs() == 1
    assert not [*cloud.events(Failed), *cloud.events(Done)]

    agent.start()
    done = cloud.wait_for(Done)
    assert backup.restored(done) == [host.disk for host in backup.hosts]


def test_a_signal_ends_the_agent_in_time_though_a_request_hangs(
    cloud: Cloud, agent: AgentProcess, backup: BackupCase
) -> None:
    cloud.make_queues()
    backup.hosts[0].hold_from = 20 * MIB
    agent.rhythm = {**agent.rhythm, "leaseS": 600, "stopS": 1.0}
    agent.start()
    cloud.send(backup.job())
    assert backup.hosts[0].held.wait(60)

    assert agent.end() == 0  # the request itself would last a minute
    assert not backup.hosts[0].gate.is_set()
    assert cloud.visible_jobs() == 1


def test_shutdown_ends_the_agent_with_success(
    cloud: Cloud, agent: AgentProcess, backup: BackupCase
) -> None:
    cloud.make_queues()
    backup.hosts[0].hold_from = 20 * MIB
    agent.start()
    cloud.send(backup.job())
    assert backup.hosts[0].held.wait(60)
    cloud.send(Shutdown(JobId("r-shutdown")))
    until(lambda: "shut down" in agent.log)
    backup.hosts[0].gate.set()

    assert cloud.wait_for(Failed).reason == "ShutDown"
    assert agent.process is not None
    assert agent.process.wait(40) == 0
    assert cloud.jobs_left() == 0
