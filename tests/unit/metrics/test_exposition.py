"""The text of /metrics: whole, in bounds, and without what a tenant may write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.unit.metrics.told import (
    DAY,
    LAST_SLOT,
    NOON,
    OPENMETRICS,
    backup,
    facts,
    parsed,
    policy,
    values,
    vm,
)
from tests.worlds.memory_azure import APPLIANCE
from tests.worlds.memory_cluster import ready_repository
from tests.worlds.samples import session_of
from vmbackup_core.ids import WorkerId
from vmbackup_operator.metrics.arm_counts import ArmCounts
from vmbackup_operator.metrics.exposition import MOST_SERIES, Exposition, Told, samples_of
from vmbackup_operator.metrics.facts import Facts, Orphans
from vmbackup_operator.metrics.families import FAMILIES
from vmbackup_operator.metrics.objects_told import MOST_REASONS, OTHER
from vmbackup_operator.model.backup_repository import JobRecord, Maintenance
from vmbackup_operator.model.backup_session import (
    BackupSession,
    BackupSessionStatus,
    VerifySpec,
)
from vmbackup_operator.model.conditions import Condition
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.progress import Progress, SessionError
from vmbackup_operator.model.session import StepTaken
from vmbackup_operator.model.session_findings import SessionWorker, Verified
from vmbackup_operator.sessions.ended import ended_session

#: What nobody may find in a label: a secret, and what people wrote.
FREE = ("sig=c2VjcmV0", "a message of Azure's", "web-01")


def verified(name: str, began_days_ago: int, reread: int) -> BackupSession:
    at = ObjectKey("team", f"verify-{name}-{began_days_ago}")
    session = session_of(at, vm(name), type="Verify", verify=VerifySpec(reread_per_mille=reread))
    status = BackupSessionStatus(
        outcome="Succeeded",
        start_time=NOON - began_days_ago * DAY,
        completion_time=NOON,
        verified=Verified(bytes=77),
    )
    return replace(session, status=status)


def running(name: str, **status: object) -> BackupSession:
    """Return a session that moves data through a worker."""
    session = backup(name, NOON, None)
    message = "a message of Azure's ?sig=c2VjcmV0"
    said = Condition("DataTransferred", "False", "InProgress", message, NOON)
    moving = replace(
        session.status,
        conditions=(said,),
        step=StepTaken("DataTransferred", NOON),
        progress=Progress(50, 200, 100, 10),
        worker=SessionWorker(WorkerId("w-1"), "vm"),
        **status,
    )
    return replace(session, status=moving)


def everything() -> Facts:
    """Return facts of which each family has something to tell."""
    stands = ready_repository()
    records = (
        JobRecord("Prune", NOON - DAY, NOON, "Succeeded", last_success_time=NOON),
        JobRecord("Verify", NOON - DAY, NOON, "Findings", last_success_time=NOON),
        JobRecord("Check", NOON - DAY, NOON, "Failed"),
    )
    maintenance = Maintenance(jobs=records, stored_bytes=2**40)
    stands = replace(
        stands, status=replace(stands.status, maintenance=maintenance, recovery_points=12)
    )
    told = facts(
        [policy("web-01", "web-02", "web-03", rpo="26h")],
        [
            backup("web-01", LAST_SLOT),
            backup("web-02", LAST_SLOT - DAY),
            backup("web-02", LAST_SLOT, "Failed", "QuotaExceeded"),
            running("web-03"),
            verified("web-01", 20, 100),
            verified("web-01", 2, 0),
        ],
    )
    return Facts(
        now=told.now,
        policies=told.policies,
        repositories=[stands],
        unfinished=told.unfinished,
        ended=told.ended,
        workers={"running": 1, "deallocated": 2},
        orphans=Orphans(NOON, {"snapshot": 3, "queue": 0}),
        queue={("BackupSession", "working"): 1},
    )


class Text:
    """What a process tells of these facts, read by a parser."""

    def __init__(self, known: Facts | None, *, accept: str = OPENMETRICS) -> None:
        counts = ArmCounts()
        counts.sent("reads", "2xx")
        counts.sent("writes", "429")
        counts.waits_for("writes")
        counts.waited("writes", 1.5)
        exposition = Exposition(counts)
        told = exposition.take(lag_s=0.25)
        self.text, self.type = exposition.text(Told(told.of_process, known), accept)
        self.metrics = parsed(self.text) if accept == OPENMETRICS else {}

    def __getitem__(self, name: str) -> dict[tuple[str, ...], float]:
        return dict(values(self.metrics[name]))


def ours(text: Text) -> set[str]:
    return {name for name in text.metrics if name.startswith("vmbackup_")}


def test_a_parser_of_openmetrics_reads_every_family_as_it_is_said_to_be() -> None:
    text = Text(everything())
    left_out = {"vmbackup_series_left_out"}  # there are too many of nothing here

    assert text.type.startswith("application/openmetrics-text; version=1.0.0")
    assert text.text.endswith(b"# EOF\n")
    assert ours(text) == FAMILIES.keys() - left_out
    for name in ours(text):
        family, metric = FAMILIES[name], text.metrics[name]
        assert (metric.type, metric.documentation) == (family.kind, family.help)
        assert {frozenset(each.labels) for each in metric.samples} == {frozenset(family.labels)}
        assert {each.name for each in metric.samples} == {family.sample_name}


def test_who_asks_for_nothing_gets_prometheus_own_text() -> None:
    text = Text(everything(), accept="")

    assert text.type.startswith("text/plain")
    assert b'\nvmbackup_policy_ready{namespace="team",policy="nightly"} 1.0\n' in text.text


def test_what_is_told_is_what_the_objects_say() -> None:
    text = Text(everything())
    of_policy, of_repository = ("team", "nightly"), ("team", "repo")

    assert text["vmbackup_policy_rpo_seconds"] == {of_policy: 9 * 86400}
    assert text["vmbackup_policy_rpo_breached_virtual_machines"] == {of_policy: 2}
    assert text["vmbackup_policy_virtual_machines_without_recovery_point"] == {of_policy: 1}
    assert text["vmbackup_policy_failing_virtual_machines"] == {of_policy: 1}
    assert text["vmbackup_policy_next_start_timestamp_seconds"] == {
        of_policy: (LAST_SLOT + DAY).timestamp()
    }
    assert text["vmbackup_policy_last_read_bytes"] == {of_policy: 1200}
    assert text["vmbackup_ended_sessions"] == {
        ("team", "Backup", "Succeeded", "Succeeded"): 2,
        ("team", "Backup", "Failed", "QuotaExceeded"): 1,
        ("team", "Verify", "Succeeded", "Succeeded"): 2,
    }
    assert text["vmbackup_unfinished_sessions"] == {
        ("team", "Backup", "DataTransferred", "InProgress"): 1
    }
    assert text["vmbackup_unfinished_sessions_read_bytes"] == {("team", "Backup"): 100}
    assert text["vmbackup_repository_ready"] == {of_repository: 1}
    assert text["vmbackup_repository_stored_bytes"] == {of_repository: 2**40}
    assert text["vmbackup_repository_upkeep_findings"] == {
        (*of_repository, "Prune"): 0,
        (*of_repository, "Verify"): 1,
        (*of_repository, "Check"): 0,
    }
    assert (*of_repository, "Check") not in text[
        "vmbackup_repository_upkeep_last_success_timestamp_seconds"
    ]
    assert text["vmbackup_serving_workers"] == {(): 1}
    assert text["vmbackup_orphans"] == {("snapshot",): 3, ("queue",): 0}
    assert text["vmbackup_arm_requests"] == {("reads", "2xx"): 1, ("writes", "429"): 1}
    assert text["vmbackup_arm_throttle_wait_seconds"] == {("writes",): 1.5}


def test_old_packs_that_were_read_back_are_a_proof_of_the_machine_whose_turn_is_longest_ago() -> (
    None
):
    text = Text(everything())

    assert text["vmbackup_repository_oldest_proof_timestamp_seconds"] == {
        ("team", "repo"): (NOON - 20 * DAY).timestamp()
    }
    assert text["vmbackup_repository_unproven_virtual_machines"] == {("team", "repo"): 1}


def test_a_standby_tells_of_its_process_and_of_no_object() -> None:
    text = Text(None)

    assert ours(text) == {
        "vmbackup_leader",
        "vmbackup_build_info",
        "vmbackup_event_loop_lag_seconds",
        "vmbackup_arm_requests",
        "vmbackup_arm_throttle_waits",
        "vmbackup_arm_throttle_wait_seconds",
    }
    assert text["vmbackup_leader"] == {(): 0}
    assert "process_resident_memory_bytes" in text.metrics


def test_no_label_has_a_message_a_secret_or_a_machines_name() -> None:
    labels = [
        value
        for metric in Text(everything()).metrics.values()
        for sample in metric.samples
        for value in sample.labels.values()
    ]

    assert labels
    assert [value for value in labels if any(free in value for free in FREE)] == []


def test_what_pauses_is_at_the_step_that_failed_and_for_its_reason() -> None:
    error = SessionError("WorkerReady", "QuotaExceeded", "no cores", 1)
    paused = running("web-01", retry_time=NOON + DAY / 24, errors=(error,))
    again = running("web-02", retry_time=NOON - DAY / 24, errors=(error,))

    assert Text(facts(sessions=[paused, again]))["vmbackup_unfinished_sessions"] == {
        ("team", "Backup", "WorkerReady", "QuotaExceeded"): 1,
        ("team", "Backup", "DataTransferred", "InProgress"): 1,
    }


def test_reasons_beyond_the_most_frequent_ones_are_told_together() -> None:
    def failures() -> Iterator[BackupSession]:
        for number in range(MOST_REASONS + 9):
            moment = NOON - timedelta(minutes=number)
            letters = "".join("ABCDEFGHIJ"[int(digit)] for digit in f"{number:03}")
            yield backup("web-01", moment, "Failed", f"Code{letters}")
        for number in range(3):
            yield backup("web-02", NOON - timedelta(minutes=number), "Failed", "ZuluFrequent")

    told = Text(facts(sessions=failures()))["vmbackup_ended_sessions"]

    assert len(told) == MOST_REASONS + 1
    assert told["team", "Backup", "Failed", "ZuluFrequent"] == 3
    assert told["team", "Backup", "Failed", OTHER] == 10


def test_a_metric_has_a_bound_and_what_is_beyond_is_counted() -> None:
    many = [policy(key=ObjectKey("team", f"p-{number:05}")) for number in range(MOST_SERIES + 5)]
    text = Text(facts(many))

    ready = text["vmbackup_policy_ready"]
    assert len(ready) == MOST_SERIES
    assert ("team", "p-00000") in ready
    assert ("team", f"p-{MOST_SERIES:05}") not in ready
    assert text["vmbackup_series_left_out"]["vmbackup_policy_ready",] == 5


@pytest.mark.parametrize("name", sorted(FAMILIES.keys() - {"vmbackup_series_left_out"}))
def test_no_series_is_told_twice(name: str) -> None:
    counts = Counter(
        (sample.name, sample.labels) for sample in samples_of(everything()) if sample.name == name
    )

    assert set(counts.values()) <= {1}


def test_a_session_of_an_appliance_is_of_the_one_that_its_status_or_label_names() -> None:
    of_nobody = session_of(ObjectKey("team", "by-hand"))
    ended_by_us = backup("web-01", LAST_SLOT)

    assert ended_session(of_nobody) is None
    kept = ended_session(ended_by_us)
    assert kept is not None
    assert kept.appliance_id == APPLIANCE
