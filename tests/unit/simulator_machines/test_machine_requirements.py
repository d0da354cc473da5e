"""Where a VM can't be, the simulator says so and what would help."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from azure_simulator.machines.interpreter import UnfitPython, find_interpreter
from azure_simulator.machines.namespaces import NamespacesForbidden, check_namespaces

#: Where the Python that runs the tests is installed.
HOME = Path(sys.base_prefix).resolve()


async def test_namespaces_that_the_kernel_forbids_are_told_with_what_to_enable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "unshare"
    program.write_text("#!/bin/sh\necho 'unshare: Operation not permitted' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(NamespacesForbidden) as forbidden:
        await check_namespaces()

    assert "Operation not permitted" in str(forbidden.value)
    assert "apparmor_restrict_unprivileged_userns" in str(forbidden.value)


async def test_a_machine_without_unshare_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(NamespacesForbidden, match="No such file"):
        await check_namespaces()


async def test_the_images_python_is_the_one_below_a_virtual_environment() -> None:
    found = await find_interpreter(Path(sys.executable))

    assert found.prefix == HOME
    assert found.executable.is_relative_to(found.prefix)
    assert found.version == ".".join(str(part) for part in sys.version_info[:3])


@pytest.mark.parametrize("program", ["/bin/false", "/no/such/python"])
async def test_what_is_no_python_is_refused(program: str) -> None:
    with pytest.raises(UnfitPython, match=program):
        await find_interpreter(Path(program))
