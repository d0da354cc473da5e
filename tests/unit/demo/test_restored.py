"""Each fact about restores holds on a good journal and fails on one that breaks its rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tools.demo import facts, restored
from tools.demo.blocks import BLOCK_BYTES
from tools.demo.journal import Entry
from tools.demo.restored import RestoredScene, Written

COMPUTE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute"
VM, AGAIN = f"{COMPUTE}/virtualMachines/web-01", f"{COMPUTE}/virtualMachines/web-01-again"
OLD, NEW = f"{COMPUTE}/disks/web-01-os", f"{COMPUTE}/disks/web-01-os-1e5089f8"
WORKER = f"{COMPUTE}/virtualMachines/vmb-w-1"
SIZE = 16 * BLOCK_BYTES

SCENE = RestoredScene(
    existing=frozenset({VM, OLD}),
    machines=frozenset({AGAIN, ""}),
    made={NEW: Written(SIZE, [(0, 4096), (8 * BLOCK_BYTES - 4096, 8192)])},
)
PRIVATE = {
    "networkAccessPolicy": "AllowPrivate",
    "publicNetworkAccess": "Disabled",
    "diskAccessId": "a",
    "creationData": {"createOption": "Upload"},
}

Journal = list[Entry]


def arm(method: str, path: str, request: object = None) -> Entry:
    return Entry(
        0, "arm", "appliance", method, "management.azure.com", path, "", 202, 0, 0, request
    )


def page(offset: int, length: int, caller: str = WORKER) -> Entry:
    detail = {"operation": "PutPage", "disk": NEW.lower(), "offset": offset, "length": length}
    return Entry(0, "export", caller, "PUT", "md-1", "/x/abcd", "", 201, length, detail=detail)


GOOD = [
    arm("PUT", WORKER, {}),
    arm("GET", OLD),
    arm("PUT", NEW, {"properties": PRIVATE}),
    arm("POST", f"{NEW}/beginGetAccess"),
    page(7 * BLOCK_BYTES, 2 * BLOCK_BYTES),
    page(0, BLOCK_BYTES),
    page(SIZE, 512),
    arm("POST", f"{NEW}/endGetAccess"),
    arm("PUT", AGAIN, {}),
    arm("POST", f"{WORKER}/deallocate"),
]


def numbered(entries: Journal) -> Journal:
    return [replace(entry, sequence=number) for number, entry in enumerate(entries, start=1)]


def without(index: int) -> Journal:
    return GOOD[:index] + GOOD[index + 1 :]


def at(index: int, *entries: Entry) -> Journal:
    return [*GOOD[:index], *entries, *GOOD[index:]]


@pytest.mark.parametrize(
    "rule", [*restored.RESTORES, *restored.AFTER_ALL], ids=lambda rule: rule.__name__
)
def test_a_good_journal_has_no_complaints(rule: Callable[..., object]) -> None:
    assert list(rule(numbered(GOOD), SCENE)) == []  # type: ignore[call-overload]  # a generator


BROKEN = [
    pytest.param(
        restored.nothing_that_exists_is_touched, at(1, arm("PATCH", OLD)), id="a disk changed"
    ),
    pytest.param(
        restored.nothing_that_exists_is_touched,
        at(1, arm("POST", f"{VM.upper()}/deallocate")),
        id="the VM stopped",
    ),
    pytest.param(restored.disks_made_for_one_private_upload, without(2), id="no disk made"),
    pytest.param(
        restored.disks_made_for_one_private_upload,
        at(3, arm("PUT", NEW, {"properties": PRIVATE})),
        id="a disk made twice",
    ),
    *(
        pytest.param(
            restored.disks_made_for_one_private_upload,
            [*GOOD[:2], arm("PUT", NEW, {"properties": {**PRIVATE, **other}}), *GOOD[3:]],
            id=f"made with another {next(iter(other))}",
        )
        for other in (
            {"networkAccessPolicy": "AllowAll"},
            {"publicNetworkAccess": "Enabled"},
            {"diskAccessId": None},
            {"creationData": {"createOption": "Empty"}},
        )
    ),
    pytest.param(
        restored.workers_write_the_used_blocks,
        at(5, page(3 * BLOCK_BYTES, BLOCK_BYTES)),
        id="a block that held nothing",
    ),
    pytest.param(
        restored.workers_write_the_used_blocks, at(5, page(0, BLOCK_BYTES)), id="a block twice"
    ),
    pytest.param(
        restored.workers_write_the_used_blocks,
        [*GOOD[:5], page(0, BLOCK_BYTES, "internet"), *GOOD[6:]],
        id="written from elsewhere",
    ),
    pytest.param(restored.footers_come_last, without(6), id="no footer"),
    pytest.param(
        restored.footers_come_last, [*without(5)[:6], GOOD[5], *GOOD[7:]], id="a block behind it"
    ),
    pytest.param(facts.no_access_left, without(7), id="access not ended"),
    pytest.param(restored.workers_released, without(9), id="a worker left running"),
]


@pytest.mark.parametrize(("rule", "journal"), BROKEN)
def test_a_broken_rule_is_named(
    rule: Callable[[Journal, RestoredScene], list[str]], journal: Journal
) -> None:
    assert len(list(rule(numbered(journal), SCENE))) == 1
