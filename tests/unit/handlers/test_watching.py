"""What kopf is told to do, and what its handlers pass on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import Any

import kopf
import pytest

from vmbackup_operator.handlers import watching
from vmbackup_operator.handlers.serving import EndlessBackoffs, production_settings
from vmbackup_operator.model.metadata import POLICY_LABEL, ObjectKey
from vmbackup_operator.reconciling.outcome import Done, Outcome
from vmbackup_operator.wiring.operating import Operator


class Seen:
    def __init__(self) -> None:
        self.calls: list[tuple[str, ObjectKey, bool]] = []
        self.told: list[dict[str, Any]] = []
        self.standings: list[str] = []

    def seen(self, kind: str, key: ObjectKey, *, gone: bool = False) -> None:
        self.calls.append((kind, key, gone))

    def policy_seen(self, key: ObjectKey, raw: dict[str, Any], *, gone: bool) -> None:
        self.calls.append(("BackupPolicy", key, gone))
        self.told.append(raw)

    def session_seen(self, key: ObjectKey, raw: dict[str, Any], *, gone: bool) -> None:
        self.calls.append(("BackupSession", key, gone))
        self.told.append(raw)

    def restore_seen(self, key: ObjectKey, raw: dict[str, Any], *, gone: bool) -> None:
        self.calls.append(("RestoreSession", key, gone))
        self.told.append(raw)

    def repository_seen(self, key: ObjectKey, raw: dict[str, Any], *, gone: bool) -> None:
        self.calls.append(("BackupRepository", key, gone))
        self.told.append(raw)

    def repository_stands(self, key: ObjectKey, standing: str) -> None:
        del key
        self.standings.append(standing)


@pytest.fixture
def seen() -> Seen:
    return Seen()


async def call(handler: Any, seen: Seen, **more: Any) -> None:
    memo = kopf.Memo(operator=seen)
    given: dict[str, Any] = {"body": {}, "status": {}, "type": "MODIFIED", **more}
    await handler(namespace="team", name="x", memo=memo, **given)


@pytest.mark.parametrize(
    ("handler", "kind"),
    [
        (watching.policy_seen, "BackupPolicy"),
        (watching.session_seen, "BackupSession"),
        (watching.repository_seen, "BackupRepository"),
        (watching.environment_seen, "RegionEnvironment"),
        (watching.restore_seen, "RestoreSession"),
    ],
)
async def test_each_kind_is_passed_on_by_name(handler: Any, kind: str, seen: Seen) -> None:
    more = {"type": "MODIFIED", "labels": {}}

    await call(handler, seen, **more)

    assert seen.calls == [(kind, ObjectKey("team", "x"), False)]


async def test_a_session_that_ends_has_its_policy_looked_at(seen: Seen) -> None:
    labels = {POLICY_LABEL: "nightly"}

    await call(watching.session_seen, seen, type="MODIFIED", labels=labels)
    await call(watching.session_seen, seen, type="DELETED", labels=labels)

    assert [kind for kind, *_ in seen.calls] == ["BackupSession", "BackupSession", "BackupPolicy"]
    assert seen.calls[-1][1] == ObjectKey("team", "nightly")


@pytest.mark.parametrize(
    ("reference", "key"),
    [
        ({"name": "repo"}, ObjectKey("team", "repo")),
        ({"name": "repo", "namespace": "storage"}, ObjectKey("storage", "repo")),
    ],
    ids=["own namespace", "another one"],
)
async def test_a_session_that_ends_has_its_repository_count_its_points(
    seen: Seen, reference: dict[str, str], key: ObjectKey
) -> None:
    body = {"spec": {"repositoryRef": reference}}
    for type_ in ("MODIFIED", "DELETED"):
        await call(watching.session_seen, seen, type=type_, labels={}, body=body)

    assert [call for call in seen.calls if call[0] == "BackupRepository"] == [
        ("BackupRepository", key, False)
    ]


async def test_a_session_that_ends_has_looked_whether_its_repository_is_gone(seen: Seen) -> None:
    """It may have made a RecoveryPoint object after that went; one that got nowhere has none."""
    spec = {"repositoryRef": {"name": "repo"}}
    statuses: tuple[dict[str, object], ...] = ({}, {"resolved": {}})
    for status in statuses:
        body = {"spec": spec, "status": status}
        await call(watching.session_seen, seen, type="DELETED", labels={}, body=body)

    assert [call for call in seen.calls if call[0] == "DepartedRepository"] == [
        ("DepartedRepository", ObjectKey("team", "repo"), False)
    ]


@pytest.mark.parametrize(("appliance", "looks"), [("ours", 1), ("theirs", 0), (None, 0)])
async def test_what_is_left_of_a_repository_that_was_ours_is_looked_at_when_it_goes(
    appliance: str | None, looks: int
) -> None:
    operator, key = Operator("ours"), ObjectKey("team", "repo")
    left: list[ObjectKey] = []

    async def look(_key: ObjectKey) -> Outcome:
        return Done()

    async def look_at_rest(key: ObjectKey) -> Outcome:
        left.append(key)
        return Done()

    operator.serve({"BackupRepository": look, "Upkeep": look, "DepartedRepository": look_at_rest})
    raw = {"metadata": {}, "status": {} if appliance is None else {"applianceId": appliance}}
    async with operator.queue.running():
        operator.repository_seen(key, raw, gone=False)
        for _ in range(5):
            await asyncio.sleep(0)
        assert left == []
        operator.repository_seen(key, raw, gone=True)
        for _ in range(5):
            await asyncio.sleep(0)

    assert left == [key] * looks


async def test_a_session_that_read_back_has_upkeep_go_on(seen: Seen) -> None:
    for type_ in ("Backup", "Verify"):
        body = {"spec": {"type": type_, "repositoryRef": {"name": "repo"}}}
        await call(watching.session_seen, seen, type="DELETED", labels={}, body=body)

    assert [call for call in seen.calls if call[0] == "Upkeep"] == [
        ("Upkeep", ObjectKey("team", "repo"), False)
    ]


def repository(version: int, **more: dict[str, Any]) -> dict[str, Any]:
    metadata = {"uid": "u", "resourceVersion": str(version), "managedFields": [version]}
    return {"metadata": {**metadata, **more.get("metadata", {})},
            "spec": more.get("spec", {}), "status": more.get("status", {})}  # fmt: skip


async def test_how_upkeep_goes_on_is_no_reason_to_look_at_a_repository() -> None:
    """Upkeep writes that often, and each look at the repository would read its log."""
    operator, key = Operator(), ObjectKey("team", "repo")
    looks: list[str] = []

    def looker(kind: str) -> Callable[[ObjectKey], Awaitable[Outcome]]:
        async def look(_key: ObjectKey) -> Outcome:
            looks.append(kind)
            return Done()

        return look

    operator.serve({"BackupRepository": looker("repository"), "Upkeep": looker("upkeep")})
    told = [
        repository(1),
        repository(2, status={"maintenance": {"running": {"job": "Check"}}}),
        repository(3, metadata={"annotations": {"vmbackup.dev/upkeep": "now"}}),
        repository(
            4,
            metadata={"annotations": {"vmbackup.dev/upkeep": "now"}},
            status={"maintenance": {"handledUpkeep": "now"}},
        ),
        repository(5, status={"owner": "other"}),
        repository(6, status={"owner": "other"}, spec={"tier": "Cool"}),
    ]
    counted = []
    async with operator.queue.running():
        for raw in told:
            operator.repository_seen(key, raw, gone=False)
            for _ in range(50):
                await asyncio.sleep(0)
            counted.append(len(looks))
        operator.repository_seen(key, told[-1], gone=True)
        operator.repository_seen(key, told[-1], gone=False)
        for _ in range(50):
            await asyncio.sleep(0)

    assert counted == [2, 2, 4, 4, 6, 8]
    assert len(looks) > counted[-1]


async def test_policies_hear_of_a_repository_only_what_they_take_over(seen: Seen) -> None:
    def status(ready: str, message: str) -> dict[str, Any]:
        return {"conditions": [{"type": "Ready", "status": ready, "message": message}]}

    for said in (status("True", "1 recovery point"), status("True", "2 recovery points"), {}):
        await call(watching.repository_seen, seen, type="MODIFIED", status=said)
    for type_ in ("MODIFIED", "DELETED"):
        await call(watching.repository_seen, seen, type=type_, status=status("False", "no key"))

    one, other, unknown, amiss, gone = seen.standings
    assert one == other
    assert len({one, unknown, amiss, gone}) == 4


async def test_policies_are_looked_at_only_where_a_repository_stands_otherwise() -> None:
    operator, repository = Operator(), ObjectKey("team", "repo")
    looks: list[ObjectKey] = []

    async def look(key: ObjectKey) -> Outcome:
        looks.append(key)
        return Done()

    operator.serve({"BackupPolicy": look})
    operator.seen("BackupPolicy", ObjectKey("team", "nightly"))
    counted = []
    async with operator.queue.running():
        for standing in ("ready", "ready", "no key", "ready"):
            operator.repository_stands(repository, standing)
            for _ in range(50):
                await asyncio.sleep(0)
            counted.append(len(looks))

    assert counted == [1, 1, 2, 3]


async def test_a_deleted_policy_is_said_to_be_gone(seen: Seen) -> None:
    await call(watching.policy_seen, seen, type="DELETED")

    assert seen.calls == [("BackupPolicy", ObjectKey("team", "x"), True)]


def test_the_api_server_is_asked_again_for_ever_and_ever_later() -> None:
    backoffs = EndlessBackoffs()

    first, again = list(islice(backoffs, 200)), list(islice(backoffs, 3))

    assert len(first) == 200
    assert 0.8 <= first[0] <= 1.2
    assert all(24 <= pause <= 36 for pause in first[10:])
    assert again[0] < 2


def test_kopf_writes_nothing_of_its_own_and_watches_unfinished_sessions_only() -> None:
    settings = production_settings()

    assert settings.posting.enabled is False
    assert settings.peering.standalone is True
    assert settings.scanning.disabled is True
    assert {selector.any_name for selector in settings.watching.field_selectors} == {
        "backupsessions",
        "restoresessions",
    }
    assert set(settings.watching.field_selectors.values()) == {"status.outcome="}
