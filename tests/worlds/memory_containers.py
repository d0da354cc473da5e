"""The containers of repositories, in memory; what is put into control can be met by a kill."""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from typing_extensions import override

from tests.worlds.memory_archive_tier import ArchivedStore, MemoryArchiveTier
from tests.worlds.turned_clock import TurnedClock
from vmbackup_core.clock import Clock
from vmbackup_core.errors import PermanentError
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.stores.archive_tier import ArchiveTier
from vmbackup_core.stores.port import AccountRefuses, Buffer, NotDeleted, StoredObject
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.naming import control_container
from vmbackup_operator.services.opened_repositories import RepositoryContainers

T = TypeVar("T")


class Container(ArchivedStore):
    """A container that may not be there.

    *meets* is called around every put, *meets_deletion* around every deletion, *meets_tiering*
    around every move into the Archive tier.
    """

    def __init__(self, name: str, clock: Clock, *, there: bool) -> None:
        super().__init__(clock)
        self.name, self.there, self.full = name, there, False
        self.meets: Callable[[str], None] = lambda _what: None
        self.meets_deletion: Callable[[str], None] = lambda _what: None
        self.meets_tiering: Callable[[str], None] = lambda _what: None

    def refuse_locks(self) -> None:
        """Be a container that was not made for version-level immutability."""
        self._keeps_locks = False

    @override
    def put_new(self, name: str, data: Buffer) -> None:
        self._check_there()
        self.meets(f"before {name} of {self.name}")
        if self.full:
            raise AccountRefuses(f"storing {name} in {self.name}: status 403: it is full")
        super().put_new(name, data)
        self.meets(f"after {name} of {self.name}")

    @override
    def delete_all(self, names: Sequence[str]) -> builtins.list[NotDeleted]:
        kept: builtins.list[NotDeleted] = []
        for name in names:  # a batch may be broken off in the middle
            self.meets_deletion(f"before {name} of {self.name}")
            kept += super().delete_all([name])
            self.meets_deletion(f"after {name} of {self.name}")
        return kept

    @override
    def put_away(self, name: str) -> None:
        self._check_there()
        self.meets_tiering(f"before {name} is put away in {self.name}")
        super().put_away(name)
        self.meets_tiering(f"after {name} was put away in {self.name}")

    @override
    def list(self, prefix: str, *, limit: int | None = None) -> Iterator[StoredObject]:
        self._check_there()
        return super().list(prefix, limit=limit)

    @override
    def get(self, name: str, *, most: int | None = None) -> bytes:
        self._check_there()
        return super().get(name, most=most)

    def _check_there(self) -> None:
        if not self.there:
            raise PermanentError(f"container {self.name}", reason="ContainerNotFound")


class MemoryContainers(RepositoryContainers):
    """Containers of one account: *named* are there, others beside them can be made."""

    def __init__(self, *named: str, clock: Clock | None = None) -> None:
        self._clock = clock or TurnedClock()
        self._containers: dict[str, Container] = {}
        for name in named:
            self.container(name).there = True
        self.makes = True
        self.asked = 0

    def container(self, name: str) -> Container:
        """Return the container of that name, there or not."""
        return self._containers.setdefault(name, Container(name, self._clock, there=False))

    def all(self) -> tuple[Container, ...]:
        """Return every container that was ever named."""
        return tuple(self._containers.values())

    def places(self, container: str) -> Places:
        """Return both places of the repository in *container*."""
        return Places(self.container(container), self.container(control_container(container)))

    @override
    async def ask(self, repository: BackupRepository, work: Callable[[Places], T]) -> T:
        self.asked += 1
        return work(self.places(repository.spec.container))

    @override
    async def ask_at_length(self, repository: BackupRepository, work: Callable[[Places], T]) -> T:
        return await asyncio.to_thread(work, self.places(repository.spec.container))

    @override
    def tier(self, repository: BackupRepository) -> ArchiveTier:
        return MemoryArchiveTier(self.container(repository.spec.container))

    @override
    async def make_control(self, repository: BackupRepository) -> None:
        name = control_container(repository.spec.container)
        if not self.makes:
            raise PermanentError(f"making {name}: status 403", reason="NotAuthorized")
        self.container(name).there = True
