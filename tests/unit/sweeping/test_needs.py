"""Who needs what is decided from what is known, and asked of nobody."""

from __future__ import annotations

from dataclasses import replace as replaced
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from tests.worlds.samples import SETTINGS, session_of
from vmbackup_core.ids import (
    DiskUniqueId,
    LaunchNonce,
    RepositoryId,
    RunId,
    SnapshotUniqueId,
    WorkerId,
)
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.session_findings import (
    Export,
    Resolved,
    ResolvedDisk,
    SessionWorker,
)
from vmbackup_operator.naming import (
    ArmId,
    arm_id,
    events_queue,
    jobs_queue,
    launch_command,
    launch_messages,
    snapshot_id,
    worker_id,
)
from vmbackup_operator.sessions.seen import account_of
from vmbackup_operator.sweeping.needs import KEPT_ALONE, UNKNOWN, Needs, needs_of, why_needed
from vmbackup_operator.sweeping.things import (
    Catalog,
    LeftCommand,
    LeftMessages,
    LeftParts,
    LeftQueue,
    LeftSnapshot,
    LeftWorker,
    OldBundle,
    OpenAccess,
    Thing,
)

SUBSCRIPTION = SETTINGS.appliance.subscription_id
RUN, GONE = RunId("a" * 32), RunId("b" * 32)
REPOSITORY = RepositoryId("c" * 32)
LAUNCH, EARLIER = LaunchNonce("1" * 32), LaunchNonce("2" * 32)
ACCOUNT = account_of(arm_id(SUBSCRIPTION, "g", "Microsoft.Storage/storageAccounts", "home"))
EARLIER_SNAPSHOT = snapshot_id(SUBSCRIPTION, "appliance", RunId("d" * 32), None)


def vm_of(worker: WorkerId) -> ArmId:
    return arm_id(SUBSCRIPTION, "g", "Microsoft.Compute/virtualMachines", f"vmb-w-{worker}")


def at_work() -> BackupSession:
    """Return a session of a VM with one disk, whose worker was launched at its second attempt."""
    worker, session = worker_id(RUN, 2), session_of()
    disk = arm_id(SUBSCRIPTION, "prod", "Microsoft.Compute/disks", "os")
    status = replace(
        session.status,
        run_id=RUN,
        attempt=2,
        resolved=Resolved(disks=(ResolvedDisk(disk, "os", DiskUniqueId("u"), 1, "Premium_LRS"),)),
        exports=(Export(EARLIER_SNAPSHOT, "a", datetime(2026, 11, 27, tzinfo=UTC)),),
        worker=SessionWorker(
            worker,
            vm_of(worker),
            LAUNCH,
            jobs_queue(worker, LAUNCH),
            events_queue(worker, LAUNCH),
            attempt=2,
        ),
    )
    return replace(session, status=status)


def needs(*sessions: BackupSession, recorded: tuple[RunId, ...] = ()) -> Needs:
    catalogs = [Catalog(REPOSITORY, frozenset({RunId("e" * 32)}))]
    return needs_of(SETTINGS, sessions, recorded, catalogs)


def snapshot(run: RunId, repository: RepositoryId | None = REPOSITORY) -> LeftSnapshot:
    identity = snapshot_id(SUBSCRIPTION, "APPLIANCE", run, None)
    return LeftSnapshot(identity, SnapshotUniqueId("u"), run, repository)


OWN, OTHER = worker_id(RUN, 2), worker_id(GONE, 1)
THINGS: dict[str, tuple[Thing, Thing]] = {
    "snapshot": (snapshot(RUN), snapshot(GONE)),
    "access to its own": (
        OpenAccess(snapshot(RUN).snapshot_id, SnapshotUniqueId("u")),
        OpenAccess(snapshot(GONE).snapshot_id, SnapshotUniqueId("u")),
    ),
    "access to an earlier one": (
        OpenAccess(EARLIER_SNAPSHOT, SnapshotUniqueId("u")),
        OpenAccess(snapshot(RunId("f" * 32)).snapshot_id, SnapshotUniqueId("u")),
    ),
    "worker": (LeftWorker(vm_of(OWN), OWN), LeftWorker(vm_of(OTHER), OTHER)),
    "parts": (LeftParts(vm_of(OWN), OWN), LeftParts(vm_of(OTHER), OTHER)),
    "command": (
        LeftCommand(vm_of(OWN), launch_command(RUN, 2)),
        LeftCommand(vm_of(OWN), launch_command(RUN, 1)),
    ),
    "queue of jobs": (
        LeftQueue(ACCOUNT, jobs_queue(OWN, LAUNCH)),
        LeftQueue(ACCOUNT, jobs_queue(OWN, EARLIER)),
    ),
    "queue of events": (
        LeftQueue(ACCOUNT, events_queue(OWN, LAUNCH)),
        LeftQueue(ACCOUNT, events_queue(OTHER, LAUNCH)),
    ),
    "messages": (
        LeftMessages(ACCOUNT, launch_messages(OWN, LAUNCH)),
        LeftMessages(ACCOUNT, launch_messages(OWN, EARLIER)),
    ),
}


@pytest.mark.parametrize("kind", THINGS)
def test_what_an_unfinished_session_uses_is_needed_and_its_like_is_not(kind: str) -> None:
    used, like = THINGS[kind]

    known = needs(at_work())

    assert why_needed(used, known) == "an unfinished session"
    assert not why_needed(like, known)
    assert not why_needed(used, needs())


def test_a_snapshot_of_a_recovery_point_is_needed_and_one_of_a_record() -> None:
    point, recorded = snapshot(RunId("e" * 32)), snapshot(GONE)

    assert why_needed(point, needs()) == "a recovery point"
    assert why_needed(recorded, needs(recorded=(GONE,))) == "an undo record"


@pytest.mark.parametrize("repository", [None, RepositoryId("9" * 32)], ids=["none said", "other"])
def test_of_a_snapshot_whose_repository_was_not_read_nobody_can_tell(
    repository: RepositoryId | None,
) -> None:
    assert why_needed(snapshot(GONE, repository), needs()) == UNKNOWN


def test_a_snapshot_of_a_set_that_stands_alone_stays_whatever_was_read() -> None:
    alone = replaced(snapshot(GONE, None), alone=True)

    assert why_needed(alone, needs()) == KEPT_ALONE


def test_several_repositories_that_are_one_count_together() -> None:
    one, other = RunId("1" * 32), RunId("2" * 32)
    catalogs = [Catalog(REPOSITORY, frozenset({one})), Catalog(REPOSITORY, frozenset({other}))]

    known = needs_of(SETTINGS, (), (), catalogs)

    assert why_needed(snapshot(one), known) == why_needed(snapshot(other), known)
    assert why_needed(snapshot(one), known) == "a recovery point"


def test_a_bundle_that_others_took_the_place_of_is_needed_by_nobody() -> None:
    assert not why_needed(OldBundle(ACCOUNT, "0" * 16), needs(at_work()))
