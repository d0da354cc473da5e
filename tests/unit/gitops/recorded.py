"""Objects of every kind as they were after each write of the operator, in worlds in memory."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any

import msgspec
from msgspec.structs import replace

from tests.unit.archives.archiving_worlds import archiving_world
from tests.unit.environments.conftest import Appliance
from tests.unit.repositories.test_repository_reconciler import SEEN, Place
from tests.unit.restores.restoring_worlds import RESTORE, restoring_world
from tests.unit.restores.rewinding_worlds import asked_for_the_word, rewinding_world, say_the_word
from tests.unit.verifications.reading_worlds import backed_up_world, verification
from tests.worlds.memory_cluster import ready_repository, stalled_repository
from tests.worlds.memory_objects import MemoryObjects
from tests.worlds.memory_policies import PolicyWorld, policy
from tests.worlds.memory_world import World
from tests.worlds.samples import KEY, VM, session_of
from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_core.protocol import BackupJob, Failed
from vmbackup_operator.model.backup_repository import BackupRepositoryStatus
from vmbackup_operator.model.kinds import Resource
from vmbackup_operator.model.metadata import ObjectKey

#: An object, as the API server gives it.
Found = dict[str, Any]


class Record:
    """The states that objects went through: after each write, and where a test says so."""

    def __init__(self, objects: MemoryObjects[Any]) -> None:
        self._objects = objects
        self.states: list[Found] = []
        objects.meets = self._meets

    def _meets(self, what: str) -> None:
        if what.startswith("after"):
            self.look()

    def look(self) -> Found:
        """Add the objects as they are, and return the last of them."""
        for each in self._objects.stored.values():
            found = as_given(each)
            if found not in self.states:
                self.states.append(found)
        return found

    @property
    def last(self) -> Found:
        """The state that was added last."""
        return self.states[-1]


def as_given(stored: Resource) -> Found:
    """Return *stored* as the API server gives it."""
    found: Found = msgspec.json.decode(msgspec.json.encode(stored))
    return {"kind": type(stored).kind, **found}


async def policies() -> Record:
    """Return a policy that waits for its repository, is ready, changed, stalled, and suspended."""
    world = PolicyWorld()
    world.put(policy(VM))
    record = Record(world.policies)
    record.look()
    for repository in (stalled_repository("WrongKey", "not its key"), ready_repository()):
        world.repositories.store(repository)
        await world.settle()
    world.edit(max_concurrent_sessions=2)
    record.look()
    await world.settle()
    world.machines.there.clear()
    world.clock.turn(7200)
    await world.settle()
    world.edit(suspend=True)
    record.look()
    await world.settle()
    return record


async def suspended_policy() -> Found:
    """Return a policy that somebody has suspended, after the operator looked at it."""
    world = PolicyWorld()
    world.put(policy(VM, suspend=True))
    await world.settle()
    return as_given(world.policy)


async def repositories() -> Record:
    """Return a repository that can't be reached, lacks its key, is ready, changed and read-only."""
    place = Place()
    place.objects.stored.clear()
    place.objects.put(replace(ready_repository(), status=BackupRepositoryStatus()))
    record = Record(place.objects)
    record.look()
    place.opened.found = TransientError("reading: 503")
    await _looked_at(place)
    place.opened.found = PermanentError("the key does not open it", reason="WrongKey")
    await _looked_at(place)
    place.opened.found = SEEN
    await place.look()
    changed = replace(place.repository.spec, compression="small")
    place.objects.put(replace(place.repository, spec=changed))
    record.look()
    place.opened.found = dataclasses.replace(SEEN, owner="somebody-else")
    await place.look()
    return record


async def _looked_at(place: Place) -> None:
    with contextlib.suppress(TransientError):  # asked again later, as the queue does
        await place.look()


async def environments(appliance: Appliance) -> Record:
    """Return a region's environment that is built, ready, and one that is described twice."""
    record = Record(appliance.objects.objects)
    appliance.arm.slow = {"StorageAccount"}
    home = await appliance.regions.ensure_home_object()
    await appliance.reconcile(home.metadata.key)
    appliance.arm.slow = set()
    appliance.arm.finish()
    await appliance.reconcile(home.metadata.key)
    outside = replace(home, metadata=replace(home.metadata, namespace="tenant"))
    appliance.objects.stored[outside.metadata.key] = outside
    await appliance.reconcile(outside.metadata.key)
    return record


async def backups() -> tuple[Record, ...]:
    """Return backups that succeed, fail, and are cancelled, from their beginning to their end."""
    return (await _backup(), await _backup(_refused), await _backup(cancelled=True))


def _refused(job: BackupJob) -> Failed:
    return Failed(job.job_id, 0, "AccessRefused", "403", transient=False)


async def _backup(behaviour: Any = lambda _job: None, *, cancelled: bool = False) -> Record:
    world = World()
    world.behaviour = behaviour
    record = Record(world.sessions)
    world.sessions.put(session_of())
    record.look()
    if cancelled:
        await world.run_until("WorkerReady")
        world.sessions.edit_spec(KEY, cancel=True)
        record.look()
    await world.run()
    return record


async def other_sessions() -> tuple[Record, ...]:
    """Return a session that reads back, and one that archives."""
    reading = await backed_up_world()
    asked = verification()
    reading.sessions.put(asked)
    records = [await _run(reading, asked.metadata.key)]
    archives = await archiving_world()
    key = next(key for key in archives.sessions.stored if key != KEY)
    return (*records, await _run(archives, key))


async def _run(world: World, key: ObjectKey) -> Record:
    record = Record(world.sessions)
    record.look()
    await world.run(key)
    return record


async def restores() -> tuple[Record, ...]:
    """Return a restore that succeeds, and a rewind that waits for its user's word."""
    world = await restoring_world()
    record = Record(world.restores)
    record.look()
    await world.run(RESTORE)
    rewinding = await rewinding_world()
    waited = Record(rewinding.restores)
    await asked_for_the_word(rewinding)
    say_the_word(rewinding)
    await rewinding.run(RESTORE)
    return record, waited


async def points() -> Record:
    """Return the recovery point of a backup."""
    world = await backed_up_world()
    record = Record(world.point_objects)
    record.look()
    return record
