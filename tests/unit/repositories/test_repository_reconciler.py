"""What a repository's conditions say, and when it is claimed."""

from __future__ import annotations

import dataclasses

import pytest
from msgspec.structs import replace

from tests.worlds.memory_azure import APPLIANCE
from tests.worlds.memory_cluster import ready_repository
from tests.worlds.memory_objects import MemoryObjects
from tests.worlds.memory_repositories import MemoryOpening, MemorySecrets, MemoryWays
from tests.worlds.samples import SETTINGS
from tests.worlds.turned_clock import TurnedClock
from vmbackup_core.errors import CorruptRepository, PermanentError, RefusedForNow, TransientError
from vmbackup_core.ids import RepositoryId
from vmbackup_core.repository.primitives.user_key import UserKey
from vmbackup_operator.model.backup_repository import (
    BackupRepository,
    BackupRepositoryStatus,
    LogHead,
)
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.reconciling.outcome import Done, Waiting
from vmbackup_operator.repositories.keys import read_key
from vmbackup_operator.repositories.ports import RepositorySeen
from vmbackup_operator.repositories.reconciler import RepositoryReconciler

KEY = ObjectKey("team", "repo")
SECRET = bytes(range(32))
LOG = LogHead(7, "a" * 64)
SEEN = RepositorySeen(RepositoryId("1" * 32), APPLIANCE, "f" * 32, "1.0", 3, LOG)


class Place:
    def __init__(self) -> None:
        clock = TurnedClock()
        self.objects = MemoryObjects(BackupRepository, clock)
        self.secrets, self.ways, self.opened = MemorySecrets(), MemoryWays(), MemoryOpening()
        self.secrets.keep(ObjectKey("team", "repo-key"), {"key": SECRET})
        self.opened.found = SEEN
        self.put(replace(ready_repository(), status=BackupRepositoryStatus()))
        self.reconciler = RepositoryReconciler(
            SETTINGS, clock, self.objects, self.secrets, self.ways, self.opened
        )

    def hold(self, values: dict[str, bytes] | None) -> None:
        """Have *values* in the repository's Secret, or no Secret."""
        self.secrets.drop(ObjectKey("team", "repo-key"))
        if values is not None:
            self.secrets.keep(ObjectKey("team", "repo-key"), values)

    @property
    def repository(self) -> BackupRepository:
        (stored,) = self.objects.stored.values()
        return stored

    def put(self, repository: BackupRepository) -> None:
        """Have this one there, and no other."""
        self.objects.stored.clear()
        self.objects.store(repository)

    async def look(self) -> object:
        return await self.reconciler.reconcile(KEY)

    def said(self, kind: str = "Ready") -> tuple[str, str, str]:
        conditions = self.repository.status.conditions
        found = next(each for each in conditions if each.type == kind)
        return found.status, found.reason, found.message


@pytest.fixture
def place() -> Place:
    return Place()


async def test_a_repository_that_opens_is_ready_and_claimed(place: Place) -> None:
    await place.look()

    status = place.repository.status
    assert place.said()[:2] == ("True", "Ready")
    assert (status.appliance_id, status.repository_id) == (APPLIANCE, SEEN.id)
    assert (status.key_fingerprint, status.recovery_points) == ("f" * 32, 3)
    assert (status.format, status.owner, status.log) == ("1.0", APPLIANCE, LOG)
    assert place.opened.keys == [UserKey(SECRET)]


async def test_one_that_is_ready_is_opened_again_within_a_day_and_not_before(place: Place) -> None:
    again = await place.look()

    assert isinstance(again, Waiting)
    assert again.seconds == 24 * 3600


async def test_looked_at_again_nothing_is_written(place: Place) -> None:
    await place.look()

    for _ in range(3):
        await place.look()

    assert place.objects.writes == 1


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (PermanentError("no container backups", reason="ContainerNotFound"), "ContainerNotFound"),
        (PermanentError("made with key abc", reason="KeyMismatch"), "KeyMismatch"),
        (CorruptRepository("header: 3 bytes"), "CorruptRepository"),
    ],
    ids=["container", "key", "damage"],
)
async def test_what_opening_meets_is_said_with_its_reason(
    place: Place, error: Exception, reason: str
) -> None:
    place.opened.found = error

    again = await place.look()

    assert place.said() == ("False", reason, str(error))
    assert place.said("Stalled")[0] == "True"
    assert isinstance(again, Waiting)


@pytest.mark.parametrize(
    ("values", "reason", "said"),
    [
        (None, "SecretNotFound", "there is no Secret team/repo-key"),
        ({"other": b"x"}, "SecretNotFound", "Secret team/repo-key has no entry key"),
        ({"key": b"short"}, "InvalidKey", "5 characters: a user key is 32 bytes"),
    ],
    ids=["no secret", "no entry", "no key"],
)
async def test_a_key_that_is_not_there_is_named(
    place: Place, values: dict[str, bytes] | None, reason: str, said: str
) -> None:
    place.hold(values)

    await place.look()

    assert place.said()[1] == reason
    assert said in place.said()[2]
    assert place.opened.keys == []


async def test_what_else_a_secret_holds_is_not_said(place: Place) -> None:
    place.hold({"password": b"x", "username": b"y"})

    await place.look()

    assert not [word for word in ("password", "username") if word in place.said()[2]]


@pytest.mark.parametrize("text", [SECRET, SECRET.hex().encode(), SECRET.hex().upper().encode()])
def test_a_key_is_read_as_bytes_or_text(text: bytes) -> None:
    assert read_key(text, "secret") == UserKey(SECRET)


async def test_a_repository_that_another_appliance_writes_is_read_only(place: Place) -> None:
    place.opened.found = dataclasses.replace(SEEN, owner="somebody-else")

    await place.look()

    assert place.said()[:2] == ("True", "ReadOnly")
    assert "somebody-else" in place.said()[2]
    assert place.repository.status.owner == "somebody-else"


async def test_a_log_that_was_put_back_is_said_and_what_was_known_is_kept(place: Place) -> None:
    place.opened.found = dataclasses.replace(SEEN, history_lost="the log does not have object 7")

    await place.look()

    assert place.said()[:2] == ("True", "HistoryRolledBack")
    assert "the log does not have object 7" in place.said()[2]
    assert place.repository.status.log == LOG


async def test_another_repository_in_the_same_container_is_not_taken_for_it(place: Place) -> None:
    await place.look()
    place.opened.found = dataclasses.replace(SEEN, id=RepositoryId("2" * 32))

    await place.look()

    assert place.said()[1] == "RepositoryReplaced"
    assert place.repository.status.repository_id == SEEN.id


async def test_an_account_that_lies_elsewhere_than_said_is_named(place: Place) -> None:
    place.ways.lies_in = "eastus"

    await place.look()

    assert place.said()[:2] == ("False", "RegionDiffers")
    assert place.opened.keys == []


async def test_the_way_to_the_account_is_waited_for(place: Place) -> None:
    place.ways.waiting = Waiting(5, "endpoint pe-1 is Pending", "ApprovalPending")

    again = await place.look()

    assert place.said() == ("False", "ApprovalPending", "endpoint pe-1 is Pending")
    assert place.said("Reconciling")[0] == "True"
    assert again == place.ways.waiting
    assert place.opened.keys == []


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (TransientError("503"), "AzureUnavailable"),
        (TransientError("429", retry_after_s=3), "AzureThrottled"),
        (RefusedForNow("403", reason="NotAuthorized", retry_after_s=30), "NotAuthorized"),
    ],
    ids=["out of reach", "throttled", "a right that spreads"],
)
async def test_trouble_that_may_pass_is_said_and_raised(
    place: Place, trouble: TransientError, reason: str
) -> None:
    place.opened.found = trouble

    with pytest.raises(TransientError):
        await place.look()

    assert place.said()[1] == reason


async def test_a_repository_outside_the_tenancy_is_refused(place: Place) -> None:
    metadata = replace(place.repository.metadata, namespace="strangers")
    place.put(replace(place.repository, metadata=metadata))

    await place.reconciler.reconcile(ObjectKey("strangers", "repo"))

    assert place.said()[1] == "ScopeNotAllowed"


FOREIGN = (
    "/subscriptions/99999999-0000-4000-8000-000000000000/resourceGroups/data/providers/"
    "Microsoft.Storage/storageAccounts/theirs"
)


async def test_an_account_outside_the_tenancy_is_refused_before_azure_is_asked(
    place: Place,
) -> None:
    spec = replace(place.repository.spec, storage_account_id=FOREIGN)
    place.put(replace(place.repository, spec=spec))

    await place.look()

    assert place.said()[1] == "ScopeNotAllowed"
    assert place.said("Stalled")[0] == "True"
    assert FOREIGN in place.said()[2]
    assert place.ways.asked == []
    assert place.opened.keys == []


async def test_a_repository_claimed_by_another_appliance_is_left_alone(place: Place) -> None:
    status = replace(place.repository.status, appliance_id="somebody-else")
    place.put(replace(place.repository, status=status))

    assert await place.look() == Done()
    assert place.objects.writes == 0
