"""Who gets which worker and which disk access."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.sessions.memory_azure import AWAY, SUBSCRIPTION
from tests.unit.sessions.turned_clock import TurnedClock
from vmbackup_core.ids import DiskUniqueId, SnapshotUniqueId, WorkerId
from vmbackup_operator.model.backup_session import (
    BackupSession,
    BackupSessionSpec,
    BackupSessionStatus,
)
from vmbackup_operator.model.metadata import Metadata
from vmbackup_operator.model.references import ObjectReference
from vmbackup_operator.model.session_findings import (
    Export,
    Resolved,
    ResolvedEnvironment,
    SessionWorker,
)
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.sessions.seen import (
    RegionSeen,
    SnapshotSeen,
    WorkerSeen,
    WorkerState,
    account_of,
)
from vmbackup_operator.sessions.sharing import allot, choose_worker, exports_in_use

OWN = WorkerId("own-1")


def region(max_workers: int = 1) -> RegionSeen:
    nothing = ArmId("/nothing")
    return RegionSeen(
        name=AWAY,
        subscription_id=SUBSCRIPTION,
        region=AWAY,
        resource_group="group",
        virtual_network_id=nothing,
        worker_subnet_id=nothing,
        endpoint_subnet_id=nothing,
        blob_zone_id=nothing,
        account=account_of(nothing),
        worker_size="size",
        worker_image="image",
        max_workers=max_workers,
    )


def session(
    name: str, worker: str | None = None, exports: tuple[Export, ...] = (), place: str = AWAY
) -> BackupSession:
    environment = ResolvedEnvironment(SUBSCRIPTION, place, "group", "/a", "/w", "/e")
    status = BackupSessionStatus(
        resolved=Resolved(environment=environment),
        worker=None if worker is None else SessionWorker(WorkerId(worker), f"/{worker}", "queue"),
        exports=exports,
    )
    spec = BackupSessionSpec("/vm", ObjectReference("repo"))
    return BackupSession(Metadata(name, "team"), spec, status)


def seen(name: str, state: WorkerState) -> WorkerSeen:
    return WorkerSeen(ArmId(f"/{name}"), WorkerId(name), state, TurnedClock().now())


def test_where_there_is_no_worker_the_session_launches_its_own() -> None:
    assert choose_worker([], [session("me")], session("me"), region(), OWN) == OWN


def test_a_stopped_worker_is_started_again() -> None:
    chosen = choose_worker([seen("w", "deallocated")], [], session("me"), region(), OWN)

    assert chosen == "w"


def test_a_running_idle_worker_is_preferred() -> None:
    existing = [seen("a", "deallocated"), seen("b", "running")]

    assert choose_worker(existing, [], session("me"), region(2), OWN) == "b"


def test_a_worker_that_serves_another_session_is_waited_for() -> None:
    others = [session("other", "w"), session("me")]

    chosen = choose_worker([seen("w", "running")], others, session("me"), region(), OWN)

    assert isinstance(chosen, Waiting)
    assert "team/other" in chosen.message


def test_a_worker_that_is_only_promised_counts() -> None:
    chosen = choose_worker([], [session("other", "w")], session("me"), region(), OWN)

    assert isinstance(chosen, Waiting)


def test_workers_of_other_regions_do_not_count() -> None:
    others = [session("other", "w", place="elsewhere")]

    assert choose_worker([], others, session("me"), region(), OWN) == OWN


def test_a_broken_worker_is_not_used_and_takes_no_room() -> None:
    assert choose_worker([seen("w", "failed")], [], session("me"), region(), OWN) == OWN


def test_there_is_room_up_to_the_regions_number() -> None:
    existing = [seen("a", "running"), seen("b", "running")]
    others = [session("one", "a"), session("two", "b")]

    assert choose_worker(existing, others, session("me"), region(3), OWN) == OWN
    assert isinstance(choose_worker(existing, others, session("me"), region(2), OWN), Waiting)


accesses = st.lists(st.integers(0, 20).map(lambda n: ArmId(f"/DA-{n}")), unique=True, max_size=6)


@given(st.integers(0, 40), accesses, st.data())
def test_no_disk_access_ever_gets_more_than_five_exports(
    count: int, existing: list[ArmId], data: st.DataObject
) -> None:
    snapshots = [ArmId(f"/snapshot-{number}") for number in range(count)]
    in_use = Counter({access.lower(): data.draw(st.integers(0, 5), access) for access in existing})

    allotment = allot(snapshots, existing, in_use)

    given_out = Counter(access.lower() for access in allotment.through.values())
    assert all(given_out[key] + in_use[key] <= 5 for key in given_out)
    assert {*allotment.through, *allotment.without} == set(snapshots)
    assert allotment.owed == -(-len(allotment.without) // 5)
    free = sum(5 - in_use[access.lower()] for access in existing)
    assert len(allotment.through) == min(count, free)


def test_exports_of_other_sessions_and_leftovers_count_once_and_own_ones_do_not() -> None:
    exports = tuple(Export(f"/S-{number}", "/DA-0") for number in range(3))
    leftover = SnapshotSeen(
        id=ArmId("/left"),
        source_disk_id=ArmId("/disk"),
        source_unique_id=DiskUniqueId("u"),
        unique_id=SnapshotUniqueId("s"),
        size_bytes=1,
        created_at=TurnedClock().now(),
        tags={},
        ready=True,
        failure=None,
        network_access="AllowPrivate",
        public_access=False,
        disk_access_id=ArmId("/da-0"),
        exported=True,
    )
    me, other = session("me", exports=(Export("/mine", "/da-0"),)), session("o", exports=exports)

    assert exports_in_use([me, other], [leftover], me) == {"/da-0": 4}
