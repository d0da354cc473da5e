"""All parts of the simulator put together, started and ended as one."""

from __future__ import annotations

import secrets
import uuid
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from azure_simulator.arm.accounts import revocations
from azure_simulator.arm.table import Arm
from azure_simulator.backing import Backing
from azure_simulator.disks.answers import Answers
from azure_simulator.disks.contents import Contents
from azure_simulator.disks.export_host import ExportHost
from azure_simulator.disks.exported import PageLists
from azure_simulator.disks.grants import ExportGrants
from azure_simulator.gateway.channels import MachineChannels
from azure_simulator.gateway.gateway import Gateway
from azure_simulator.gateway.names import ServiceName
from azure_simulator.gateway.proxies import Proxies
from azure_simulator.identities.directory import Identities
from azure_simulator.identities.endpoint import TokenEndpoint
from azure_simulator.identities.graph import Graph
from azure_simulator.interventions import Interventions
from azure_simulator.journal import Journal
from azure_simulator.machines.interpreter import Interpreter, find_interpreter
from azure_simulator.machines.machines import LocalMachines, Surroundings
from azure_simulator.pace import Pace
from azure_simulator.resources import Resources
from azure_simulator.service import Service
from azure_simulator.storage.accounts import AzuriteAccounts
from azure_simulator.storage.archived_blobs import ArchivedBlobs
from azure_simulator.storage.authorization import Authorizer
from azure_simulator.storage.azurite import AzuriteProgram
from azure_simulator.storage.being_deleted import QueuesBeingDeleted
from azure_simulator.storage.data_plane import DataPlane, DoneInTime
from azure_simulator.storage.delegation import DelegationKeys
from azure_simulator.storage.front import StorageFront
from azure_simulator.storage.upstream import Upstream


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    state: Path
    speed: float
    python: Path | None
    program: AzuriteProgram
    #: How long a role assignment takes to count, and to end, before the speed divides it.
    rights_after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Administrator:
    """The identity that may do everything in the control plane."""

    client_id: str
    object_id: str
    client_secret: str


class Simulator:
    """A whole Azure; made by `start`."""

    def __init__(self, options: Options, interpreter: Interpreter) -> None:
        self.options = options
        self.interpreter = interpreter
        self.resources = Resources()
        self.journal = Journal()
        self.interventions = Interventions()
        self.identities = Identities(self.resources, str(uuid.uuid4()))
        self.identities.spreading.delay_s = options.rights_after_s / options.speed
        self.administrator = Administrator(
            str(uuid.uuid4()), str(uuid.uuid4()), secrets.token_urlsafe(30)
        )
        self.contents = Contents(options.state / "disks")
        self.exports = ExportGrants(self.contents)
        self.export_answers = Answers(self.contents, self.exports, PageLists(self.resources))
        self._upstream = Upstream()
        self.accounts = AzuriteAccounts(options.program, self._upstream)
        self._services: dict[ServiceName, Service] = {}
        self.gateway = Gateway(self.resources, self.journal, self._services)
        self._channels = MachineChannels(self.gateway)
        self.machines = LocalMachines(
            Surroundings(
                folder=options.state / "machines",
                interpreter=interpreter,
                gateway=self.gateway,
                channels=self._channels,
                resources=self.resources,
                journal=self.journal,
            )
        )
        self._pace = Pace(options.speed)
        self.arm = Arm(
            resources=self.resources,
            identities=self.identities,
            backing=Backing(self.contents, self.exports, self.accounts, self.machines),
            pace=self._pace,
            journal=self.journal,
            interventions=self.interventions,
        )
        self.proxies = Proxies(self.gateway)
        self._services |= self._answering()
        self._ending = AsyncExitStack()

    def _answering(self) -> dict[ServiceName, Service]:
        interventions, journal = self.interventions, self.journal
        keys = DelegationKeys(partial(revocations, self.resources))
        authorizer = Authorizer(self.identities, keys)
        in_time = DoneInTime(
            QueuesBeingDeleted(self._pace), ArchivedBlobs(self.resources, self._pace)
        )
        plane = DataPlane(self.resources, self.accounts, self._upstream, authorizer, keys, in_time)
        return {
            "token": TokenEndpoint(self.identities, journal, interventions),
            "graph": Graph(self.identities, journal, interventions),
            "arm": self.arm.service,
            "blob": StorageFront("blob", plane, interventions, journal),
            "queue": StorageFront("queue", plane, interventions, journal),
            "export": ExportHost(self.export_answers, interventions, journal),
        }

    @classmethod
    async def start(cls, options: Options) -> Simulator:
        """Return a simulator whose proxies listen; `close` ends it."""
        simulator = cls(options, await find_interpreter(options.python))
        administrator = simulator.administrator
        simulator.identities.add(
            administrator.client_id,
            administrator.object_id,
            administrator.client_secret,
            "administrator",
        )
        simulator.identities.let_read_directory(administrator.object_id)
        simulator.identities.make_owner(administrator.object_id)
        # Ended in the opposite order: what calls first, what is called last.
        simulator._ending.push_async_callback(simulator.accounts.close)
        simulator._ending.push_async_callback(simulator._channels.close)
        simulator._ending.push_async_callback(simulator.machines.close)
        simulator._ending.push_async_callback(simulator.arm.close)
        simulator._ending.callback(simulator.gateway.close)
        simulator._ending.push_async_callback(simulator.proxies.close)
        await simulator.proxies.start()
        return simulator

    def ready(self, admin: str) -> dict[str, Any]:
        """Write the CA and return what ``ready.json`` says; *admin* is that interface's URL."""
        ca = self.options.state / "ca.pem"
        ca.write_bytes(self.gateway.authority.pem)
        return {
            "ca": str(ca),
            "admin": admin,
            "proxies": dict(self.proxies.urls),
            "tenantId": self.identities.tenant_id,
            "administrator": {
                "clientId": self.administrator.client_id,
                "clientSecret": self.administrator.client_secret,
                "objectId": self.administrator.object_id,
            },
            "python": self.interpreter.version,
        }

    async def close(self) -> None:
        """End everything, every process too."""
        await self._ending.aclose()
