"""Worlds whose VM is rewound to its only recovery point, and what becomes of its disks."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from tests.unit.restores.restoring_worlds import RESTORE, backed_up_world, restore
from tests.worlds.memory_azure import AWAY, SUBSCRIPTION
from tests.worlds.memory_rewinds import Attachment
from tests.worlds.memory_world import World
from tests.worlds.samples import VM, session_of
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.backup_session import BackupSessionStatus
from vmbackup_operator.model.metadata import SWAP_ANNOTATION, ObjectKey
from vmbackup_operator.model.restore_session import RestoreTarget
from vmbackup_operator.model.rewound import Rewound
from vmbackup_operator.model.session_findings import position_of

WHERE = RestoreTarget(SUBSCRIPTION, "prod", AWAY)
#: How the samples' data disk is attached, unlike any default.
ATTACHED = Attachment("ReadWrite", "Delete", write_accelerator=True)


async def rewinding_world(machine_disks: int = 2, **spec: Any) -> World:
    """Return a world with a session that is to rewind its VM, whose data disk is attached so."""
    world = await backed_up_world(machine_disks)
    world.loose.attachments[folded(VM), "0"] = ATTACHED
    world.azure.order.clear()
    wanted: dict[str, Any] = {"mode": "Rewind", "target": WHERE} | spec
    world.restores.put(restore(world, **wanted))
    return world


def rewound(world: World) -> Rewound:
    """Return what the session's status says of its disks."""
    found = world.restored(RESTORE).rewound
    assert found is not None
    return found


def say_the_word(world: World, word: str | None = None) -> None:
    """Annotate the session, as a user does."""
    stored = world.restores.stored[RESTORE.at]
    said = {SWAP_ANNOTATION: rewound(world).swap_token if word is None else word}
    metadata = replace(stored.metadata, annotations=said)
    world.restores.put(replace(stored, metadata=metadata))


async def asked_for_the_word(world: World) -> None:
    """Run until the session waits for its user."""
    await world.run_until("DisksCreated", RESTORE)
    await world.look_again(RESTORE)


async def run_confirmed(world: World) -> None:
    """Run the session to its end, confirmed as soon as it asks."""
    await asked_for_the_word(world)
    say_the_word(world)
    await world.run(RESTORE)


def disks_of_vm(world: World) -> dict[str, str]:
    """Return the id of each disk that the VM has, by its position."""
    disks = world.azure.machines[folded(VM)].disks
    return {position_of(each.lun): each.id for each in disks}


async def next_backup(world: World) -> BackupSessionStatus:
    """Back the VM up once more, and return how that stands."""
    again = ObjectKey("team", "nightly-2")
    world.sessions.put(session_of(again))
    await world.run(again)
    return world.status(again)


def check_rewound(world: World, where: str = "") -> None:
    """Hold the world against what a rewind is to come to, whatever happened on the way."""
    status, disks = world.restored(RESTORE), rewound(world).disks
    assert (status.outcome, status.attempt) == ("Succeeded", 1), (where, status.message)
    assert disks_of_vm(world) == {each.disk: each.disk_id for each in disks}, where
    assert all(folded(each.replaced_disk_id) in world.loose.disks for each in disks), where
    assert len(world.loose.copies) == 2 * len(disks), where
    _check_vm(world, where)


def check_put_back(world: World, where: str = "") -> None:
    """Hold the world against what is to be left of a rewind that was cancelled: the VM as it was.

    Its own disks are those that the rewind has agreed to replace.
    """
    own = {each.disk: folded(each.replaced_disk_id) for each in rewound(world).disks}
    assert world.restored(RESTORE).outcome == "Cancelled", where
    assert {at: folded(each) for at, each in disks_of_vm(world).items()} == own, where
    assert world.loose.copies == {}, where
    _check_vm(world, where)


def _check_vm(world: World, where: str) -> None:
    assert world.loose.attachment(VM, "0") == ATTACHED, where
    assert world.loose.power(VM) == "running", where
    assert world.undo_records.stored == {}, where
