"""Nothing of a VM outlives what ends it, the simulator's own death included."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.scenario.machines.conftest import World, until

pytestmark = pytest.mark.machines

#: Boots a VM whose processes can be told from all others by their argument, and waits.
PROGRAM = """
import asyncio, sys
from contextlib import asynccontextmanager
from pathlib import Path
from tests.scenario.machines import conftest

async def main():
    folder, mark = Path(sys.argv[1]), sys.argv[2]
    async with asynccontextmanager(conftest.make_world)(folder) as world:
        await world.boot()
        await world.output(f"setsid sleep {mark} & echo; nohup sleep {mark} > /dev/null 2>&1 &")
        print("ready", flush=True)
        await asyncio.sleep(1000)

asyncio.run(main())
"""


def processes_with(mark: str) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:  # it ended meanwhile
            continue
        if words[0] == b"sleep" and mark.encode() in words:
            found.append(int(process.name))
    return found


async def test_stopping_a_machine_leaves_no_process(world: World) -> None:
    mark = f"99{os.getpid()}1"
    await world.boot()
    await world.output(f"setsid sleep {mark} & sleep {mark} & echo")
    await until(lambda: len(processes_with(mark)) == 2)

    await world.machines.stop(world.vm)

    assert processes_with(mark) == []


async def test_a_machine_whose_processes_are_killed_is_down(world: World) -> None:
    await world.boot()
    (machine,) = world.machines.listing()

    os.kill(int(str(machine["pid"])), signal.SIGKILL)

    await until(lambda: not world.machines.running(world.vm))
    await world.machines.start(world.vm)
    assert await world.output("echo up") == "up\n"


async def test_a_simulator_that_is_killed_takes_its_machines_along(tmp_path: Path) -> None:
    mark = f"99{os.getpid()}2"
    simulator = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM,
        str(tmp_path),
        mark,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert simulator.stdout is not None
        async with asyncio.timeout(60):
            assert await simulator.stdout.readline() == b"ready\n"
        await until(lambda: len(processes_with(mark)) == 2)
    finally:
        simulator.kill()
        await simulator.wait()

    await until(lambda: not processes_with(mark))
