"""The running operator as handlers see it: what the watch tells, and who looks at what then."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from vmbackup_operator.metrics.picture import Picture
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.metadata import FINALIZER, ObjectKey
from vmbackup_operator.model.restore_session import RestoreSession
from vmbackup_operator.model.session import AnySession
from vmbackup_operator.reconciling.log_context import logged_about
from vmbackup_operator.reconciling.outcome import Outcome
from vmbackup_operator.reconciling.queue import WorkQueue
from vmbackup_operator.reconciling.work import (
    AFTER_SESSIONS,
    AFTER_SESSIONS_S,
    PRIORITIES,
    STANDING_SETS,
    SWEEPER,
    Work,
    WorkKind,
)
from vmbackup_operator.services.correlation import correlated
from vmbackup_operator.sessions.booked import BookedSessions
from vmbackup_operator.wiring.watched import without_maintenance

log = logging.getLogger(__name__)

Reconcile = Callable[[ObjectKey], Awaitable[Outcome]]


class Operator:
    """The running operator, as the handlers and the health endpoint see it."""

    def __init__(self, appliance_id: str | None = None) -> None:
        self.appliance_id = appliance_id
        self.queue: WorkQueue[Work] = WorkQueue(self._reconcile)
        self._reconcilers: Mapping[WorkKind, Reconcile] = {}
        self._policies: set[ObjectKey] = set()
        #: The picture of the sessions, by kind, once there is one.
        self.sessions: BookedSessions[BackupSession] | None = None
        self.restores: BookedSessions[RestoreSession] | None = None
        #: What metrics are computed from, once there is one.
        self.picture: Picture | None = None
        self._standings: dict[ObjectKey, str] = {}
        #: What the watch told of each repository last, but for how its upkeep goes on.
        self._told: dict[ObjectKey, bytes] = {}
        #: Whether the picture of the sessions is complete.
        self.taken_in = False
        self._ends: list[Callable[[], Awaitable[None]]] = []

    async def end(self) -> None:
        """End what runs in the background; asking twice is asking once."""
        await self.queue.stop()
        for end in self._ends:
            await end()

    def ends_with(self, end: Callable[[], Awaitable[None]]) -> None:
        """Have *end* awaited when the operator ends."""
        self._ends.append(end)

    def serve(self, reconcilers: Mapping[WorkKind, Reconcile]) -> None:
        """Have each kind's objects looked at by its reconciler."""
        self._reconcilers = reconcilers

    def session_seen(self, key: ObjectKey, raw: Mapping[str, object], *, gone: bool) -> None:
        """Take in what the watch tells of a BackupSession; an echo of our own write is no news.

        One that can't be read is looked at all the same, so that its reading says why.
        """
        if _is_news(BackupSession, self.sessions, key, None if gone else raw):
            self.seen("BackupSession", key)

    def restore_seen(self, key: ObjectKey, raw: Mapping[str, object], *, gone: bool) -> None:
        """Take in what the watch tells of a RestoreSession, in the same way."""
        if _is_news(RestoreSession, self.restores, key, None if gone else raw):
            self.seen("RestoreSession", key)

    def seen(self, kind: WorkKind, key: ObjectKey, *, gone: bool = False) -> None:
        """Have the object looked at: something happened to it, or to what it rests on."""
        self.queue.add(Work(kind, key), priority=PRIORITIES[kind])
        if kind == "BackupPolicy":
            if gone:
                self._policies.discard(key)
            else:
                self._policies.add(key)

    def policy_seen(self, key: ObjectKey, raw: Mapping[str, object], *, gone: bool) -> None:
        """Take in what the watch tells of a policy, and have it looked at."""
        if self.picture is not None:
            self.picture.policy_seen(key, None if gone else raw)
        self.seen("BackupPolicy", key, gone=gone)

    def repository_seen(self, key: ObjectKey, raw: Mapping[str, object], *, gone: bool) -> None:
        """Have the repository and its upkeep looked at; how its upkeep goes on is no news to them.

        Upkeep writes that often, and to look at a repository reads its log.
        """
        if self.picture is not None:
            self.picture.repository_seen(key, None if gone else raw)
        told = None if gone else without_maintenance(raw)
        if told is not None and self._told.get(key) == told:
            return
        if told is None:
            self._told.pop(key, None)
            self._repository_gone(key, raw)
        else:
            self._told[key] = told
        self.seen("BackupRepository", key)
        self.seen("Upkeep", key)

    def _repository_gone(self, key: ObjectKey, raw: Mapping[str, object]) -> None:
        """Have removed what shows its points, where it was this appliance's."""
        status = raw.get("status")
        if isinstance(status, Mapping) and status.get("applianceId") == self.appliance_id:
            self.seen("DepartedRepository", key)

    def sessions_stirred(self) -> None:
        """Have looked at in a while what sessions use and leave: something happened to one."""
        for work in AFTER_SESSIONS:
            self.queue.add_within(work, AFTER_SESSIONS_S, priority=PRIORITIES[work.kind])

    def repository_stands(self, key: ObjectKey, standing: str) -> None:
        """Have all policies looked at where the repository's *standing* is not what it was.

        A repository is written to whenever it has another recovery point: that is no news to them.
        """
        if self._standings.get(key) == standing:
            return
        self._standings[key] = standing
        for policy in self._policies:
            self.queue.add(Work("BackupPolicy", policy))

    async def _reconcile(self, work: Work) -> Outcome:
        with correlated() as correlation_id, logged_about({"correlationId": correlation_id}):
            log.debug("%s: correlation id %s", work, correlation_id)
            return await self._reconcilers[work.kind](work.key)


def _is_news(
    kind: type[AnySession],
    booked: BookedSessions[AnySession] | None,
    key: ObjectKey,
    raw: Mapping[str, object] | None,
) -> bool:
    """Take into the picture what the watch tells of a session, None where it is gone."""
    if booked is None:
        return True
    if raw is None:
        booked.gone(key)
        return True
    try:
        session = msgspec.convert(raw, kind)
    except msgspec.ValidationError:
        log.debug("%s %s: the watch tells what can't be read", kind.kind, key)
        return True
    return booked.seen(session)


class AllSessions(Protocol):
    """Every BackupSession that there is."""

    async def all(self) -> Sequence[BackupSession]:
        """Return every session, ended ones too."""


class AllRestores(Protocol):
    """Every RestoreSession that there is."""

    async def all(self) -> Sequence[RestoreSession]:
        """Return every session, ended ones too."""


async def take_in_restores(
    operator: Operator, restores: AllRestores, booked: BookedSessions[RestoreSession]
) -> None:
    """Take all restores into the picture as `take_in` does; they come before the backups."""
    for session in await restores.all():
        booked.seen(session)
        if session.status.outcome is None or FINALIZER in session.metadata.finalizers:
            operator.seen("RestoreSession", session.metadata.key)


async def take_in(
    operator: Operator,
    sessions: AllSessions,
    booked: BookedSessions[BackupSession],
    sweep_after_s: float,
) -> None:
    """Take all sessions into the picture, and have looked at those that have not ended.

    What the watch tells of them is no news then. Ended ones that still have something to undo are
    not watched at all. What is swept is looked for once all are known, and others had their turn.
    """
    for session in await sessions.all():
        booked.seen(session)
        named = session.spec.stored_in
        if session.status.resolved is not None and not named.is_none:
            # Its repository may have gone while no operator was there to see that.
            repository = named.key_from(session.metadata.namespace)
            operator.seen("DepartedRepository", repository)
        if session.status.outcome is None or FINALIZER in session.metadata.finalizers:
            operator.seen("BackupSession", session.metadata.key)
    operator.taken_in = True
    for work in AFTER_SESSIONS:
        operator.queue.add(work, priority=PRIORITIES[work.kind])
    for work in (SWEEPER, STANDING_SETS):
        operator.queue.add_within(work, sweep_after_s, priority=PRIORITIES[work.kind])
