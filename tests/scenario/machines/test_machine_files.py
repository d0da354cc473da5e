"""A VM has a file tree of its own, and of the host's only what can't be written to."""

from __future__ import annotations

import pytest

from azure_simulator.backing import MachineNotRunning
from tests.scenario.machines.conftest import JAMMY, World

pytestmark = pytest.mark.machines


async def test_a_machine_is_ubuntu_with_its_own_name_and_the_images_python(world: World) -> None:
    await world.boot()

    said = await world.output(
        ". /etc/os-release; echo $ID $VERSION_ID; hostname; id -u;"
        " python3 -c 'import sys; print(sys.version_info >= (3, 10), sys.flags.isolated)'"
    )

    assert said.split() == ["ubuntu", "22.04", "worker", "0", "True", "0"]


@pytest.mark.parametrize(
    "write",
    [
        "touch /usr/x",
        "touch /usr/bin/x",
        "touch /usr/local/x",
        "touch /x",
        "rm /bin/bash",
        "mount -o remount,rw /usr && touch /usr/x",
        "mount -o remount,bind,rw /usr && touch /usr/x",
        "umount /usr/bin",
        "echo 1 > /proc/sys/vm/drop_caches",
        'touch "$(python3 -c "import sys; print(sys.base_prefix)")/x"',
    ],
)
async def test_the_hosts_files_can_not_be_changed(world: World, write: str) -> None:
    await world.boot()

    assert (await world.run(write)).exit_code != 0


async def test_of_the_hosts_folders_only_the_system_is_there(world: World) -> None:
    await world.boot()

    said = await world.output("ls /; ls /home; ls /root; ls /opt; ls /tmp")

    assert "work" not in said.split()
    assert set(said.split()) <= {
        *(
            [
                "bin",
                "boot",
                "dev",
                "etc",
                "home",
                "lib",
                "lib32",
                "lib64",
                "libx32",
                "mnt",
                "opt",
                "proc",
                "root",
                "run",
                "sbin",
                "srv",
            ]
        ),
        *(["sys", "tmp", "usr", "var", "azureuser"]),
    }


async def test_what_is_written_outlives_a_stop_and_ends_with_the_machine(world: World) -> None:
    await world.boot()
    await world.output("echo kept > /opt/file; echo gone > /tmp/file; echo gone > /run/file")
    folder = world.machines.folder(world.vm)

    await world.machines.stop(world.vm)
    await world.machines.start(world.vm)

    assert await world.output("cat /opt/file; ls /tmp; ls /run/file 2> /dev/null || true") == (
        "kept\n"
    )
    await world.machines.delete(world.vm)
    assert not folder.exists()
    with pytest.raises(MachineNotRunning):
        await world.run("true")


async def test_creating_a_machine_twice_leaves_it_as_it_is(world: World) -> None:
    await world.boot()
    await world.output("echo kept > /opt/file")
    listing = world.machines.listing()

    await world.machines.create(world.vm.upper(), JAMMY)

    assert world.machines.listing() == listing
    assert await world.output("cat /opt/file") == "kept\n"


async def test_a_machine_sees_no_process_but_its_own(world: World) -> None:
    await world.boot()

    said = await world.output("for p in /proc/[0-9]*/comm; do cat $p; done")

    assert set(said.split()) <= {"python3.10", "python3", "python3.11", "bash", "cat", "unshare"}
