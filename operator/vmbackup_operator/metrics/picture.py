"""The picture that metrics are computed from: objects as last told, sessions as booked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from vmbackup_core.clock import Clock
from vmbackup_operator.metrics.facts import Facts, Orphans, QueueKey
from vmbackup_operator.model.backup_policy import BackupPolicy
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.sessions.book import SessionBook
from vmbackup_operator.sessions.ended import appliance_of

log = logging.getLogger(__name__)

Watched = TypeVar("Watched", BackupPolicy, BackupRepository)


@dataclass(frozen=True, slots=True)
class LastSeen:
    """What others saw when they looked last, each None where nobody has yet; nothing is asked."""

    workers: Callable[[], Mapping[str, int] | None]
    orphans: Callable[[], Orphans | None]
    queue: Callable[[], Mapping[QueueKey, int]]


class Picture:
    """The objects of one appliance; lives in one event loop and never waits."""

    def __init__(self, appliance_id: str, clock: Clock, book: SessionBook, seen: LastSeen) -> None:
        self._appliance_id = appliance_id
        self._clock = clock
        self._book = book
        self._seen = seen
        self._policies: dict[ObjectKey, BackupPolicy] = {}
        self._repositories: dict[ObjectKey, BackupRepository] = {}

    def policy_seen(self, key: ObjectKey, raw: Mapping[str, object] | None) -> None:
        """Take in what the watch tells of a policy, None where it is gone."""
        _take_in(BackupPolicy, self._policies, key, raw)

    def repository_seen(self, key: ObjectKey, raw: Mapping[str, object] | None) -> None:
        """Take in what the watch tells of a repository, None where it is gone."""
        _take_in(BackupRepository, self._repositories, key, raw)

    def facts(self) -> Facts:
        """Return what is known at this moment of what is this appliance's, or nobody's yet."""
        return Facts(
            now=self._clock.now(),
            policies=[each for each in self._policies.values() if self._is_ours(each)],
            repositories=[each for each in self._repositories.values() if self._is_ours(each)],
            unfinished=[
                each for each in self._book.unfinished() if self._is_mine(appliance_of(each))
            ],
            ended=[each for each in self._book.ended.all() if self._is_mine(each.appliance_id)],
            workers=self._seen.workers(),
            orphans=self._seen.orphans(),
            queue=self._seen.queue(),
        )

    def _is_ours(self, watched: BackupPolicy | BackupRepository) -> bool:
        return self._is_mine(watched.status.appliance_id)

    def _is_mine(self, appliance_id: str | None) -> bool:
        return appliance_id in {None, self._appliance_id}


def _take_in(
    kind: type[Watched],
    known: dict[ObjectKey, Watched],
    key: ObjectKey,
    raw: Mapping[str, object] | None,
) -> None:
    """Keep the object, or forget one that is gone or can't be read: its reading says why."""
    known.pop(key, None)
    if raw is None:
        return
    try:
        known[key] = msgspec.convert(raw, kind)
    except msgspec.ValidationError:
        log.debug("%s %s: the watch tells what can't be read", kind.kind, key)
