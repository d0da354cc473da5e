"""What the other objects in the API server promise: policies, repositories, regions and more."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import pytest
from msgspec.structs import replace

from tests.contract.ports.session_facts import session
from tests.contract.ports.suites import Suite
from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import RunId
from vmbackup_operator.environments.ports import RegionEnvironments
from vmbackup_operator.model.conditions import Condition
from vmbackup_operator.model.metadata import Metadata, ObjectKey
from vmbackup_operator.model.region_environment import RegionEnvironment, RegionEnvironmentSpec
from vmbackup_operator.model.session_findings import Resolved
from vmbackup_operator.policies import ports as policies
from vmbackup_operator.reconciling import mistakes
from vmbackup_operator.reconciling.outcome import Conflict
from vmbackup_operator.repositories import ports as repositories
from vmbackup_operator.sessions import ports as sessions
from vmbackup_operator.sessions.undo_record import UndoRecord, UndoRecords
from vmbackup_operator.sweeping import ports as sweeping
from vmbackup_operator.upkeep import ports as upkeep

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HELD = (Condition("Ready", "True", "Ready", "as it should be", NOON),)
SUBSCRIPTION = "11111111-2222-4333-8444-555555555555"


class KeptObjects(Protocol):
    """Objects of a kind whose status is ours and whose rest is a user's."""

    async def find(self, key: ObjectKey) -> Any: ...

    async def write_status(self, wanted: Any, /) -> Any: ...

    async def all_readable(self) -> Sequence[Any]: ...


@dataclass(frozen=True)
class ObjectPlace:
    """An object that a user wrote, and how he deletes it and writes it again."""

    stored: KeptObjects
    key: ObjectKey
    delete: Callable[[], Awaitable[None]]
    write: Callable[[], Awaitable[None]]

    async def read(self) -> Any:
        found = await self.stored.find(self.key)
        assert found is not None
        return found


class ObjectFacts(Suite):
    """Gets *place*."""

    ports = (
        policies.Policies,
        policies.Repositories,
        repositories.Repositories,
        sessions.Repositories,
        upkeep.Repositories,
        upkeep.LivePolicies,
        sweeping.AllRepositories,
        mistakes.Store,
    )

    async def test_what_is_written_is_found(self, place: ObjectPlace) -> None:
        read = await place.read()
        written = await place.stored.write_status(
            replace(read, status=replace(read.status, conditions=HELD))
        )

        assert written.status.conditions == HELD
        assert written.spec == read.spec
        assert written.metadata.generation == read.metadata.generation == 1
        assert written.metadata.resource_version != read.metadata.resource_version
        assert await place.stored.find(place.key) == written

    async def test_what_is_there_is_among_all_of_its_kind(self, place: ObjectPlace) -> None:
        found = await place.stored.all_readable()

        assert await place.read() in found
        assert len({each.metadata.key for each in found}) == len(found)

    async def test_a_spec_that_comes_along_is_not_written(self, place: ObjectPlace) -> None:
        read = await place.read()
        altered = replace(read, metadata=replace(read.metadata, annotations={"other": "words"}))
        status = replace(read.status, conditions=HELD)
        written = await place.stored.write_status(replace(altered, status=status))

        assert written.metadata.annotations == read.metadata.annotations

    async def test_a_stale_status_is_refused_and_changes_nothing(self, place: ObjectPlace) -> None:
        read = await place.read()
        held = replace(read, status=replace(read.status, conditions=HELD))
        first = await place.stored.write_status(held)
        other = (replace(HELD[0], status="False", reason="Broken"),)
        with pytest.raises(Conflict):
            await place.stored.write_status(
                replace(read, status=replace(read.status, conditions=other))
            )

        assert await place.stored.find(place.key) == first

    async def test_what_is_gone_is_none_and_its_status_a_conflict(self, place: ObjectPlace) -> None:
        read = await place.read()
        held = replace(read, status=replace(read.status, conditions=HELD))
        await place.delete()
        with pytest.raises(Conflict):
            await place.stored.write_status(held)
        found = await place.stored.find(place.key)

        await place.write()
        with pytest.raises(Conflict):
            await place.stored.write_status(held)

        assert found is None
        assert (await place.read()).status != held.status

    async def test_what_the_schema_refuses_is_permanent(self, place: ObjectPlace) -> None:
        read = await place.read()
        wrong = (replace(HELD[0], reason="no reason at all"),)
        with pytest.raises(PermanentError) as caught:
            await place.stored.write_status(
                replace(read, status=replace(read.status, conditions=wrong))
            )

        assert caught.value.reason == "RefusedByCluster"


class UndoRecordFacts(Suite):
    """Gets *records*, and *others*: those of another appliance in the same namespace.

    *several* are four that keep the records of *records*, as four operators would.
    """

    ports = (UndoRecords,)

    async def test_a_claim_is_kept_replaced_listed_and_dropped(self, records: UndoRecords) -> None:
        record = undo_record()
        stored = replace(record, stored=True)

        assert await records.claim(record) is None
        assert await records.claim(record) is None
        await records.keep(stored)
        kept = list(await records.all())
        assert await records.find_claim(CLAIMED.upper()) == stored
        await records.drop(CLAIMED, record.run_id)
        await records.drop(CLAIMED, record.run_id)

        assert kept == [stored]
        assert list(await records.all()) == []
        assert await records.find_claim(CLAIMED) is None

    async def test_one_without_a_claim_is_kept_replaced_listed_and_dropped(
        self, records: UndoRecords
    ) -> None:
        record = undo_record()
        stored = replace(record, stored=True)
        await records.keep(record)
        await records.keep(stored)
        kept = list(await records.all())
        claim = await records.find_claim(CLAIMED)
        await records.drop(CLAIMED, record.run_id)
        await records.drop(CLAIMED, record.run_id)

        assert (kept, claim) == ([stored], None)
        assert list(await records.all()) == []

    async def test_of_many_that_claim_a_vm_at_once_one_has_it(
        self, records: UndoRecords, several: Sequence[UndoRecords]
    ) -> None:
        wanted = [undo_record(f"uid-{number}") for number in range(20)]

        held = await asyncio.gather(
            *(several[number % 4].claim(each) for number, each in enumerate(wanted))
        )

        winners = [each for each, other in zip(wanted, held, strict=True) if other is None]
        assert len(winners) == 1
        assert [each for each in held if each is not None] == winners * 19
        assert list(await records.all()) == winners

    async def test_a_claim_passes_on_once_and_what_was_held_is_kept(
        self, records: UndoRecords
    ) -> None:
        first, second, third = (undo_record(uid) for uid in "123")
        await records.claim(first)

        await records.take_over(first, second)
        with pytest.raises(Conflict):
            await records.take_over(first, third)

        assert await records.find_claim(CLAIMED) == second
        assert {each.run_id for each in await records.all()} == {first.run_id, second.run_id}
        await records.keep(replace(first, stored=True))
        assert await records.find_claim(CLAIMED) == second
        await records.drop(CLAIMED, first.run_id)
        assert list(await records.all()) == [second]

    async def test_of_two_that_take_a_claim_over_at_once_one_has_it(
        self, records: UndoRecords
    ) -> None:
        first = undo_record()
        await records.claim(first)
        wanted = [undo_record(uid) for uid in "12"]

        answers = await asyncio.gather(
            *(records.take_over(first, each) for each in wanted), return_exceptions=True
        )

        assert sorted(type(answer).__name__ for answer in answers) == ["Conflict", "NoneType"]
        assert await records.find_claim(CLAIMED) == wanted[answers.index(None)]

    async def test_the_claim_of_another_session_is_not_dropped(self, records: UndoRecords) -> None:
        record, other = undo_record(), undo_record("another")
        await records.claim(record)

        await records.drop(CLAIMED, other.run_id)

        assert await records.find_claim(CLAIMED) == record

    async def test_another_appliances_are_not_ours(
        self, records: UndoRecords, others: UndoRecords
    ) -> None:
        await records.claim(undo_record())

        assert list(await others.all()) == []
        assert await others.find_claim(CLAIMED) is None


CLAIMED = "/subscriptions/1/virtualMachines/web-01"


def undo_record(uid: str = "00000000-0000-4000-8000-000000000001") -> UndoRecord:
    """Return the record of a run of its own, of the session with that uid."""
    return UndoRecord(
        session=ObjectKey("web-team", "nightly-1"),
        uid=uid,
        run_id=RunId(uuid.uuid4().hex),
        virtual_machine_id=CLAIMED,
        resolved=Resolved(policy_generation=3),
        retry_limit=3,
    )


class EventFacts(Suite):
    """Gets *events*, and *told*: what is told of an object, each as reason and message."""

    ports = (
        sessions.EventLog,
        policies.EventLog,
        upkeep.EventLog,
        sweeping.EventLog,
        mistakes.EventLog,
    )

    async def test_the_same_is_told_once(
        self,
        events: sessions.EventLog,
        about: Any,
        told: Callable[[], Awaitable[Sequence[tuple[str, str]]]],
    ) -> None:
        for _ in range(2):
            await events.tell(about, "Warning", "WorkerLost", "it fell silent")
        await events.tell(about, "Normal", "Complete", "all is stored")

        assert sorted(await told()) == [
            ("Complete", "all is stored"),
            ("WorkerLost", "it fell silent"),
        ]

    async def test_what_opens_something_is_not_told(
        self,
        events: sessions.EventLog,
        about: Any,
        told: Callable[[], Awaitable[Sequence[tuple[str, str]]]],
    ) -> None:
        url = "https://a.blob.core.windows.net/c/b?sv=2024&sig=c2VjcmV0LXNpZ25hdHVyZQ%3D%3D"
        await events.tell(about, "Warning", "WorkerLost", f"403 from {url}: {'ü' * 2000}")

        ((_, message),) = await told()
        assert "c2VjcmV0" not in message
        assert len(message.encode()) <= 1000

    async def test_losing_one_is_no_failure(self, events: sessions.EventLog) -> None:
        await events.tell(session("no-such-namespace"), "Normal", "Complete", "all is stored")


class SecretFacts(Suite):
    """Gets *secrets*, and *keep*: has a Secret there, marked as a key or not."""

    ports = (repositories.Secrets,)

    async def test_one_that_is_marked_is_read_and_no_other(
        self,
        secrets: repositories.Secrets,
        keep: Callable[[str, bool], Awaitable[ObjectKey]],
    ) -> None:
        plain = await keep("password", False)  # noqa: FBT003 - unmarked
        marked = await keep("repository", True)  # noqa: FBT003 - marked

        assert await secrets.find(plain) is None
        assert await secrets.find(marked) == {"key": b"0123"}
        assert await secrets.find(ObjectKey(marked.namespace, "no-key")) is None


class RegionEnvironmentFacts(Suite):
    """Gets *stored*, whose own namespace is ``vmbackup-system``."""

    ports = (RegionEnvironments,)

    def environment(self, name: str) -> RegionEnvironment:
        spec = RegionEnvironmentSpec(SUBSCRIPTION, "uksouth")
        return RegionEnvironment(Metadata(name, "vmbackup-system"), spec)

    async def test_one_is_created_once_and_listed(self, stored: RegionEnvironments) -> None:
        wanted = self.environment("listed")
        await stored.create(wanted)
        first = await stored.find("vmbackup-system", "listed")
        await stored.create(replace(wanted, spec=replace(wanted.spec, region="ukwest")))

        assert first is not None
        assert first.spec == wanted.spec
        assert first.metadata.labels["velero.io/exclude-from-backup"] == "true"
        assert await stored.find("vmbackup-system", "listed") == first
        assert await stored.find("vmbackup-system", "unlisted") is None
        assert "listed" in [each.metadata.name for each in await stored.list()]

    async def test_a_stale_status_is_refused(self, stored: RegionEnvironments) -> None:
        await stored.create(self.environment("stale"))
        read = await stored.find("vmbackup-system", "stale")
        assert read is not None
        await stored.write_status(replace(read, status=replace(read.status, conditions=HELD)))
        other = (replace(HELD[0], status="False", reason="Broken"),)
        with pytest.raises(Conflict):
            await stored.write_status(replace(read, status=replace(read.status, conditions=other)))

        found = await stored.find("vmbackup-system", "stale")
        assert found is not None
        assert found.status.conditions == HELD
