"""Who needs what: the decision what may go, made of what is known; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import assert_never

from vmbackup_core.ids import RepositoryId, RunId, WorkerId
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.session import Session
from vmbackup_operator.naming import ArmId, launch_command, launch_messages
from vmbackup_operator.sessions.findings import exported_ids
from vmbackup_operator.settings import Settings
from vmbackup_operator.sweeping.things import (
    Catalog,
    LeftCommand,
    LeftMessages,
    LeftParts,
    LeftQueue,
    LeftSnapshot,
    LeftUpload,
    LeftWorker,
    OldBundle,
    OpenAccess,
    Thing,
)

#: What needs a snapshot whose repository was not read: nobody can tell.
UNKNOWN = "perhaps a recovery point of a repository that was not read"

#: What needs a snapshot of a set that is stored nowhere else: it goes by its own retention.
KEPT_ALONE = "a snapshot set that is kept for itself"


@dataclass(frozen=True, slots=True)
class Needs:
    """What unfinished sessions, undo records and recovery points need; ids in lower case."""

    runs: frozenset[RunId] = frozenset()
    recorded: frozenset[RunId] = frozenset()
    snapshots: frozenset[str] = frozenset()
    workers: frozenset[WorkerId] = frozenset()
    queues: frozenset[str] = frozenset()
    messages: frozenset[str] = frozenset()
    commands: frozenset[tuple[str, str]] = frozenset()
    points: Mapping[RepositoryId, frozenset[RunId]] | None = None


def needs_of(
    settings: Settings,
    sessions: Collection[Session],
    recorded: Iterable[RunId],
    catalogs: Iterable[Catalog],
) -> Needs:
    """Return what is needed by *sessions* that are unfinished, by undo records and repositories."""
    points: dict[RepositoryId, frozenset[RunId]] = {}
    for catalog in catalogs:
        points[catalog.id] = points.get(catalog.id, frozenset()) | catalog.runs
    workers = [(each, each.status.worker) for each in sessions]
    held = [(session, worker) for session, worker in workers if worker is not None]
    return Needs(
        runs=frozenset(each.status.run_id for each in sessions if each.status.run_id is not None),
        recorded=frozenset(recorded),
        snapshots=frozenset(
            folded(snapshot) for each in sessions for snapshot in _read_by(settings, each)
        ),
        workers=frozenset(worker.id for _, worker in held),
        queues=frozenset(
            queue for _, worker in held for queue in (worker.jobs_queue, worker.events_queue)
        ),
        messages=frozenset(
            launch_messages(worker.id, worker.launch) for _, worker in held if worker.launch
        ),
        commands=frozenset(
            (folded(worker.vm_id), launch_command(session.status.run_id, worker.attempt))
            for session, worker in held
            if session.status.run_id is not None
        ),
        points=points,
    )


def _read_by(settings: Settings, session: Session) -> Iterator[ArmId]:
    """Yield the snapshots that the session takes or reads, whether that is recorded or not."""
    yield from exported_ids(settings, session)
    yield from (ArmId(export.snapshot_id) for export in session.status.exports)


def why_needed(thing: Thing, needs: Needs) -> str:
    """Return what needs *thing*, empty where nothing does."""
    if isinstance(thing, LeftSnapshot):
        return _why_kept(thing, needs)
    if isinstance(thing, LeftUpload):
        return _why_unfinished(thing.run_id, needs)
    return _if(_is_used(thing, needs), "an unfinished session")


def _is_used(thing: Thing, needs: Needs) -> bool:
    """Tell whether an unfinished session works with *thing*."""
    match thing:
        case OpenAccess() | LeftSnapshot():
            return folded(thing.snapshot_id) in needs.snapshots
        case LeftWorker() | LeftParts():
            return thing.worker in needs.workers
        case LeftCommand():
            return (folded(thing.vm_id), thing.name) in needs.commands
        case LeftQueue():
            return thing.name in needs.queues
        case LeftMessages():
            return thing.prefix in needs.messages
        case OldBundle() | LeftUpload():  # the latter is asked for by its run
            return False
        case _:
            assert_never(thing)


def _why_kept(snapshot: LeftSnapshot, needs: Needs) -> str:
    """Return why a snapshot stays.

    Whether a recovery point stands for it, of which the next increment may be made, only its own
    repository can tell: while that is not among those that were read, it stays.
    """
    unfinished = _why_unfinished(snapshot.run_id, needs)
    if unfinished or _is_used(snapshot, needs):
        return unfinished or "an unfinished session"
    if snapshot.alone:
        return KEPT_ALONE
    points = (needs.points or {}).get(snapshot.repository_id or RepositoryId(""))
    if points is None:
        return UNKNOWN
    return _if(snapshot.run_id in points, "a recovery point")


def _why_unfinished(run: RunId, needs: Needs) -> str:
    """Return what knows of the run that it has not ended, or is not undone."""
    if run in needs.runs:
        return "an unfinished session"
    return _if(run in needs.recorded, "an undo record")


def _if(is_so: bool, who: str) -> str:  # noqa: FBT001 - a condition, read as one
    return who if is_so else ""
