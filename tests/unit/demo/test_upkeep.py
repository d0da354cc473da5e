"""What the demo says of upkeep holds on a good pass, and fails on one that falls short."""

from __future__ import annotations

from typing import Any

import pytest

from tools.demo import upkeep
from tools.demo.journal import Entry

HOST = "backups.blob.core.windows.net"
WORKER = "/subscriptions/s/virtualMachines/vmb-w-1"


def entry(caller: str, method: str, path: str, *, host: str = HOST, status: int = 201) -> Entry:
    return Entry(0, "blob", caller, method, host, path, "", status)


def jobs(**outcomes: str) -> list[Any]:
    return [{"job": job, "outcome": outcomes.get(job, "Succeeded")} for job in upkeep.JOBS]


def session(outcome: str = "Succeeded", **verified: int) -> Any:
    return {"status": {"outcome": outcome, "verified": verified}}


def test_a_pass_is_good_where_every_job_succeeded() -> None:
    assert list(upkeep.troubles(jobs())) == []


@pytest.mark.parametrize("outcome", ["Failed", "Findings", "Left"])
def test_a_job_that_did_not_succeed_is_told(outcome: str) -> None:
    assert list(upkeep.troubles(jobs(Check=outcome))) == [f"Check: {outcome}"]


def test_a_job_that_was_not_done_is_told() -> None:
    assert list(upkeep.troubles(jobs()[:-1])) == ["Verify: not done"]


def test_all_packs_were_read_back() -> None:
    assert list(upkeep.unread(session(packs=5, sampled=9, bad=0), 5)) == []


@pytest.mark.parametrize(
    "read",
    [
        session(packs=4, sampled=9),
        session(sampled=9),
        session(packs=5),
        session("Failed", packs=5, sampled=9),
        session(packs=5, sampled=9, bad=1),
        session(packs=5, sampled=9, refuted=1),
        session(packs=5, sampled=9, unreadable=1),
        session(packs=5, sampled=9, differing=1),
    ],
)
def test_what_was_not_read_back_is_told(read: Any) -> None:
    assert len(list(upkeep.unread(read, 5))) == 1


def test_packs_are_counted_where_they_are_stored() -> None:
    entries = [
        entry(WORKER, "PUT", "/vm-backups/c/1/p/00000/001/2"),
        entry(WORKER, "PUT", "/vm-backups/c/1/p/00000/001/3", status=409),
        entry(WORKER, "PUT", "/vm-backups/c/1/p/00000/001/4", host="other"),
        entry(WORKER, "GET", "/vm-backups/c/1/p/00000/001/2"),
        entry(WORKER, "PUT", "/vm-backups/c/1/i/00000/001/2"),
    ]

    assert upkeep.packs_put(entries, HOST) == 1


def test_what_a_worker_has_stored_is_told() -> None:
    entries = [
        entry("appliance", "PUT", "/vm-backups-control/l/1"),
        entry(WORKER, "GET", "/vm-backups/c/1/p/00000/001/2"),
        entry(WORKER, "PUT", "/vm-backups/c/1/p/00000/001/2", status=403),
    ]

    stored = [
        "/vm-backups/c/1/p/00000/001/9",
        "/vm-backups-control/l/2",
        "/vm-archives/c/1/p/00000/001/9",
    ]

    assert list(upkeep.stored_by_workers(entries, HOST, "vm-backups")) == []

    entries += [entry(WORKER, "PUT", path) for path in stored]
    told = [f"{WORKER} put {path}" for path in stored[:2]]
    assert list(upkeep.stored_by_workers(entries, HOST, "vm-backups")) == told
