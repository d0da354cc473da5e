"""Data disks in a running VM: there while they are attached, for whom its own rules let."""

from __future__ import annotations

from pathlib import Path

import pytest

from azure_simulator.disks.contents import Contents
from tests.scenario.machines.conftest import World, until

pytestmark = pytest.mark.machines

MIB = 1024 * 1024
DISK = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/disks/data"
LUN = "/dev/disk/azure/scsi1/lun2"
RULE = (
    'SUBSYSTEM=="block", SYMLINK=="disk/azure/scsi1/lun*|disk/azure/data/by-lun/*", '
    'GROUP="agent", MODE="0660"\n'
)


@pytest.fixture
async def contents(world: World, tmp_path: Path) -> Contents:
    """Return a disk's content, of a VM that has been booted."""
    made = Contents(tmp_path / "disks")
    await made.create_empty(DISK, MIB)
    await world.boot()
    return made


def held(contents: Contents) -> bytes:
    found = contents.file_of(DISK)
    assert found is not None
    return found.path.read_bytes()


async def test_a_disk_comes_and_goes_while_the_vm_runs(world: World, contents: Contents) -> None:
    assert (await world.run(f"test -e {LUN}")).exit_code == 1

    await contents.show(DISK, world.machines.disk_path(world.vm, 2))
    await world.output(f"printf here | dd of={LUN} bs=1 seek=512 conv=notrunc,fsync status=none")
    assert held(contents)[508:520] == b"\0\0\0\0here\0\0\0\0"

    await contents.hide(DISK)
    assert (await world.run(f"test -e {LUN}")).exit_code == 1


async def test_what_has_a_disk_open_that_is_detached_writes_it_no_more(
    world: World, contents: Contents
) -> None:
    await contents.show(DISK, world.machines.disk_path(world.vm, 2))
    await world.output(
        f"(exec 3<>{LUN}; touch /tmp/opened; until [ -e /tmp/go ]; do sleep 0.01; done; "
        "printf late >&3; touch /tmp/done) > /dev/null 2>&1 &"
    )
    await until(world.path("/tmp/opened").exists)  # noqa: S108 - the VM's own

    await contents.hide(DISK)
    world.path("/tmp/go").touch()  # noqa: S108
    await until(world.path("/tmp/done").exists)  # noqa: S108

    assert held(contents) == bytes(MIB)


async def may_write(world: World, devices: str) -> bool:
    """Tell whether a service of the user *agent*, whose unit says *devices*, can write the disk."""
    unit = (
        "[Service]\nType=oneshot\nUser=agent\nProtectSystem=strict\nStateDirectory=agent\n"
        f"{devices}\nExecStart=/bin/bash -c 'printf here > {LUN}'\n"
    )
    world.path("/etc/systemd/system/agent.service").write_text(unit)
    world.path("/etc/passwd").write_text(
        "root:x:0:0:root:/root:/bin/bash\nagent:x:998:998::/nonexistent:/usr/sbin/nologin\n"
    )
    ran = await world.run("systemctl daemon-reload; systemctl start agent")
    return ran.exit_code == 0


DISKS_ALONE = "DevicePolicy=closed\nDeviceAllow=block-sd rw\nDeviceAllow=block-blkext rw"


async def test_a_service_has_data_disks_only_by_a_rule_and_by_its_unit(
    world: World, contents: Contents
) -> None:
    await contents.show(DISK, world.machines.disk_path(world.vm, 2))
    rules = world.path("/etc/udev/rules.d/99-agent.rules")

    assert not await may_write(world, DISKS_ALONE)
    rules.parent.mkdir(parents=True)
    rules.write_text(RULE)
    assert not await may_write(world, "PrivateDevices=yes")
    assert held(contents) == bytes(MIB)
    assert await may_write(world, DISKS_ALONE)
