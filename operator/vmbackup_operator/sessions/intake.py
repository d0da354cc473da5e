"""The intake: takes what workers say from the appliance's events queue and gives it to sessions.

A message is removed only when the status write that holds its effect, and its number, has been
done; a crash in between brings it back, and its number tells that it took effect. Progress is held
back so that a session's status is written at most every ten seconds; what changes the session's
course is written at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from msgspec.structs import replace

from vmbackup_core.clock import Clock
from vmbackup_core.errors import PermanentError, VmbackupError
from vmbackup_core.ids import JobId, WorkerId
from vmbackup_core.protocol import (
    Done,
    Event,
    Failed,
    Header,
    Hello,
    Progress,
    RefusedMessage,
    peek,
    read_event,
    unseal,
)
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.display import with_display
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.naming import ArmId, events_queue
from vmbackup_operator.reconciling.outcome import Conflict
from vmbackup_operator.sessions.hearing import heard
from vmbackup_operator.sessions.keys import KeyRing
from vmbackup_operator.sessions.places import Places
from vmbackup_operator.sessions.ports import Queues, Sessions
from vmbackup_operator.sessions.seen import Account, Received, RegionSeen

log = logging.getLogger(__name__)

#: For as long as a message is hidden from others: longer than progress is held back.
LEASE_S = 60
#: A session's status is written for progress at most this often.
PROGRESS_EVERY_S = 10.0
#: How often the queue is asked while a worker is about to speak, and otherwise.
QUICK_S = 1.0
SLOW_S = 20.0
#: How many times in one round the queue is asked: who floods it must not keep others waiting.
MOST_TAKES = 32
#: For how long after somebody listened the queue is asked quickly: heartbeats come every 15 s.
LISTENING_S = 60.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the intake needs; *wake* has a session looked at soon."""

    queues: Queues
    sessions: Sessions
    places: Places
    wake: Callable[[ObjectKey], None]


@dataclass(slots=True)
class _Heard:
    """What one worker has said and no status holds yet."""

    messages: list[tuple[Header, Event, Received]] = field(default_factory=list)
    written_s: float = -PROGRESS_EVERY_S
    refused_until_s: float = 0.0
    moving: JobId | None = None


class Intake:
    """The one reader of the events queue."""

    def __init__(
        self, appliance_id: str, ring: KeyRing, clock: Clock, surroundings: Surroundings
    ) -> None:
        self._queue = events_queue(appliance_id)
        self._ring = ring
        self._clock = clock
        self._queues = surroundings.queues
        self._sessions = surroundings.sessions
        self._places = surroundings.places
        self._wake = surroundings.wake
        self._heard: dict[WorkerId, _Heard] = {}
        self._served: dict[WorkerId, ObjectKey] = {}
        self._listening_until_s = 0.0
        self._called = asyncio.Event()
        self._made_in: ArmId | None = None
        self._listened_at: datetime | None = None
        self._listens_since: datetime | None = None
        self._spoke: dict[WorkerId, datetime] = {}
        #: How many messages were refused, by why; and how many of workers that serve nobody.
        self.refused: Counter[str] = Counter()

    def listen(self) -> None:
        """Ask the queue quickly for a while: a worker is about to say something."""
        self._listening_until_s = self._clock.monotonic_s() + LISTENING_S
        self._called.set()

    def silence_of(self, worker: WorkerId, heard: datetime) -> timedelta:
        """Return how long *worker*, who spoke at *heard* or later, was silent while we listened.

        What could not be heard is not held against it: this process may have started just now, or
        the queue may have been out of our reach, and then out of the workers' too.
        """
        if self._listened_at is None or self._listens_since is None:
            return timedelta(0)
        spoke = self._spoke.get(worker, heard)
        return max(timedelta(0), self._listened_at - max(spoke, self._listens_since))

    async def run(self) -> None:
        """Take messages for as long as the task lives; troubles of a round wait for the next."""
        while True:
            try:
                await self.round()
            except VmbackupError as error:
                log.warning("events queue: %s", error)
            except Exception as error:  # a bug that one message meets must not end the hearing
                log.exception("events queue: unexpected %s", type(error).__name__)
            listening = self._clock.monotonic_s() < self._listening_until_s
            self._called.clear()
            if listening:
                await asyncio.sleep(QUICK_S)
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._called.wait(), SLOW_S)

    async def round(self) -> None:
        """Take what is there, and give to sessions what is due."""
        listens_since, self._listens_since = self._listens_since, None
        home = await self._places.recall_home()
        if not isinstance(home, RegionSeen):
            return
        account, began = home.account, self._clock.now()
        if not await self._is_there(account):
            return
        if await self._take(account):
            self._listened_at, self._listens_since = began, listens_since or began
        for worker, said in list(self._heard.items()):
            await self._give_apart(account, worker, said)
            if not said.messages and self._clock.monotonic_s() - said.written_s > LISTENING_S:
                self._heard.pop(worker, None)

    async def _is_there(self, account: Account) -> bool:
        """Have the queue made, but ask for it once only: who idles writes nothing."""
        if self._made_in != account.id:
            made = await self._queues.ensure(account, self._queue)
            self._made_in = account.id if made else None
        return self._made_in is not None

    async def _take(self, account: Account) -> bool:
        """Sort what is in the queue; tell whether that is all of it."""
        for _ in range(MOST_TAKES):
            try:
                received = await self._queues.take(account, self._queue, LEASE_S)
            except PermanentError as error:
                if error.reason == "NotFound":
                    self._made_in = None
                raise
            if not received:
                return True
            for message in received:
                await self._sort(account, message)
        return False

    async def _sort(self, account: Account, message: Received) -> None:
        """Keep a message that authenticates; count and remove any other."""
        try:
            header = peek(message.text)
            header, payload = unseal(
                self._ring.worker_keys(header.worker_id),
                message.text,
                direction="event",
                worker_id=header.worker_id,
            )
            event = read_event(payload)
        except RefusedMessage as error:
            await self._refuse(account, message, error.why, str(error))
        except PermanentError as error:
            await self._refuse(account, message, error.reason, str(error))
        else:
            self._spoke[header.worker_id] = self._clock.now()
            said = self._heard.setdefault(header.worker_id, _Heard())
            said.messages = [
                each for each in said.messages if each[2].message_id != message.message_id
            ]
            said.messages.append((header, event, message))
            self.listen()

    async def _refuse(self, account: Account, message: Received, why: str, detail: str) -> None:
        self.refused[why] += 1
        log.warning("events queue: message %s refused: %s", message.message_id, detail)
        await self._queues.remove(account, self._queue, message)

    async def _give_apart(self, account: Account, worker: WorkerId, said: _Heard) -> None:
        """Give what is due; trouble with one worker's session keeps no other from hearing."""
        if not said.messages or not self._is_due(said):
            return
        try:
            await self._give(account, worker, said)
        except VmbackupError as error:
            said.refused_until_s = self._clock.monotonic_s() + PROGRESS_EVERY_S
            log.warning("events of worker %s: %s", worker, error)

    async def _give(self, account: Account, worker: WorkerId, said: _Heard) -> None:
        """Apply what *worker* has said to its session, and remove it."""
        session = await self._session_of(worker)
        if session is not None:
            try:
                written = await self._written(session, said)
            except Conflict:
                return  # the next round reads it again
            if written:
                said.written_s = self._clock.monotonic_s()
                self._wake(session.metadata.key)
        else:
            self.refused["NoSession"] += len(said.messages)
        for header, event, _ in said.messages:
            if isinstance(event, Progress):
                said.moving = header.job_id
        messages, said.messages = said.messages, []
        for _, _, message in messages:
            await self._queues.remove(account, self._queue, message)

    async def _written(self, session: BackupSession, said: _Heard) -> bool:
        """Write what the session's status becomes; tell whether there was anything to write."""
        events = [(header, event) for header, event, _ in said.messages]
        status = heard(session, events, self._clock.now())
        if status == session.status:
            return False
        await self._sessions.write_status(with_display(replace(session, status=status)))
        return True

    def _is_due(self, said: _Heard) -> bool:
        if self._clock.monotonic_s() < said.refused_until_s:
            return False
        turning = any(
            isinstance(event, Hello | Done | Failed)
            # The first progress of a job is news whenever the last heartbeat was written.
            or (isinstance(event, Progress) and header.job_id != said.moving)
            for header, event, _ in said.messages
        )
        return turning or self._clock.monotonic_s() - said.written_s >= PROGRESS_EVERY_S

    async def _session_of(self, worker: WorkerId) -> BackupSession | None:
        """Return the unfinished session that *worker* serves, or None."""
        known = self._served.get(worker)
        if known is not None:
            session = await self._sessions.find(known)
            if session is not None and _is_served(session, worker):
                return session
        serving = _serving(await self._sessions.unfinished(), worker)
        if serving is None:
            self._served.pop(worker, None)
            self._spoke.pop(worker, None)
            return None
        self._served[worker] = serving.metadata.key
        return serving


def _serving(sessions: Sequence[BackupSession], worker: WorkerId) -> BackupSession | None:
    return next((session for session in sessions if _is_served(session, worker)), None)


def _is_served(session: BackupSession, worker: WorkerId) -> bool:
    serving = session.status.worker
    return session.status.outcome is None and serving is not None and serving.id == worker
