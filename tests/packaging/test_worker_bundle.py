"""The worker's bundle: the same bytes for the same inputs, for the Python that is asked for."""

from __future__ import annotations

import os
import re
import shutil
import zipfile
from pathlib import Path

import pytest

import vmbackup_worker
from tools.bundle import build
from tools.bundle.build import REQUIREMENTS
from tools.local_cloud.toolchains import ROOT
from vmbackup_core.protocol import BUNDLE_LIST, read_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built") / "bundle"
    build("3.10", folder)
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_two_builds_give_the_same_bytes_whatever_the_clock_and_umask_say(
    bundle: Path, tmp_path: Path
) -> None:
    for source in (ROOT / "core" / "vmbackup_core").rglob("*.py"):
        os.utime(source)
    before = os.umask(0o077)
    try:
        build("3.10", tmp_path / "again")
    finally:
        os.umask(before)

    assert content(tmp_path / "again") == content(bundle)


def test_its_list_names_every_file_and_fits(bundle: Path) -> None:
    listed = read_bundle(bundle)

    assert listed.python == "3.10"
    assert {file.name for file in listed.files} | {BUNDLE_LIST} == set(content(bundle))
    assert {"install.sh", "start.py", "vmbackup-agent.service"} < set(content(bundle))


def test_it_carries_a_wheel_of_every_locked_distribution(bundle: Path) -> None:
    locked = re.findall(r"^([a-z0-9-]+)==(\S+)", REQUIREMENTS.read_text(), re.MULTILINE)
    wheels = [path.name for path in bundle.glob("*.whl")]

    assert len(locked) == len(wheels) > 10
    for name, version in locked:
        assert any(wheel.startswith(f"{name.replace('-', '_')}-{version}-") for wheel in wheels)


def test_it_holds_our_packages_and_none_of_the_operators(bundle: Path) -> None:
    names: set[str] = set()
    for archive in ("vmbackup_core.zip", "vmbackup_worker.zip"):
        with zipfile.ZipFile(bundle / archive) as opened:
            names |= set(opened.namelist())

    assert {"vmbackup_core/__init__.py", "vmbackup_worker/__main__.py"} < names
    assert {name.split("/")[0] for name in names} == {"vmbackup_core", "vmbackup_worker"}
    assert not [name for name in names if name.endswith(".pyc")]


def test_a_bundle_for_another_python_has_its_wheels(bundle: Path, tmp_path: Path) -> None:
    listed = build("3.11", tmp_path / "other")

    assert listed.python == "3.11"
    assert listed.id != read_bundle(bundle).id
    assert any("cp311" in file.name for file in listed.files)
    assert not any("cp310" in file.name for file in listed.files)


def test_a_folder_that_was_never_a_bundle_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")

    with pytest.raises(FileExistsError, match="holds no bundle"):
        build("3.10", tmp_path)
    assert (tmp_path / "precious").read_text() == "mine"


def test_a_bundle_is_replaced_whole(bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(bundle, tmp_path / "bundle")
    (tmp_path / "bundle" / "left-over.whl").write_bytes(b"old")
    build("3.10", tmp_path / "bundle")

    assert content(tmp_path / "bundle") == content(bundle)


@pytest.mark.parametrize("python", ["3", "3.10.1", "2.7", "3.10; rm -rf"])
def test_what_is_no_python_version_is_refused(python: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no Python version"):
        build(python, tmp_path / "bundle")


def test_a_processor_that_azure_has_no_vms_of_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="none of x86_64, aarch64"):
        build("3.10", tmp_path / "bundle", "riscv64")


def test_the_agent_says_the_distributions_version() -> None:
    stated = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)

    assert stated is not None
    assert stated[1] == vmbackup_worker.VERSION
