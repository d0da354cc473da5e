"""What waits for our objects by kstatus's rules, as Flux does, waits for what they say."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.environments.conftest import Appliance
from tests.unit.gitops import recorded
from tests.unit.gitops.kstatus import computed
from tests.unit.gitops.recorded import Found, Record

STANDING = ("Ready", "Reconciling", "Stalled")


def course(record: Record) -> list[str]:
    """Return how the record's object stood, without repetitions."""
    found = [computed(state) for state in record.states]
    return [
        one for before, one in zip([None, *found], found, strict=False) if one != before
    ]  # fmt: skip


def said(found: Found, type_: str) -> str:
    conditions: list[dict[str, Any]] = found.get("status", {}).get("conditions", [])
    return next((each["status"] for each in conditions if each["type"] == type_), "")


async def all_records(appliance: Appliance) -> list[Record]:
    return [
        await recorded.policies(),
        await recorded.repositories(),
        await recorded.environments(appliance),
        *await recorded.backups(),
        *await recorded.other_sessions(),
        *await recorded.restores(),
        await recorded.points(),
    ]


async def test_a_policy_stands_as_it_says() -> None:
    assert course(await recorded.policies()) == [
        "Current",  # before the operator saw it: nothing tells kstatus that something is missing
        "Failed",  # its repository's key is wrong
        "Current",
        "InProgress",  # changed, and not looked at
        "Current",
        "Failed",  # a VM that is named is not there
        "InProgress",
        "Failed",  # nor while it is suspended
    ]


async def test_a_repository_stands_as_it_says() -> None:
    assert course(await recorded.repositories()) == [
        "Current",
        "InProgress",  # Azure does not answer
        "Failed",  # the key is wrong
        "Current",
        "InProgress",  # changed, and not looked at
        "Current",
    ]


async def test_an_environment_stands_as_it_says(appliance: Appliance) -> None:
    record = await recorded.environments(appliance)

    by_namespace: dict[str, list[str]] = {}
    for state in record.states:
        by_namespace.setdefault(state["metadata"]["namespace"], []).append(computed(state))
    assert by_namespace["vmbackup"][-1] == "Current"
    assert "InProgress" in by_namespace["vmbackup"]  # while the account is being made
    assert by_namespace["tenant"][-1] == "Failed"  # described where it is not honoured


async def test_a_backup_is_waited_for_as_a_job_is_and_fails_as_one() -> None:
    succeeded, failed, cancelled = await recorded.backups()

    assert course(succeeded) == ["Current"]
    assert course(failed) == ["Current", "Failed"]
    assert computed(failed.last) == "Failed"
    assert "InProgress" in course(cancelled)
    assert computed(cancelled.last) == "Current"  # it ended as somebody asked


async def test_a_failed_session_is_stalled_for_the_reason_that_it_failed() -> None:
    _, failed, _ = await recorded.backups()

    conditions = {each["type"]: each for each in failed.last["status"]["conditions"]}
    assert failed.last["status"]["outcome"] == "Failed"
    assert conditions["Stalled"]["reason"] == conditions["Failed"]["reason"]
    assert conditions["Stalled"]["message"] == conditions["Failed"]["message"]


async def test_a_generation_is_observed_only_with_what_was_found_of_it() -> None:
    for record in (await recorded.policies(), await recorded.repositories()):
        for state in record.states:
            status = state.get("status", {})
            observed = {each["observedGeneration"] for each in status.get("conditions", ())}
            assert observed <= {status.get("observedGeneration")}
            if "observedGeneration" in status:
                assert observed


@pytest.mark.at_length
async def test_no_state_of_any_kind_says_two_things_at_once(appliance: Appliance) -> None:
    records = await all_records(appliance)

    kinds = {state["kind"] for record in records for state in record.states}
    assert kinds == {
        "BackupPolicy", "BackupRepository", "BackupSession", "RecoveryPoint", "RegionEnvironment",
        "RestoreSession",
    }  # fmt: skip
    for record in records:
        for state in record.states:
            holds = [one for one in STANDING if said(state, one) == "True"]
            assert len(holds) <= 1, state
            assert holds or not said(state, "Ready"), state  # of the three, one holds
            if said(state, "Complete") == "True":
                assert computed(state) == "Current"
