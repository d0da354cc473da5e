"""What the stored sessions promise, to their own steps and to the policies that make them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

import pytest
from msgspec.structs import replace

from tests.contract.ports.suites import Suite
from vmbackup_core.errors import PermanentError
from vmbackup_operator.model.backup_session import (
    BackupSession,
    BackupSessionSpec,
    BackupSessionStatus,
)
from vmbackup_operator.model.conditions import Condition
from vmbackup_operator.model.metadata import POLICY_LABEL, REPOSITORY_LABEL, Metadata, ObjectKey
from vmbackup_operator.model.progress import SessionError
from vmbackup_operator.model.references import LocalReference, ObjectReference
from vmbackup_operator.model.retention import SessionRetention
from vmbackup_operator.naming import repository_label
from vmbackup_operator.policies.ports import PolicySessions
from vmbackup_operator.reconciling.outcome import Conflict
from vmbackup_operator.sessions.ear import Served
from vmbackup_operator.sessions.ports import StoredSessions
from vmbackup_operator.sessions.reconciler import SessionStore
from vmbackup_operator.upkeep.ports import VerifySessions
from vmbackup_operator.wiring.operating import AllSessions

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
VM = (
    "/subscriptions/11111111-2222-4333-8444-555555555555/resourceGroups/rg-production"
    "/providers/Microsoft.Compute/virtualMachines/web-01"
)


class KeptSessions(
    StoredSessions[BackupSession], PolicySessions, VerifySessions, AllSessions, Protocol
):
    """All that anybody needs of sessions."""


def session(namespace: str, name: str = "nightly-1", policy: str = "nightly") -> BackupSession:
    return BackupSession(
        Metadata(name, namespace, labels={POLICY_LABEL: policy}),
        BackupSessionSpec(
            VM,
            ObjectReference("west"),
            policy_ref=LocalReference(policy),
            slot=NOON,
            retention=SessionRetention(last=3, weekly=4),
        ),
    )


def verify_session(namespace: str, name: str, repository: str) -> BackupSession:
    labels = {REPOSITORY_LABEL: repository_label(repository)}
    spec = BackupSessionSpec(VM, ObjectReference(repository, namespace), type="Verify")
    return BackupSession(Metadata(name, namespace, labels=labels), spec)


class SessionFacts(Suite):
    """Gets *stored*, and *namespace*, in which there is nothing."""

    ports = (StoredSessions, PolicySessions, VerifySessions, Served, AllSessions, SessionStore)

    async def test_what_is_created_is_found(self, stored: KeptSessions, namespace: str) -> None:
        wanted = session(namespace)
        created = await stored.create(wanted)

        assert created == await stored.find(ObjectKey(namespace, "nightly-1"))
        assert created.spec == wanted.spec
        assert created.metadata.labels[POLICY_LABEL] == "nightly"
        assert created.metadata.labels["velero.io/exclude-from-backup"] == "true"
        assert created.metadata.generation == 1

    async def test_creating_again_returns_the_first_unchanged(
        self, stored: KeptSessions, namespace: str
    ) -> None:
        first = await stored.create(session(namespace))
        other = replace(session(namespace), spec=replace(session(namespace).spec, retry_limit=9))

        assert await stored.create(other) == first

    async def test_a_status_is_written_over_what_was_read(
        self, stored: KeptSessions, namespace: str
    ) -> None:
        read = await stored.create(session(namespace))
        accepted = Condition("Accepted", "True", "Found", "", NOON)
        status = BackupSessionStatus(appliance_id="a", conditions=(accepted,))
        written = await stored.write_status(replace(read, status=status))

        assert written == await stored.find(read.metadata.key)
        assert written.status.conditions == status.conditions
        assert written.status.phase == "Snapshotting"
        assert written.metadata.resource_version != read.metadata.resource_version
        assert written.metadata.generation == read.metadata.generation

    async def test_a_stale_status_is_refused_and_changes_nothing(
        self, stored: KeptSessions, namespace: str
    ) -> None:
        read = await stored.create(session(namespace))
        first = await stored.write_status(replace(read, status=BackupSessionStatus(attempt=1)))
        with pytest.raises(Conflict, match="nightly-1"):
            await stored.write_status(replace(read, status=BackupSessionStatus(attempt=2)))

        assert await stored.find(read.metadata.key) == first

    async def test_a_status_longer_than_the_schema_allows_is_cut(
        self, stored: KeptSessions, namespace: str
    ) -> None:
        read = await stored.create(session(namespace))
        errors = (SessionError("WorkerReady", "Broken", "y" * 9000),) * 9
        written = await stored.write_status(
            replace(
                read,
                status=BackupSessionStatus(outcome="Failed", message="x" * 9000, errors=errors),
            )
        )

        assert written.status.message.endswith("x…")
        assert len(written.status.errors) == 5

    async def test_the_status_of_what_is_gone_is_a_conflict(
        self, stored: KeptSessions, namespace: str
    ) -> None:
        read = await stored.create(session(namespace))
        await stored.delete(read)
        with pytest.raises(Conflict):
            await stored.write_status(replace(read, status=BackupSessionStatus(attempt=1)))

        assert await stored.find(read.metadata.key) is None

    async def test_unfinished_are_those_without_an_outcome(
        self, stored: KeptSessions, namespace: str
    ) -> None:
        for name in ("one", "two", "three"):
            read = await stored.create(session(namespace, name))
            if name == "two":
                await stored.write_status(
                    replace(read, status=BackupSessionStatus(outcome="Failed"))
                )

        unfinished = [
            found.metadata.name
            for found in await stored.unfinished()
            if found.metadata.namespace == namespace
        ]
        assert sorted(unfinished) == ["one", "three"]

    async def test_a_policys_sessions_are_found_by_its_label(
        self, stored: KeptSessions, namespace: str
    ) -> None:
        await stored.create(session(namespace, "one", "nightly"))
        await stored.create(session(namespace, "two", "weekly"))

        found = await stored.of_policy(ObjectKey(namespace, "nightly"))
        assert [each.metadata.name for each in found] == ["one"]

    async def test_what_upkeep_made_for_a_repository_is_found_by_its_label(
        self, stored: KeptSessions, namespace: str
    ) -> None:
        """Labels are cut: of two repositories whose names are long they may be alike."""
        longs = ("r" * 63 + "one", "r" * 63 + "two")
        for name, repository in (("a", "west"), ("b", "east"), ("c", longs[0]), ("d", longs[1])):
            await stored.create(verify_session(namespace, name, repository))
        await stored.create(session(namespace))

        for name, repository in (("a", "west"), ("c", longs[0])):
            found = await stored.of_repository(ObjectKey(namespace, repository))
            assert [each.metadata.name for each in found] == [name]

    async def test_a_finalizer_keeps_a_deleted_session_until_it_is_taken(
        self, stored: KeptSessions, namespace: str
    ) -> None:
        read = await stored.create(session(namespace))
        held = await stored.write_finalizers(
            replace(read, metadata=replace(read.metadata, finalizers=("vmbackup.dev/undo",)))
        )
        await stored.delete(held)
        going = await stored.find(read.metadata.key)
        assert going is not None
        assert going.metadata.deletion_timestamp is not None
        await stored.write_finalizers(
            replace(going, metadata=replace(going.metadata, finalizers=()))
        )

        assert await stored.find(read.metadata.key) is None

    async def test_stale_finalizers_are_refused(self, stored: KeptSessions, namespace: str) -> None:
        read = await stored.create(session(namespace))
        await stored.write_status(replace(read, status=BackupSessionStatus(attempt=1)))
        with pytest.raises(Conflict):
            await stored.write_finalizers(
                replace(read, metadata=replace(read.metadata, finalizers=("vmbackup.dev/undo",)))
            )

        found = await stored.find(read.metadata.key)
        assert found is not None
        assert found.metadata.finalizers == ()

    async def test_another_object_of_the_same_name_is_not_deleted(
        self, stored: KeptSessions, namespace: str
    ) -> None:
        first = await stored.create(session(namespace))
        await stored.delete(first)
        second = await stored.create(session(namespace))
        await stored.delete(first)

        assert await stored.find(first.metadata.key) == second

    async def test_what_the_schema_refuses_is_permanent_and_says_so(
        self, stored: KeptSessions, namespace: str
    ) -> None:
        wrong = session(namespace)
        with pytest.raises(
            PermanentError, match="must be the ARM id of a virtual machine"
        ) as caught:
            await stored.create(
                replace(wrong, spec=replace(wrong.spec, virtual_machine_id="web-01"))
            )

        assert caught.value.reason == "RefusedByCluster"

    async def test_an_outcome_is_final(self, stored: KeptSessions, namespace: str) -> None:
        read = await stored.create(session(namespace))
        ended = await stored.write_status(
            replace(read, status=BackupSessionStatus(outcome="Failed"))
        )
        with pytest.raises(PermanentError, match="outcome is final") as caught:
            await stored.write_status(replace(ended, status=BackupSessionStatus(attempt=2)))

        assert caught.value.reason == "RefusedByCluster"
        assert await stored.find(read.metadata.key) == ended

    async def test_a_status_that_comes_along_is_not_stored(
        self, stored: KeptSessions, namespace: str
    ) -> None:
        status = BackupSessionStatus(attempt=7)
        created = await stored.create(replace(session(namespace), status=status))

        assert created.status == BackupSessionStatus()

    async def test_one_that_is_made_again_is_another(
        self, stored: KeptSessions, namespace: str
    ) -> None:
        first = await stored.create(session(namespace))
        await stored.delete(first)
        second = await stored.create(session(namespace))
        with pytest.raises(Conflict):
            await stored.write_status(replace(first, status=BackupSessionStatus(attempt=1)))

        assert second.metadata.uid != first.metadata.uid
        assert second.metadata.resource_version != first.metadata.resource_version
        assert await stored.find(first.metadata.key) == second

    async def test_no_finalizer_is_added_to_what_is_being_deleted(
        self, stored: KeptSessions, namespace: str
    ) -> None:
        read = await stored.create(session(namespace))
        held = replace(read, metadata=replace(read.metadata, finalizers=("vmbackup.dev/undo",)))
        await stored.delete(await stored.write_finalizers(held))
        going = await stored.find(read.metadata.key)
        assert going is not None
        more = replace(going.metadata, finalizers=("vmbackup.dev/undo", "vmbackup.dev/more"))
        with pytest.raises(PermanentError):
            await stored.write_finalizers(replace(going, metadata=more))

        freed = replace(going, metadata=replace(going.metadata, finalizers=()))
        await stored.write_finalizers(freed)
        assert await stored.find(read.metadata.key) is None

    async def test_all_are_those_that_ended_too(self, stored: KeptSessions, namespace: str) -> None:
        read = await stored.create(session(namespace, "one"))
        await stored.write_status(replace(read, status=BackupSessionStatus(outcome="Failed")))
        await stored.create(session(namespace, "two"))

        found = [each.metadata for each in await stored.all()]
        assert sorted(each.name for each in found if each.namespace == namespace) == ["one", "two"]
