"""Service units are read as systemd reads them, and refused where they can't be obeyed."""

from __future__ import annotations

from pathlib import Path

import pytest

from azure_simulator.machines.guest.sandbox import Sandbox
from azure_simulator.machines.guest.units import (
    BadUnit,
    Command,
    expand,
    parse,
    read_environment_file,
    span,
)

ROOT = Path(__file__).parents[3]
PLAIN = "[Service]\nExecStart=/bin/true\n"


def test_a_unit_that_says_little_has_systemds_defaults() -> None:
    unit = parse("a.service", PLAIN)

    assert (unit.kind, unit.restart, unit.restart_s, unit.stop_s) == ("simple", "no", 0.1, 90)
    assert (unit.start_limit, unit.start_limit_s) == (5, 10)
    assert unit.start == (Command(("/bin/true",), may_fail=False),)
    assert unit.wanted_by == ()


def test_lines_are_continued_comments_skipped_and_words_unquoted() -> None:
    unit = parse(
        "a.service",
        '# a comment\n[Service]\nExecStart=-/bin/sh -c "two words" \\\n  last\n; another\n',
    )

    assert unit.start == (Command(("/bin/sh", "-c", "two words", "last"), may_fail=True),)


def test_environments_add_up_and_an_empty_line_takes_them_back() -> None:
    unit = parse(
        "a.service",
        f"{PLAIN}Environment=A=1\nEnvironment=\nEnvironment=B=2 'C=three words'\n"
        "EnvironmentFile=/etc/a\nEnvironmentFile=-/etc/b\n",
    )

    assert unit.environment == {"B": "2", "C": "three words"}
    assert unit.environment_files == (("/etc/a", False), ("/etc/b", True))


def test_an_environment_file_knows_comments_and_quotes() -> None:
    text = "# no\n; nor this\n\nA=1\nB = 'two words'\nC=\"x=y\"\nnothing\nA=2\n"

    assert read_environment_file(text) == {"A": "2", "B": "two words", "C": "x=y"}


def test_variables_alone_become_words_and_within_words_text() -> None:
    words = ("/bin/x", "$MANY", "--key=${ONE}", "${MANY}", "$NONE", "$$5")

    assert expand(words, {"MANY": "a b", "ONE": "1"}) == (
        ["/bin/x", "a", "b", "--key=1", "a b", "$5"]
    )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5", 5), ("100ms", 0.1), ("1min 30s", 90), ("2h", 7200), ("infinity", float("inf"))],
)
def test_a_time_span_is_read(text: str, seconds: float) -> None:
    assert span(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "soon", "5 fortnights"])
def test_what_is_no_time_span_is_refused(text: str) -> None:
    with pytest.raises(BadUnit, match="time span"):
        span(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[Service]\n", "0 ExecStart"),
        (f"{PLAIN}ExecStart=/bin/false\n", "2 ExecStart"),
        ("[Service]\nExecStart=true\n", "not absolute"),
        (f"{PLAIN}Type=forking\n", "Type=forking"),
        (f"{PLAIN}User=backup\nGroup=other\n", "Group=other"),
        (f"{PLAIN}CapabilityBoundingSet=CAP_CHOWN\n", "CapabilityBoundingSet=CAP_CHOWN"),
        (f"{PLAIN}LimitCORE=5\n", "LimitCORE=5"),
        (f"{PLAIN}DynamicUser=yes\n", "DynamicUser"),
        (f"{PLAIN}ReadWritePaths=/opt\n", "ReadWritePaths"),
        (f"{PLAIN}PrivateUsers=yes\n", "PrivateUsers"),
        (f"{PLAIN}LoadCredential=only-a-name\n", "LoadCredential"),
        (f"{PLAIN}ConditionVirtualization=vm\n", "ConditionVirtualization"),
        (f"{PLAIN}Restart=sometimes\n", "Restart=sometimes"),
        (f"{PLAIN}KillSignal=SIGINT\n", "KillSignal=SIGINT"),
    ],
)
def test_what_can_not_be_obeyed_is_refused_by_name(text: str, message: str) -> None:
    with pytest.raises(BadUnit, match=message):
        parse("a.service", text)


def test_a_directive_that_nobody_knows_is_told_of() -> None:
    unit = parse("a.service", f"{PLAIN}ExceStart=/bin/x\nProtectSystem=strict\n")

    assert unit.ignored == ("Service.ExceStart",)


def test_a_oneshot_may_have_several_commands() -> None:
    unit = parse("a.service", f"{PLAIN}ExecStart=/bin/false\nType=oneshot\nRemainAfterExit=yes\n")

    assert len(unit.start) == 2
    assert unit.remains


def test_every_directive_of_the_agents_unit_is_understood() -> None:
    text = (ROOT / "tools/bundle/install/vmbackup-agent.service").read_text()
    unit = parse("vmbackup-agent.service", text.replace("@PYTHON@", "/usr/bin/python3"))

    assert unit.ignored == ()
    assert unit.conditions == ("/run/vmbackup/agent.json",)
    assert unit.never_restart == {2}
    assert unit.sandbox == Sandbox(
        unit="vmbackup-agent.service",
        user="vmbackup-agent",
        credentials=(("agent.json", "/run/vmbackup/agent.json"),),
        writable=("/var/lib/vmbackup",),
        system="strict",
        umask=0o077,
        no_core=True,
        no_capabilities=True,
        no_new_privileges=True,
        no_writable_code=True,
        private_tmp=True,
        protect_home=True,
    )
    assert Sandbox.from_json(unit.sandbox.to_json()) == unit.sandbox


@pytest.mark.parametrize(
    "said",
    [
        "PrivateDevices=yes",
        "DevicePolicy=closed",
        "DevicePolicy=closed\nDeviceAllow=block-sd rw",
        "PrivateDevices=yes\nDeviceAllow=block-sd rw\nDeviceAllow=block-blkext rw",
    ],
)
def test_a_unit_may_keep_its_service_from_disks(said: str) -> None:
    assert parse("a.service", f"{PLAIN}{said}\n").sandbox.private_devices


@pytest.mark.parametrize(
    "said",
    [
        "DevicePolicy=closed\nDeviceAllow=block-sd rw\nDeviceAllow=block-blkext rw",
        "DeviceAllow=block-sd rw",
        "",
    ],
)
def test_a_unit_that_does_not_lets_its_service_have_them(said: str) -> None:
    assert not parse("a.service", f"{PLAIN}{said}\n").sandbox.private_devices


def test_a_unit_that_asks_for_no_sandbox_needs_none() -> None:
    assert not parse("a.service", f"{PLAIN}StateDirectory=a\n").sandbox.is_needed
    assert parse("a.service", f"{PLAIN}NoNewPrivileges=yes\n").sandbox.is_needed
