"""Many VMs, namespaces and sessions, and agents that work when something comes for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec.structs import replace
from typing_extensions import override

from tests.worlds.memory_agents import Agent
from tests.worlds.memory_azure import APPLIANCE, AWAY, HOME, SUBSCRIPTION, account
from tests.worlds.memory_cluster import ready_repository
from tests.worlds.memory_world import World
from tests.worlds.samples import machine
from tools.bench.api_server import ApiServer, Document
from tools.bench.turned_time import ComputedClock
from vmbackup_core.ids import LaunchNonce
from vmbackup_core.protocol import (
    NO_JOB,
    BackupJob,
    Heartbeat,
    Hello,
    LaunchKey,
    Progress,
    read_job,
    unseal,
)
from vmbackup_core.protocol.limits import HEARTBEAT_S, PROGRESS_S
from vmbackup_operator.model.backup_repository import UpkeepWanted
from vmbackup_operator.model.metadata import API_VERSION, GROUP, VERSION, ObjectKey
from vmbackup_operator.naming import ArmId, arm_id
from vmbackup_operator.sessions.seen import CommandWanted
from vmbackup_operator.settings import Appliance, KeyRing, SecretName, Settings, Tenant, Workers

#: From the Run Command to the agent's first word, and how long it sees to a job.
START_S, LOOK_S = 20.0, 2.0
#: The agent, its bundle and its Python, as it tells them.
_PROGRAM = ("0.1", "0123456789abcdef", "3.10.12")


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything there is, and how long an agent transfers."""

    sessions: int = 5000
    machines: int = 1000
    namespaces: int = 20
    regions: int = 4
    workers_of_region: int = 100
    disks: int = 3
    transfer_s: float = 120.0


def settings_for(namespaces: list[str]) -> Settings:
    """Return settings that allow each namespace the subscription's VMs and one repository."""
    network = "Microsoft.Network/virtualNetworks"
    everything = (f"/subscriptions/{SUBSCRIPTION}",)
    return Settings(
        appliance=Appliance(
            id=APPLIANCE,
            tenant_id=SUBSCRIPTION,
            subscription_id=SUBSCRIPTION,
            region=HOME,
            resource_group="appliance",
            virtual_network_id=arm_id(SUBSCRIPTION, "appliance", network, "cluster"),
            key_ring=KeyRing(SecretName("vmbackup-system", "ring")),
        ),
        namespace="vmbackup-system",
        workers=Workers(bundle=str(Path("bundle"))),
        tenancy=tuple(Tenant(each, everything, ("team/*",), everything) for each in namespaces),
    )


def machines_of(size: Size) -> Iterator[tuple[ArmId, str]]:
    """Return each VM with its region, by turns."""
    for number in range(size.machines):
        name = f"vm-{number:05}"
        vm_id = arm_id(SUBSCRIPTION, "prod", "Microsoft.Compute/virtualMachines", name)
        yield vm_id, AWAY if size.regions == 1 else f"region{number % size.regions}"


def sessions_of(size: Size) -> Iterator[tuple[ObjectKey, ArmId]]:
    """Return each session with its VM; a VM is one namespace's."""
    vms = [vm_id for vm_id, _ in machines_of(size)]
    for number in range(size.sessions):
        which = number % size.machines
        name = f"nightly-{which:05}-{number // size.machines}"
        yield ObjectKey(namespace_of(which, size), name), vms[which]


def namespace_of(machine_number: int, size: Size) -> str:
    """Return whose the VM is."""
    return f"team-{machine_number % size.namespaces:02}"


def session_path(key: ObjectKey) -> str:
    """Return where a BackupSession lies in the API server."""
    return f"/apis/{GROUP}/{VERSION}/namespaces/{key.namespace}/backupsessions/{key.name}"


def session_document(key: ObjectKey, vm_id: str) -> Document:
    """Return the BackupSession as a user writes it."""
    return {
        "apiVersion": API_VERSION,
        "kind": "BackupSession",
        "metadata": {"name": key.name, "namespace": key.namespace, "generation": 1},
        "spec": {
            "type": "Backup",
            "virtualMachineId": vm_id,
            "repositoryRef": {"name": "repo", "namespace": "team"},
            "snapshotsToKeep": 1,
        },
    }


def put_repository(server: ApiServer, upkeep: UpkeepWanted | None = None) -> None:
    """Have the one repository there, ready, kept up as *upkeep* says."""
    repository = ready_repository()
    if upkeep is not None:
        repository = replace(repository, spec=replace(repository.spec, upkeep=upkeep))
    document = {"apiVersion": API_VERSION, "kind": "BackupRepository"}
    document |= msgspec.to_builtins(repository)
    key = repository.metadata.key
    folder = f"/apis/{GROUP}/{VERSION}/namespaces/{key.namespace}/backuprepositories"
    server.put(f"{folder}/{key.name}", document)


class Fleet(World):
    """The world of the bench: its operator is put together elsewhere, its agents are called."""

    def __init__(self, size: Size, turned: ComputedClock) -> None:
        self.size, self.turned = size, turned
        self.waiting: dict[str, Agent] = {}
        super().__init__(clock=turned)
        self.azure.machines.clear()
        self.azure.max_workers = size.workers_of_region
        for vm_id, region in machines_of(size):
            self.add(machine(size.disks, vm_id, region))

    @override
    def start(self) -> None:
        """Start nothing: see `measured_operator`."""

    def launched(self, wanted: CommandWanted) -> None:
        """Have the agent that Azure starts speak after a while."""
        given = wanted.protected
        worker = self.azure.workers[wanted.vm_id.lower()]
        agent = Agent(
            worker.id,
            LaunchNonce(given["VMBACKUP_LAUNCH"]),
            LaunchKey.from_text(given["VMBACKUP_LAUNCH_KEY"]),
            _queue_in(given["VMBACKUP_JOBS_URL"]),
            _queue_in(given["VMBACKUP_EVENTS_URL"]),
        )
        self.waiting[agent.jobs_queue] = agent
        self._later(START_S, lambda: self._greet(agent))
        self._later(HEARTBEAT_S, lambda: self._beat(agent))

    def arrived(self, queue: str) -> None:
        """Have the agent of the queue see what came."""
        agent = self.waiting.get(queue)
        if agent is not None:
            self._later(LOOK_S, lambda: self._take(agent))

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        def act_there() -> None:
            with self.turned.in_the_world():
                act()

        asyncio.get_running_loop().call_later(seconds, act_there)

    def _greet(self, agent: Agent) -> None:
        said = (agent.worker, agent.launch, *_PROGRAM, self.clock.now())
        self._say(agent, NO_JOB, Hello(*said))
        agent.greeted = True

    def _beat(self, agent: Agent) -> None:
        """Say that it lives, for as long as its queues are there."""
        if (account(HOME).id, agent.events_queue) not in self.azure.queues and agent.greeted:
            self.waiting.pop(agent.jobs_queue, None)
            return
        if agent.greeted:
            said = (agent.worker, agent.launch, *_PROGRAM, self.clock.now())
            self._say(agent, NO_JOB, Heartbeat(*said))
        self._later(HEARTBEAT_S, lambda: self._beat(agent))

    def _take(self, agent: Agent) -> None:
        queue = self.azure.queues.get((account(HOME).id, agent.jobs_queue), [])
        for message in list(queue):
            header, payload = unseal(
                agent.key, message.text, direction="job", worker_id=agent.worker
            )
            job = read_job(payload)
            queue.remove(message)
            if isinstance(job, BackupJob):
                self._transfer(agent, job, header.sequence, 0.0)

    def _transfer(self, agent: Agent, job: BackupJob, number: int, passed_s: float) -> None:
        """Tell how far it is every two seconds; at the end do the job at once."""
        if passed_s >= self.size.transfer_s:
            self._back_up(agent, job, number)
            return
        total = sum(disk.grant.disk_bytes for disk in job.disks)
        read = int(total * passed_s / self.size.transfer_s)
        self._say(agent, job.job_id, Progress(job.job_id, number, total, read, read // 2))
        self._later(PROGRESS_S, lambda: self._transfer(agent, job, number, passed_s + PROGRESS_S))


def _queue_in(url: str) -> str:
    return url.partition("?")[0].rsplit("/", 1)[1]
