"""Each fact about a second backup holds on a good journal and fails on one that breaks its rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tools.demo import increments
from tools.demo.blocks import BLOCK_BYTES, blocks_of
from tools.demo.facts import Scene
from tools.demo.increments import SAMPLE_BLOCKS
from tools.demo.interruption import unattended
from tools.demo.journal import Entry

GROUP = "/subscriptions/s/resourceGroups/g/providers"
SNAPSHOT = f"{GROUP}/Microsoft.Compute/snapshots/vmb-2-os"
BEFORE = f"{GROUP}/Microsoft.Compute/snapshots/vmb-1-os"
WORKER = f"{GROUP}/Microsoft.Compute/virtualMachines/vmb-w-1"
ACCESS = f"{GROUP}/Microsoft.Compute/diskAccesses/vmb-da-1"
ENDPOINT = f"{GROUP}/Microsoft.Network/privateEndpoints/vmb-da-1"
REPOSITORY = "backups.blob.core.windows.net"

#: A page in block 1, one more there, and one that reaches from block 4 into block 5.
CHANGES = [(BLOCK_BYTES, 4096), (2 * BLOCK_BYTES - 8192, 4096), (5 * BLOCK_BYTES - 4096, 8192)]
SCENE = Scene(
    region_account_id="",
    home_account_name="",
    repository_host=REPOSITORY,
    snapshot_extents={SNAPSHOT: []},
    bundle_md5={},
    disks=1,
    snapshot_changes={SNAPSHOT: CHANGES},
)

Journal = list[Entry]


def arm(method: str, path: str, request: object = None) -> Entry:
    return Entry(
        0, "arm", "appliance", method, "management.azure.com", path, "", 202, 0, 0, request
    )


def export(operation: str, disk: str = SNAPSHOT, offset: int = 0, length: int = 0) -> Entry:
    detail = {"operation": operation, "disk": disk, "offset": offset, "length": length}
    return Entry(0, "export", WORKER, "GET", "md-1", "/x/abcd", "", 206, 0, length, None, detail)


def read(block: int, blocks: int = 1, disk: str = SNAPSHOT) -> Entry:
    return export("GetBlob", disk, block * BLOCK_BYTES, blocks * BLOCK_BYTES)


def pack(size: int) -> Entry:
    path = "/vm-backups/c/1/p/1"
    return Entry(0, "blob", WORKER, "PUT", REPOSITORY, path, "", 201, received_bytes=size)


WAY = {"properties": {"privateLinkServiceConnections": [{"privateLinkServiceId": ACCESS}]}}
GOOD = [
    arm("PUT", SNAPSHOT, {"tags": {}}),
    arm("PUT", ACCESS, {"location": "x"}),
    arm("PUT", ENDPOINT, WAY),
    arm("PUT", f"{ENDPOINT}/privateDnsZoneGroups/default"),
    export("GetPageRangesDiff"),
    *(read(number) for number in range(100, 100 + SAMPLE_BLOCKS)),
    read(1),
    read(4, 2),
    pack(3 * BLOCK_BYTES + 1000),
    arm("PATCH", SNAPSHOT, {"properties": {"diskAccessId": ACCESS}}),
    arm("PATCH", SNAPSHOT, {"tags": {"a": "b"}}),
]

RULES = (
    increments.nothing_built_but_one_disk_access,
    increments.reads_are_the_changed_extents_and_a_sample,
    increments.nothing_stored_but_what_has_changed,
    increments.no_write_repeated,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_good_journal_has_no_complaints(rule: Callable[..., object]) -> None:
    assert list(rule(GOOD, SCENE)) == []  # type: ignore[call-overload]  # a generator


def with_more(*entries: Entry) -> Journal:
    return [*GOOD, *entries]


def but(*entries: Entry) -> Journal:
    return [each for each in GOOD if each not in entries]


BROKEN = [
    pytest.param(
        increments.nothing_built_but_one_disk_access,
        with_more(arm("PUT", ENDPOINT.replace("da-1", "other"), {"properties": {}})),
        id="another endpoint",
    ),
    pytest.param(
        increments.nothing_built_but_one_disk_access,
        with_more(arm("PUT", ACCESS.replace("da-1", "da-2"))),
        id="a second disk access",
    ),
    pytest.param(
        increments.reads_are_the_changed_extents_and_a_sample,
        but(export("GetPageRangesDiff")),
        id="nobody asked what has changed",
    ),
    pytest.param(
        increments.reads_are_the_changed_extents_and_a_sample, but(read(1)), id="a block not read"
    ),
    pytest.param(
        increments.reads_are_the_changed_extents_and_a_sample,
        [replace(each, status=503) if each == read(1) else each for each in GOOD],
        id="a block that was refused",
    ),
    pytest.param(
        increments.reads_are_the_changed_extents_and_a_sample,
        with_more(read(200)),
        id="more than the sample",
    ),
    pytest.param(
        increments.reads_are_the_changed_extents_and_a_sample,
        with_more(read(4)),
        id="a block read twice",
    ),
    pytest.param(
        increments.reads_are_the_changed_extents_and_a_sample,
        with_more(read(4, disk=BEFORE)),
        id="the snapshot before read",
    ),
    pytest.param(
        increments.nothing_stored_but_what_has_changed,
        with_more(pack(BLOCK_BYTES)),
        id="a pack too many",
    ),
    pytest.param(
        increments.nothing_stored_but_what_has_changed,
        [each for each in GOOD if each.service != "blob"],
        id="nothing stored",
    ),
    pytest.param(
        increments.no_write_repeated,
        with_more(arm("PATCH", SNAPSHOT, {"tags": {"a": "b"}})),
        id="a change repeated",
    ),
    pytest.param(
        increments.no_write_repeated,
        with_more(arm("PUT", ACCESS, {"location": "x"})),
        id="made twice",
    ),
]


@pytest.mark.parametrize(("rule", "journal"), BROKEN)
def test_a_broken_rule_is_named(
    rule: Callable[[Journal, Scene], list[str]], journal: Journal
) -> None:
    assert list(rule(journal, SCENE))


def test_extents_touch_whole_blocks_however_short_they_are() -> None:
    assert blocks_of([]) == set()
    assert blocks_of(CHANGES) == {1, 4, 5}
    assert blocks_of([(0, BLOCK_BYTES), (3 * BLOCK_BYTES - 1, 1)]) == {0, 2}


def numbered(*entries: Entry) -> Journal:
    return [replace(entry, sequence=number) for number, entry in enumerate(entries, start=1)]


def test_a_worker_that_goes_on_until_the_next_operator_speaks_is_seen() -> None:
    cut = replace(arm("GET", SNAPSHOT), service="gateway")
    journal = numbered(arm("GET", SNAPSHOT), cut, read(1), pack(1), arm("GET", SNAPSHOT))

    assert list(unattended(journal, 1)) == []


@pytest.mark.parametrize("killed_at", [0, 4, 5], ids=["before", "at its end", "behind all"])
def test_a_worker_that_waits_for_the_next_operator_is_named(killed_at: int) -> None:
    journal = numbered(
        arm("GET", SNAPSHOT), read(1), read(2), read(3), arm("GET", SNAPSHOT), read(4)
    )

    assert list(unattended(journal, killed_at if killed_at < 5 else len(journal)))
