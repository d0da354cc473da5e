"""A session's phase and what it is at, for people: computed from conditions, read by no code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vmbackup_operator.model.backup_session import SessionType
from vmbackup_operator.model.conditions import Condition, find_condition, is_true

#: What a session is doing while the condition beside it does not hold yet, in the steps' order.
Phases = tuple[tuple[str, str], ...]
PHASES: Phases = (
    ("Accepted", "Pending"),
    ("SnapshotsReady", "Snapshotting"),
    ("EnvironmentReady", "PreparingRegion"),
    ("WorkerReady", "LaunchingWorker"),
    ("ExportGranted", "GrantingExport"),
    ("DataTransferred", "Transferring"),
    ("Committed", "Committing"),
    ("RecoveryPointStored", "Recording"),
    ("AccessRevoked", "RevokingAccess"),
)

#: The same of a session that reads back what is stored.
VERIFY_PHASES: Phases = (
    ("Accepted", "Pending"),
    ("EnvironmentReady", "PreparingRegion"),
    ("WorkerReady", "LaunchingWorker"),
    ("DataVerified", "Verifying"),
    ("HoldsReleased", "ReleasingHolds"),
)

#: The same of a session that copies a recovery point into another repository.
ARCHIVE_PHASES: Phases = (
    ("Accepted", "Pending"),
    ("EnvironmentReady", "PreparingRegion"),
    ("WorkerReady", "LaunchingWorker"),
    ("DataArchived", "Archiving"),
    ("Committed", "Committing"),
    ("RecoveryPointStored", "Recording"),
    ("PacksTiered", "TieringPacks"),
    ("RemainsRemoved", "RemovingRemains"),
)

#: The same of a session that takes a snapshot set and moves no data.
SNAPSHOT_PHASES: Phases = (
    ("Accepted", "Pending"),
    ("SnapshotsReady", "Snapshotting"),
    ("RecoveryPointStored", "Recording"),
    ("SnapshotsPruned", "PruningSnapshots"),
)

#: Those of a BackupSession, by its type.
PHASES_OF: Mapping[SessionType, Phases] = {
    "Backup": PHASES,
    "Archive": ARCHIVE_PHASES,
    "Verify": VERIFY_PHASES,
    "Snapshot": SNAPSHOT_PHASES,
}

#: The same of a session that brings a recovery point back.
RESTORE_PHASES: Phases = (
    ("Accepted", "Pending"),
    ("PacksRehydrated", "Rehydrating"),
    ("EnvironmentReady", "PreparingRegion"),
    ("WorkerReady", "LaunchingWorker"),
    ("DisksCreated", "CreatingDisks"),
    ("AccessGranted", "GrantingAccess"),
    ("DataRestored", "Restoring"),
    ("AccessRevoked", "RevokingAccess"),
    ("VirtualMachineCreated", "CreatingVirtualMachine"),
    ("RemainsRemoved", "RemovingRemains"),
)

#: The same of one whose disks Azure makes of retained snapshots.
COPY_PHASES: Phases = (
    ("Accepted", "Pending"),
    ("DisksCreated", "CreatingDisks"),
    ("VirtualMachineCreated", "CreatingVirtualMachine"),
    ("RemainsRemoved", "RemovingRemains"),
)

#: The same of one that puts the disks of a recovery point in place of the VM's own.
REWIND_PHASES: Phases = (
    ("Accepted", "Pending"),
    ("VirtualMachineStopped", "StoppingVirtualMachine"),
    ("SnapshotsReady", "Snapshotting"),
    ("DisksCreated", "CreatingDisks"),
    ("SwapConfirmed", "AwaitingSwap"),
    ("DisksSwapped", "SwappingDisks"),
    ("DisksPutBack", "SwappingDisks"),
    ("VirtualMachineStarted", "StartingVirtualMachine"),
    ("RemainsRemoved", "RemovingRemains"),
)

#: The same of one whose disks a worker writes, since their snapshots are gone.
REWRITE_PHASES: Phases = (
    ("Accepted", "Pending"),
    ("PacksRehydrated", "Rehydrating"),
    ("EnvironmentReady", "PreparingRegion"),
    ("WorkerReady", "LaunchingWorker"),
    ("VirtualMachineStopped", "StoppingVirtualMachine"),
    ("SnapshotsReady", "Snapshotting"),
    ("DisksCreated", "CreatingDisks"),
    ("DisksAttached", "AttachingDisks"),
    ("DataRestored", "Restoring"),
    ("DisksDetached", "DetachingDisks"),
    ("WorkerReleased", "ReleasingWorker"),
    *REWIND_PHASES[REWIND_PHASES.index(("SwapConfirmed", "AwaitingSwap")) :],
)

#: The reasons of a failure that have a word of their own.
ENDINGS = {"Cancelled": ("Cancelling", "Cancelled"), "Skipped": ("Skipping", "Skipped")}


#: The reasons of a step that is simply under way: nobody need be told what it waits for.
UNDER_WAY = frozenset({"InProgress", "LookedAtAgain", "GivenBack", "WorkerReplaced"})


def session_phase(conditions: Sequence[Condition], phases: Phases = PHASES) -> str:
    """Return what a session with these conditions is doing, or how it ended.

    Why it failed, or what it waits for where that is more than Azure's time, stands behind a colon.
    As in a Job,
    FailureTarget says that the session will fail while its last steps still run, and Failed that
    they have ended; both carry the reason.
    """
    if is_true(conditions, "Complete"):
        return "Complete"
    for type_, word in (("Failed", 1), ("FailureTarget", 0)):
        failure = find_condition(conditions, type_)
        if failure is not None and failure.status == "True":
            plain = (f"Failing: {failure.reason}", f"Failed: {failure.reason}")
            return ENDINGS.get(failure.reason, plain)[word]
    for type_, phase in phases:
        said = find_condition(conditions, type_)
        if said is None or (said.status != "True" and said.reason in UNDER_WAY):
            return phase
        if said.status != "True":
            return f"{phase}: {said.reason}"
    return "Completing"


def under_way(conditions: Sequence[Condition], phases: Phases = PHASES) -> str:
    """Return what the step says that a session with these conditions has come to."""
    at = (find_condition(conditions, type_) for type_, _ in phases)
    step = next((said for said in at if said is None or said.status != "True"), None)
    return "" if step is None else step.message
