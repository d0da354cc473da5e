"""Repositories that are kept open: their keys and the state of their logs, one thread at a time.

To open one reads its keys and all that its log says; from then on its log is read from where it was
left. Both adapters of repositories ask here, and nobody else.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeVar

from typing_extensions import override

from vmbackup_core.clock import Clock
from vmbackup_core.errors import LostAttempt, PermanentError, TransientError, VmbackupError
from vmbackup_core.ids import RepositoryId
from vmbackup_core.repository.control.log.heads import Head, Heads
from vmbackup_core.repository.control.log.log import Author
from vmbackup_core.repository.opened import OpenedRepository, begin_repository, open_repository
from vmbackup_core.repository.opened_log import Using
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.repository.primitives.user_key import UserKey
from vmbackup_core.stores.archive_tier import ArchiveTier
from vmbackup_core.stores.port import Store
from vmbackup_operator.arm_ids import container_id, folded
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.naming import ArmId, control_container, name_of
from vmbackup_operator.reconciling.outcome import Waiting

#: For how long whoever asks waits for the answer, and how soon it is asked for again.
ANSWER_WITHIN_S = 2.0
AGAIN_S = 2.0
#: For how long an answer is kept, once it is there, for who has asked; then it is looked for anew.
KEPT_S = 600.0
#: The same for what may have taken hours.
KEPT_LONG_S = 86_400.0

#: How many packs are put into the Archive tier, or begun to be copied out of it, in one turn: a TiB
#: of them, for some seconds. Each turn lists the point's packs anew.
PACKS_A_TURN = 8_192

T = TypeVar("T")
Work = Callable[[OpenedRepository], T]
#: Ends by an exception of its own where nobody waits for the work any more.
GoesOn = Callable[[], None]


class RepositoryContainers(Protocol):
    """The two containers of each repository, as stores."""

    async def ask(self, repository: BackupRepository, work: Callable[[Places], T]) -> T:
        """Return what *work* makes of the repository's places, in a thread where it may take long.

        Azure's many words for "not you" come out as reason ``NotAuthorized``.
        """

    async def ask_at_length(self, repository: BackupRepository, work: Callable[[Places], T]) -> T:
        """Do as `ask` does for what may take hours: it takes none of the threads of `ask`."""

    def tier(self, repository: BackupRepository) -> ArchiveTier:
        """Return the Archive tier of the data container."""

    async def make_control(self, repository: BackupRepository) -> None:
        """Make the container beside the repository's; one that is there is left as it is."""


class RememberedHeads(Heads):
    """The newest log objects that this process has seen, and what statuses had before it."""

    def __init__(self) -> None:
        self._known: dict[RepositoryId, Head] = {}
        self._lock = threading.Lock()

    @override
    def known(self, repository: RepositoryId) -> Head | None:
        with self._lock:
            return self._known.get(repository)

    @override
    def remember(self, repository: RepositoryId, head: Head) -> None:
        with self._lock:
            self._known[repository] = head

    def recall(self, repository: BackupRepository) -> None:
        """Take what the object's status has, where this process knows of none."""
        known, log = repository.status.repository_id, repository.status.log
        if known is not None and log is not None:
            with self._lock:
                self._known.setdefault(known, Head(log.number, log.sha256))


@dataclass
class _Kept:
    """A repository that is open, its key, and what is under way there."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    key: UserKey | None = None
    opened: OpenedRepository | None = None
    answers: dict[Hashable, _Answer] = field(default_factory=dict)


@dataclass
class _Answer:
    """What somebody asked, under way or answered, and since when; for how long it is kept then."""

    task: asyncio.Task[Any]
    kept_s: float
    ended_s: float | None = None

    def is_wanted(self, now_s: float) -> bool:
        """Tell whether somebody may still come for it."""
        return self.ended_s is None or now_s - self.ended_s < self.kept_s


class _Left(Exception):
    """The operator ends, and what is under way with it."""


class OpenedRepositories:
    """Opens repositories and keeps them open, until they are opened with another key."""

    def __init__(self, containers: RepositoryContainers, appliance_id: str, clock: Clock) -> None:
        self.heads = RememberedHeads()
        self._containers = containers
        self._clock = clock
        self.answer_within_s = ANSWER_WITHIN_S
        self._using = Using(Author(appliance_id, appliance_id), clock, self.heads)
        self._kept: dict[str, _Kept] = {}
        self._ends = threading.Event()

    async def begin(self, repository: BackupRepository, key: UserKey, work: Work[T]) -> T | Waiting:
        """Return what *work* makes of the repository, which is begun where there is none.

        Where its object stood for one before, it is not begun, and no container is made.
        """
        self.heads.recall(repository)
        if repository.status.repository_id is not None:
            return await self.use(repository, key, ("begin",), work)
        kept = self._of(repository)

        def began(places: Places) -> T:
            kept.opened = begin_repository(places, key, self._using, "native")
            return work(kept.opened)

        async def answer() -> T:
            await self._find_containers(repository, makes=True)
            kept.key = key
            return await self._containers.ask(repository, began)

        asked = "begin", key.fingerprint
        return await self._answer(kept, asked, lambda: self._in_turn(kept, answer))

    async def use(
        self, repository: BackupRepository, key: UserKey, what: Hashable, work: Work[T]
    ) -> T | Waiting:
        """Return what *work* makes of the repository, opened with *key*.

        *what* tells from all else that is asked of it: asked again, the same is not begun again.
        """
        self.heads.recall(repository)
        kept = self._of(repository)

        asked = what, key.fingerprint
        return await self._answer(kept, asked, lambda: self._take_turn(repository, key, work))

    async def beside(
        self,
        repository: BackupRepository,
        key: UserKey,
        what: Hashable,
        work: Callable[[OpenedRepository, GoesOn], T],
    ) -> T | Waiting:
        """Return what *work* makes of the repository beside all that is asked of it in turns.

        It may take hours, must not append, and calls what it is given often: that ends it where
        the operator ends. In all else this is `use`.
        """
        self.heads.recall(repository)

        async def answer() -> T:
            opened = await self._take_turn(repository, key, lambda opened: opened)
            return await self._containers.ask_at_length(
                repository, lambda _places: work(opened, self._go_on)
            )

        asked = "beside", what, key.fingerprint
        return await self._answer(self._of(repository), asked, answer, KEPT_LONG_S)

    def _go_on(self) -> None:
        if self._ends.is_set():
            raise _Left

    def tier(self, repository: BackupRepository) -> ArchiveTier:
        """Return the Archive tier of the repository's data place."""
        return self._containers.tier(repository)

    async def close(self) -> None:
        """Leave what is under way; a thread that works for it ends by itself."""
        self._ends.set()
        left = [each.task for kept in self._kept.values() for each in kept.answers.values()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _of(self, repository: BackupRepository) -> _Kept:
        spec = repository.spec
        where = folded(container_id(spec.storage_account_id, spec.container))
        return self._kept.setdefault(where, _Kept())

    def _opened(self, kept: _Kept, places: Places, key: UserKey) -> OpenedRepository:
        if kept.opened is None or kept.key != key:
            kept.opened = None
            kept.opened = open_repository(places, key, self._using)
            kept.key = key
        return kept.opened

    async def _answer(
        self,
        kept: _Kept,
        what: Hashable,
        act: Callable[[], Coroutine[Any, Any, T]],
        kept_s: float = KEPT_S,
    ) -> T | Waiting:
        """Return what *act* comes to, or that it is still under way."""
        now_s = self._clock.monotonic_s()
        kept.answers = {
            each: answer for each, answer in kept.answers.items() if answer.is_wanted(now_s)
        }
        answer = kept.answers.get(what)
        if answer is None:
            answer = kept.answers[what] = _Answer(asyncio.create_task(act()), kept_s)
            answer.task.add_done_callback(partial(self._heed, answer))
        await asyncio.wait({answer.task}, timeout=self.answer_within_s)
        if not answer.task.done():
            return Waiting(AGAIN_S, "the repository is at work")
        del kept.answers[what]
        answered: T = answer.task.result()
        return answered

    def _heed(self, answer: _Answer, task: asyncio.Task[Any]) -> None:
        """Take note of how *task* ended: nobody may come back for it."""
        answer.ended_s = self._clock.monotonic_s()
        if not task.cancelled():
            task.exception()

    async def _take_turn(self, repository: BackupRepository, key: UserKey, work: Work[T]) -> T:
        kept = self._of(repository)

        async def answer() -> T:
            if kept.opened is None or kept.key != key:
                await self._find_containers(repository, makes=False)
            return await self._containers.ask(
                repository, lambda places: work(self._opened(kept, places, key))
            )

        return await self._in_turn(kept, answer)

    async def _in_turn(self, kept: _Kept, act: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Do it when nobody else is at the repository; what it refuses for good opens it anew."""
        async with kept.turn:
            try:
                return await act()
            except (TransientError, LostAttempt):
                raise
            except VmbackupError:
                kept.opened = None
                raise

    async def _find_containers(self, repository: BackupRepository, *, makes: bool) -> None:
        """Raise unless both containers are there; make the one beside where *makes*."""
        account = name_of(ArmId(repository.spec.storage_account_id))
        data = repository.spec.container
        if not await self._containers.ask(repository, lambda places: _is_there(places.data)):
            message = f"account {account} has no container {data}: create it"
            raise PermanentError(message, reason="ContainerNotFound")
        if await self._containers.ask(repository, lambda places: _is_there(places.control)):
            return
        missing = f"account {account} has no container {control_container(data)}"
        if not makes:
            message = f"{missing} any more, without which {data} is not read: bring it back"
            raise PermanentError(message, reason="ControlContainerMissing")
        try:
            await self._containers.make_control(repository)
        except PermanentError as error:
            message = f"{missing}: create it, or let the operator do so ({error})"
            raise PermanentError(message, reason="ControlContainerMissing") from error


def _is_there(store: Store) -> bool:
    """Tell whether the store's container is there."""
    try:
        next(store.list("", limit=1), None)
    except PermanentError as error:
        if error.reason != "ContainerNotFound":
            raise
        return False
    return True
