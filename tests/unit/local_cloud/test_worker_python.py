"""Which Python the simulated workers get, and what is said of those that were passed over."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tools.local_cloud.worker_python import worker_python

OWN = f"{sys.version_info.major}.{sys.version_info.minor}"

#: What a version manager leaves in PATH for a version that is installed but not chosen.
SHIM = "#!/bin/sh\necho 'pyenv: python3.10: command not found' >&2\nexit 127\n"

#: Runs as Python 3.10 would, as far as it is asked.
WORKING = "#!/bin/sh\necho 3.10\n"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any Python 3.10: folders `first` and `second` are its PATH."""
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
    monkeypatch.setenv("PATH", os.pathsep.join(map(str, folders)))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PYENV_ROOT", raising=False)
    return tmp_path


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.mark.usefixtures("machine")
def test_without_a_python_of_the_image_our_own_is_taken() -> None:
    found = worker_python()

    assert found.version == OWN
    assert found.executable == Path(sys.executable).resolve()
    assert found.passed_over == ()


def test_one_that_does_not_run_is_passed_over_and_said(machine: Path) -> None:
    shim = program(machine / "first" / "python3.10", SHIM)
    found = worker_python()

    assert found.version == OWN
    assert found.passed_over == (
        f"{shim} does not run: it ended with 127: pyenv: python3.10: command not found",
    )


def test_a_working_one_further_down_the_path_is_found(machine: Path) -> None:
    shim = program(machine / "first" / "python3.10", SHIM)
    working = program(machine / "second" / "python3.10", WORKING)
    found = worker_python()

    assert (found.executable, found.version) == (working, "3.10")
    assert len(found.passed_over) == 1
    assert found.passed_over[0].startswith(str(shim))


def test_a_file_that_cannot_be_started_is_passed_over(machine: Path) -> None:
    broken = program(machine / "first" / "python3.10", "#!/no/such/interpreter\n")
    found = worker_python()

    assert found.version == OWN
    assert found.passed_over == (f"{broken} does not run: No such file or directory",)


def test_one_of_another_version_is_passed_over_and_said(machine: Path) -> None:
    other = program(machine / "first" / "python3.10", "#!/bin/sh\necho 3.9\n")
    found = worker_python()

    assert found.version == OWN
    assert found.passed_over == (f"{other} is Python 3.9",)


@pytest.mark.parametrize("root", ["home/.pyenv", "elsewhere"])
def test_one_that_a_version_manager_has_installed_is_found_first(
    machine: Path, monkeypatch: pytest.MonkeyPatch, root: str
) -> None:
    if root == "elsewhere":
        monkeypatch.setenv("PYENV_ROOT", str(machine / root))
    installed = program(machine / root / "versions" / "3.10.13" / "bin" / "python3.10", WORKING)
    program(machine / "first" / "python3.10", SHIM)
    found = worker_python()

    assert (found.executable, found.version) == (installed, "3.10")
    assert found.passed_over == ()
