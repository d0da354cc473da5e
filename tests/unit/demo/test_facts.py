"""Each fact of the demo holds on a good journal and fails on one that breaks its rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tools.demo import facts
from tools.demo.facts import Scene
from tools.demo.journal import Entry

GROUP = "/subscriptions/s/resourceGroups/g/providers"
SNAPSHOT = f"{GROUP}/Microsoft.Compute/snapshots/vmb-1-os"
ACCOUNT = f"{GROUP}/Microsoft.Storage/storageAccounts/region1"
WORKER = f"{GROUP}/Microsoft.Compute/virtualMachines/vmb-w-1"
OTHER_WORKER = f"{GROUP}/Microsoft.Compute/virtualMachines/vmb-w-0"
REPOSITORY = "backups.blob.core.windows.net"
HOME = "home1.queue.core.windows.net"

SCENE = Scene(
    region_account_id=ACCOUNT,
    home_account_name="home1",
    repository_host=REPOSITORY,
    snapshot_extents={SNAPSHOT: [(0, 4096), (4096, 4096), (65536, 8192), (2**20, 8192)]},
    bundle_md5={"install.sh": "md5=="},
    disks=1,
)

Journal = list[Entry]


def arm(method: str, path: str, request: object = None) -> Entry:
    return Entry(
        0, "arm", "appliance", method, "management.azure.com", path, "", 202, 0, 0, request
    )


def blob(method: str, host: str, path: str, *, caller: str = "appliance", md5: str = "") -> Entry:
    detail = {"content_md5": md5} if md5 else {}
    return Entry(0, "blob", caller, method, host, path, "", 201, detail=detail)


def read(offset: int, length: int) -> Entry:
    detail = {"operation": "GetBlob", "disk": SNAPSHOT, "offset": offset, "length": length}
    return Entry(0, "export", WORKER, "GET", "md-1", "/x/abcd", "", 206, 0, length, None, detail)


def queue(host: str, name: str, method: str = "PUT") -> Entry:
    return Entry(0, "queue", "appliance", method, host, f"/{name}", "", 201)


CREATED = {
    "tags": {"vmbackup-sealed": "1 k 1"},
    "properties": {"networkAccessPolicy": "DenyAll", "incremental": True},
}

LISTING = "restype=container&comp=list"

GOOD = [
    arm("PUT", SNAPSHOT, CREATED),
    arm("PUT", ACCOUNT),
    blob("PUT", "region1.blob.core.windows.net", "/bundle/1/install.sh", md5="md5=="),
    queue(HOME, "vmb-events-1"),
    queue(HOME, "vmb-jobs-1"),
    arm("PUT", WORKER),
    arm("PUT", f"{WORKER}/runCommands/launch"),
    blob("GET", "region1.blob.core.windows.net", "/bundle/1/install.sh", caller=WORKER),
    arm("PUT", f"{GROUP}/Microsoft.Compute/diskAccesses/vmb-da-0"),
    arm("PATCH", SNAPSHOT, {"properties": {"diskAccessId": "x"}}),
    arm("POST", f"{SNAPSHOT}/beginGetAccess"),
    read(2**20, 8192),
    read(0, 65536 + 8192),
    blob("PUT", REPOSITORY, "/vm-backups/c/1/p/1-1", caller=WORKER),
    blob("PUT", REPOSITORY, "/vm-backups/c/1/m/1", caller=WORKER),
    blob("PUT", REPOSITORY, "/vm-backups-control/c/1/k/1"),
    blob("PUT", REPOSITORY, "/vm-backups-control/v/1/1"),
    blob("PUT", REPOSITORY, "/vm-backups-control/l/1/2"),
    arm("POST", f"{SNAPSHOT}/endGetAccess"),
    arm("POST", f"{WORKER}/deallocate"),
    queue(HOME, "vmb-events-1", "DELETE"),
    queue(HOME, "vmb-jobs-1", "DELETE"),
]


def numbered(entries: Journal) -> Journal:
    return [replace(entry, sequence=number) for number, entry in enumerate(entries, start=1)]


def without(index: int) -> Callable[[Journal], Journal]:
    return lambda journal: journal[:index] + journal[index + 1 :]


def moved(index: int, to: int) -> Callable[[Journal], Journal]:
    def change(journal: Journal) -> Journal:
        entry = journal[index]
        rest = without(index)(journal)
        return [*rest[:to], entry, *rest[to:]]

    return change


def swapped(index: int, entry: Entry) -> Callable[[Journal], Journal]:
    return lambda journal: [*journal[:index], entry, *journal[index + 1 :]]


@pytest.mark.parametrize("rule", facts.FIRST_BACKUP, ids=lambda rule: rule.__name__)
def test_a_good_journal_has_no_complaints(rule: Callable[..., object]) -> None:
    assert list(rule(numbered(GOOD), SCENE)) == []  # type: ignore[call-overload]  # a generator


BROKEN = [
    pytest.param(facts.steps_in_order, moved(1, 6), id="account after the worker"),
    pytest.param(facts.steps_in_order, without(19), id="never deallocated"),
    pytest.param(
        facts.snapshots_tagged_when_created,
        swapped(0, arm("PUT", SNAPSHOT, {**CREATED, "tags": {"vmbackup-run-id": "1"}})),
        id="tags not sealed",
    ),
    pytest.param(
        facts.snapshots_tagged_when_created,
        swapped(0, arm("PUT", SNAPSHOT, {**CREATED, "properties": {"incremental": True}})),
        id="snapshot open",
    ),
    pytest.param(facts.snapshots_tagged_when_created, without(0), id="no snapshot"),
    pytest.param(
        facts.bundle_checked,
        swapped(2, blob("PUT", "region1.blob", "/bundle/1/install.sh", md5="other")),
        id="another MD5",
    ),
    pytest.param(facts.bundle_checked, without(7), id="file not read"),
    pytest.param(facts.queues_at_home, without(4), id="no jobs queue"),
    pytest.param(
        facts.queues_at_home,
        swapped(4, queue("region1.queue.core.windows.net", "vmb-jobs-1")),
        id="queue elsewhere",
    ),
    pytest.param(facts.queues_at_home, without(20), id="queue that stays"),
    pytest.param(facts.access_only_when_private, moved(9, 11), id="granted before associated"),
    pytest.param(facts.no_access_left, without(18), id="access not ended"),
    pytest.param(facts.no_access_left, moved(18, 10), id="access granted again"),
    pytest.param(
        facts.reads_are_the_allocated_extents, swapped(12, read(0, 65536)), id="too little read"
    ),
    pytest.param(
        facts.reads_are_the_allocated_extents, swapped(12, read(0, 2**20)), id="too much read"
    ),
    pytest.param(facts.commits_after_packs, moved(13, 16), id="pack after its commit"),
    pytest.param(facts.commits_after_packs, moved(16, 15), id="point before a commit"),
    pytest.param(facts.commits_after_packs, without(15), id="no commit"),
    pytest.param(facts.commits_after_packs, moved(17, 16), id="point after its entry in the log"),
    pytest.param(
        facts.workers_reach_data_alone,
        swapped(15, blob("PUT", REPOSITORY, "/vm-backups-control/c/1/k/1", caller=WORKER)),
        id="a worker that commits",
    ),
    pytest.param(
        facts.workers_reach_data_alone,
        swapped(13, replace(blob("GET", REPOSITORY, "/vm-backups", caller=WORKER), query=LISTING)),
        id="a worker that lists",
    ),
    pytest.param(facts.worker_released, without(19), id="worker left running"),
    pytest.param(
        facts.worker_released,
        lambda journal: [*journal, arm("POST", f"{OTHER_WORKER}/start")],
        id="worker that was there before left running",
    ),
]


@pytest.mark.parametrize(("rule", "breaking"), BROKEN)
def test_a_broken_rule_is_named(
    rule: Callable[[Journal, Scene], list[str]], breaking: Callable[[Journal], Journal]
) -> None:
    assert list(rule(numbered(breaking(GOOD)), SCENE))


def test_a_worker_that_was_deleted_is_released() -> None:
    journal = numbered([arm("POST", f"{OTHER_WORKER}/start"), arm("DELETE", OTHER_WORKER)])

    assert list(facts.worker_released(journal, SCENE)) == []
    assert list(facts.worker_released(numbered([*reversed(journal)]), SCENE))


def test_a_refused_request_of_the_operator_is_named() -> None:
    refused = {
        "user": {"username": facts.OPERATOR_USER},
        "verb": "list",
        "requestURI": "/api/v1/secrets",
        "responseStatus": {"code": 403},
    }

    assert list(facts.nothing_refused([refused])) == ["list /api/v1/secrets: 403"]
    assert not list(facts.nothing_refused([refused | {"responseStatus": {"code": 200}}]))
    assert not list(facts.nothing_refused([refused | {"user": {"username": "system:anonymous"}}]))
