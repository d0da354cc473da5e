"""Which disks and snapshots may be exported through a disk access: those of its subscription."""

from __future__ import annotations

from tests.unit.simulator_arm.conftest import Azure
from tests.unit.simulator_arm.test_arm_disks import (
    REGION,
    make_disk,
    make_snapshot,
    snapshot_body,
)


async def test_a_disk_access_is_used_in_its_own_subscription_alone(azure: Azure) -> None:
    foreign = await azure.in_other_subscription("Microsoft.Compute/diskAccesses", "access")
    await azure.put(foreign, REGION)
    private = {"networkAccessPolicy": "AllowPrivate", "diskAccessId": foreign}
    disk = await make_disk(azure)
    snapshot = await make_snapshot(azure, disk, networkAccessPolicy="DenyAll")
    another = azure.id("Microsoft.Compute/snapshots", "s2")

    replies = [
        await azure.send("PATCH", snapshot, {"properties": private}),
        await azure.send("PATCH", disk, {"properties": private}),
        await azure.send("PUT", another, snapshot_body(disk, **private)),
    ]

    assert [(each.status, each.code) for each in replies] == [(400, "InvalidParameter")] * 3
    assert all(foreign in each.body["error"]["message"] for each in replies)
