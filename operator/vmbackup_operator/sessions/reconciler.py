"""Reconciles BackupSessions: reads one afresh, takes one step, writes its status, returns."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Literal

from msgspec.structs import replace

from vmbackup_core.errors import PermanentError, TransientError, VmbackupError
from vmbackup_core.ids import RunId
from vmbackup_operator.model.backup_session import BackupSession, BackupSessionStatus, SessionType
from vmbackup_operator.model.conditions import find_condition, is_true
from vmbackup_operator.model.display import with_display
from vmbackup_operator.model.metadata import APPLIANCE_LABEL, FINALIZER, ObjectKey
from vmbackup_operator.naming import (
    ArmId,
    run_id_of_slot,
    run_id_of_trigger,
    run_id_of_uid,
    session_name_of_slot,
    session_name_of_trigger,
)
from vmbackup_operator.reconciling.outcome import Conflict, Done, Failed, Outcome, Waiting
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Step, Table, Taken, TryAgain
from vmbackup_operator.sessions.verdicts import (
    FAILURE_TARGET,
    answered,
    failing,
    given_up,
    next_step,
    troubled,
)

log = logging.getLogger(__name__)

#: A deleted object's finalizer yields to the sweeper after this; a namespace must not hang on us.
UNDO_FOR = timedelta(minutes=15)
#: How soon a last step that failed is tried again.
LAST_STEPS_AGAIN_S = 60.0


class SessionReconciler:
    """Takes each session through the table of steps of its type."""

    def __init__(self, ground: Ground, tables: Mapping[SessionType, Table]) -> None:
        self._ground = ground
        self._tables = tables
        self._undoing: dict[ObjectKey, float] = {}
        self._began = ground.clock.now()

    async def reconcile(self, key: ObjectKey) -> Outcome:
        """Take one step of the session; Done where nothing is left or it is not ours."""
        session = await self._ground.sessions.find(key)
        if session is None or not self._is_ours(session):
            return Done()
        if session.status.run_id is None:
            return await self._begun(session)
        step = next_step(self._tables[session.spec.type], session.status)
        if step is None:
            return await self._left(session)
        if self._is_overdue(session):
            message = f"deleted {UNDO_FOR} ago, and not undone yet: {step.condition}"
            await self._ground.events.tell(session, "Warning", "UndoGivenUp", message)
            return await self._left(session)
        return await self._advanced(session, step)

    async def _advanced(self, session: BackupSession, step: Step) -> Outcome:
        """Turn a session that was stopped to its end; else take the step, if its time has come."""
        stopped = self._stopped(session)
        if stopped is not None:
            await self._write(session, stopped)
            return Waiting(0, "ending")
        pause_s = self._pause_s(session)
        if pause_s > 0:
            return Waiting(pause_s, "the next attempt is due later")
        return await self._stepped(session, step)

    def _is_ours(self, session: BackupSession) -> bool:
        # A policy's session is its appliance's from the beginning, whoever looks at the cluster.
        claimed_by = session.status.appliance_id or session.metadata.labels.get(APPLIANCE_LABEL)
        return claimed_by in {None, self._ground.settings.appliance.id}

    async def _begun(self, session: BackupSession) -> Outcome:
        """Claim the session: its finalizer first, then its run id; nothing is made before both."""
        if session.metadata.deletion_timestamp is not None:
            # A crash may have fallen between the finalizer and the run id.
            return await self._left(session)
        if FINALIZER not in session.metadata.finalizers:
            session = await self._with_finalizers(
                session, (*session.metadata.finalizers, FINALIZER)
            )
        status = replace(
            session.status,
            appliance_id=self._ground.settings.appliance.id,
            run_id=run_id_for(self._ground.settings.appliance.id, session),
            attempt=1,
            start_time=self._ground.clock.now().replace(microsecond=0),
            observed_generation=session.metadata.generation,
        )
        await self._write(session, status)
        log.info("session %s: begun as run %s", session.metadata.key, status.run_id)
        return Waiting(0, "begun")

    async def _left(self, session: BackupSession) -> Outcome:
        """Take the finalizer off: nothing outside is left to be undone."""
        self._undoing.pop(session.metadata.key, None)
        finalizers = session.metadata.finalizers
        if FINALIZER in finalizers:
            rest = tuple(each for each in finalizers if each != FINALIZER)
            await self._with_finalizers(session, rest)
        return Done()

    def _is_overdue(self, session: BackupSession) -> bool:
        """Tell whether a deleted session has been undone for too long, by this very process.

        One that was deleted while no operator ran has not been tried yet.
        """
        if session.metadata.deletion_timestamp is None:
            return False
        now_s = self._ground.clock.monotonic_s()
        since_s = self._undoing.setdefault(session.metadata.key, now_s)
        return now_s - since_s > UNDO_FOR.total_seconds()

    def _stopped(self, session: BackupSession) -> BackupSessionStatus | None:
        """Return the status of a session that was cancelled or deleted on its way, else None."""
        status = session.status
        ending = status.outcome is not None or is_true(status.conditions, FAILURE_TARGET)
        # A recovery point that exists is not taken back by a cancel that came too late.
        if ending or status.recovery_point is not None:
            return None
        now = self._ground.clock.now()
        if session.metadata.deletion_timestamp is not None:
            return failing(session, status, "", Failed("Deleted", "the session was deleted"), now)
        if session.spec.cancel:
            return failing(session, status, "", Failed("Cancelled", "cancelled on request"), now)
        return None

    def _pause_s(self, session: BackupSession) -> float:
        retry_time = session.status.retry_time
        if retry_time is None or is_true(session.status.conditions, FAILURE_TARGET):
            return 0
        return (retry_time - self._ground.clock.now()).total_seconds()

    async def _stepped(self, session: BackupSession, step: Step) -> Outcome:
        """Take *step* and write what it came to."""
        async with self._alone(step, session):
            if step.alone(session.status):
                # Another session may have been given what this one saw as free.
                session = await self._ground.sessions.find(session.metadata.key) or session
            try:
                taken = await self._taken(step, session)
            except Conflict:
                raise
            except TransientError as error:
                reason = "AzureUnavailable" if error.retry_after_s is None else "AzureThrottled"
                now = self._ground.clock.now()
                await self._write(session, troubled(session, step, reason, str(error), now))
                raise
            now = self._ground.clock.now()
            status = answered(self._tables[session.spec.type], session, step, taken, now)
            if self._is_hopeless(session, step, taken):
                status = given_up(replace(session, status=status), step, now)
            written = await self._write(session, status)
        await self._told(session, written, step)
        return self._outcome(written, step, taken)

    def _is_hopeless(self, session: BackupSession, step: Step, taken: Taken) -> bool:
        """Tell whether a last step has been tried for so long that it is left to the sweeper."""
        said = find_condition(session.status.conditions, step.condition)
        if not step.even_after_failure or said is None or isinstance(taken.answer, Done):
            return False
        # While no operator ran nothing was tried.
        tried = self._ground.clock.now() - max(said.last_transition_time, self._began)
        return tried > timedelta(seconds=self._ground.pacing.give_up_s)

    @contextlib.asynccontextmanager
    async def _alone(self, step: Step, session: BackupSession) -> AsyncIterator[None]:
        if not step.alone(session.status):
            yield
            return
        async with self._ground.sharing:
            yield

    async def _taken(self, step: Step, session: BackupSession) -> Taken:
        try:
            return await step.take(self._ground, session)
        except PermanentError as error:
            return Taken(session.status, Failed(error.reason, str(error)))
        except TransientError:
            raise
        except VmbackupError as error:
            return Taken(session.status, Failed("CorruptRepository", str(error)))

    def _outcome(self, session: BackupSession, step: Step, taken: Taken) -> Outcome:
        match taken.answer:
            case Waiting() as waiting:
                return waiting
            case Done():
                return Waiting(0, "the next step")
            case Failed() | TryAgain():
                if step.even_after_failure:
                    return Waiting(LAST_STEPS_AGAIN_S, "tried again")
                return Waiting(max(0.0, self._pause_s(session)), "the next attempt")

    async def _told(self, before: BackupSession, after: BackupSession, step: Step) -> None:
        """Tell people what has changed: a line in the log each time, an Event where it matters."""
        key, now, was = after.metadata.key, after.status, before.status
        said = find_condition(now.conditions, step.condition)
        if said is not None and said != find_condition(was.conditions, step.condition):
            log.info(
                "session %s: %s %s: %s: %s",
                key,
                step.condition,
                said.status,
                said.reason,
                said.message,
            )
        if now.attempt > was.attempt and now.errors:
            error = now.errors[-1]
            message = f"attempt {was.attempt} failed at {error.step}: {error.message}"
            await self._ground.events.tell(after, "Warning", error.reason, message)
        if now.outcome is not None and was.outcome is None:
            log.info("session %s: %s: %s", key, now.outcome, now.message)
            kind: Literal["Normal", "Warning"] = "Normal"
            if now.outcome != "Succeeded":
                kind = "Warning"
            await self._ground.events.tell(after, kind, now.outcome, now.message)

    async def _write(self, session: BackupSession, status: BackupSessionStatus) -> BackupSession:
        wanted = with_display(replace(session, status=status))
        if wanted.status == session.status:
            return session
        return await self._ground.sessions.write_status(wanted)

    async def _with_finalizers(
        self, session: BackupSession, finalizers: tuple[str, ...]
    ) -> BackupSession:
        metadata = replace(session.metadata, finalizers=finalizers)
        return await self._ground.sessions.write_finalizers(replace(session, metadata=metadata))


def run_id_for(appliance_id: str, session: BackupSession) -> RunId:
    """Return the session's run id: from policy, VM and occasion, or for a user's from its uid.

    A session that names a policy's slot or trigger but is not called as the policy's own would be
    is a user's: under one run id two sessions would take and drop each other's snapshots.
    """
    spec, metadata = session.spec, session.metadata
    if spec.policy_ref is None:
        return run_id_of_uid(metadata.uid)
    policy, vm_id = (
        ObjectKey(metadata.namespace, spec.policy_ref.name),
        ArmId(spec.virtual_machine_id),
    )
    name = metadata.name
    if spec.slot is not None and name == session_name_of_slot(policy.name, vm_id, spec.slot):
        return run_id_of_slot(appliance_id, policy, vm_id, spec.slot)
    if spec.trigger is not None and name == session_name_of_trigger(
        policy.name, vm_id, spec.trigger
    ):
        return run_id_of_trigger(appliance_id, policy, vm_id, spec.trigger)
    return run_id_of_uid(metadata.uid)
