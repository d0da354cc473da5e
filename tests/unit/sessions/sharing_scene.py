"""Sessions, workers and a region as the allocator sees them, and whom it has woken."""

from __future__ import annotations

from datetime import timedelta

from tests.worlds.memory_azure import AWAY, SUBSCRIPTION
from tests.worlds.turned_clock import TurnedClock
from vmbackup_core.ids import WorkerId
from vmbackup_operator.model.backup_session import (
    BackupSession,
    BackupSessionSpec,
    BackupSessionStatus,
)
from vmbackup_operator.model.conditions import Condition
from vmbackup_operator.model.metadata import Metadata, ObjectKey
from vmbackup_operator.model.references import ObjectReference
from vmbackup_operator.model.session_findings import (
    Export,
    Resolved,
    ResolvedEnvironment,
    SessionWorker,
)
from vmbackup_operator.naming import ArmId
from vmbackup_operator.sessions.allocator import Allocator
from vmbackup_operator.sessions.book import SessionBook
from vmbackup_operator.sessions.seen import Region, WorkerSeen, WorkerState, account_of

OWN = WorkerId("own-1")


def region(max_workers: int = 1) -> Region:
    nothing = ArmId("/nothing")
    return Region(
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


def session(  # noqa: PLR0913, PLR0917 - each names what a test is about
    name: str,
    worker: str | None = None,
    exports: tuple[Export, ...] = (),
    place: str = AWAY,
    namespace: str = "team",
    began: int = 0,
    waits: bool = False,  # noqa: FBT001, FBT002 - as a keyword only
) -> BackupSession:
    now = TurnedClock().now()
    waiting = Condition("WorkerReady", "False", "WorkerBusy", "busy", now)
    environment = ResolvedEnvironment(SUBSCRIPTION, place, "group", "/a", "/w", "/e")
    status = BackupSessionStatus(
        resolved=Resolved(environment=environment),
        worker=None if worker is None else SessionWorker(WorkerId(worker), f"/{worker}"),
        exports=exports,
        start_time=now + timedelta(seconds=began),
        conditions=(waiting,) if waits else (),
    )
    spec = BackupSessionSpec("/vm", ObjectReference("repo"))
    return BackupSession(Metadata(name, namespace, uid=name), spec, status)


def seen(name: str, state: WorkerState) -> WorkerSeen:
    return WorkerSeen(ArmId(f"/{name}"), WorkerId(name), state, TurnedClock().now())


class Woken(list[ObjectKey]):
    """Whom the allocator has had woken."""


def allocator(*sessions: BackupSession) -> tuple[Allocator, Woken]:
    book, woken = SessionBook(), Woken()
    for each in sessions:
        book.note(each)
    return Allocator(book, woken.append), woken
