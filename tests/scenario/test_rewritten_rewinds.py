"""A VM is rewound to an older point, whose snapshots are gone: a worker writes what differs."""

from __future__ import annotations

import pytest

from tests.scenario.small_machines import small_machine, write_on
from tests.scenario.stage import Stage
from tests.scenario.test_rewind_sessions import (
    DISKS,
    annotate,
    attached,
    content,
    ended,
    power,
    rewind,
    status_of,
    token_of,
)
from tools.local_cloud.disk_images import MIB

#: Three backups of one VM, and a rewind that a worker writes.
pytestmark = pytest.mark.timeout(900)

#: What is hashed, and written, as one.
BLOCK = 256 * 1024


def differing_bytes(before: bytes, after: bytes) -> int:
    """Return how many bytes are in blocks that differ."""
    starts = range(0, len(after), BLOCK)
    return sum(
        len(after[at : at + BLOCK])
        for at in starts
        if before[at : at + BLOCK] != after[at : at + BLOCK]
    )


def held_by(stage: Stage, disk_id: str) -> str:
    """Return the id of the VM that has the disk, empty where none has."""
    return str(stage.azure.read(disk_id, DISKS).get("managedBy") or "")


def test_a_vm_is_rewound_to_an_older_point_whose_snapshots_are_gone(stage: Stage) -> None:
    machine = small_machine(stage, "older", disks=2)
    stage.back_up("good-state", machine.id)
    backup = stage.outcome("good-state")
    assert backup["outcome"] == "Succeeded", backup
    own = attached(stage, machine)
    good = {position: content(stage, disk) for position, disk in own.items()}
    write_on(stage, machine, 1, MIB)
    stage.back_up("bad-state", machine.id)
    assert stage.outcome("bad-state")["outcome"] == "Succeeded"
    for each in backup["snapshotSet"]:
        stage.azure.remove(each["snapshotId"], DISKS)
    bad = {position: content(stage, disk) for position, disk in own.items()}
    assert all(good[each] != bad[each] for each in own)

    since = stage.azure.last_entry()
    rewind(stage, "long-ago", backup["runId"])
    token = token_of(stage, "long-ago")
    assert (attached(stage, machine), power(stage, machine)) == (own, "PowerState/deallocated")
    made = status_of(stage, "long-ago")["rewound"]["disks"]
    assert [held_by(stage, each["diskId"]) for each in made] == ["", ""]
    annotate(stage, "long-ago", token)
    status = ended(stage, "long-ago")

    assert status["outcome"] == "Succeeded", status
    assert status["rewound"]["rewritten"] is True
    disks = {each["disk"]: each for each in status["rewound"]["disks"]}
    assert attached(stage, machine) == {k: each["diskId"].lower() for k, each in disks.items()}
    assert {k: content(stage, each["diskId"]) for k, each in disks.items()} == good
    assert {k: content(stage, disk) for k, disk in own.items()} == bad
    assert power(stage, machine) == "PowerState/running"
    for each in status["restored"]["disks"]:
        owed = differing_bytes(bad[each["disk"]], good[each["disk"]])
        assert 0 < each["writtenBytes"] <= 1.1 * owed
    assert [each for each in stage.entries(since) if each.service == "export"] == []

    stage.back_up("afterwards", machine.id)
    after = stage.outcome("afterwards")
    assert after["outcome"] == "Succeeded", after
    assert {each["reason"] for each in after["fullReads"]} == {"DiskReplaced"}
    chains = {each["chainId"] for each in after["disks"]}
    assert not chains & {each["chainId"] for each in backup["disks"]}
