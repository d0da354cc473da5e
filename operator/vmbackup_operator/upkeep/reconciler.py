"""Reconciles a repository's upkeep: begins a pass when it is due, and takes it piece by piece.

All that has to survive is in ``status.maintenance``: which job runs and how far it is. Killed at
any moment, the next look goes on from there, and what was done since is done again without harm.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import assert_never

from msgspec.structs import replace

from vmbackup_core.errors import PermanentError, TransientError, VmbackupError
from vmbackup_operator.model.backup_repository import (
    BackupRepository,
    JobOutcome,
    Maintenance,
    RunningJob,
)
from vmbackup_operator.model.conditions import MAX_MESSAGE, cut, find_condition, is_true
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.reconciling.outcome import Conflict, Done, Outcome, Waiting
from vmbackup_operator.repositories.keys import find_key
from vmbackup_operator.upkeep.asking import work
from vmbackup_operator.upkeep.history import accept_history
from vmbackup_operator.upkeep.mirroring import mirror
from vmbackup_operator.upkeep.occasions import occasion_of, seconds_until
from vmbackup_operator.upkeep.passes import LEFT, ended, why_left, why_pointless
from vmbackup_operator.upkeep.ports import GoOn, JobDone
from vmbackup_operator.upkeep.progress import Progress, Progresses
from vmbackup_operator.upkeep.sights import with_sight
from vmbackup_operator.upkeep.surroundings import Surroundings
from vmbackup_operator.upkeep.verifying import SESSION_AGAIN_S, Reading, Verified, verify

log = logging.getLogger(__name__)

#: Its time, its own changes and its sessions' ends wake it; no pass is later than this for a clock.
LOOK_AGAIN = timedelta(days=1)
#: How long a job is tried that comes no further, before the pass goes on without it.
TRIED_FOR = timedelta(hours=1)
#: How soon a pass is looked at again that waits for the repository to be Ready; that wakes it.
READY_AGAIN_S = 300.0
#: How far a job has come is written so often at most.
CURSOR_EVERY_S = 30.0
#: A piece that has been under way for long is looked at so often at least.
SLOWEST_S = 30.0
MESSAGE_EVERY_S = 60.0

Found = JobDone | GoOn | Waiting | Reading | Verified


class UpkeepReconciler:
    """Looks at the upkeep of one repository at a time."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._clock = around.clock
        self._progresses = Progresses()

    async def reconcile(self, key: ObjectKey) -> Outcome:
        """Begin a pass that is due, do a piece of the one that runs, and write how it stands."""
        repository = await self._around.repositories.find(key)
        if repository is None or repository.metadata.deletion_timestamp is not None:
            self._progresses.forget(key)
            self._around.twins.forget(key)
            return Done()
        self._around.twins.note(repository)
        if repository.status.appliance_id != self._around.appliance_id:
            return Done()  # the reconciler of repositories claims it first
        accepted = await accept_history(self._around, repository)
        if isinstance(accepted, Waiting):
            return accepted
        return await self._look(accepted)

    async def _look(self, repository: BackupRepository) -> Outcome:
        now = self._clock.now()
        occasion = occasion_of(repository, now)
        maintenance = occasion.maintenance
        repository = await self._write(repository, maintenance)
        if occasion.begins:
            log.info("repository %s: a pass of upkeep begins", repository.metadata.key)
        if maintenance.running is None or repository.spec.upkeep.suspend:
            seconds = seconds_until(maintenance.next_time, now, LOOK_AGAIN)
            return Waiting(seconds, "no pass is due")
        now_s = self._clock.monotonic_s()
        progress = self._progresses.find(repository, maintenance.running, now_s)
        return await self._go_on(repository, progress)

    async def _go_on(self, repository: BackupRepository, progress: Progress) -> Outcome:
        """Take the running job a piece further, unless the repository does not allow it."""
        running = progress.running
        if not is_true(repository.status.conditions, "Ready"):
            return await self._wait_for_ready(repository, progress)
        held = _held_by(repository, running) or await self._left_to_twin(repository, running)
        if held is not None:
            return await self._end(repository, progress, *held)
        try:
            found = await self._piece(repository, progress)
            return await self._take(repository, progress, found)
        except Conflict:
            raise
        except TransientError as error:
            return await self._try_again(repository, progress, error)
        except VmbackupError as error:
            return await self._end(repository, progress, *_as_ended(error))
        except Exception as error:  # a mistake of ours in one job must not end all upkeep
            name = type(error).__name__
            log.exception("%s: %s: unexpected %s", repository.metadata.key, running.job, name)
            message = f"InternalError: unexpected {name}: the operator's log says where"
            return await self._end(repository, progress, "Failed", message)

    async def _left_to_twin(
        self, repository: BackupRepository, running: RunningJob
    ) -> tuple[JobOutcome, str] | None:
        """Return how the job ends that another object of the same repository has done."""
        if running.cursor or running.session or running.job == "Mirror":
            return None  # it was begun; each object has its own points beside it
        keeper = await self._around.twins.keeper(self._around.repositories, repository)
        if keeper is None:
            return None
        return "Left", f"BackupRepository {keeper} stands for the same repository and has it done"

    async def _piece(self, repository: BackupRepository, progress: Progress) -> Found:
        if progress.done is not None:
            return progress.done
        running = progress.running
        if running.job == "Verify":
            return await verify(self._around, repository, running)
        if running.job == "Mirror":
            return await mirror(self._around, repository, progress.mirroring)
        return await work(self._around, repository, running.job, running)

    async def _take(
        self, repository: BackupRepository, progress: Progress, found: Found
    ) -> Outcome:
        """Keep what a piece came to, and say when the next one is."""
        match found:
            case Waiting(message=message):
                await self._show(repository, progress, message, MESSAGE_EVERY_S)
                return Waiting(self._patience_s(progress, found.seconds), message)
            case GoOn(cursor=cursor, message=message):
                progress.running = replace(progress.running, cursor=cursor, trouble_since=None)
                await self._show(repository, progress, message, CURSOR_EVERY_S)
                return Waiting(0, message)
            case Reading(session=session, message=message):
                progress.running = replace(progress.running, session=session, trouble_since=None)
                await self._show(repository, progress, message, MESSAGE_EVERY_S)
                return Waiting(SESSION_AGAIN_S, message)
            case Verified(outcome=outcome, message=message, events=events):
                return await self._end(repository, progress, outcome, message, events)
            case JobDone(message=message, findings=findings, events=events):
                progress.done = found
                seen = await self._see(repository, progress)
                if isinstance(seen, Waiting):
                    return seen
                outcome = "Findings" if findings else "Succeeded"
                return await self._end(_with_size(seen, found), progress, outcome, message, events)
            case _:
                assert_never(found)

    def _patience_s(self, progress: Progress, asked_s: float) -> float:
        """Return when to look again: what takes hours is not asked for every few seconds."""
        taken = self._clock.now() - progress.running.since
        return max(asked_s, min(taken.total_seconds() / 20, SLOWEST_S))

    async def _see(
        self, repository: BackupRepository, progress: Progress
    ) -> BackupRepository | Waiting:
        """Return *repository* with how far its log is read at the end of Expire, unwritten."""
        if progress.running.job != "Expire":
            return repository
        key = await find_key(self._around.secrets, repository)
        number = await self._around.jobs.log_number(repository, key)
        if isinstance(number, Waiting):
            return number
        maintenance = _maintenance(repository)
        sights = with_sight(maintenance.sights, number, self._clock.now())
        status = replace(repository.status, maintenance=replace(maintenance, sights=sights))
        return replace(repository, status=status)

    async def _show(
        self, repository: BackupRepository, progress: Progress, message: str, every_s: float
    ) -> None:
        """Write how far the job is: at once what must not be lost, anything else now and then."""
        if message and progress.running.trouble_since is None:
            progress.running = replace(progress.running, message=cut(message, MAX_MESSAGE))
        running, stored, now_s = progress.running, progress.stored, self._clock.monotonic_s()
        at_once = (running.session, running.trouble_since) != (stored.session, stored.trouble_since)
        if running == stored or not (at_once or now_s - progress.written_s >= every_s):
            return
        await self._write(repository, replace(_maintenance(repository), running=running))
        progress.stored, progress.written_s = running, now_s

    async def _try_again(
        self, repository: BackupRepository, progress: Progress, error: TransientError
    ) -> Outcome:
        """Have the queue ask again; after an hour of it the pass goes on without the job."""
        if await self._is_given_up(repository, progress, str(error)):
            message = f"given up after an hour of trying: {error}"
            return await self._end(repository, progress, "Failed", message)
        raise error

    async def _wait_for_ready(self, repository: BackupRepository, progress: Progress) -> Outcome:
        """Wait while the repository is not Ready; after an hour the whole pass is over."""
        ready = find_condition(repository.status.conditions, "Ready")
        why = "the repository is not Ready" if ready is None else f"not Ready: {ready.reason}"
        if not await self._is_given_up(repository, progress, why):
            return Waiting(READY_AGAIN_S, why)
        message = f"the pass ended here, since for an hour the repository was {why}"
        return await self._end(repository, progress, "Failed", message, ends_pass=True)

    async def _is_given_up(
        self, repository: BackupRepository, progress: Progress, why: str
    ) -> bool:
        """Tell whether the job has come no further for too long; write when that began."""
        now = self._clock.now().replace(microsecond=0)
        since = progress.running.trouble_since
        if since is not None and since <= now:
            return now - since >= TRIED_FOR
        message = cut(f"tried again until {now + TRIED_FOR:%H:%M} UTC: {why}", MAX_MESSAGE)
        progress.running = replace(progress.running, trouble_since=now, message=message)
        await self._show(repository, progress, "", 0)
        return False

    async def _end(
        self,
        repository: BackupRepository,
        progress: Progress,
        outcome: JobOutcome,
        message: str,
        events: tuple[str, ...] = (),
        *,
        ends_pass: bool = False,
    ) -> Outcome:
        """Write how the job ended and which one runs then, in one write; tell people of it."""
        running = progress.running
        maintenance = ended(
            replace(_maintenance(repository), running=running),
            outcome,
            message,
            wanted=repository.spec.upkeep,
            now=self._clock.now(),
        )
        if ends_pass:
            maintenance = replace(maintenance, running=None)
        repository = await self._write(repository, maintenance)
        self._progresses.forget(repository.metadata.key)
        log.info("repository %s: upkeep: %s %s: %s", repository.metadata.key,
                 running.job, outcome, cut(message, MAX_MESSAGE))  # fmt: skip
        await self._tell(repository, running, outcome, message, events)
        return Waiting(0, "the next job")

    async def _tell(
        self,
        repository: BackupRepository,
        running: RunningJob,
        outcome: JobOutcome,
        message: str,
        events: tuple[str, ...],
    ) -> None:
        for text in events:
            message_of = f"{running.job}: {text}"
            await self._around.events.tell(repository, "Warning", "UpkeepFindings", message_of)
        if outcome == "Failed":
            await self._around.events.tell(
                repository, "Warning", "UpkeepFailed", f"{running.job}: {message}"
            )

    async def _write(
        self, repository: BackupRepository, maintenance: Maintenance
    ) -> BackupRepository:
        """Write *maintenance* where it is not what is stored; all else of the status stays."""
        if maintenance == repository.status.maintenance:
            return repository
        status = replace(repository.status, maintenance=maintenance)
        return await self._around.repositories.write_status(replace(repository, status=status))


def _maintenance(repository: BackupRepository) -> Maintenance:
    return repository.status.maintenance or Maintenance()


def _held_by(repository: BackupRepository, running: RunningJob) -> tuple[JobOutcome, str] | None:
    """Return how the job ends that may not be done as the repository and the pass stand."""
    left = why_left(running.job, repository)
    if left is not None:
        return "Left", left
    pointless = why_pointless(running, _maintenance(repository))
    return None if pointless is None else ("Left", pointless)


def _with_size(repository: BackupRepository, done: JobDone) -> BackupRepository:
    """Return *repository* with its size, unwritten, where the job has seen all of it."""
    if done.stored_bytes is None:
        return repository
    maintenance = replace(_maintenance(repository), stored_bytes=done.stored_bytes)
    return replace(repository, status=replace(repository.status, maintenance=maintenance))


def _as_ended(error: VmbackupError) -> tuple[JobOutcome, str]:
    """Return how the job ends that met *error*, which trying again does not change."""
    if isinstance(error, PermanentError):
        return "Left" if error.reason in LEFT else "Failed", f"{error.reason}: {error}"
    return "Failed", f"{type(error).__name__}: {error}"
