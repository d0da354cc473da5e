"""A world whose sessions' owners are taken away, with the sweeper and who works beside it."""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec.structs import replace

from tests.worlds.memory_azure import APPLIANCE, AWAY, HOME, SUBSCRIPTION
from tests.worlds.memory_cluster import ready_repository
from tests.worlds.memory_remains import MemoryRemains
from tests.worlds.memory_world import World
from tests.worlds.samples import KEY, VM, session_of
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.naming import ArmId, environment_names
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.services.catalogs import StoredCatalogs
from vmbackup_operator.sessions.idling import IdleWorkers, WorkerGroup
from vmbackup_operator.sessions.left_behind import LeftBehind
from vmbackup_operator.sessions.restore_ports import UPLOADING
from vmbackup_operator.sweeping.sweeper import Surroundings, Sweeper
from vmbackup_operator.wiring.tables import UNDO

REPOSITORY = ready_repository().metadata.key
GRACE_S = 3600


@dataclass
class Swept:
    """A world with one session, and the operator's sweeper in it."""

    world: World = field(default_factory=World)
    vm_id: ArmId = VM

    def __post_init__(self) -> None:
        ready, id_ = ready_repository(), self.world.points.open().repository_id
        self.world.repositories.put(replace(ready, status=replace(ready.status, repository_id=id_)))
        self.world.sessions.put(session_of(vm_id=self.vm_id))
        self.remains = MemoryRemains(self.world.azure, (HOME, AWAY))
        self.start()

    def start(self) -> None:
        """Start the operator, with nothing in its memory."""
        world = self.world
        world.start()
        catalogs = StoredCatalogs(world.points.opened_repositories, world.points.secrets)
        around = Surroundings(self.remains, catalogs, world.repositories, world.events)
        self.sweeper = Sweeper(world.ground, around)

    def lose_cluster(self) -> None:
        """Have an operator in a cluster that knows of no session, its records neither."""
        for key in list(self.world.sessions.stored):
            self.take_away(key)
        self.world.undo_records.stored.clear()
        self.start()

    def take_away(self, key: ObjectKey = KEY) -> None:
        """Take the session's object away as a tenant does who may patch finalizers."""
        del self.world.sessions.stored[key]
        self.world.sessions.gone(key)

    async def look(self) -> float:
        """Have the sweeper look once; return when it looks again."""
        outcome = await self.sweeper.reconcile()
        assert isinstance(outcome, Waiting)
        return outcome.seconds

    async def sweep(self, hours: int = 3) -> None:
        """Let hours pass, with all in it that looks after what is left."""
        idle = IdleWorkers(self.world.ground, self._groups)
        left, end_s = LeftBehind(self.world.ground, UNDO), hours * 3600.0
        due = {"sweeper": 0.0, "idle": 0.0, "left": 0.0}
        now_s = 0.0
        while now_s < end_s:
            for name, look in (("sweeper", self.sweeper), ("idle", idle), ("left", left)):
                if due[name] <= now_s:
                    outcome = await look.reconcile()
                    assert isinstance(outcome, Waiting)
                    due[name] = now_s + max(outcome.seconds, 1)
            step_s = max(min(*due.values(), end_s) - now_s, 1)
            self.world.clock.turn(step_s)
            now_s += step_s

    async def _groups(self) -> list[WorkerGroup]:
        regions = [each for each in (HOME, AWAY) if each not in self.remains.forgotten]
        names = [environment_names(APPLIANCE, SUBSCRIPTION, each) for each in regions]
        return [WorkerGroup(SUBSCRIPTION, each.resource_group) for each in names]

    def there(self) -> dict[str, list[str]]:
        """Return what sessions have made and is there, by its kind; workers too that idle."""
        azure = self.world.azure
        found = {
            "access": sorted(azure.sas),
            "snapshots": sorted(azure.snapshots),
            "workers": sorted(azure.workers),
            "interfaces": sorted(azure.interfaces),
            "commands": sorted(map(str, azure.command_states)),
            "queues": sorted(name for _, name in azure.queues),
            "messages": sorted(azure.blobs),
            "uploads": sorted(key for key, disk in azure.disks.items() if disk.state in UPLOADING),
            "bundles": sorted(each for kept in azure.old_bundles.values() for each in kept),
        }
        return {kind: names for kind, names in found.items() if names}
