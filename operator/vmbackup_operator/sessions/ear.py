"""An ear: hears one launch of one worker, and gives what it says to the session it serves.

A message is removed only when the status write that holds its effect, and its number, has been
done; a crash in between brings it back, and its number tells that it took effect. Progress is held
back so that a session's status is written at most every ten seconds; what changes the session's
course is written at once. Whatever one message brings about, the worst is that it is refused,
counted and removed.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from msgspec.structs import replace

from vmbackup_core.clock import Clock
from vmbackup_core.errors import PermanentError, RefusedForNow, TransientError
from vmbackup_core.ids import JobId, LaunchNonce, WorkerId
from vmbackup_core.protocol import (
    Done,
    Event,
    Failed,
    Header,
    Heartbeat,
    Hello,
    LaunchKey,
    Passing,
    Progress,
    RefusedMessage,
    read_event,
    shown,
    unseal,
)
from vmbackup_operator.model.display import with_display
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.session import Session
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Conflict
from vmbackup_operator.sessions.hearing import heard, is_awaited
from vmbackup_operator.sessions.ports import Queues
from vmbackup_operator.sessions.seen import Account, Received, account_of

log = logging.getLogger(__name__)

#: For as long as a message is hidden from others: longer than progress is held back. What was taken
#: by an operator that was killed is hidden from its successor too.
LEASE_S = 30
#: A session's status is written for progress at most this often.
PROGRESS_EVERY_S = 10.0
#: So many messages a queue hands out at once; fewer are all that it has.
AT_ONCE = 32
#: How many times in one go the queue is asked: who floods it fills no memory.
MOST_TAKES = 4
#: A message that was received more often ends whoever reads it.
DEQUEUES = 10
#: How long a worker may say nothing before it is looked up whether it serves its session still.
LOOK_UP_S = 300.0

#: Refusals that are the message's fault, of the status that it makes or of what it says, and no
#: right or namespace that is missing.
_OF_THE_MESSAGE = frozenset({"RefusedByCluster", "BadMessage"})


#: What changes a session's course; all else says that the worker lives, and how far it is.
Turning = Hello | Done | Failed


@dataclass(frozen=True, slots=True)
class Launched:
    """Whom an ear hears: one launch of a worker, for one session."""

    session: ObjectKey
    worker: WorkerId
    launch: LaunchNonce
    key_id: str
    account: Account
    queue: str


def launched_of(session: Session) -> Launched | None:
    """Return the launch of the worker that *session* has; None where none was launched for it."""
    worker, resolved = session.status.worker, session.status.resolved
    environment = None if resolved is None else resolved.environment
    home = None if environment is None else environment.home_storage_account_id
    if session.status.outcome is not None or worker is None or worker.launched_at is None:
        return None
    if home is None or worker.launch is None:
        return None
    account, key = account_of(ArmId(home)), session.key
    queue = worker.events_queue
    return Launched(key, worker.id, worker.launch, worker.key_id, account, queue)


class Served(Protocol):
    """The sessions that workers serve."""

    def known(self, key: ObjectKey) -> Session | None:
        """Return the session as it was last seen or written, without asking anybody, or None."""

    async def find(self, key: ObjectKey) -> Session | None:
        """Return the session as stored, or None."""

    async def write_status(self, session: Session) -> Session:
        """Replace the status and return what is stored; raise Conflict where it was stale."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """What every ear needs; *wake* has a session looked at soon, *refused* counts by why."""

    queues: Queues
    sessions: Served
    clock: Clock
    wake: Callable[[ObjectKey], None]
    refused: Counter[str]


@dataclass(frozen=True, slots=True)
class _Said:
    """A message that authenticates."""

    header: Header
    event: Event
    message: Received

    @property
    def must_be_removed(self) -> bool:
        """False where it expires before its lease ends: nobody needs to remove it."""
        return not isinstance(self.event, Passing) or self.message.dequeue_count > 1

    def makes_needless(self, other: _Said) -> bool:
        """Tell whether *other* passes, and says the same as this at an earlier moment."""
        return (
            not other.must_be_removed
            and type(self.event) is type(other.event)
            and self.header.job_id == other.header.job_id
            and self.header.sequence > other.header.sequence
        )


class Ear:
    """Hears one events queue; *ended* once the session is served by this launch no more."""

    def __init__(self, launched: Launched, key: LaunchKey, hearing: Hearing) -> None:
        self.launched = launched
        self.ended = False
        self.awaited = True
        self._key = key
        self._hearing = hearing
        self._clock = hearing.clock
        self._said: list[_Said] = []
        self._is_stale = False
        self._moving: JobId | None = None
        self._written_s = -PROGRESS_EVERY_S
        self._in_trouble = False
        self._trouble_until_s = 0.0
        self._looked_up_s = self._clock.monotonic_s()
        self._spoke: datetime | None = None
        self._listened_at: datetime | None = None
        self._listens_since: datetime | None = None

    def know(self, session: Session) -> None:
        """Take note of what the session is at: whether an answer is awaited follows from it."""
        self.awaited = is_awaited(session)
        self._looked_up_s = self._clock.monotonic_s()

    def silence(self, since: datetime) -> timedelta:
        """Return how long the worker was silent while we listened, *since* its launch or word.

        It counts from the newest of word, launch and listening: what could not be heard is not held
        against it. This process may have started just now, or the queue may have been out of our
        reach, and then out of the worker's too.
        """
        if self._listened_at is None or self._listens_since is None:
            return timedelta(0)
        newest = max(self._spoke or since, since, self._listens_since)
        return max(timedelta(0), self._listened_at - newest)

    async def hear(self) -> None:
        """Take what is there, and give to the session what is due; raise TransientError."""
        if self._clock.monotonic_s() < self._trouble_until_s:
            return
        try:
            if self._in_trouble:
                await self._give()  # before more is taken: else it would be received too often
            self._in_trouble = False
            await self._listen()
            await self._give()
            if self._clock.monotonic_s() - self._looked_up_s > LOOK_UP_S:
                await self._look_up()
        except Exception:
            self._in_trouble, self._listens_since = True, None
            self._trouble_until_s = self._clock.monotonic_s() + PROGRESS_EVERY_S
            raise

    async def _listen(self) -> None:
        listens_since, self._listens_since = self._listens_since, None
        began = self._clock.now()
        try:
            has_all = await self._take()
        except (PermanentError, RefusedForNow) as error:
            if not error.reason.endswith(("NotFound", "QueueBeingDeleted")):
                raise
            # It goes with the launch, which may have ended; else it was made just now.
            if await self._look_up() is not None:
                raise
            return
        if has_all:
            self._listened_at, self._listens_since = began, listens_since or began

    async def _take(self) -> bool:
        """Sort what is in the queue; tell whether that is all of it."""
        account, queue = self.launched.account, self.launched.queue
        for _ in range(MOST_TAKES):
            received = await self._hearing.queues.take(account, queue, LEASE_S)
            for message in received:
                await self._sort(message)
            if len(received) < AT_ONCE:
                return True
        return False

    async def _sort(self, message: Received) -> None:
        """Keep a message that authenticates; refuse any other, whatever is the matter with it."""
        try:
            said = self._open(message)
        except RefusedMessage as error:
            await self._refuse(message, error.why, str(error))
        except PermanentError as error:
            await self._refuse(message, error.reason, str(error))
        except Exception as error:  # noqa: BLE001 - whatever one message brings about is its own end
            await self._refuse(message, type(error).__name__, "the reader stumbled over it")
        else:
            self._spoke = self._clock.now()
            self._keep(said)

    def _keep(self, said: _Said) -> None:
        """Hold *said* until it is given; of what passes only the newest of each kind is of use."""
        again = said.message.message_id
        others = [each for each in self._said if each.message.message_id != again]
        self._said = [each for each in others if not said.makes_needless(each)]
        if not any(each.makes_needless(said) for each in self._said):
            self._said.append(said)

    def _open(self, message: Received) -> _Said:
        if message.dequeue_count > DEQUEUES:
            detail = f"received {message.dequeue_count} times"
            raise PermanentError(detail, reason="SeenTooOften")
        header, payload = unseal(
            self._key, message.text, direction="event", worker_id=self.launched.worker
        )
        event = read_event(payload)
        match event:
            case Hello() | Heartbeat() if event.launch != self.launched.launch:
                raise PermanentError("it is of another launch", reason="OtherLaunch")
            case _:
                return _Said(header, event, message)

    async def _refuse(self, message: Received, why: str, detail: str) -> None:
        self._hearing.refused[why] += 1
        worker, number = self.launched.worker, message.message_id
        log.warning("worker %s: message %s refused: %s", worker, number, shown(detail))
        await self._remove(message)

    async def _remove(self, message: Received) -> None:
        account, queue = self.launched.account, self.launched.queue
        await self._hearing.queues.remove(account, queue, message)

    async def _give(self) -> None:
        """Apply what is due to the session, and remove it."""
        if not self._said or not self._is_due():
            return
        session = await self._current()
        if session is None:
            return
        try:
            await self._apply(session, self._said)
        except Conflict:
            self._is_stale = True  # the next time it is read again
        except TransientError:
            raise
        except Exception as error:
            if isinstance(error, PermanentError) and error.reason not in _OF_THE_MESSAGE:
                raise
            await self._give_each()
        else:
            await self._done_with(self._said)

    async def _give_each(self) -> None:
        """Apply the messages one by one, and refuse those that the session cannot take."""
        for said in sorted(self._said, key=lambda each: each.header.sequence):
            session = await self._look_up()
            if session is None:
                return
            try:
                await self._apply(session, [said])
            except Conflict:
                return
            except TransientError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever one message brings about is its own end
                reason = getattr(error, "reason", type(error).__name__)
                self._said = [each for each in self._said if each is not said]
                await self._refuse(said.message, reason, str(error))
            else:
                await self._done_with([said])

    async def _apply(self, session: Session, said: list[_Said]) -> None:
        """Write what the session's status becomes, where that is anything new."""
        events = [(each.header, each.event) for each in said]
        status = heard(session, events, self._clock.now())
        if status == session.status:
            return
        wanted = with_display(replace(session, status=status))
        self.know(await self._hearing.sessions.write_status(wanted))
        self._written_s = self._clock.monotonic_s()
        if any(isinstance(each.event, Turning) for each in said):
            # How far a job is changes what is shown, and nothing of what is to be done.
            self._hearing.wake(session.key)

    async def _done_with(self, said: list[_Said]) -> None:
        self._said = [each for each in self._said if each not in said]
        for each in said:
            if isinstance(each.event, Progress):
                self._moving = each.header.job_id
            if each.must_be_removed:
                await self._remove(each.message)

    def _is_due(self) -> bool:
        turning = any(
            isinstance(said.event, Turning)
            # The first progress of a job is news whenever the last heartbeat was written.
            or (isinstance(said.event, Progress) and said.header.job_id != self._moving)
            for said in self._said
        )
        return turning or self._clock.monotonic_s() - self._written_s >= PROGRESS_EVERY_S

    async def _current(self) -> Session | None:
        """Return the session: as last known where only signs of life are to be given.

        One that was written since is not overwritten: that is a conflict, and it is read then.
        """
        turning = any(isinstance(said.event, Turning) for said in self._said)
        known = self._hearing.sessions.known(self.launched.session)
        if turning or self._is_stale or known is None or launched_of(known) != self.launched:
            return await self._look_up()
        self.know(known)
        return known

    async def _look_up(self) -> Session | None:
        """Return the session as stored; None, and the end, where it has another launch or none."""
        self._is_stale = False
        session = await self._hearing.sessions.find(self.launched.session)
        if session is None or launched_of(session) != self.launched:
            self.ended = True
            self._hearing.refused["NoSession"] += len(self._said)
            return None
        self.know(session)
        return session
