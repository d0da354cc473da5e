"""What a program loads: a repository in a directory needs neither Azure's SDKs nor a cluster's."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.unit.cli.program import CommandLine
from vmbackup_operator.__main__ import WRONG_SETTINGS

#: Each of them costs a good part of a second of processor time.
HEAVY = ("azure", "kopf", "kubernetes", "aiohttp", "msal", "requests", "asyncio", "yaml")

#: What the operator needs for serving, and not for looking at its settings.
SERVING = {"aiohttp", "asyncio", "azure", "kopf", "kubernetes", "msal"}

#: What backups, upkeep and damage need, and listing and restoring don't.
OTHERS = (
    "vmbackup_core.repository.control.backup",
    "vmbackup_core.repository.control.check",
    "vmbackup_core.repository.control.retention",
    "vmbackup_core.repository.control.verify",
    "vmbackup_core.repository.opened_repair",
    "vmbackup_core.repository.opened_upkeep",
)

COMMAND, OPERATOR = "vmbackup_operator.cli", "vmbackup_operator.__main__"
LOADED = """\
import sys
from {program} import main
code = main(sys.argv[2:])
with open(sys.argv[1], "w") as file:
    file.write("\\n".join(sys.modules))
sys.exit(code)
"""


def loaded(tmp_path: Path, arguments: list[str]) -> tuple[int, set[str]]:
    """Return the exit code and the packages that were loaded, of a process of its own."""
    code, modules = modules_loaded(tmp_path, arguments)
    return code, {name.split(".")[0] for name in modules}


def modules_loaded(
    tmp_path: Path, arguments: list[str], program: str = COMMAND
) -> tuple[int, set[str]]:
    """Return the exit code and every module that was loaded, of a process of its own."""
    file = tmp_path / "modules"
    source = LOADED.format(program=program)
    ended = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", source, str(file), *arguments], capture_output=True, check=False
    )
    return ended.returncode, set(file.read_text().split())


@pytest.mark.parametrize(
    ("verb", "more"),
    [
        ("list", ["--json"]),
        ("check", ["--read-data"]),
        ("restore", ["--point", "latest", "--all", "--to", "TO"]),
    ],
)
def test_a_directory_needs_none_of_the_heavy_ones(
    line: CommandLine, tmp_path: Path, verb: str, more: list[str]
) -> None:
    more = [each.replace("TO", str(tmp_path / "to")) for each in more]

    code, modules = loaded(tmp_path, line.arguments(verb, *more))

    assert code == 0
    assert "cryptography" in modules
    assert modules.isdisjoint(HEAVY)


@pytest.mark.parametrize(
    ("verb", "more"),
    [("list", []), ("restore", ["--point", "latest", "--all", "--to", "TO"])],
)
def test_what_reads_points_loads_nothing_of_what_writes_and_checks(
    line: CommandLine, tmp_path: Path, verb: str, more: list[str]
) -> None:
    more = [each.replace("TO", str(tmp_path / "to")) for each in more]

    code, modules = modules_loaded(tmp_path, line.arguments(verb, *more))

    assert code == 0
    assert "vmbackup_core.repository.opened" in modules
    assert modules.isdisjoint(OTHERS)


def test_a_check_loads_what_checks(line: CommandLine, tmp_path: Path) -> None:
    """Were the names of it wrong above, nothing would be seen there."""
    _, modules = modules_loaded(tmp_path, line.arguments("check"))

    assert "vmbackup_core.repository.control.check" in modules
    assert all(find_spec(name) is not None for name in OTHERS)


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["repository"]])
def test_what_reads_no_repository_needs_none_of_them(tmp_path: Path, arguments: list[str]) -> None:
    _, modules = loaded(tmp_path, arguments)

    assert modules.isdisjoint(HEAVY)


def test_a_container_needs_azures(line: CommandLine, tmp_path: Path) -> None:
    """Were the name of it wrong above, nothing would be seen there."""
    line.address = "https://abc.blob.core.windows.net/vms"
    source = "import vmbackup_operator.services.repository_access"
    ended = subprocess.run(  # noqa: S603 - our own source
        [sys.executable, "-c", f"import sys; {source}; print('\\n'.join(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert {"azure", "msal"} <= {name.split(".")[0] for name in ended.stdout.split()}
    assert tmp_path.exists()


def test_wrong_settings_are_said_before_what_serves_is_loaded(tmp_path: Path) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text("appliance: {}")

    code, modules = modules_loaded(tmp_path, ["--config", str(settings)], OPERATOR)

    assert code == WRONG_SETTINGS
    assert "vmbackup_operator.settings" in modules
    assert {name.split(".")[0] for name in modules}.isdisjoint(SERVING)


def test_what_serves_needs_the_heavy_ones() -> None:
    """Were the names of them wrong above, nothing would be seen there."""
    source = "import sys, vmbackup_operator.process; print('\\n'.join(sys.modules))"
    ended = subprocess.run(  # noqa: S603 - our own source
        [sys.executable, "-c", source], capture_output=True, text=True, check=True
    )

    assert {name.split(".")[0] for name in ended.stdout.split()} >= SERVING


def test_the_operator_says_its_version_without_settings_and_without_what_serves() -> None:
    said = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "vmbackup_operator", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert re.fullmatch(r"vmbackup [\d.]+, repository format [\d.]+\n", said.stdout)
    loaded_packages = set(re.findall(r"\| +(\w+)$", said.stderr, re.MULTILINE))
    assert "msgspec" in loaded_packages
    assert not loaded_packages & SERVING
