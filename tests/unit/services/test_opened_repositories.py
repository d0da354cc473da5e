"""Repositories are begun once, kept open, and asked one thing after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

import pytest
from msgspec.structs import replace
from typing_extensions import override

from tests.contract.ports.point_facts import a_disk
from tests.worlds.background import all_has_ended
from tests.worlds.memory_azure import APPLIANCE
from tests.worlds.memory_cluster import ready_repository
from tests.worlds.memory_containers import MemoryContainers
from tests.worlds.memory_points import SECRET, MemoryPoints
from tests.worlds.turned_clock import TurnedClock
from vmbackup_core.errors import LostAttempt, PermanentError
from vmbackup_core.ids import RunId
from vmbackup_core.repository.opened import OpenedRepository
from vmbackup_core.repository.primitives.names import log_name
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.repository.primitives.user_key import UserKey
from vmbackup_operator.model.backup_repository import (
    BackupRepository,
    BackupRepositoryStatus,
    Compression,
    Immutability,
    LogHead,
)
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.repositories.ports import RepositorySeen
from vmbackup_operator.services.opened_repositories import OpenedRepositories
from vmbackup_operator.services.repositories import LEVELS, StoredRepositories

T = TypeVar("T")

KEY = UserKey(bytes(range(32)))
OTHER = UserKey(bytes(32))


def unknown() -> BackupRepository:
    """Return an object that has stood for no repository yet."""
    return replace(ready_repository(), status=BackupRepositoryStatus())


def known(seen: RepositorySeen) -> BackupRepository:
    status = BackupRepositoryStatus(repository_id=seen.id, log=seen.log)
    return replace(ready_repository(), status=status)


class Place:
    """Containers, and the operator that opens what is in them."""

    def __init__(self, *named: str, appliance: str = APPLIANCE) -> None:
        self.containers = MemoryContainers(*named)
        self.restart(appliance)

    def restart(self, appliance: str = APPLIANCE) -> None:
        self.opened = OpenedRepositories(self.containers, appliance, TurnedClock())
        self.opening = StoredRepositories(self.opened)

    async def see(self, repository: BackupRepository, key: UserKey = KEY) -> RepositorySeen:
        seen = await self.opening.open_or_begin(repository, key)
        assert isinstance(seen, RepositorySeen)
        return seen

    async def refused(self, repository: BackupRepository, key: UserKey = KEY) -> PermanentError:
        with pytest.raises(PermanentError) as refused:
            await self.opening.open_or_begin(repository, key)
        return refused.value


async def test_a_repository_is_begun_once_with_the_container_beside_it() -> None:
    place = Place("backups")

    first = await place.see(unknown())
    place.restart()
    again = await place.see(unknown())

    assert place.containers.container("backups-control").there
    assert first == again
    assert (first.owner, first.format, first.recovery_points) == (APPLIANCE, "1.0", 0)
    assert first.key_fingerprint == KEY.fingerprint
    assert first.log is not None
    assert first.log.number == 1


async def test_without_its_container_nothing_is_made() -> None:
    place = Place()

    refused = await place.refused(unknown())

    assert (refused.reason, "no container backups: create it" in str(refused)) == (
        "ContainerNotFound",
        True,
    )
    assert not place.containers.container("backups-control").there


async def test_a_container_that_may_not_be_made_is_named() -> None:
    place = Place("backups")
    place.containers.makes = False

    refused = await place.refused(unknown())

    assert refused.reason == "ControlContainerMissing"
    assert "no container backups-control: create it" in str(refused)
    assert list(place.containers.container("backups").list("")) == []


async def test_a_container_that_was_lost_is_not_replaced_by_an_empty_one() -> None:
    place = Place("backups")
    seen = await place.see(unknown())
    place.containers.container("backups-control").there = False
    place.restart()

    refused = await place.refused(known(seen))

    assert (refused.reason, "bring it back" in str(refused)) == ("ControlContainerMissing", True)
    assert not place.containers.container("backups-control").there


async def test_what_stood_for_a_repository_begins_no_other_one() -> None:
    place = Place("backups")
    seen = await place.see(unknown())
    emptied = Place("backups", "backups-control")

    refused = await emptied.refused(known(seen))

    assert refused.reason == "NotInitialised"
    assert list(emptied.containers.container("backups-control").list("")) == []


async def test_none_is_begun_beside_something_else() -> None:
    place = Place("backups", "backups-control")
    place.containers.container("backups-control").put_new("cat.jpg", b"meow")

    refused = await place.refused(unknown())

    assert (refused.reason, "cat.jpg" in str(refused)) == ("ForeignObjects", True)


async def test_another_key_is_refused_with_both_fingerprints_and_the_first_one_still_opens() -> (
    None
):
    place = Place("backups")
    seen = await place.see(unknown())

    refused = await place.refused(known(seen), OTHER)

    assert refused.reason == "KeyMismatch"
    assert KEY.fingerprint in str(refused)
    assert OTHER.fingerprint in str(refused)
    assert (await place.see(known(seen))).id == seen.id


async def test_another_appliances_is_seen_as_that_and_not_written() -> None:
    place = Place("backups")
    await place.see(unknown())
    place.restart("fabrikam")

    seen = await place.see(unknown())

    assert seen.owner == APPLIANCE
    assert seen.log is not None
    assert seen.log.number == 1


async def test_a_log_that_was_put_back_is_noticed_across_a_restart() -> None:
    place = Place("backups")
    seen = await place.see(unknown())
    later = LogHead(5, "e" * 64)
    place.restart()

    rolled_back = await place.see(replace_log(known(seen), later))

    assert f"5:{'e' * 64}" in rolled_back.history_lost
    assert rolled_back.log == later


def replace_log(repository: BackupRepository, log: LogHead) -> BackupRepository:
    return replace(repository, status=replace(repository.status, log=log))


async def test_a_restored_cluster_finds_its_head_further_back_and_that_is_no_alarm() -> None:
    points = MemoryPoints()
    head = points.open().head()
    assert head is not None
    stored = points.control.get(log_name(1))
    assert stored
    opening = StoredRepositories(OpenedRepositories(points.containers, APPLIANCE, TurnedClock()))
    points.open().add_key(OTHER)

    seen = await opening.open_or_begin(
        replace_log(unknown(), LogHead(head.number, head.sha256)), KEY
    )

    assert isinstance(seen, RepositorySeen)
    assert seen.history_lost == ""
    assert seen.log is not None
    assert seen.log.number > head.number


def itself(opened: OpenedRepository) -> OpenedRepository:
    return opened


async def test_one_that_is_open_stays_open_until_something_is_refused() -> None:
    points = MemoryPoints()
    opened = OpenedRepositories(points.containers, APPLIANCE, TurnedClock())
    repository = ready_repository()

    def refuse(_opened: OpenedRepository) -> None:
        raise PermanentError("a newer version wrote it", reason="NewerFormat")

    def lose(_opened: OpenedRepository) -> None:
        raise LostAttempt("the slot is taken", reason="SlotTaken")

    first = await opened.use(repository, KEY, 1, itself)
    with pytest.raises(LostAttempt):
        await opened.use(repository, KEY, 2, lose)
    second = await opened.use(repository, KEY, 1, itself)
    with pytest.raises(PermanentError):
        await opened.use(repository, KEY, 3, refuse)
    third = await opened.use(repository, KEY, 1, itself)

    assert first is second
    assert second is not third


async def test_the_secrets_key_is_asked_for_each_time() -> None:
    points = MemoryPoints()
    repository = ready_repository()
    vm, run = "/subscriptions/s", RunId("0" * 32)
    before = await points.find(repository, vm, run)  # type: ignore[arg-type]  # no VM's
    points.secrets.keep(SECRET, {"key": OTHER.secret})

    with pytest.raises(PermanentError) as refused:
        await points.find(repository, vm, run)  # type: ignore[arg-type]  # no VM's

    assert before is None
    assert refused.value.reason == "KeyMismatch"


def locking(repository: BackupRepository) -> BackupRepository:
    return replace(repository, spec=replace(repository.spec, immutability=Immutability(30)))


async def test_a_repository_that_cannot_lock_says_so_before_anything_is_backed_up() -> None:
    place = Place("backups")
    place.containers.container("backups-control").refuse_locks()

    with pytest.raises(
        PermanentError, match=r"backups-control, or take spec\.immutability away"
    ) as r:
        await place.opening.open_or_begin(locking(unknown()), KEY)

    assert r.value.reason == "ImmutabilityNotSupported"


async def test_headers_wraps_and_log_are_locked_when_a_repository_is_begun() -> None:
    place = Place("backups")

    await place.opening.open_or_begin(locking(unknown()), KEY)

    places = place.containers.places("backups")
    locks = [lock for store in places.both() for lock in store.locks("")]
    assert len(locks) == 5
    assert all(lock.until is not None for lock in locks)


async def test_to_whom_it_is_read_only_the_repository_is_not_locked() -> None:
    place = Place("backups")
    seen = await place.opening.open_or_begin(unknown(), KEY)
    assert isinstance(seen, RepositorySeen)
    place.restart("another")

    again = await place.opening.open_or_begin(locking(known(seen)), KEY)

    assert isinstance(again, RepositorySeen)
    assert all(lock.until is None for lock in place.containers.places("backups").data.locks(""))


class SlowContainers(MemoryContainers):
    """Containers whose answers wait for a word, and are counted."""

    def __init__(self, like: MemoryContainers) -> None:
        super().__init__()
        self.like = like
        self.word = asyncio.Event()
        self.at_once = self.most = 0

    @override
    async def ask(self, repository: BackupRepository, work: Callable[[Places], T]) -> T:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await self.word.wait()
        self.at_once -= 1
        return await self.like.ask(repository, work)


async def test_what_takes_a_while_goes_on_and_is_answered_once() -> None:
    slow = SlowContainers(MemoryPoints().containers)
    opened = OpenedRepositories(slow, APPLIANCE, TurnedClock())
    opened.answer_within_s = 0.01
    done: list[int] = []

    def work(_opened: OpenedRepository) -> int:
        done.append(1)
        return len(done)

    first = await opened.use(ready_repository(), KEY, "a", work)
    second = await opened.use(ready_repository(), KEY, "a", work)
    slow.word.set()
    opened.answer_within_s = 30
    answered = await opened.use(ready_repository(), KEY, "a", work)
    anew = await opened.use(ready_repository(), KEY, "a", work)

    assert isinstance(first, Waiting)
    assert isinstance(second, Waiting)
    assert (answered, anew) == (1, 2)


async def test_two_that_ask_have_their_turns() -> None:
    slow = SlowContainers(MemoryPoints().containers)
    opened = OpenedRepositories(slow, APPLIANCE, TurnedClock())
    opened.answer_within_s = 0.01
    for what in ("a", "b", "c"):
        await opened.use(ready_repository(), KEY, what, itself)
    slow.word.set()
    opened.answer_within_s = 30

    same = [await opened.use(ready_repository(), KEY, what, itself) for what in ("c", "b", "a")]

    assert slow.most == 1
    assert same[0] is same[1] is same[2]


async def test_an_answer_that_nobody_came_for_is_looked_for_anew() -> None:
    points = MemoryPoints()
    slow, clock = SlowContainers(points.containers), TurnedClock()
    opened = OpenedRepositories(slow, APPLIANCE, clock)
    opened.answer_within_s = 0.01
    answers = iter(("old", "new"))

    def work(_opened: OpenedRepository) -> str:
        return next(answers)

    await opened.use(ready_repository(), KEY, "a", work)
    slow.word.set()
    await all_has_ended()
    clock.turn(3600)
    opened.answer_within_s = 30

    assert await opened.use(ready_repository(), KEY, "a", work) == "new"


async def test_what_is_under_way_is_left_at_the_end() -> None:
    opened = OpenedRepositories(SlowContainers(MemoryPoints().containers), APPLIANCE, TurnedClock())
    opened.answer_within_s = 0.01
    await opened.use(ready_repository(), KEY, "a", itself)

    await opened.close()

    assert len(asyncio.all_tasks()) == 1


async def test_what_takes_hours_is_answered_when_it_is_there_and_not_begun_again() -> None:
    slow, clock = SlowContainers(MemoryPoints().containers), TurnedClock()
    opened = OpenedRepositories(slow, APPLIANCE, clock)
    opened.answer_within_s = 0.01
    answers = iter((1, 2))

    def work(_opened: OpenedRepository) -> int:
        return next(answers)

    assert isinstance(await opened.use(ready_repository(), KEY, "a", work), Waiting)
    clock.turn(7200)
    slow.word.set()
    await all_has_ended()
    opened.answer_within_s = 30

    assert await opened.use(ready_repository(), KEY, "a", work) == 1


@pytest.mark.parametrize(("compression", "level"), LEVELS.items())
async def test_disks_are_compressed_as_their_repository_says(
    compression: Compression, level: int
) -> None:
    points = MemoryPoints()
    plain = ready_repository()
    repository = replace(plain, spec=replace(plain.spec, compression=compression))

    prepared = await points.prepare(repository, [a_disk()])

    assert not isinstance(prepared, Waiting)
    assert [each.grant.level for each in prepared] == [level]
