"""What people see of our objects by kubectl."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from tests.cluster.crd_objects import RIGHT, RUN, changed
from tools.local_cloud.control_plane import ControlPlane
from tools.local_cloud.kubernetes_user import KubectlRefused
from vmbackup_core.ids import RunId, WorkerId
from vmbackup_operator.cluster.backup_sessions import StoredSessions
from vmbackup_operator.cluster.connection import Connection
from vmbackup_operator.cluster.objects import Objects
from vmbackup_operator.model.backup_policy import (
    BackupPolicy,
    BlackoutShown,
    MachineObjective,
    ObjectiveShown,
    Rule,
)
from vmbackup_operator.model.backup_repository import (
    BackupRepository,
    JobOutcome,
    JobRecord,
    Maintenance,
    RunningJob,
    Sight,
    UpkeepWanted,
)
from vmbackup_operator.model.backup_session import BackupSession, BackupSessionStatus
from vmbackup_operator.model.conditions import Condition
from vmbackup_operator.model.kinds import KINDS
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.progress import Progress
from vmbackup_operator.model.recovery_point import RecoveryPoint
from vmbackup_operator.model.region_environment import RegionEnvironment, RegionEnvironmentStatus
from vmbackup_operator.model.session_findings import SessionWorker
from vmbackup_operator.upkeep.passes import ORDER

pytestmark = pytest.mark.control_plane

BEGAN = datetime(2026, 11, 22, 12, tzinfo=UTC)

#: The columns of each kind, and those that -o wide adds.
COLUMNS = {
    "backuppolicies": (
        "VMS SCHEDULE ZONE SUSPENDED LAST SUCCESS READY REASON AGE",
        "UNPROTECTED RPO BREACHED REPOSITORY NEXT LAST SESSION MESSAGE",
    ),
    "backupsessions": (
        "VM TYPE PHASE PROGRESS READ STORED AGE",
        "POLICY WORKER DURATION FULL READS MESSAGE",
    ),
    "regionenvironments": ("REGION READY REASON AGE", "SUBSCRIPTION ACCOUNT KEYS MESSAGE"),
    "backuprepositories": (
        "CONTAINER REGION TIER POINTS READY REASON AGE",
        "ACCOUNT KEY OWNER UPKEEP LAST CHECK NEXT UPKEEP MESSAGE",
    ),
    "recoverypoints": ("VM TYPE CREATED SIZE STORED REPOSITORY", "KEPT UNTIL KEPT BECAUSE RUN"),
    "restoresessions": (
        "RECOVERY POINT MODE PHASE PROGRESS AGE",
        "RESOURCE GROUP DURATION MESSAGE",
    ),
}

SHORT_NAMES = {
    "bpol": "BackupPolicy",
    "bses": "BackupSession",
    "renv": "RegionEnvironment",
    "brepo": "BackupRepository",
    "rp": "RecoveryPoint",
    "rses": "RestoreSession",
}


@pytest.fixture
def filled(installed: ControlPlane, namespace: str) -> ControlPlane:
    """The control plane with one object of each kind in the test's namespace."""
    every = {"apiVersion": "v1", "kind": "List", "items": list(RIGHT.values())}
    words = ("create", "-n", namespace, "-f", "-")
    installed.administrator.kubectl(*words, given=json.dumps(every))
    return installed


async def complete(stored: StoredSessions, namespace: str) -> BackupSession:
    session = await stored.find(ObjectKey(namespace, "right"))
    assert session is not None
    return await stored.write_status(
        replace(
            session,
            status=BackupSessionStatus(
                run_id=RunId(RUN),
                outcome="Succeeded",
                start_time=BEGAN,
                completion_time=BEGAN + timedelta(seconds=192),
                message="stored",
                conditions=(Condition("Complete", "True", "Stored", "", BEGAN),),
                progress=Progress(100, 1_288_490_189, 1_288_490_189, 325_058_560),
                worker=SessionWorker(WorkerId("w-0123"), "vm"),
            ),
        )
    )


@pytest.mark.parametrize("kind", COLUMNS)
def test_the_columns_of_a_kind(filled: ControlPlane, namespace: str, kind: str) -> None:
    narrow = filled.administrator.kubectl("get", kind, "-n", namespace).splitlines()[0]
    wide = filled.administrator.kubectl("get", kind, "-n", namespace, "-o", "wide").splitlines()[0]

    assert narrow.split() == ["NAME", *COLUMNS[kind][0].split()]
    assert wide.split() == [*narrow.split(), *COLUMNS[kind][1].split()]


async def test_an_environment_shows_the_keys_that_it_needs(
    filled: ControlPlane, connection: Connection, namespace: str
) -> None:
    stored = Objects(connection, RegionEnvironment)
    environment = await stored.find(ObjectKey(namespace, "right"))
    assert environment is not None
    status = RegionEnvironmentStatus(keys_needed=("2026-11", "2027-01"))
    await stored.write_status(replace(environment, status=status))

    words = ("get", "renv", "-n", namespace, "--no-headers", "-o", "wide")
    assert '["2026-11","2027-01"]' in filled.administrator.kubectl(*words)
    explained = filled.administrator.kubectl("explain", "renv.status.keysNeeded")
    assert "A key may leave the ring when no environment lists it" in " ".join(explained.split())


async def test_a_recovery_point_says_why_it_is_kept_and_until_when(
    filled: ControlPlane, connection: Connection, namespace: str
) -> None:
    stored = Objects(connection, RecoveryPoint)
    point = await stored.find(ObjectKey(namespace, "right"))
    assert point is not None
    until = BEGAN + timedelta(days=14)
    status = replace(point.status, kept_because="last 7, daily 14", kept_until=until)
    await stored.write_status(replace(point, status=status))

    described = filled.administrator.kubectl("describe", "rp", "-n", namespace)
    said = {" ".join(line.split()) for line in described.splitlines()}
    assert {"Kept Because: last 7, daily 14", "Kept Until: 2026-12-06T12:00:00Z"} <= said
    wide = filled.administrator.kubectl("get", "rp", "-n", namespace, "-o", "wide")
    assert "2026-12-06T12:00:00Z" in wide


async def test_a_policy_shows_its_window_and_who_breaches_its_objective(
    filled: ControlPlane, connection: Connection, namespace: str
) -> None:
    stored = Objects(connection, BackupPolicy)
    policy = await stored.find(ObjectKey(namespace, "right"))
    assert policy is not None
    late = MachineObjective("prod/web-01", "Breached", BEGAN, known_since=BEGAN)
    well = MachineObjective("prod/web-02", "Met", BEGAN + timedelta(days=1), BEGAN)
    status = replace(
        policy.status,
        conditions=(Condition("RPOMet", "False", "ObjectiveBreached", "1 of 2 VMs", BEGAN),),
        blackout=BlackoutShown(BEGAN, BEGAN - timedelta(hours=2)),
        blacked_out_slots=3,
        rpo=ObjectiveShown(1, (late, well)),
    )
    await stored.write_status(replace(policy, status=status))
    patch = ("--type=merge", "-p", '{"spec": {"rpo": "26h"}}')
    filled.administrator.kubectl("patch", "bpol", "right", "-n", namespace, *patch)

    found = await stored.find(policy.metadata.key)
    assert found is not None
    assert found.status == status
    words = ("get", "bpol", "-n", namespace, "--no-headers", "-o", "wide")
    line = " ".join(filled.administrator.kubectl(*words).split())
    assert " 26h 1 west-europe" in line


async def test_a_repository_shows_what_runs_and_what_each_job_came_to(
    filled: ControlPlane, connection: Connection, namespace: str
) -> None:
    stored = Objects(connection, BackupRepository)
    repository = await stored.find(ObjectKey(namespace, "right"))
    assert repository is not None
    assert repository.spec.upkeep == UpkeepWanted()
    outcomes: list[JobOutcome] = ["Succeeded", "Left", "Succeeded", "Failed", "Left"]
    outcomes += ["Findings", "Findings"]
    records = tuple(
        JobRecord(job, BEGAN, BEGAN, outcome, f"what {job} came to", BEGAN)
        for job, outcome in zip(ORDER, outcomes, strict=True)
    )
    maintenance = Maintenance(
        next_time=BEGAN + timedelta(hours=20),
        message="m" * 1024,
        running=RunningJob(
            "Verify", BEGAN, BEGAN, "c" * 1024, "reads back web-01", "verify-x", BEGAN
        ),
        jobs=records,
        sights=tuple(Sight(number, BEGAN) for number in range(8)),
        rule=Rule("30 2 * * *", "Etc/UTC", BEGAN),
        last_slot=BEGAN,
        handled_upkeep="now",
        stored_bytes=2**45,
    )
    status = replace(repository.status, maintenance=maintenance, handled_accept_history="x")
    await stored.write_status(replace(repository, status=status))

    found = await stored.find(repository.metadata.key)
    assert found is not None
    assert found.status == status
    words = ("get", "brepo", "-n", namespace, "--no-headers", "-o", "wide")
    assert "Verify   Findings   2026-11-23T08:00:00Z" in filled.administrator.kubectl(*words)
    described = filled.administrator.kubectl("describe", "brepo", "right", "-n", namespace)
    for said in ("reads back web-01", "what Prune came to", "Left"):
        assert said in described


@pytest.mark.parametrize("said", [None, False, True])
async def test_a_session_begins_new_chains_where_it_says_so(
    filled: ControlPlane, connection: Connection, namespace: str, *, said: bool | None
) -> None:
    asked = changed(RIGHT["backupsessions"], "metadata", {"name": "asked", "namespace": namespace})
    if said is not None:
        asked = changed(asked, "spec.newChain", said)
    filled.administrator.create(asked)

    found = await Objects(connection, BackupSession).find(ObjectKey(namespace, "asked"))
    assert found is not None
    assert found.spec.new_chain is bool(said)
    words = ("get", "bses", "asked", "-n", namespace, "-o", "jsonpath={.spec.newChain}")
    assert filled.administrator.kubectl(*words) == str(bool(said)).lower()


async def test_a_session_that_ended_reads_well(
    filled: ControlPlane, connection: Connection, namespace: str
) -> None:
    await complete(StoredSessions(connection), namespace)
    words = ("get", "bses", "-n", namespace, "--no-headers", "-o", "wide")

    line = " ".join(filled.administrator.kubectl(*words).split())
    assert line.startswith("right web-01 Backup Complete 100% 1.2 GiB 310 MiB ")
    assert line.endswith(" w-0123 3m12s stored")


async def test_sessions_are_selected_by_outcome(
    filled: ControlPlane, connection: Connection, namespace: str
) -> None:
    def names(selector: str) -> str:
        words = ("get", "bses", "-n", namespace, "-o", "name", f"--field-selector={selector}")
        return filled.administrator.kubectl(*words).strip()

    assert names("status.outcome=") == "backupsession.vmbackup.dev/right"
    assert names("status.outcome=Succeeded") == ""
    await complete(StoredSessions(connection), namespace)

    assert names("status.outcome=") == ""
    assert names("status.outcome=Succeeded") == "backupsession.vmbackup.dev/right"


async def test_waiting_for_complete_ends_with_success_only(
    filled: ControlPlane, connection: Connection, namespace: str
) -> None:
    def wait(condition: str, limit_s: int) -> str:
        words = ("wait", f"--for=condition={condition}", "bses/right", "-n", namespace)
        return filled.administrator.kubectl(*words, f"--timeout={limit_s}s")

    with pytest.raises(KubectlRefused, match="timed out"):
        wait("Complete", 1)
    await complete(StoredSessions(connection), namespace)

    assert "condition met" in wait("Complete", 60)
    with pytest.raises(KubectlRefused, match="timed out"):
        wait("Failed", 1)


def test_short_names_and_the_category_find_every_kind(filled: ControlPlane, namespace: str) -> None:
    # asks the API server again, whatever kubectl remembers of it
    filled.administrator.kubectl("api-resources", "--cached=false")
    for short, kind in SHORT_NAMES.items():
        (found,) = filled.administrator.get(short, "-n", namespace)["items"]
        assert found["kind"] == kind

    everything = filled.administrator.get("vmbackup", "-n", namespace)["items"]
    assert sorted(one["kind"] for one in everything) == sorted(kind.kind for kind in KINDS)


@pytest.mark.parametrize("kind", COLUMNS)
def test_kubectl_explains_every_kind(served: ControlPlane, kind: str) -> None:
    explained = served.administrator.kubectl("explain", f"{kind}.spec")

    assert "DESCRIPTION" in explained
    assert "<empty>" not in explained


def test_kubectl_explains_what_is_meant_where_nothing_is_said(served: ControlPlane) -> None:
    explained = served.administrator.kubectl("explain", "backuppolicies.spec.schedule.timeZone")

    assert "Default: Etc/UTC." in " ".join(explained.split())
