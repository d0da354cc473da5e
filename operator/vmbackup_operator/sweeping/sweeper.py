"""When is looked, what is said of it, and what goes: twice unneeded, a grace period apart.

A look reads every repository's catalog before anything else. While one can't be read, or none is
configured, what is left is only said: a restored, empty cluster must not make all look orphaned.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from vmbackup_core.errors import PermanentError, VmbackupError
from vmbackup_core.ids import RunId
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.display import counted
from vmbackup_operator.model.session import Session
from vmbackup_operator.reconciling.outcome import Outcome, Waiting
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sweeping.looking import look_around
from vmbackup_operator.sweeping.needs import UNKNOWN, Needs, needs_of, why_needed
from vmbackup_operator.sweeping.ports import (
    AllRepositories,
    EventLog,
    Remains,
    RepositoryCatalogs,
)
from vmbackup_operator.sweeping.removing import remove
from vmbackup_operator.sweeping.things import KINDS, Catalog, Catalogs, Thing, Unread

log = logging.getLogger(__name__)

#: How soon again where nothing was left, and where Azure is at deleting something.
LOOK_S = 24 * 3600.0
LOOK_AGAIN_S = 15.0
#: So often is asked for what does not go; the next look finds it again.
TRIES = 20
#: So many things of each sort are named in the log in one look.
NAMED = 20


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The ports that sessions do not need."""

    remains: Remains
    catalogs: RepositoryCatalogs
    repositories: AllRepositories
    events: EventLog


@dataclass(slots=True)
class _Going:
    """What is being taken away, by which knowledge, and how often that was tried."""

    things: list[Thing] = field(default_factory=list)
    recorded: frozenset[RunId] = frozenset()
    catalogs: Sequence[Catalog] = ()
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """What nothing needed at the last look and is there still, by kind, and when that was."""

    looked: datetime
    counts: Counter[str]


class Sweeper:
    """Looks once a day for what nobody needs, and takes away what nobody needed before either."""

    def __init__(self, ground: Ground, around: Surroundings) -> None:
        self._ground = ground
        self._around = around
        #: Since when nothing needs each thing, by this process's own looks.
        self._unneeded_since_s: dict[Thing, float] = {}
        self._going = _Going()
        self._looked: datetime | None = None
        self._left: set[Thing] = set()

    def seen(self) -> Seen | None:
        """Return what this process saw when it looked last, None before it has."""
        if self._looked is None:
            return None
        counts = Counter(dict.fromkeys(KINDS.values(), 0))
        counts.update(KINDS[type(thing)] for thing in self._left)
        return Seen(self._looked, counts)

    async def reconcile(self) -> Outcome:
        """Look, or go on with what is being taken away; answers when the next look is due."""
        try:
            if self._going.things:
                return Waiting(await self._go_on(), "what nobody needs is taken away")
            return await self._look()
        except VmbackupError as error:
            log.warning("the sweeper could not look: %s", error)
            return Waiting(self._grace_s, "the sweeper looks again")

    @property
    def _grace_s(self) -> float:
        return self._ground.settings.sweeper.grace_seconds

    async def _look(self) -> Outcome:
        before = self._ground.book.unfinished()
        catalogs = await self._read_catalogs()
        if isinstance(catalogs, Waiting):
            return catalogs
        there = await look_around(self._ground, self._around.remains)
        recorded = frozenset(each.run_id for each in await self._ground.undo_records.all())
        needs = self._needs(recorded, catalogs.read, before)
        left = _left_of(there, needs)
        self._looked, self._left = self._ground.clock.now(), set(left)
        _list("nobody can tell whether a recovery point stands for", _unknown_of(there, needs))
        if catalogs.unread:
            self._unneeded_since_s.clear()
            await self._say_only(left, catalogs.unread)
            return Waiting(self._grace_s if left else LOOK_S, "the sweeper looks again")
        due = self._due(left)
        if due:
            self._going = _Going(due, recorded, catalogs.read)
            return Waiting(await self._go_on(), "what nobody needs is taken away")
        return Waiting(self._grace_s if left else LOOK_S, "the sweeper looks again")

    async def _read_catalogs(self) -> Catalogs | Waiting:
        """Read those of all repositories that are this appliance's, one after the other."""
        try:
            repositories = await self._around.repositories.all_readable()
        except PermanentError as error:
            return Catalogs(unread=[Unread(str(error))])
        ours = [each for each in repositories if self._is_ours(each)]
        read, unread = list[Catalog](), list[Unread]()
        for repository in ours:
            try:
                catalog = await self._around.catalogs.read(repository)
            except VmbackupError as error:
                unread.append(Unread(f"{repository.metadata.key}: {error}", repository))
                continue
            if isinstance(catalog, Waiting):
                return catalog
            read.append(catalog)
        return Catalogs(read, unread if ours else [Unread("no repository is configured")])

    def _is_ours(self, repository: BackupRepository) -> bool:
        appliance = self._ground.settings.appliance.id
        return repository.status.appliance_id in {None, appliance}

    def _needs(
        self,
        recorded: frozenset[RunId],
        catalogs: Sequence[Catalog],
        before: Collection[Session] = (),
    ) -> Needs:
        """Return what is needed at this moment; sessions that were there *before* count as well."""
        sessions = [*before, *self._ground.book.unfinished()]
        return needs_of(self._ground.settings, sessions, recorded, catalogs)

    def _due(self, left: Sequence[Thing]) -> list[Thing]:
        """Return what nobody has needed for the grace period."""
        now_s = self._ground.clock.monotonic_s()
        since_s = {thing: self._unneeded_since_s.get(thing, now_s) for thing in left}
        for thing in since_s.keys() - self._unneeded_since_s.keys():
            log.info("%s: nobody needs it; it goes after the grace period", thing)
        self._unneeded_since_s = since_s
        return [thing for thing, known_s in since_s.items() if now_s - known_s >= self._grace_s]

    async def _go_on(self) -> float:
        """Take away what is still needed by nobody; tell how soon to go on."""
        going = self._going
        needs = self._needs(going.recorded, going.catalogs)
        left = [thing for thing in _left_of(going.things, needs) if not await self._is_gone(thing)]
        going.tries += 1
        going.things = left if going.tries < TRIES else []
        return LOOK_AGAIN_S if left else self._grace_s

    async def _is_gone(self, thing: Thing) -> bool:
        """Take a step towards its end; what is refused keeps no other from going."""
        try:
            gone = await remove(self._ground, self._around.remains, thing)
        except VmbackupError as error:
            log.warning("%s, which nobody needs, stays: %s", thing, error)
            return False
        if gone:
            log.info("%s: deleted, nobody needed it", thing)
            self._unneeded_since_s.pop(thing, None)
            self._left.discard(thing)
        return gone

    async def _say_only(self, left: Sequence[Thing], unread: Sequence[Unread]) -> None:
        """Say what would go: nothing is deleted while recovery points are unknown."""
        if not left:
            return
        _list("nobody is known to need", left)
        what = f"{counted(len(left), 'thing')} left by sessions in Azure"
        log.warning("%s stay: %s", what, "; ".join(each.why for each in unread))
        message = f"{what} stay until this repository can be read: the operator's log names them"
        for each in unread:
            if each.repository is not None:
                await self._around.events.tell(each.repository, "Warning", "SweeperWaits", message)


def _left_of(there: Sequence[Thing], needs: Needs) -> list[Thing]:
    return [thing for thing in there if not why_needed(thing, needs)]


def _unknown_of(there: Sequence[Thing], needs: Needs) -> list[Thing]:
    return [thing for thing in there if why_needed(thing, needs) == UNKNOWN]


def _list(what: str, things: Sequence[Thing]) -> None:
    for thing in things[:NAMED]:
        log.warning("%s %s", what, thing)
    if len(things) > NAMED:
        log.warning("%s %d more", what, len(things) - NAMED)
