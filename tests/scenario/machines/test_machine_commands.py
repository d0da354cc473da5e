"""Run Commands run to their end, with their parameters, within their time."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from azure_simulator.backing import MachineNotRunning
from tests.scenario.machines.conftest import World, until

pytestmark = pytest.mark.machines


async def test_a_script_gives_back_its_output_and_exit_code(world: World) -> None:
    await world.boot()

    result = await world.run("echo out; echo err >&2; exit 7")

    assert (result.exit_code, result.stdout, result.stderr) == (7, "out\n", "err\n")


async def test_protected_parameters_are_the_scripts_environment_and_not_the_journals(
    world: World,
) -> None:
    await world.boot()

    said = await world.output('echo "$KEY"', KEY="a secret with 'quotes'")

    assert said == "a secret with 'quotes'\n"
    assert "a secret" not in json.dumps(world.journal.since(0))
    (entry,) = [e for e in world.journal.since(0) if e["service"] == "machine"]
    assert (entry["detail"]["exitCode"], entry["detail"]["parameters"]) == (0, ["KEY"])


async def test_the_last_4096_bytes_of_output_are_kept(world: World) -> None:
    await world.boot()

    said = await world.output("for i in $(seq 10000); do echo $i; done")

    assert len(said) == 4096
    assert said.endswith("9999\n10000\n")


async def test_a_script_that_takes_too_long_is_killed_with_all_it_started(world: World) -> None:
    await world.boot()
    began = time.monotonic()

    with pytest.raises(TimeoutError):
        await world.run("echo begun; sleep 1000 & sleep 1000", timeout_s=0.5)

    assert time.monotonic() - began < 200
    # The kernel takes a moment to end what it was told to kill.
    while (await world.run("pgrep -x sleep")).exit_code == 0:
        assert time.monotonic() - began < 200


async def test_a_cancelled_script_is_killed(world: World) -> None:
    await world.boot()
    script = asyncio.create_task(world.run("touch /opt/begun; exec sleep 1000"))
    await until(world.path("/opt/begun").exists)

    script.cancel()
    await asyncio.wait([script])

    assert script.cancelled()
    await world.output("while grep -qx sleep /proc/[0-9]*/comm; do :; done")


async def test_scripts_run_side_by_side(world: World) -> None:
    await world.boot()
    waiting = asyncio.create_task(
        world.run("for i in $(seq 500); do test -e /opt/go && exit 0; sleep 0.02; done; exit 1")
    )

    await world.output("touch /opt/go")

    assert (await waiting).exit_code == 0


async def test_what_a_script_leaves_running_does_not_hold_up_its_result(world: World) -> None:
    await world.boot()
    began = time.monotonic()

    await world.output("sleep 1000 & echo done")

    assert time.monotonic() - began < 200


async def test_a_machine_that_is_down_runs_nothing(world: World) -> None:
    await world.boot()
    await world.machines.stop(world.vm)

    assert not world.machines.running(world.vm)
    with pytest.raises(MachineNotRunning):
        await world.run("true")


async def test_a_script_ends_with_its_machine(world: World) -> None:
    await world.boot()
    script = asyncio.create_task(world.run("touch /opt/begun; sleep 1000"))
    await until(world.path("/opt/begun").exists)

    await world.machines.stop(world.vm)

    with pytest.raises(MachineNotRunning):
        await script
