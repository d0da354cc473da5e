"""What is authenticated of an object and what bounds it, left out in turn; section 34 of the page.

Whoever may write into a place, and has no key, puts objects where they do not belong.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from tests.unit.repository.known_values import MASTER, REPOSITORY
from tests.unit.repository.safeguards import is_seen, with_and_without
from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import RepositoryId
from vmbackup_core.repository.primitives.bounds import Bound
from vmbackup_core.repository.primitives.derivation import derive
from vmbackup_core.repository.primitives.envelope import Source, seal, seal_with, unseal
from vmbackup_core.repository.primitives.outer import SealedKind

Removed = Literal["", "S25", "S34 name", "S34 kind", "S34 repository", "S34 epoch"]

OTHER = RepositoryId("f0" * 16)
MUCH = 32 * 1024 * 1024
OURS, THEIRS = b'{"of":"this one"}', b'{"of":"another"}'


@dataclass(frozen=True)
class Sealing:
    """Seals and opens objects, one part of whose place is the same for all of them."""

    removed: Removed

    def seal(
        self,
        payload: bytes,
        *,
        kind: SealedKind = "HOLD",
        name: str = "d/here",
        repository: RepositoryId = REPOSITORY,
        epoch: int = 1,
    ) -> bytes:
        kind, name = self._kind(kind), self._name(name)
        source = Source(self._repository(repository), epoch, self.secret_of(epoch))
        return seal(kind, name, payload, source)

    def opened(self, stored: bytes) -> bytes:
        """Return what the hold called d/here says, of this repository."""
        kind, name = self._kind("HOLD"), self._name("d/here")
        repository = self._repository(REPOSITORY)
        bound = Bound(2**40, 2**40) if self.removed == "S25" else None
        return unseal(kind, name, stored, self.secret_of, repository, bound).payload

    def secret_of(self, epoch: int) -> bytes:
        if self.removed == "S34 epoch":
            epoch = 0
        return derive(MASTER, REPOSITORY, "control", str(epoch).encode())

    def _kind(self, kind: SealedKind) -> SealedKind:
        return "CHAN" if self.removed == "S34 kind" else kind

    def _name(self, name: str) -> str:
        return "any" if self.removed == "S34 name" else name

    def _repository(self, repository: RepositoryId) -> RepositoryId:
        return RepositoryId("0" * 32) if self.removed == "S34 repository" else repository


def what_is_taken(sealing: Sealing, stored: bytes) -> list[str]:
    """Return what a reader takes for its own that lies under the name of another."""
    assert sealing.opened(sealing.seal(OURS)) == OURS
    try:
        return [f"{sealing.opened(stored)!r} is taken"]
    except CorruptRepository:
        return []


def an_object_of_another_name(sealing: Sealing) -> list[str]:
    return what_is_taken(sealing, sealing.seal(THEIRS, name="d/there"))


def an_object_of_another_kind(sealing: Sealing) -> list[str]:
    return what_is_taken(sealing, sealing.seal(THEIRS, kind="COMM"))


def an_object_of_another_repository(sealing: Sealing) -> list[str]:
    """A copy of a master is another repository's, too."""
    return what_is_taken(sealing, sealing.seal(THEIRS, repository=OTHER))


def an_object_made_with_the_secret_of_an_ended_epoch(sealing: Sealing) -> list[str]:
    """Whoever has got that says that the object is of the newest one."""
    source = Source(REPOSITORY, 2, sealing.secret_of(1))
    return what_is_taken(sealing, seal("HOLD", "d/here", THEIRS, source))


def a_small_object_that_holds_much(sealing: Sealing) -> list[str]:
    """Whoever has a key seals much that takes little."""
    source = Source(REPOSITORY, 1, sealing.secret_of(1))
    stored = seal_with("HOLD", "d/here", bytes(MUCH), source, b"\xcc" * 32, level=3)
    assert len(stored) < MUCH // 1000
    tracemalloc.start()
    try:
        with suppress(CorruptRepository):
            sealing.opened(stored)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return [f"{len(stored)} bytes take {most} of memory"] if most >= MUCH else []


SCHEDULES: list[tuple[str, Callable[[Sealing], list[str]]]] = [
    ("S25", a_small_object_that_holds_much),
    ("S34 name", an_object_of_another_name),
    ("S34 kind", an_object_of_another_kind),
    ("S34 repository", an_object_of_another_repository),
    ("S34 epoch", an_object_made_with_the_secret_of_an_ended_epoch),
]


@with_and_without(SCHEDULES)
def test_something_is_lost_only_where_the_safeguard_is_removed(
    removed: Removed, schedule: Callable[[Sealing], list[str]], *, is_lost: bool
) -> None:
    assert is_seen(schedule(Sealing(removed)), is_lost=is_lost)
