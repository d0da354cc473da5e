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
        (("[Service]", "[Service]\nDynamicUser=yes"), "DynamicUser"),
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


CONFINED = """\
[Unit]
ConditionPathExists=/run/given

[Service]
Type=oneshot
User=clerk
ExecStart=/bin/bash /opt/program ${CREDENTIALS_DIRECTORY}/secret
LoadCredential=secret:/run/given
StateDirectory=clerk
UMask=0077
LimitCORE=0
CapabilityBoundingSet=
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
MemoryDenyWriteExecute=yes
"""

#: Says what the service is and what it may do, one line for each, in the one place it can write to.
TRY = """\
exec > /var/lib/clerk/said 2> /dev/null
echo "user $(id -u) $(id -un)"
echo "credential $(cat "$1")"
cat /run/given && echo "reads the settings"
cat /etc/shadow && echo "reads what is root's"
ls /root && echo "looks into root's home"
touch /opt/x && echo "writes into opt"
touch /etc/x && echo "writes into etc"
touch /usr/bin/x && echo "writes into usr"
touch "$1" && echo "writes its credential"
mount -t tmpfs none /mnt && echo "mounts"
touch /tmp/x && echo "writes into a tmp: $(ls /tmp)"
grep -E "^(CapEff|CapBnd|NoNewPrivs)" /proc/self/status | tr "\\t" " "
echo "core $(ulimit -c) umask $(umask)"
"""


async def confined(world: World, *, given: bool = True) -> str:
    await install(world, TRY, CONFINED)
    prepare = (
        "useradd --system clerk; touch /tmp/others; echo root > /etc/shadow; chmod 600 /etc/shadow"
    )
    if given:
        prepare += "; umask 077; echo sesame > /run/given"
    await world.output(f"{prepare}; systemctl daemon-reload")
    return await world.output("systemctl start agent; cat /var/lib/clerk/said 2> /dev/null || true")


async def test_a_confined_service_is_its_user_and_can_do_nothing_else(world: World) -> None:
    said = (await confined(world)).splitlines()
    assert said, world.path("/var/log/journal.txt").read_text()

    user = said[0].split()
    assert user[0] == "user"
    assert user[1] != "0"
    assert user[2] == "clerk"
    assert sorted(said[1:]) == [
        "CapBnd: 0000000000000000",
        "CapEff: 0000000000000000",
        "NoNewPrivs: 1",
        "core 0 umask 0077",
        "credential sesame",
        "writes into a tmp: x",
    ]


async def test_a_service_whose_condition_does_not_hold_is_not_started(world: World) -> None:
    assert await confined(world, given=False) == ""
    assert await world.output("systemctl is-failed agent || true") == "inactive\n"


async def test_a_service_whose_user_nobody_made_fails(world: World) -> None:
    await install(world, TRY, CONFINED)
    said = await world.output("echo x > /run/given; systemctl start agent 2>&1 || true")

    assert "failed" in said
    assert "no user clerk" in world.path("/var/log/journal.txt").read_text()
