"""A VM's service manager starts units, restarts them, and starts enabled ones at boot."""

from __future__ import annotations

import pytest

from tests.scenario.machines.conftest import World, until

pytestmark = pytest.mark.machines

UNIT = """\
[Unit]
Description=Counts its starts
After=network-online.target

[Service]
WorkingDirectory=/opt
EnvironmentFile=/opt/settings
Environment=GREETING="good day"
ExecStart=/bin/bash /opt/program ${GREETING}
Restart=on-failure
RestartSec=50ms

[Install]
WantedBy=multi-user.target
"""


async def install(world: World, program: str, unit: str = UNIT) -> None:
    await world.boot()
    world.path("/opt/program").write_text(program)
    world.path("/opt/settings").write_text("NAME='worker one'\n# a comment\n")
    world.path("/etc/systemd/system/agent.service").write_text(unit)


def said(world: World) -> str:
    path = world.path("/opt/said")
    return path.read_text() if path.exists() else ""


async def test_a_unit_runs_with_its_environment_in_its_folder(world: World) -> None:
    await install(world, 'echo "$1|$NAME|$PWD" > said; echo to the journal; exec sleep 1000')

    await world.output("systemctl daemon-reload && systemctl enable --now agent")

    await until(lambda: said(world).endswith("\n"))
    assert said(world) == "good day|worker one|/opt\n"
    assert await world.output("systemctl is-active agent.service") == "active\n"
    assert "to the journal" in world.path("/var/log/journal.txt").read_text()


async def test_an_enabled_unit_starts_again_when_the_machine_does(world: World) -> None:
    await install(world, "echo start >> said; exec sleep 1000")
    await world.output("systemctl enable --now agent")
    await until(lambda: said(world) == "start\n")

    await world.machines.stop(world.vm)
    await world.machines.start(world.vm)

    await until(lambda: said(world) == "start\nstart\n")


async def test_a_disabled_unit_stays_down_when_the_machine_starts(world: World) -> None:
    await install(world, "echo start >> said; exec sleep 1000")
    await world.output("systemctl enable --now agent")
    await until(lambda: said(world) == "start\n")
    await world.output("systemctl disable --now agent")

    await world.machines.stop(world.vm)
    await world.machines.start(world.vm)

    assert (await world.run("systemctl is-active agent")).stdout == "inactive\n"
    assert said(world) == "start\n"


async def test_a_unit_that_fails_is_started_again(world: World) -> None:
    await install(world, "echo start >> said; [ $(wc -l < said) = 3 ] && exec sleep 1000; exit 1")

    await world.output("systemctl start agent")

    await until(lambda: said(world).count("start") == 3)
    assert await world.output("systemctl is-active agent") == "active\n"


async def test_a_unit_that_ends_well_is_left_alone(world: World) -> None:
    await install(world, "echo start >> said")

    await world.output("systemctl start agent")

    await until(lambda: "exited, code 0" in world.path("/var/log/journal.txt").read_text())
    assert (await world.run("systemctl is-active agent")).exit_code == 3
    assert said(world) == "start\n"


async def test_a_unit_that_fails_too_often_is_given_up(world: World) -> None:
    await install(world, "echo start >> said; exit 1")

    await world.output("systemctl start agent")

    await until(lambda: "too quickly" in world.path("/var/log/journal.txt").read_text())
    assert (await world.run("systemctl is-active agent")).stdout == "failed\n"
    assert said(world).count("start") == 5


async def test_stopping_ends_a_units_children_too(world: World) -> None:
    await install(world, "sleep 1000 & wait")
    await world.output("systemctl start agent")

    await world.output("systemctl stop agent")

    assert (await world.run("grep -qx sleep /proc/[0-9]*/comm")).exit_code == 1


async def test_a_unit_that_stops_unwillingly_is_killed_when_its_time_is_over(world: World) -> None:
    unit = UNIT.replace("[Install]", "TimeoutStopSec=300ms\n[Install]")
    await install(world, "trap '' TERM; touch /opt/said; while true; do sleep 0.05; done", unit)
    await world.output("systemctl start agent")
    await until(world.path("/opt/said").exists)

    await world.output("systemctl stop agent")

    assert (await world.run("systemctl is-active agent")).stdout == "inactive\n"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("ExecStart=/bin/bash", "ExecStart=bash"), "not absolute"),
        (("[Service]", "[Service]\nUser=backup"), "root alone"),
        (("[Service]", "[Service]\nType=notify"), "not simulated"),
    ],
    ids=["relative program", "another user", "unknown type"],
)
async def test_a_unit_that_can_not_be_obeyed_is_refused(
    world: World, change: tuple[str, str], message: str
) -> None:
    await install(world, "true", UNIT.replace(*change))

    result = await world.run("systemctl start agent")

    assert result.exit_code != 0
    assert message in result.stderr


async def test_a_unit_nobody_wrote_is_not_found(world: World) -> None:
    await world.boot()

    result = await world.run("systemctl start nothing")

    assert result.exit_code == 5
    assert "nothing.service not found" in result.stderr
